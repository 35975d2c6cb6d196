// Event counters, the baseline: eventfd(2), eventfd_write(3), eventfd_read(3).
#include <errno.h>
#include <sys/eventfd.h>

#include "peer.h"

static int forth = -1;
static int back = -1;

static void post(int fd) {
  if (eventfd_write(fd, 1) == -1) die("eventfd_write");
}

static eventfd_t take_from(int fd) {
  eventfd_t value;
  if (eventfd_read(fd, &value) == -1) die("eventfd_read");
  return value;
}

static void take_one(int fd) {
  if (take_from(fd) != 1) {
    errno = EBADMSG;
    die("eventfd_read");
  }
}

static void pairs(long n) {
  for (long i = 0; i < n; i++) {
    post(forth);
    take_one(forth);
  }
}

static void round_trips(long n) {
  for (long i = 0; i < n; i++) {
    post(forth);
    take_one(back);
  }
}

static void answers(long n) {
  for (long i = 0; i < n; i++) {
    take_one(forth);
    post(back);
  }
}

static void takes(long n) {
  // The sender waits for this word: unasked it could begin before the clock starts.
  post(back);
  for (long left = n; left > 0;) left -= (long)take_from(forth);
}

static void posts(long n) {
  take_one(back);
  for (long i = 0; i < n; i++) post(forth);
}

static void pair(void) { measure(pairs); }
static void client(void) { measure(round_trips); }
static void server(void) { accompany(answers); }
static void receiver(void) { measure(takes); }
static void sender(void) { accompany(posts); }

static int take(int letter, const char* value) {
  *(letter == 'f' ? &forth : &back) = atoi(value);
  return 1;
}

static const struct job jobs[] = {
    {"pair", pair},         {"client", client}, {"server", server},
    {"receiver", receiver}, {"sender", sender}, {NULL, NULL},
};

static const char usage[] =
    "usage: eventfd pair|client|server|receiver|sender -f forth -b back\n"
    "               [-s size, which is ignored] [-n count] [-w warm-up] [-t turns]\n"
    "       forth and back: open descriptors\n";

int main(int argc, char** argv) { return run_peer(argc, argv, "f:b:s:n:w:t:", take, jobs, usage); }
