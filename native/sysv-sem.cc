// System V semaphores: semget(2), semop(2), semctl(2); flock(2) while a set is made.
#include "sysv-sem.h"

#include <sys/file.h>
#include <sys/sem.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "core/arguments.h"
#include "core/results.h"
#include "core/sysv-ipc.h"
#include "core/waitable.h"

namespace unix_ipc {

namespace {

// <sys/sem.h> leaves its definition to the caller.
union SemctlArgument {
  int val;
  semid_ds* buf;
  unsigned short* array;
  seminfo* info;
};

// The sembufs of a call: in the block, where they cost nothing to find, or as bytes where they have no room there.
class Operations {
 public:
  // `slot`: the number that says of how many bytes they are.
  Operations(const FastArguments& arguments, size_t slot) {
    size_t size = arguments.Size(slot);
    if (size <= Environment::kAlongSlots * sizeof(double)) {
      first_ = reinterpret_cast<const sembuf*>(arguments.At(Environment::kAlongSlot));
    } else {
      first_ = reinterpret_cast<const sembuf*>(arguments.bytes().data);
      size = std::min(size, arguments.bytes().size);
    }
    count_ = size / sizeof(sembuf);
  }

  const sembuf* begin() const { return first_; }
  const sembuf* end() const { return first_ + count_; }
  size_t count() const { return count_; }
  // The calls of the C library don't say that they leave them as they are.
  sembuf* data() const { return const_cast<sembuf*>(first_); }
  void MoveTo(const sembuf* first) { first_ = first; }

 private:
  const sembuf* first_ = nullptr;
  size_t count_ = 0;
};

// semop(operations; semid, bytes)
class SemaphoreOperation {
 public:
  static constexpr char kName[] = "semop";
  static constexpr View kView = View::kRead;
  static constexpr size_t kArguments = 2;
  static constexpr bool kTries = true;

  explicit SemaphoreOperation(const FastArguments& arguments)
      : semid_(arguments.Int(0)), operations_(arguments, 1) {}

  // Different operations on one set don't compete: the one may be possible where the other is not. Equal ones
  // do, but for those that only wait for zeros (see Own). The hash of several may collide, and such waits then
  // stand in one line: 2^-64 of them.
  LaneKey Key() const {
    uint64_t hash = operations_.count() + static_cast<uint64_t>(turn_);
    for (const sembuf& operation : operations_) {
      uint64_t members = uint64_t{operation.sem_num} << 32 |
                         uint64_t{static_cast<uint16_t>(operation.sem_op)} << 16 |
                         static_cast<uint16_t>(operation.sem_flg);
      hash = (hash ^ members) * 0x9e3779b97f4a7c15;
    }
    return {kName, semid_, static_cast<int64_t>(hash)};
  }

  ssize_t Attempt(Blocking blocking, Scratch* scratch) const {
    sembuf* operations = operations_.data();
    if (blocking == Blocking::kNo) {
      char* copy = scratch->Reserve(operations_.count() * sizeof(sembuf));
      if (copy == nullptr) return -ENOMEM;
      operations = reinterpret_cast<sembuf*>(copy);
      std::copy(operations_.begin(), operations_.end(), operations);
      for (size_t index = 0; index < operations_.count(); index++) {
        operations[index].sem_flg |= IPC_NOWAIT;
      }
    }
    return semop(semid_, operations, operations_.count()) == 0 ? 0 : -errno;
  }

  bool WouldBlock(ssize_t result) const { return result == -EAGAIN; }
  Received Take(ssize_t, const Scratch&) const { return {}; }

  // Gives back what was acquired. What was released besides stays: it may have been taken by now.
  void Discard(ssize_t) {
    std::vector<sembuf> back;
    for (sembuf operation : operations_) {
      if (operation.sem_op >= 0) continue;
      operation.sem_op = static_cast<short>(-operation.sem_op);
      operation.sem_flg |= IPC_NOWAIT;
      back.push_back(operation);
    }
    if (!back.empty()) semop(semid_, back.data(), back.size());
  }

  Bytes into() const { return {}; }

  bool Own(Environment* environment) {
    // The kernel lets all go on that are asleep when a semaphore becomes 0, which it may be for a moment only. One
    // that stands in line would miss it.
    bool zeros = std::all_of(operations_.begin(), operations_.end(),
                             [](const sembuf& operation) { return operation.sem_op == 0; });
    if (zeros) turn_ = ++environment->own_lines;
    own_.reset(new (std::nothrow) sembuf[operations_.count()]);
    if (own_ == nullptr) return false;
    std::copy(operations_.begin(), operations_.end(), own_.get());
    operations_.MoveTo(own_.get());
    return true;
  }

 private:
  int semid_;
  Operations operations_;
  int64_t turn_ = 0;
  std::unique_ptr<sembuf[]> own_;
};

// semopOne(; semid): semop with the first sembuf of the block alone, and nothing besides the call, which takes the
// kernel hardly longer than a crossing takes.
napi_value SemopOne(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  double* block = static_cast<Environment*>(data)->block;
  auto* operation = reinterpret_cast<sembuf*>(block + Environment::kAlongSlot);
  int result = semop(static_cast<int>(block[0]), operation, 1);
  block[Environment::kResultSlot] = result == 0 ? 0 : -errno;
  return nullptr;
}

// semtimedop(operations; semid, bytes, seconds, nanoseconds)
napi_value Semtimedop(napi_env env, napi_callback_info info) {
  return CallFast<View::kRead>(env, info, [](Environment*, const FastArguments& arguments) {
    Operations operations(arguments, 1);
    timespec timeout = {};
    timeout.tv_sec = static_cast<time_t>(arguments.Long(2));
    timeout.tv_nsec = static_cast<long>(arguments.Long(3));
    int result = semtimedop(arguments.Int(0), operations.data(), operations.count(), &timeout);
    return static_cast<int64_t>(result == 0 ? 0 : -errno);
  });
}

// flock(fd): LOCK_EX, which waits for whoever has the file locked.
class FileLock {
 public:
  static constexpr char kName[] = "flock";
  static constexpr View kView = View::kRead;
  static constexpr size_t kArguments = 1;
  static constexpr bool kTries = true;

  explicit FileLock(const FastArguments& arguments) : fd_(arguments.Int(0)) {}
  LaneKey Key() const { return {kName, fd_, 0}; }
  ssize_t Attempt(Blocking blocking, Scratch*) const {
    return flock(fd_, blocking == Blocking::kNo ? LOCK_EX | LOCK_NB : LOCK_EX) == 0 ? 0 : -errno;
  }
  bool WouldBlock(ssize_t result) const { return result == -EAGAIN; }
  Received Take(ssize_t, const Scratch&) const { return {}; }
  void Discard(ssize_t) const {}
  Bytes into() const { return {}; }
  bool Own(Environment*) const { return true; }

 private:
  int fd_;
};

// semget(key, count, flags)
Napi::Value Semget(const Napi::CallbackInfo& info) {
  int semid = semget(ReadInt(info, 0), ReadInt(info, 1), ReadInt(info, 2));
  return Result(info.Env(), semid >= 0 ? semid : -errno);
}

Napi::Object ToObject(Napi::Env env, const semid_ds& set) {
  Napi::Object object = Napi::Object::New(env);
  object["sem_perm"] = PermissionsToObject(env, set.sem_perm);
  object["sem_otime"] = ToMember(env, set.sem_otime);
  object["sem_ctime"] = ToMember(env, set.sem_ctime);
  object["sem_nsems"] = ToMember(env, set.sem_nsems);
  return object;
}

Napi::Object ToObject(Napi::Env env, const seminfo& limits) {
  Napi::Object object = Napi::Object::New(env);
  object["semmap"] = Napi::Number::New(env, limits.semmap);
  object["semmni"] = Napi::Number::New(env, limits.semmni);
  object["semmns"] = Napi::Number::New(env, limits.semmns);
  object["semmnu"] = Napi::Number::New(env, limits.semmnu);
  object["semmsl"] = Napi::Number::New(env, limits.semmsl);
  object["semopm"] = Napi::Number::New(env, limits.semopm);
  object["semume"] = Napi::Number::New(env, limits.semume);
  object["semusz"] = Napi::Number::New(env, limits.semusz);
  object["semvmx"] = Napi::Number::New(env, limits.semvmx);
  object["semaem"] = Napi::Number::New(env, limits.semaem);
  return object;
}

Napi::Value Values(Napi::Env env, int semid) {
  semid_ds set = {};
  SemctlArgument argument = {};
  argument.buf = &set;
  if (semctl(semid, 0, IPC_STAT, argument) != 0) return Result(env, -errno);
  std::vector<unsigned short> values(set.sem_nsems);
  argument.array = values.data();
  if (semctl(semid, 0, GETALL, argument) != 0) return Result(env, -errno);
  Napi::Array array = Napi::Array::New(env, values.size());
  for (uint32_t index = 0; index < values.size(); index++) {
    array.Set(index, Napi::Number::New(env, values[index]));
  }
  return array;
}

// semctl(semid, semnum, cmd, value): an object, an array, a number (0 where the command gives nothing), or -errno.
Napi::Value Semctl(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int semid = ReadInt(info, 0);
  int cmd = ReadInt(info, 2);
  if (cmd == GETALL) return Values(env, semid);
  semid_ds set = {};
  seminfo limits = {};
  SemctlArgument argument = {};
  bool describes = cmd == IPC_STAT || cmd == SEM_STAT || cmd == SEM_STAT_ANY;
  bool limited = cmd == IPC_INFO || cmd == SEM_INFO;
  if (describes) {
    argument.buf = &set;
  } else if (limited) {
    argument.info = &limits;
  } else if (cmd == SETVAL) {
    // No other command gets a number of the caller's, which it might take for an address.
    argument.val = ReadInt(info, 3);
  }
  int value = semctl(semid, ReadInt(info, 1), cmd, argument);
  if (value < 0) return Result(env, -errno);
  if (!describes && !limited) return Result(env, value);
  Napi::Object object = describes ? ToObject(env, set) : ToObject(env, limits);
  if (cmd != IPC_STAT) object[describes ? "id" : "maxid"] = Napi::Number::New(env, value);
  return object;
}

// semctlSetAll(semid, values: Uint8Array over unsigned shorts)
Napi::Value SemctlSetAll(const Napi::CallbackInfo& info) {
  Bytes values;
  ReadBytes(info.Env(), info[1], &values);
  // The kernel reads as many as the set has, which may be another one than TypeScript has looked at, and may not
  // be read. No set has more than can be numbered, but where the administrator lets it.
  size_t most = 65536;
  seminfo limits = {};
  SemctlArgument argument = {};
  argument.info = &limits;
  if (semctl(0, 0, IPC_INFO, argument) >= 0)
    most = std::max(most, static_cast<size_t>(limits.semmsl));
  std::vector<unsigned short> all(std::max(most, values.size / 2 + 1));
  if (values.size > 0) memcpy(all.data(), values.data, values.size);
  argument.array = all.data();
  return Result(info.Env(), semctl(ReadInt(info, 0), 0, SETALL, argument) == 0 ? 0 : -errno);
}

// semctlSet(semid, uid, gid, mode): IPC_SET.
Napi::Value SemctlSet(const Napi::CallbackInfo& info) {
  semid_ds set = {};
  set.sem_perm.uid = ReadUnsigned(info, 1);
  set.sem_perm.gid = ReadUnsigned(info, 2);
  set.sem_perm.mode = static_cast<decltype(set.sem_perm.mode)>(ReadUnsigned(info, 3));
  SemctlArgument argument = {};
  argument.buf = &set;
  return Result(info.Env(), semctl(ReadInt(info, 0), 0, IPC_SET, argument) == 0 ? 0 : -errno);
}

}  // namespace

void InitSysvSem(Napi::Env env, Napi::Object exports, Napi::Object constants,
                 Environment* environment) {
  exports["semget"] = Napi::Function::New<Semget>(env, "semget");
  exports["semctl"] = Napi::Function::New<Semctl>(env, "semctl");
  exports["semctlSetAll"] = Napi::Function::New<SemctlSetAll>(env, "semctlSetAll");
  exports["semctlSet"] = Napi::Function::New<SemctlSet>(env, "semctlSet");
  ExportFast(env, exports, "semopOne", SemopOne, environment);
  ExportFast(env, exports, "semtimedop", Semtimedop, environment);
  Waitable<SemaphoreOperation>::Export(env, exports, environment);
  Waitable<FileLock>::Export(env, exports, environment);
  SetConstants(env, constants,
               {{"SEM_UNDO", SEM_UNDO},
                {"GETVAL", GETVAL},
                {"SETVAL", SETVAL},
                {"GETALL", GETALL},
                {"SETALL", SETALL},
                {"GETPID", GETPID},
                {"GETNCNT", GETNCNT},
                {"GETZCNT", GETZCNT},
                {"SEM_STAT", SEM_STAT},
                {"SEM_INFO", SEM_INFO},
                {"SEM_STAT_ANY", SEM_STAT_ANY}});
}

}  // namespace unix_ipc
