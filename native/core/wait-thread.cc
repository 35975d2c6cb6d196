// pthreads(7), futex(2): the threads of the blocking engine.
#include "core/wait-thread.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include "core/thread.h"
#include "core/wait-engine.h"

namespace unix_ipc {

namespace {

constexpr timespec kIdleTime = {5, 0};
// <linux/futex.h>, which not every C library's headers include.
constexpr int kFutexWaitPrivate = 0 | 128;
constexpr int kFutexWakePrivate = 1 | 128;

// A line that never empties must not keep what is done from JavaScript.
constexpr size_t kBatch = 64;

}  // namespace

bool WaitThread::Start() { return StartThread(&thread_, Main, this); }

void WaitThread::Serve(std::shared_ptr<Lane> lane) {
  if (lane_ != nullptr) lane_->thread = nullptr;
  lane->thread = this;
  lane_ = std::move(lane);
}

bool WaitThread::spare() const {
  return lane_ != nullptr && current_ == nullptr && lane_->line.empty();
}

void WaitThread::Notify() {
  notified_ = 1;
  syscall(SYS_futex, &notified_, kFutexWakePrivate, 1, nullptr, nullptr, 0);
}

void WaitThread::Cancel(Wait* wait) {
  wait->cancelled_ = true;
  if (!timer_.created()) return;
  kicked_ = true;
  timer_.Kick();
}

void WaitThread::Stop() {
  if (current_ != nullptr) Cancel(current_);
  Notify();
}

void WaitThread::Join() { pthread_join(thread_, nullptr); }

void* WaitThread::Main(void* self) {
  pthread_setname_np(pthread_self(), "unix-ipc wait");
  static_cast<WaitThread*>(self)->Run();
  return nullptr;
}

void WaitThread::Run() {
  KickUnblocked kicks;
  Lock lock(engine_->mutex_);
  while (AwaitLane(&lock)) ServeLane(&lock);
  retired_ = true;
}

// False when the thread is to end: the engine stops, or nothing came for a while.
bool WaitThread::AwaitLane(Lock* lock) {
  bool in_time = true;
  while (!engine_->stopping_ && lane_ == nullptr && in_time) {
    lock->unlock();
    in_time = syscall(SYS_futex, &notified_, kFutexWaitPrivate, 0, &kIdleTime, nullptr, 0) == 0 ||
              errno != ETIMEDOUT;
    notified_ = 0;
    lock->lock();
  }
  if (engine_->stopping_) return false;
  if (lane_ != nullptr) return true;
  auto& idle = engine_->idle_;
  idle.erase(std::remove(idle.begin(), idle.end(), this), idle.end());
  return false;
}

void WaitThread::ServeLane(Lock* lock) {
  // Without a timer no wait could be cancelled: then each one fails with the reason (see Complete).
  if (!timer_.created()) timer_.Create();
  while (!engine_->stopping_ && !lane_->line.empty()) {
    std::unique_ptr<Wait> wait = std::move(lane_->line.front());
    lane_->line.pop_front();
    wait->state_ = Wait::State::kRunning;
    current_ = wait.get();
    lock->unlock();
    ssize_t result = Complete(wait.get());
    Received received = result >= 0 ? wait->Take(result, scratch_) : Received();
    lock->lock();
    current_ = nullptr;
    // Under the lock, so that a kick meant for this wait is never armed for the next one. A kick
    // already on its way interrupts at most one call, which is then made again.
    if (std::exchange(kicked_, false)) timer_.Disarm();
    engine_->Put(std::move(wait), result, received);
    scratch_.Trim();
    if (++unannounced_ < kBatch) continue;
    unannounced_ = 0;
    lock->unlock();
    engine_->Wake();
    lock->lock();
  }
  lane_->thread = nullptr;
  lane_.reset();
  engine_->idle_.push_back(this);
  if (std::exchange(unannounced_, 0) == 0) return;
  // Not under the lock: the event loop may run at once, on this very core, and want it. In the
  // meantime it may well have given this thread its next lane.
  lock->unlock();
  engine_->Wake();
  lock->lock();
}

ssize_t WaitThread::Complete(Wait* wait) {
  if (!timer_.created()) return -EAGAIN;
  bool yielded = false;
  for (;;) {
    if (wait->cancelled_) return -ECANCELED;
    // Only a thread with something to hand over needs to know first whether the call would wait.
    Blocking blocking = unannounced_ > 0 ? Blocking::kNo : Blocking::kYes;
    ssize_t result = wait->Attempt(blocking, &scratch_);
    if (result == -EINTR) continue;
    if (blocking == Blocking::kYes || !wait->WouldBlock(result)) return result;
    if (!std::exchange(yielded, true)) {
      // The peer that was woken by the calls before may share this core. After its turn there is
      // room for more than one message: the queue moves in batches instead of with two switches for
      // each.
      sched_yield();
      continue;
    }
    unannounced_ = 0;
    engine_->Wake();
  }
}

}  // namespace unix_ipc
