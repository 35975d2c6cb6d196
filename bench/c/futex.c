// Futexes, the baseline: futex(2), FUTEX_WAIT and FUTEX_WAKE on a word that two processes share.
#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "peer.h"

// The family hands the memory down.
enum { MEMORY = 3, PAGE = 4096 };

// Whose turn it is: both wait on the same word, never at the same time.
enum { CLIENT, SERVER };

static _Atomic uint32_t* word;

static void hand_to(uint32_t whom) {
  atomic_store(word, whom);
  if (syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) == -1) die("futex_wake");
}

static void wait_while(uint32_t whose) {
  while (atomic_load(word) == whose) {
    if (syscall(SYS_futex, word, FUTEX_WAIT, whose, NULL, NULL, 0) == 0) continue;
    // The other was faster.
    if (errno != EAGAIN) die("futex_wait");
  }
}

static void round_trips(long n) {
  for (long i = 0; i < n; i++) {
    hand_to(SERVER);
    wait_while(SERVER);
  }
}

static void answers(long n) {
  for (long i = 0; i < n; i++) {
    wait_while(CLIENT);
    hand_to(CLIENT);
  }
}

static void find(void) {
  void* memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, MEMORY, 0);
  if (memory == MAP_FAILED) die("mmap");
  word = memory;
}

static void client(void) {
  find();
  measure(round_trips);
}

static void server(void) {
  find();
  accompany(answers);
}

static int take(int letter, const char* value) {
  (void)letter;
  (void)value;
  return 0;
}

static const struct job jobs[] = {{"client", client}, {"server", server}, {NULL, NULL}};

static const char usage[] =
    "usage: futex client|server\n"
    "             [-s size, which is ignored] [-n count] [-w warm-up] [-t turns]\n"
    "       open descriptor: 3 memory that begins with a word of 0\n";

int main(int argc, char** argv) { return run_peer(argc, argv, "s:n:w:t:", take, jobs, usage); }
