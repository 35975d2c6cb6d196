// What the C peers share: the clock, the turns and their result lines, the end on an error.
#ifndef BENCH_C_PEER_H_
#define BENCH_C_PEER_H_

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static inline _Noreturn void die(const char* what) {
  perror(what);
  exit(EXIT_FAILURE);
}

static inline int64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void say(const char* line) {
  puts(line);
  fflush(stdout);
}

static inline void await_turn(void) {
  char newline;
  if (read(STDIN_FILENO, &newline, 1) != 1) die("no turn was given");
}

static inline void report(long count, int64_t elapsed) {
  printf("{\"count\":%ld,\"nanoseconds\":%lld}\n", count, (long long)elapsed);
  fflush(stdout);
}

// The measuring peer of a job: warms up, then times `count` iterations each time it is told to.
static inline void measure(void (*iterate)(long), long warmup, long count, long turns) {
  iterate(warmup);
  say("ready");
  for (long turn = 0; turn < turns; turn++) {
    await_turn();
    int64_t start = nanoseconds();
    iterate(count);
    report(count, nanoseconds() - start);
  }
}

// Its counterpart: the same numbers of iterations, with nothing to say.
static inline void accompany(void (*iterate)(long), long warmup, long count, long turns) {
  iterate(warmup);
  for (long turn = 0; turn < turns; turn++) iterate(count);
}

#endif  // BENCH_C_PEER_H_
