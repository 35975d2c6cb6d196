// System V message queues, the baseline: msgget(2), msgsnd(2), msgrcv(2), msgctl(2).
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>

#include "peer.h"

#define MAX_SIZE 65536

struct message {
  long type;
  char text[MAX_SIZE];
};

static int forth = -1;
static int back = -1;
static size_t size = 64;
static long count = 1;
static long warmup = 1;
static long turns = 1;
static struct message message = {.type = 1};

static void send_to(int queue) {
  if (msgsnd(queue, &message, size, 0) == -1) die("msgsnd");
}

static void receive_from(int queue) {
  ssize_t length = msgrcv(queue, &message, size, 0, 0);
  if (length == -1) die("msgrcv");
  if ((size_t)length != size) {
    errno = EBADMSG;
    die("msgrcv");
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

static void pair(void) { measure(pairs, warmup, count, turns); }
static void client(void) { measure(round_trips, warmup, count, turns); }
static void server(void) { accompany(answers, warmup, count, turns); }
static void receiver(void) { measure(receives, warmup, count, turns); }
static void sender(void) { accompany(sends, warmup, count, turns); }

static void create(void) {
  // Ctrl-C reaches the whole process group: dying between the two calls would leave a queue that
  // nobody knows of.
  signal(SIGINT, SIG_IGN);
  forth = msgget(IPC_PRIVATE, 0600);
  if (forth == -1) die("msgget");
  back = msgget(IPC_PRIVATE, 0600);
  if (back == -1) {
    int error = errno;
    msgctl(forth, IPC_RMID, NULL);
    errno = error;
    die("msgget");
  }
  printf("%d %d\n", forth, back);
}

static void destroy(void) {
  signal(SIGINT, SIG_IGN);
  int first = msgctl(forth, IPC_RMID, NULL);
  int second = msgctl(back, IPC_RMID, NULL);
  if (first == -1 || second == -1) die("msgctl");
}

static const struct {
  const char* name;
  void (*run)(void);
} jobs[] = {
    {"pair", pair},     {"client", client}, {"server", server},  {"receiver", receiver},
    {"sender", sender}, {"create", create}, {"remove", destroy},
};

static _Noreturn void usage(void) {
  fputs(
      "usage: sysv-msg create\n"
      "       sysv-msg remove -q queue -b queue\n"
      "       sysv-msg pair|client|server|receiver|sender -q queue -b queue back\n"
      "                [-s size] [-n count] [-w warm-up] [-t turns]\n",
      stderr);
  exit(2);
}

int main(int argc, char** argv) {
  int option;
  while ((option = getopt(argc, argv, "q:b:s:n:w:t:")) != -1) {
    switch (option) {
      case 'q':
        forth = atoi(optarg);
        break;
      case 'b':
        back = atoi(optarg);
        break;
      case 's':
        size = strtoul(optarg, NULL, 10);
        break;
      case 'n':
        count = atol(optarg);
        break;
      case 'w':
        warmup = atol(optarg);
        break;
      case 't':
        turns = atol(optarg);
        break;
      default:
        usage();
    }
  }
  if (optind + 1 != argc || size > MAX_SIZE) usage();
  memset(message.text, 'x', size);
  for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
    if (strcmp(argv[optind], jobs[i].name) != 0) continue;
    jobs[i].run();
    return 0;
  }
  usage();
}
