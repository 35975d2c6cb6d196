// What the C peers share: the arguments, the clock, the turns and their result lines, the end on an error.
#ifndef BENCH_C_PEER_H_
#define BENCH_C_PEER_H_

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// With this status the harness skips the trial and prints what stderr says.
#define EXIT_SKIPPED 77

// Of a message, in bytes. What works on memory defines it before.
#ifndef MAX_SIZE
#define MAX_SIZE 65536
#endif

static size_t size = 64;
static long count = 1;
static long warmup = 1;
static long turns = 1;

struct job {
  const char* name;
  void (*run)(void);
};

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

static inline void report(int64_t elapsed) {
  printf("{\"count\":%ld,\"nanoseconds\":%lld}\n", count, (long long)elapsed);
  fflush(stdout);
}

// The measuring peer of a job: warms up, then times `count` iterations each time it is told to.
static inline void measure(void (*iterate)(long)) {
  iterate(warmup);
  say("ready");
  for (long turn = 0; turn < turns; turn++) {
    await_turn();
    int64_t start = nanoseconds();
    iterate(count);
    report(nanoseconds() - start);
  }
}

// Its counterpart: the same numbers of iterations, with nothing to say.
static inline void accompany(void (*iterate)(long)) {
  iterate(warmup);
  for (long turn = 0; turn < turns; turn++) iterate(count);
}

static inline _Noreturn void fail_usage(const char* usage) {
  fputs(usage, stderr);
  exit(2);
}

// Reads `-s size -n count -w warm-up -t turns`, gives the other letters to `take`, which says whether
// it knows them, and runs the one job of the list that is named.
static inline int run_peer(int argc, char** argv, const char* letters,
                           int (*take)(int letter, const char* value), const struct job* jobs,
                           const char* usage) {
  int option;
  while ((option = getopt(argc, argv, letters)) != -1) {
    switch (option) {
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
        if (option == '?' || !take(option, optarg)) fail_usage(usage);
    }
  }
  if (optind + 1 != argc || size > MAX_SIZE) fail_usage(usage);
  for (; jobs->name; jobs++) {
    if (strcmp(argv[optind], jobs->name) != 0) continue;
    jobs->run();
    return EXIT_SUCCESS;
  }
  fail_usage(usage);
}

#endif  // BENCH_C_PEER_H_
