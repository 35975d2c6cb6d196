// Event counters: eventfd(2).
#include "eventfd.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "core/arguments.h"
#include "core/results.h"
#include "core/waitable.h"

namespace unix_ipc {

namespace {

// eventfdAdd(value; fd): write(2) of the 8 bytes. The kernel has no way to ask a write to a counter
// not to wait but O_NONBLOCK, which other processes would see; so it is asked with a time limit.
class EventfdAdd {
 public:
  static constexpr char kName[] = "eventfdAdd";
  static constexpr View kView = View::kRead;
  static constexpr size_t kArguments = 1;
  static constexpr bool kTries = false;

  explicit EventfdAdd(const FastArguments& arguments) : fd_(arguments.Int(0)) {
    if (arguments.bytes().size == sizeof(value_)) {
      memcpy(&value_, arguments.bytes().data, sizeof(value_));
    }
  }

  LaneKey Key() const { return {kName, fd_, 0}; }

  ssize_t Attempt(Blocking blocking, Scratch*) const {
    if (blocking == Blocking::kNo) return -EAGAIN;
    return write(fd_, &value_, sizeof(value_)) < 0 ? -errno : 0;
  }

  bool WouldBlock(ssize_t result) const { return result == -EAGAIN; }
  Received Take(ssize_t, const Scratch&) const { return {}; }
  void Discard(ssize_t) const {}
  Bytes into() const { return {}; }
  bool Own(Environment*) { return true; }

 private:
  int fd_;
  uint64_t value_ = 0;
};

// eventfd(initval, flags)
Napi::Value Eventfd(const Napi::CallbackInfo& info) {
  int fd = eventfd(ReadUnsigned(info, 0), ReadInt(info, 1));
  return Result(info.Env(), fd >= 0 ? fd : -errno);
}

}  // namespace

void InitEventfd(Napi::Env env, Napi::Object exports, Napi::Object constants,
                 Environment* environment) {
  exports["eventfd"] = Napi::Function::New<Eventfd>(env, "eventfd");
  Waitable<EventfdAdd>::Export(env, exports, environment);
  SetConstants(env, constants,
               {{"EFD_NONBLOCK", EFD_NONBLOCK},
                {"EFD_CLOEXEC", EFD_CLOEXEC},
                {"EFD_SEMAPHORE", EFD_SEMAPHORE}});
}

}  // namespace unix_ipc
