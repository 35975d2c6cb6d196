// The kick: a signal that makes a system call, asleep in one thread of this process, return EINTR.
#ifndef UNIX_IPC_CORE_KICK_H_
#define UNIX_IPC_CORE_KICK_H_

#include <csignal>
#include <cstdint>
#include <ctime>

namespace unix_ipc {

// The realtime signal chosen for kicks, or 0 while none has been needed or where none is free. The
// first call chooses.
int KickSignal();

// Nanoseconds of CLOCK_MONOTONIC.
int64_t MonotonicNow();

// A kernel timer that kicks the thread that made it. The kernel repeats the kick until it is
// disarmed: one that falls between the last look at a flag and the system call is lost, the next
// one is not.
class KickTimer {
 public:
  KickTimer() = default;
  ~KickTimer();
  KickTimer(const KickTimer&) = delete;
  KickTimer& operator=(const KickTimer&) = delete;

  // Makes the timer for the calling thread. Returns 0 or -errno (EAGAIN: RLIMIT_SIGPENDING, or no
  // free signal).
  int Create();
  // From any thread: now, or at the given time, and every millisecond from then on.
  void Kick() { Arm(0); }
  void KickAt(int64_t monotonic) { Arm(monotonic); }
  void Disarm();

  bool created() const { return created_; }

 private:
  void Arm(int64_t monotonic);

  timer_t timer_ = {};
  bool created_ = false;
};

// While it lives the calling thread can be kicked, whatever mask it inherited.
class KickUnblocked {
 public:
  KickUnblocked();
  ~KickUnblocked();
  KickUnblocked(const KickUnblocked&) = delete;
  KickUnblocked& operator=(const KickUnblocked&) = delete;

 private:
  sigset_t previous_;
};

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_KICK_H_
