// System V semaphores, the baseline: semop(2).
#include <sys/ipc.h>
#include <sys/sem.h>

#include "peer.h"

// Both are of one set.
enum { FORTH, BACK };

static int set = -1;

static void operate(unsigned short semaphore, short change) {
  struct sembuf operation = {.sem_num = semaphore, .sem_op = change, .sem_flg = 0};
  if (semop(set, &operation, 1) == -1) die("semop");
}

static void pairs(long n) {
  for (long i = 0; i < n; i++) {
    operate(FORTH, 1);
    operate(FORTH, -1);
  }
}

static void round_trips(long n) {
  for (long i = 0; i < n; i++) {
    operate(FORTH, 1);
    operate(BACK, -1);
  }
}

static void answers(long n) {
  for (long i = 0; i < n; i++) {
    operate(FORTH, -1);
    operate(BACK, 1);
  }
}

static void pair(void) { measure(pairs); }
static void client(void) { measure(round_trips); }
static void server(void) { accompany(answers); }

static int take(int letter, const char* value) {
  (void)letter;
  set = atoi(value);
  return 1;
}

static const struct job jobs[] = {
    {"pair", pair}, {"client", client}, {"server", server}, {NULL, NULL}};

static const char usage[] =
    "usage: sysv-sem pair|client|server -i set\n"
    "                [-s size, which is ignored] [-n count] [-w warm-up] [-t turns]\n"
    "       set: the id of two semaphores, both 0\n";

int main(int argc, char** argv) { return run_peer(argc, argv, "i:s:n:w:t:", take, jobs, usage); }
