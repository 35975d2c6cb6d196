// Unix domain sockets, the baseline: send(2), sendto(2), recv(2); sendmsg(2), recvmsg(2) for descriptors.
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "peer.h"

// What the Node side reads a byte stream with.
#define BUFFER_SIZE 65536

// Where they lie in every peer: the family hands them down in this order.
enum { CLIENT = 3, SERVER, GO_READER, GO_WRITER };

// Where no address is given the sockets are connected.
static struct sockaddr_un forth = {.sun_family = AF_UNSPEC};
static struct sockaddr_un back = {.sun_family = AF_UNSPEC};
static const struct sockaddr_un* to = &forth;
static int in = CLIENT;
static int out = CLIENT;
static int is_stream;
static char message[MAX_SIZE];
static char buffer[BUFFER_SIZE];

static void check(const char* what, ssize_t length) {
  if (length == -1) die(what);
  if ((size_t)length == size) return;
  errno = EBADMSG;
  die(what);
}

static void transmit(void) {
  if (to->sun_family == AF_UNSPEC) {
    check("send", send(out, message, size, 0));
  } else {
    check("sendto",
          sendto(out, message, size, 0, (const struct sockaddr*)to, sizeof(struct sockaddr_un)));
  }
}

static void receive(void) { check("recv", recv(in, buffer, size, 0)); }

static void pairs(long n) {
  for (long i = 0; i < n; i++) {
    transmit();
    receive();
  }
}

static void answers(long n) {
  for (long i = 0; i < n; i++) {
    receive();
    transmit();
  }
}

static void receives(long n) {
  // The sender waits for this word: unasked it could fill the socket before the clock starts.
  if (write(GO_WRITER, message, 1) != 1) die("write");
  if (!is_stream) {
    for (long i = 0; i < n; i++) receive();
    return;
  }
  ssize_t length;
  for (size_t left = n * size; left > 0; left -= length) {
    length = recv(in, buffer, BUFFER_SIZE, 0);
    if (length <= 0) die("recv");
  }
}

static void sends(long n) {
  if (read(GO_READER, buffer, 1) != 1) die("read");
  for (long i = 0; i < n; i++) transmit();
}

// A message and room for one descriptor.
struct parcel {
  struct msghdr header;
  struct iovec text;
  union {
    char space[CMSG_SPACE(sizeof(int))];
    struct cmsghdr alignment;
  } control;
};

static void wrap(struct parcel* parcel, char* text) {
  parcel->text = (struct iovec){.iov_base = text, .iov_len = size};
  parcel->header = (struct msghdr){
      .msg_iov = &parcel->text,
      .msg_iovlen = 1,
      .msg_control = parcel->control.space,
      .msg_controllen = sizeof parcel->control.space,
  };
}

static void send_descriptor(int fd) {
  struct parcel parcel;
  wrap(&parcel, message);
  struct cmsghdr* first = CMSG_FIRSTHDR(&parcel.header);
  *first = (struct cmsghdr){
      .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  memcpy(CMSG_DATA(first), &fd, sizeof fd);
  check("sendmsg", sendmsg(out, &parcel.header, 0));
}

static int receive_descriptor(void) {
  struct parcel parcel;
  wrap(&parcel, buffer);
  check("recvmsg", recvmsg(in, &parcel.header, MSG_CMSG_CLOEXEC));
  const struct cmsghdr* first = CMSG_FIRSTHDR(&parcel.header);
  int fd = -1;
  if (!first || first->cmsg_type != SCM_RIGHTS || first->cmsg_len != CMSG_LEN(sizeof fd)) {
    errno = EBADMSG;
    die("no descriptor came");
  }
  memcpy(&fd, CMSG_DATA(first), sizeof fd);
  return fd;
}

static void handovers(long n) {
  for (long i = 0; i < n; i++) {
    send_descriptor(GO_READER);
    receive();
  }
}

static void takeovers(long n) {
  for (long i = 0; i < n; i++) {
    close(receive_descriptor());
    transmit();
  }
}

static void serve(void) {
  in = out = SERVER;
  to = &back;
}

static void pair(void) {
  in = SERVER;
  measure(pairs);
}

static void client(void) { measure(pairs); }

static void server(void) {
  serve();
  accompany(answers);
}

static void receiver(void) {
  serve();
  measure(receives);
}

static void sender(void) { accompany(sends); }

static void descriptor_client(void) { measure(handovers); }

static void descriptor_server(void) {
  serve();
  accompany(takeovers);
}

static int take(int letter, const char* value) {
  if (letter == 'k') {
    is_stream = strcmp(value, "stream") == 0;
    return 1;
  }
  // The sockets and the packages of the other baselines, which are no C peer's.
  if (letter == 'u' || letter == 'm') return 1;
  struct sockaddr_un* address = letter == 'f' ? &forth : &back;
  if (strlen(value) >= sizeof address->sun_path) return 0;
  address->sun_family = AF_UNIX;
  strcpy(address->sun_path, value);
  return 1;
}

static const struct job jobs[] = {
    {"pair", pair},
    {"client", client},
    {"server", server},
    {"receiver", receiver},
    {"sender", sender},
    {"descriptor-client", descriptor_client},
    {"descriptor-server", descriptor_server},
    {NULL, NULL},
};

static const char usage[] =
    "usage: unix-socket pair|client|server|receiver|sender|descriptor-client|descriptor-server\n"
    "                   -k dgram|seqpacket|stream [-f forth] [-b back]\n"
    "                   [-s size up to 65536] [-n count] [-w warm-up] [-t turns]\n"
    "       open descriptors: 3 client or sender, 4 server or receiver, 5 and 6 a pipe\n"
    "       forth and back: the paths of server and client, where they are not connected\n";

int main(int argc, char** argv) {
  memset(message, 'x', sizeof message);
  return run_peer(argc, argv, "k:f:b:u:m:s:n:w:t:", take, jobs, usage);
}
