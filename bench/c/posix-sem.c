// POSIX semaphores, the baseline: sem_post(3), sem_wait(3), on shared memory or opened by name.
#include <semaphore.h>
#include <sys/mman.h>

#include "peer.h"

// Where they lie in every peer that is given no name: the family hands the memory down.
enum { MEMORY = 3, PAGE = 4096, FORTH = 0, BACK = 64 };

static const char* name = NULL;
static sem_t* forth;
static sem_t* back;

static void post(sem_t* semaphore) {
  if (sem_post(semaphore) == -1) die("sem_post");
}

static void wait_for(sem_t* semaphore) {
  if (sem_wait(semaphore) == -1) die("sem_wait");
}

static void pairs(long n) {
  for (long i = 0; i < n; i++) {
    post(forth);
    wait_for(forth);
  }
}

static void round_trips(long n) {
  for (long i = 0; i < n; i++) {
    post(forth);
    wait_for(back);
  }
}

static void answers(long n) {
  for (long i = 0; i < n; i++) {
    wait_for(forth);
    post(back);
  }
}

static void find(void) {
  if (name) {
    forth = sem_open(name, 0);
    if (forth == SEM_FAILED) die(name);
    return;
  }
  char* memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, MEMORY, 0);
  if (memory == MAP_FAILED) die("mmap");
  forth = (sem_t*)(memory + FORTH);
  back = (sem_t*)(memory + BACK);
}

static void pair(void) {
  find();
  measure(pairs);
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
  name = value;
  return 1;
}

static const struct job jobs[] = {
    {"pair", pair}, {"client", client}, {"server", server}, {NULL, NULL}};

static const char usage[] =
    "usage: posix-sem pair -f /name\n"
    "       posix-sem pair|client|server\n"
    "                 [-s size, which is ignored] [-n count] [-w warm-up] [-t turns]\n"
    "       open descriptor: 3 memory with a semaphore at 0 and one at 64, where no name is "
    "given\n";

int main(int argc, char** argv) { return run_peer(argc, argv, "f:s:n:w:t:", take, jobs, usage); }
