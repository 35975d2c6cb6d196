// Fast user-space locking: futex(2), futex(7).
#include "futex.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>

#include "core/arguments.h"
#include "core/mapping.h"
#include "core/results.h"
#include "core/waitable.h"

namespace unix_ipc {

namespace {

// <linux/futex.h>, which not every C library's headers include. Without FUTEX_PRIVATE_FLAG: shared between
// processes.
constexpr int kFutexWait = 0;
constexpr int kFutexWake = 1;
constexpr int kFutexWaitBitset = 9;
constexpr uint32_t kMatchAny = 0xffffffff;

// Where time_t is wider than a long the call of the old name takes the old structure.
#if defined(SYS_futex_time64)
const long kFutex = sizeof(time_t) > sizeof(long) ? SYS_futex_time64 : SYS_futex;
#else
constexpr long kFutex = SYS_futex;
#endif

int64_t FutexWait(uint32_t* word, uint32_t expected, const timespec& timeout) {
  return syscall(kFutex, word, kFutexWait, expected, &timeout, nullptr, 0) == 0 ? 0 : -errno;
}

// futex_wait(word; expected)
class Futex {
 public:
  static constexpr char kName[] = "futex_wait";
  static constexpr View kView = View::kFilled;
  static constexpr size_t kArguments = 1;
  static constexpr bool kTries = true;

  explicit Futex(const FastArguments& arguments)
      : word_(reinterpret_cast<uint32_t*>(arguments.bytes().data)),
        expected_(static_cast<uint32_t>(arguments.Long(0))) {}

  // A line for each: only who is asleep in the kernel is woken, and two may be meant to wake at once.
  LaneKey Key() const { return {kName, reinterpret_cast<int64_t>(word_), turn_}; }

  ssize_t Attempt(Blocking blocking, Scratch*) const {
    if (blocking == Blocking::kNo) {
      return __atomic_load_n(word_, __ATOMIC_SEQ_CST) == expected_ ? -EINPROGRESS : -EAGAIN;
    }
    // With a time limit, if a remote one: without, a handler with SA_RESTART, as the event loop's are, would
    // not end the call, and its JavaScript part would never run. As a time of the clock, which need not be
    // read for it.
    timespec never = {};
    never.tv_sec = INT32_MAX;
    long result = syscall(kFutex, word_, kFutexWaitBitset, expected_, &never, nullptr, kMatchAny);
    return result == 0 ? 0 : -errno;
  }

  bool WouldBlock(ssize_t result) const { return result == -EINPROGRESS; }
  Received Take(ssize_t, const Scratch&) const { return {}; }
  // Others that wait may have been meant as well. To wake one too many does no harm.
  void Discard(ssize_t) const { syscall(kFutex, word_, kFutexWake, 1, nullptr, nullptr, 0); }
  Bytes into() const { return {}; }

  bool Own(Environment* environment) {
    mapping_ = environment->mappings->At(word_);
    turn_ = ++environment->own_lines;
    return mapping_ != nullptr;
  }

 private:
  uint32_t* word_;
  uint32_t expected_;
  int64_t turn_ = 0;
  std::shared_ptr<Mapping> mapping_;
};

// futexWaitFor(word; expected, seconds, nanoseconds)
napi_value FutexWaitFor(napi_env env, napi_callback_info info) {
  return CallFast<View::kFilled>(env, info, [](Environment*, const FastArguments& arguments) {
    timespec timeout = {};
    timeout.tv_sec = static_cast<time_t>(arguments.Long(1));
    timeout.tv_nsec = static_cast<long>(arguments.Long(2));
    return FutexWait(reinterpret_cast<uint32_t*>(arguments.bytes().data),
                     static_cast<uint32_t>(arguments.Long(0)), timeout);
  });
}

// futexWake(word; count): how many were woken.
napi_value FutexWake(napi_env env, napi_callback_info info) {
  return CallFast<View::kFilled>(env, info, [](Environment*, const FastArguments& arguments) {
    long woken =
        syscall(kFutex, arguments.bytes().data, kFutexWake, arguments.Int(0), nullptr, nullptr, 0);
    return static_cast<int64_t>(woken >= 0 ? woken : -errno);
  });
}

}  // namespace

void InitFutex(Napi::Env env, Napi::Object exports, Napi::Object, Environment* environment) {
  ExportFast(env, exports, "futexWaitFor", FutexWaitFor, environment);
  ExportFast(env, exports, "futexWake", FutexWake, environment);
  Waitable<Futex>::Export(env, exports, environment);
}

}  // namespace unix_ipc
