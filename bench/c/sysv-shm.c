// System V shared memory, the baseline: shmat(2), shmdt(2).
#define MAX_SIZE (64 << 20)

#include <sys/ipc.h>
#include <sys/shm.h>

#include "peer.h"

static int segment = -1;

static void attaches(long n) {
  for (long i = 0; i < n; i++) {
    const void* memory = shmat(segment, NULL, 0);
    if (memory == (void*)-1) die("shmat");
    if (shmdt(memory) == -1) die("shmdt");
  }
}

static void attach(void) { measure(attaches); }

static int take(int letter, const char* value) {
  (void)letter;
  segment = atoi(value);
  return 1;
}

static const struct job jobs[] = {{"attach", attach}, {NULL, NULL}};

static const char usage[] =
    "usage: sysv-shm attach -i segment\n"
    "                [-s size, which is ignored] [-n count] [-w warm-up] [-t turns]\n";

int main(int argc, char** argv) { return run_peer(argc, argv, "i:s:n:w:t:", take, jobs, usage); }
