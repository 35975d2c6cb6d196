// POSIX semaphores: sem_overview(7), sem_open(3), sem_init(3), sem_post(3), sem_wait(3), sem_getvalue(3).
#include "posix-sem.h"

#include <fcntl.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <memory>
#include <string>

#include "core/arguments.h"
#include "core/mapping.h"
#include "core/results.h"
#include "core/waitable.h"

namespace unix_ipc {

namespace {

// Of the words of a sem_t: the value, and how many wait. With these TypeScript posts and takes without a call,
// as the C library does where nobody waits; -1 where its semaphores are not known to be made so.
#if defined(__GLIBC__) && defined(__LP64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
constexpr int kValueWord = 0;
constexpr int kWaitersWord = 1;
#else
constexpr int kValueWord = -1;
constexpr int kWaitersWord = -1;
#endif

sem_t* SemaphoreIn(Bytes bytes) { return reinterpret_cast<sem_t*>(bytes.data); }

// sem_wait(words)
class SemaphoreWait {
 public:
  static constexpr char kName[] = "sem_wait";
  static constexpr View kView = View::kFilled;
  static constexpr size_t kArguments = 0;
  static constexpr bool kTries = true;

  explicit SemaphoreWait(const FastArguments& arguments)
      : semaphore_(SemaphoreIn(arguments.bytes())) {}

  LaneKey Key() const { return {kName, reinterpret_cast<int64_t>(semaphore_), 0}; }

  ssize_t Attempt(Blocking blocking, Scratch*) const {
    if (blocking == Blocking::kNo) return sem_trywait(semaphore_) == 0 ? 0 : -errno;
    // With a time limit, if a remote one: without, a handler with SA_RESTART, as the event loop's are, would
    // not end the call, and its JavaScript part would never run.
    timespec never = {};
    never.tv_sec = sizeof(time_t) > 4 ? static_cast<time_t>(int64_t{1} << 33) : INT_MAX;
    return sem_timedwait(semaphore_, &never) == 0 ? 0 : -errno;
  }

  bool WouldBlock(ssize_t result) const { return result == -EAGAIN; }
  Received Take(ssize_t, const Scratch&) const { return {}; }
  void Discard(ssize_t) const { sem_post(semaphore_); }
  Bytes into() const { return {}; }

  bool Own(Environment* environment) {
    mapping_ = environment->mappings->At(semaphore_);
    return mapping_ != nullptr;
  }

 private:
  sem_t* semaphore_;
  std::shared_ptr<Mapping> mapping_;
};

template <typename Body>
napi_value WithSemaphore(napi_env env, napi_callback_info info, Body body) {
  return CallFast<View::kFilled>(env, info, [&](Environment*, const FastArguments& arguments) {
    return static_cast<int64_t>(body(SemaphoreIn(arguments.bytes()), arguments) == 0 ? 0 : -errno);
  });
}

// semTimedwait(words; seconds, nanoseconds)
napi_value SemTimedwait(napi_env env, napi_callback_info info) {
  return WithSemaphore(env, info, [](sem_t* semaphore, const FastArguments& arguments) {
    timespec limit = {};
    limit.tv_sec = static_cast<time_t>(arguments.Long(0));
    limit.tv_nsec = static_cast<long>(arguments.Long(1));
    return sem_timedwait(semaphore, &limit);
  });
}

napi_value SemTrywait(napi_env env, napi_callback_info info) {
  return WithSemaphore(
      env, info, [](sem_t* semaphore, const FastArguments&) { return sem_trywait(semaphore); });
}

napi_value SemPost(napi_env env, napi_callback_info info) {
  return WithSemaphore(env, info,
                       [](sem_t* semaphore, const FastArguments&) { return sem_post(semaphore); });
}

// semWake(words): wakes one that waits. The half of sem_post that is left when the value has been raised.
napi_value SemWake(napi_env env, napi_callback_info info) {
  return WithSemaphore(env, info, [](sem_t* semaphore, const FastArguments&) {
    constexpr int kFutexWake = 1;
    auto* word = reinterpret_cast<uint32_t*>(semaphore) + kValueWord;
    return syscall(SYS_futex, word, kFutexWake, 1, nullptr, nullptr, 0) < 0 ? -1 : 0;
  });
}

napi_value SemInit(napi_env env, napi_callback_info info) {
  return WithSemaphore(env, info, [](sem_t* semaphore, const FastArguments& arguments) {
    return sem_init(semaphore, 1, static_cast<unsigned>(arguments.Long(0)));
  });
}

napi_value SemDestroy(napi_env env, napi_callback_info info) {
  return WithSemaphore(
      env, info, [](sem_t* semaphore, const FastArguments&) { return sem_destroy(semaphore); });
}

// semGetvalue(words): the value, or -errno.
napi_value SemGetvalue(napi_env env, napi_callback_info info) {
  return CallFast<View::kFilled>(env, info, [](Environment*, const FastArguments& arguments) {
    int value = 0;
    int result = sem_getvalue(SemaphoreIn(arguments.bytes()), &value);
    return static_cast<int64_t>(result == 0 ? value : -errno);
  });
}

// semOpen(name, oflag, mode, value): an ArrayBuffer over the semaphore, or -errno.
Napi::Value SemOpen(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::string name = ReadString(info, 0);
  sem_t* semaphore = sem_open(name.c_str(), ReadInt(info, 1),
                              static_cast<mode_t>(ReadUnsigned(info, 2)), ReadUnsigned(info, 3));
  if (semaphore == SEM_FAILED) return Result(env, -errno);
  // The C library gives one address for every open of a name. A size of 0 asks for a second mapping of the
  // same page, so that each open has one of its own, with its own end.
  auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size_t place = reinterpret_cast<uintptr_t>(semaphore) % page;
  void* own = mremap(reinterpret_cast<char*>(semaphore) - place, 0, page, MREMAP_MAYMOVE);
  int error = errno;
  sem_close(semaphore);
  if (own == MAP_FAILED) return Result(env, -error);
  Pages pages;
  pages.base = static_cast<char*>(own);
  pages.length = page;
  pages.data = pages.base + place;
  pages.size = sizeof(sem_t);
  return Napi::Value(env, EnvironmentOf(info)->mappings->ToArrayBuffer(env, pages));
}

// sem_unlink(name)
Napi::Value SemUnlink(const Napi::CallbackInfo& info) {
  std::string name = ReadString(info, 0);
  return Result(info.Env(), sem_unlink(name.c_str()) == 0 ? 0 : -errno);
}

}  // namespace

void InitPosixSem(Napi::Env env, Napi::Object exports, Napi::Object constants,
                  Environment* environment) {
  exports["semOpen"] = Napi::Function::New<SemOpen>(env, "semOpen", environment);
  exports["semUnlink"] = Napi::Function::New<SemUnlink>(env, "semUnlink");
  ExportFast(env, exports, "semInit", SemInit, environment);
  ExportFast(env, exports, "semDestroy", SemDestroy, environment);
  ExportFast(env, exports, "semPost", SemPost, environment);
  ExportFast(env, exports, "semWake", SemWake, environment);
  ExportFast(env, exports, "semTrywait", SemTrywait, environment);
  ExportFast(env, exports, "semTimedwait", SemTimedwait, environment);
  ExportFast(env, exports, "semGetvalue", SemGetvalue, environment);
  Waitable<SemaphoreWait>::Export(env, exports, environment);
  SetConstants(env, constants,
               {{"SIZEOF_SEM_T", sizeof(sem_t)},
                {"ALIGNOF_SEM_T", alignof(sem_t)},
                {"SEM_VALUE_MAX", SEM_VALUE_MAX},
                {"SEM_VALUE_WORD", kValueWord},
                {"SEM_WAITERS_WORD", kWaitersWord}});
}

}  // namespace unix_ipc
