// sigaction(2), timer_create(2), pthread_sigmask(3): see kick.h.
#include "core/kick.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

// glibc before 2.37 does not name this member.
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

namespace unix_ipc {

namespace {

constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr int64_t kRepeat = 1'000'000;

// Being there is all it does: with no handler the signal would end the process, with SA_RESTART the
// call would go on.
void OnKick(int) {}

int ChooseSignal() {
  // From the top, because programs that use realtime signals count up from SIGRTMIN. A signal that
  // is not at its default belongs to somebody.
  for (int signal = SIGRTMAX; signal >= SIGRTMIN; signal--) {
    struct sigaction action = {};
    if (sigaction(signal, nullptr, &action) != 0) continue;
    if ((action.sa_flags & SA_SIGINFO) != 0 || action.sa_handler != SIG_DFL) continue;
    struct sigaction kick = {};
    kick.sa_handler = OnKick;
    sigfillset(&kick.sa_mask);
    if (sigaction(signal, &kick, nullptr) == 0) return signal;
  }
  return 0;
}

timespec ToTimespec(int64_t nanoseconds) {
  timespec time = {};
  time.tv_sec = static_cast<time_t>(nanoseconds / kNanosecondsPerSecond);
  time.tv_nsec = static_cast<long>(nanoseconds % kNanosecondsPerSecond);
  return time;
}

}  // namespace

int KickSignal() {
  static const int signal = ChooseSignal();
  return signal;
}

int64_t MonotonicNow() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNanosecondsPerSecond + now.tv_nsec;
}

KickTimer::~KickTimer() {
  if (created_) timer_delete(timer_);
}

int KickTimer::Create() {
  int signal = KickSignal();
  if (signal == 0) return -EAGAIN;
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = signal;
  event.sigev_notify_thread_id = static_cast<pid_t>(syscall(SYS_gettid));
  if (timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0) return -errno;
  created_ = true;
  return 0;
}

void KickTimer::Arm(int64_t monotonic) {
  // A value of zero would disarm; one nanosecond after the clock's start is long past.
  itimerspec when = {};
  when.it_value = ToTimespec(monotonic > 0 ? monotonic : 1);
  when.it_interval = ToTimespec(kRepeat);
  timer_settime(timer_, TIMER_ABSTIME, &when, nullptr);
}

void KickTimer::Disarm() {
  itimerspec never = {};
  timer_settime(timer_, 0, &never, nullptr);
}

KickUnblocked::KickUnblocked() {
  sigset_t kick;
  sigemptyset(&kick);
  if (KickSignal() != 0) sigaddset(&kick, KickSignal());
  pthread_sigmask(SIG_UNBLOCK, &kick, &previous_);
}

KickUnblocked::~KickUnblocked() { pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }

}  // namespace unix_ipc
