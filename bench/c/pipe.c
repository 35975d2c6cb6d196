// Pipes and FIFOs, the baseline: read(2), write(2), and open(2) for a FIFO.
#include <errno.h>
#include <fcntl.h>

#include "peer.h"

// What the Node side reads a byte stream with.
#define BUFFER_SIZE 65536

// The two descriptors of a pipe, inherited, or a FIFO that each peer opens by its path.
struct channel {
  const char* path;
  int reader;
  int writer;
};

static struct channel forth = {.reader = -1, .writer = -1};
static struct channel back = {.reader = -1, .writer = -1};
static int in = -1;
static int out = -1;
static char message[MAX_SIZE];
static char buffer[BUFFER_SIZE];

static int open_fifo(const char* path, int flags) {
  int fd = open(path, flags | O_CLOEXEC);
  if (fd == -1) die(path);
  return fd;
}

static int reader_of(struct channel channel) {
  return channel.path ? open_fifo(channel.path, O_RDONLY) : channel.reader;
}

static int writer_of(struct channel channel) {
  return channel.path ? open_fifo(channel.path, O_WRONLY) : channel.writer;
}

static void send(void) {
  ssize_t length = write(out, message, size);
  if (length == -1) die("write");
  if ((size_t)length != size) {
    errno = EMSGSIZE;
    die("write");
  }
}

static void receive(void) {
  ssize_t length = read(in, buffer, size);
  if (length == -1) die("read");
  if ((size_t)length != size) {
    errno = EBADMSG;
    die("read");
  }
}

static void pairs(long n) {
  for (long i = 0; i < n; i++) {
    send();
    receive();
  }
}

static void answers(long n) {
  for (long i = 0; i < n; i++) {
    receive();
    send();
  }
}

static void receives(long n) {
  // The sender waits for this word: unasked it could fill the pipe before the clock starts.
  send();
  ssize_t length;
  for (size_t left = n * size; left > 0; left -= length) {
    length = read(in, buffer, BUFFER_SIZE);
    if (length <= 0) die("read");
  }
}

static void sends(long n) {
  receive();
  for (long i = 0; i < n; i++) send();
}

static void pair(void) {
  in = reader_of(forth);
  out = writer_of(forth);
  measure(pairs);
}

// Both sides open the same FIFO first: open waits for the other side.
static void call(void) {
  out = writer_of(forth);
  in = reader_of(back);
}

static void listen(void) {
  in = reader_of(forth);
  out = writer_of(back);
}

static void client(void) {
  call();
  measure(pairs);
}

static void server(void) {
  listen();
  accompany(answers);
}

static void receiver(void) {
  listen();
  measure(receives);
}

static void sender(void) {
  call();
  accompany(sends);
}

static int take(int letter, const char* value) {
  // The socket of node:net, which is no C peer's.
  if (letter == 'u') return 1;
  struct channel* channel = letter == 'f' ? &forth : &back;
  if (*value == '/') {
    channel->path = value;
    return 1;
  }
  return sscanf(value, "%d,%d", &channel->reader, &channel->writer) == 2;
}

static const struct job jobs[] = {
    {"pair", pair},         {"client", client}, {"server", server},
    {"receiver", receiver}, {"sender", sender}, {NULL, NULL},
};

static const char usage[] =
    "usage: pipe pair|client|server|receiver|sender -f forth -b back\n"
    "            [-s size up to 65536] [-n count] [-w warm-up] [-t turns]\n"
    "       forth and back: reader,writer (open descriptors) or the path of a FIFO\n";

int main(int argc, char** argv) {
  memset(message, 'x', sizeof message);
  return run_peer(argc, argv, "f:b:u:s:n:w:t:", take, jobs, usage);
}
