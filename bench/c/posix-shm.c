// POSIX shared memory, the baseline: shm_open(3), mmap(2), munmap(2); and a block handed over in it.
#define MAX_SIZE (1 << 20)

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "peer.h"

// What the memory of a handover holds: two semaphores, and the block from the next page on.
enum { GO = 0, FULL = 64, BLOCK = 4096 };

// The sum is of one byte in so many: a cache line.
#define STRIDE 64

static const char* name = NULL;
static int object = -1;

static int open_object(void) {
  int fd = shm_open(name, O_RDWR | O_CLOEXEC, 0);
  if (fd == -1) die(name);
  return fd;
}

static char* map_whole(int fd, size_t length) {
  char* memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) die("mmap");
  return memory;
}

static void maps(long n) {
  for (long i = 0; i < n; i++) {
    if (munmap(map_whole(object, size), size) == -1) die("munmap");
  }
}

static void opens(long n) {
  for (long i = 0; i < n; i++) {
    int fd = open_object();
    struct stat status;
    if (fstat(fd, &status) == -1) die("fstat");
    char* memory = map_whole(fd, status.st_size);
    if (munmap(memory, status.st_size) == -1) die("munmap");
    close(fd);
  }
}

static unsigned char prepared[MAX_SIZE];
static char* memory;

static uint32_t sum_of(const unsigned char* block) {
  uint32_t sum = 0;
  for (size_t i = 0; i < size; i += STRIDE) sum += block[i];
  return sum;
}

static void post(size_t offset) {
  if (sem_post((sem_t*)(memory + offset)) == -1) die("sem_post");
}

static void wait_for(size_t offset) {
  if (sem_wait((sem_t*)(memory + offset)) == -1) die("sem_wait");
}

static void takes(long n) {
  const uint32_t expected = sum_of(prepared);
  for (long i = 0; i < n; i++) {
    post(GO);
    wait_for(FULL);
    if (sum_of((unsigned char*)memory + BLOCK) == expected) continue;
    errno = EBADMSG;
    die("other bytes");
  }
}

static void gives(long n) {
  for (long i = 0; i < n; i++) {
    wait_for(GO);
    memcpy(memory + BLOCK, prepared, size);
    post(FULL);
  }
}

static void find(void) {
  for (size_t i = 0; i < size; i++) prepared[i] = i / STRIDE;
  memory = map_whole(open_object(), BLOCK + size);
}

static void map(void) {
  object = open_object();
  measure(maps);
}

static void open_by_name(void) { measure(opens); }

static void consumer(void) {
  find();
  measure(takes);
}

static void producer(void) {
  find();
  accompany(gives);
}

static int take(int letter, const char* value) {
  // What else a block goes through is no C peer's.
  if (letter == 'm') name = value;
  return 1;
}

static const struct job jobs[] = {
    {"map", map},           {"open", open_by_name}, {"consumer", consumer},
    {"producer", producer}, {NULL, NULL},
};

static const char usage[] =
    "usage: posix-shm map|open|consumer|producer -m /memory\n"
    "                 [-s size up to 1048576] [-n count] [-w warm-up] [-t turns]\n"
    "       consumer, producer: a semaphore at 0, one at 64, the block from 4096 on\n";

int main(int argc, char** argv) { return run_peer(argc, argv, "m:o:s:n:w:t:", take, jobs, usage); }
