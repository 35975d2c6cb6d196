// POSIX message queues, the baseline: mq_open(3), mq_send(3), mq_receive(3), mq_unlink(3).
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>

#include "peer.h"

static const char* forth_name = "";
static const char* back_name = "";
static long depth = 10;
static mqd_t forth = -1;
static mqd_t back = -1;
static char message[MAX_SIZE];
static char buffer[MAX_SIZE];

static void send_to(mqd_t queue) {
  if (mq_send(queue, message, size, 0) == -1) die("mq_send");
}

static void receive_from(mqd_t queue) {
  ssize_t length = mq_receive(queue, buffer, size, NULL);
  if (length == -1) die("mq_receive");
  if ((size_t)length != size) {
    errno = EBADMSG;
    die("mq_receive");
  }
}

static void pairs(long n) {
  for (long i = 0; i < n; i++) {
    send_to(forth);
    receive_from(forth);
  }
}

static void round_trips(long n) {
  for (long i = 0; i < n; i++) {
    send_to(forth);
    receive_from(back);
  }
}

static void answers(long n) {
  for (long i = 0; i < n; i++) {
    receive_from(forth);
    send_to(back);
  }
}

static void receives(long n) {
  // The sender waits for this word: unasked it could fill the queue before the clock starts.
  send_to(back);
  for (long i = 0; i < n; i++) receive_from(forth);
}

static void sends(long n) {
  receive_from(back);
  for (long i = 0; i < n; i++) send_to(forth);
}

static mqd_t open_queue(const char* name) {
  mqd_t queue = mq_open(name, O_RDWR | O_CLOEXEC);
  if (queue == -1) die(name);
  return queue;
}

static void open_both(void) {
  forth = open_queue(forth_name);
  back = open_queue(back_name);
}

static void pair(void) {
  open_both();
  measure(pairs);
}

static void client(void) {
  open_both();
  measure(round_trips);
}

static void server(void) {
  open_both();
  accompany(answers);
}

static void receiver(void) {
  open_both();
  measure(receives);
}

static void sender(void) {
  open_both();
  accompany(sends);
}

static int make(const char* name) {
  struct mq_attr attributes = {.mq_maxmsg = depth, .mq_msgsize = (long)size};
  mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
  if (queue != -1) mq_close(queue);
  return queue == -1 ? errno : 0;
}

static _Noreturn void refuse(int error) {
  const char* limit = error == EINVAL   ? "sysctl fs.mqueue.msg_max, fs.mqueue.msgsize_max"
                      : error == EMFILE ? "RLIMIT_MSGQUEUE, ulimit -q"
                      : error == ENOSPC ? "sysctl fs.mqueue.queues_max"
                      : error == ENOSYS ? "this kernel has no POSIX message queues"
                                        : NULL;
  errno = error;
  if (!limit) die("mq_open");
  fprintf(stderr, "no queues of %ld messages of %zu bytes (%s)\n", depth, size, limit);
  exit(EXIT_SKIPPED);
}

static void create(void) {
  // Ctrl-C reaches the whole process group: dying between the two calls would leave a queue that
  // nobody removes.
  signal(SIGINT, SIG_IGN);
  int error = make(forth_name);
  if (error) refuse(error);
  error = make(back_name);
  if (!error) return;
  mq_unlink(forth_name);
  refuse(error);
}

static void destroy(void) {
  signal(SIGINT, SIG_IGN);
  int first = mq_unlink(forth_name);
  int second = mq_unlink(back_name);
  if (first == -1 || second == -1) die("mq_unlink");
}

static int take(int letter, const char* value) {
  switch (letter) {
    case 'f':
      forth_name = value;
      return 1;
    case 'b':
      back_name = value;
      return 1;
    case 'd':
      depth = atol(value);
      return 1;
    // The socket of node:net, which is no C peer's.
    case 'u':
      return 1;
    default:
      return 0;
  }
}

static const struct job jobs[] = {
    {"pair", pair},     {"client", client}, {"server", server},  {"receiver", receiver},
    {"sender", sender}, {"create", create}, {"remove", destroy}, {NULL, NULL},
};

static const char usage[] =
    "usage: posix-mq create -f /forth -b /back [-s size] [-d depth]\n"
    "       posix-mq remove -f /forth -b /back\n"
    "       posix-mq pair|client|server|receiver|sender -f /forth -b /back\n"
    "                [-s size] [-n count] [-w warm-up] [-t turns]\n";

int main(int argc, char** argv) {
  memset(message, 'x', sizeof message);
  return run_peer(argc, argv, "f:b:d:u:s:n:w:t:", take, jobs, usage);
}
