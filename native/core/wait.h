// What the engine knows of a call that can wait: how to make it, and what it leaves behind.
#ifndef UNIX_IPC_CORE_WAIT_H_
#define UNIX_IPC_CORE_WAIT_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>

#include "core/scratch.h"

namespace unix_ipc {

enum class Blocking { kNo, kYes };

// Waits with equal keys compete for the same thing: one thread serves them, in order of arrival.
struct LaneKey {
  const void* call;  // tells the families and their calls apart
  int64_t object;
  int64_t part;  // what of the object is waited for, such as a message type

  bool operator==(const LaneKey& other) const {
    return call == other.call && object == other.object && part == other.part;
  }
};

struct LaneKeyHash {
  size_t operator()(const LaneKey& key) const {
    size_t hash = std::hash<const void*>()(key.call);
    hash = hash * 31 + std::hash<int64_t>()(key.object);
    return hash * 31 + std::hash<int64_t>()(key.part);
  }
};

// What a call that succeeded brought besides its result.
struct Received {
  int64_t detail = 0;           // such as a message's type
  const char* bytes = nullptr;  // in the scratch area the call was made with
  size_t size = 0;
};

class Wait;
struct Lane;
using WaitList = std::list<std::unique_ptr<Wait>>;

// One pending call. The engine owns it: first a lane's line, then the thread that serves the lane,
// then the outbox.
class Wait {
 public:
  virtual ~Wait() = default;
  Wait() = default;
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

  virtual LaneKey Key() const = 0;
  // Makes the call once, on a wait thread. Returns its result or -errno.
  virtual ssize_t Attempt(Blocking blocking, Scratch* scratch) = 0;
  virtual bool WouldBlock(ssize_t result) const = 0;
  virtual Received Take(ssize_t result, const Scratch& scratch) const = 0;
  // The result of a call that succeeded will never reach JavaScript.
  virtual void Discard(ssize_t result) = 0;

 private:
  friend class WaitEngine;
  friend class WaitThread;

  enum class State { kQueued, kRunning, kDone };

  int64_t ticket_ = 0;
  Lane* lane_ = nullptr;
  WaitList::iterator place_;      // in the line, while queued
  State state_ = State::kQueued;  // guarded by the engine's mutex
  std::atomic<bool> cancelled_{false};
};

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_WAIT_H_
