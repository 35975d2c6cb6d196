// System V message queues, the baseline: msgget(2), msgsnd(2), msgrcv(2), msgctl(2).
#include <errno.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>

#include "peer.h"

struct message {
  long type;
  char text[MAX_SIZE];
};

static int forth = -1;
static int back = -1;
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

static void pair(void) { measure(pairs); }
static void client(void) { measure(round_trips); }
static void server(void) { accompany(answers); }
static void receiver(void) { measure(receives); }
static void sender(void) { accompany(sends); }

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

static int take(int letter, const char* value) {
  if (letter == 'q')
    forth = atoi(value);
  else if (letter == 'b')
    back = atoi(value);
  else
    return 0;
  return 1;
}

static const struct job jobs[] = {
    {"pair", pair},     {"client", client}, {"server", server},  {"receiver", receiver},
    {"sender", sender}, {"create", create}, {"remove", destroy}, {NULL, NULL},
};

static const char usage[] =
    "usage: sysv-msg create\n"
    "       sysv-msg remove -q queue -b queue\n"
    "       sysv-msg pair|client|server|receiver|sender -q queue -b queue back\n"
    "                [-s size up to 65536] [-n count] [-w warm-up] [-t turns]\n";

int main(int argc, char** argv) {
  memset(message.text, 'x', sizeof message.text);
  return run_peer(argc, argv, "q:b:s:n:w:t:", take, jobs, usage);
}
