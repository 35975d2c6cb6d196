// System V message queues: msgget(2), msgop(2), msgctl(2).
#include "sysv-msg.h"

#include <sys/msg.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>
#include <new>

#include "core/arguments.h"
#include "core/results.h"
#include "core/sysv-ipc.h"
#include "core/waitable.h"

namespace unix_ipc {

namespace {

// A message as the kernel wants it: a long, then the text.
constexpr size_t kTypeSize = sizeof(long);

// The C library's msgsnd and msgrcv are cancellation points. In a process with threads, as this one
// always is, that costs two atomic exchanges a call, which a C program with one thread does not
// pay, and nobody here uses pthread_cancel.
// Where System V had one call for everything once (s390x, ppc64le), these are newer than the
// kernels still in use.
#if defined(__x86_64__) || defined(__aarch64__) || defined(__arm__)
int Send(int msqid, const void* message, size_t size, int flags) {
  return static_cast<int>(syscall(SYS_msgsnd, msqid, message, size, flags));
}

ssize_t Receive(int msqid, void* message, size_t size, long type, int flags) {
  return syscall(SYS_msgrcv, msqid, message, size, type, flags);
}
#else
constexpr auto Send = msgsnd;
constexpr auto Receive = msgrcv;
#endif

// msgsnd(text; msqid, type, flags)
class MessageSend {
 public:
  static constexpr char kName[] = "msgsnd";
  static constexpr View kView = View::kRead;
  static constexpr size_t kArguments = 3;
  static constexpr bool kTries = true;

  explicit MessageSend(const FastArguments& arguments)
      : msqid_(arguments.Int(0)),
        type_(arguments.Long(1)),
        text_(arguments.bytes()),
        flags_(arguments.Int(2)) {}

  // All types in one lane: a full queue is full for every type, and the order of sending holds.
  LaneKey Key() const { return {kName, msqid_, 0}; }

  ssize_t Attempt(Blocking blocking, Scratch* scratch) {
    char* message = own_.get();
    if (message == nullptr) {
      message = scratch->Reserve(kTypeSize + text_.size);
      if (message == nullptr) return -ENOMEM;
      Compose(message);
    }
    int flags = blocking == Blocking::kNo ? flags_ | IPC_NOWAIT : flags_;
    return Send(msqid_, message, text_.size, flags) == 0 ? 0 : -errno;
  }

  bool WouldBlock(ssize_t result) const { return result == -EAGAIN; }
  Received Take(ssize_t, const Scratch&) const { return {}; }
  void Discard(ssize_t) {}
  Bytes into() const { return {}; }

  bool Own(Environment*) {
    own_.reset(new (std::nothrow) char[kTypeSize + text_.size]);
    if (own_ == nullptr) return false;
    Compose(own_.get());
    text_.data = nullptr;
    return true;
  }

 private:
  void Compose(char* message) const {
    memcpy(message, &type_, kTypeSize);
    if (text_.size > 0) memcpy(message + kTypeSize, text_.data, text_.size);
  }

  int msqid_;
  long type_;
  Bytes text_;
  int flags_;
  std::unique_ptr<char[]> own_;
};

// msgrcv(into; msqid, type, flags, size, offset): takes at most `size` bytes (negative: as many as
// `into` has), and copies them to into[offset] where they fit. The type is the detail.
class MessageReceive {
 public:
  static constexpr char kName[] = "msgrcv";
  static constexpr View kView = View::kFilled;
  static constexpr size_t kArguments = 5;
  static constexpr bool kTries = true;

  explicit MessageReceive(const FastArguments& arguments)
      : msqid_(arguments.Int(0)),
        type_(arguments.Long(1)),
        flags_(arguments.Int(2)),
        into_(arguments.bytes()),
        size_(arguments.Double(3) < 0 ? into_.size : arguments.Size(3)) {
    size_t offset = std::min(arguments.Size(4), into_.size);
    into_.data += offset;
    into_.size -= offset;
  }

  LaneKey Key() const {
    // Types are longs and all of them are taken, so MSG_EXCEPT is told apart by the address of the
    // call.
    const void* call = (flags_ & MSG_EXCEPT) != 0 ? &kExcept : kName;
    return {call, msqid_, type_};
  }

  ssize_t Attempt(Blocking blocking, Scratch* scratch) const {
    // No message is larger than an int, whatever the caller would take. Memory grows when a message
    // needs it: one that is too large stays in the queue.
    size_t most = std::min<size_t>(size_, INT_MAX);
    size_t room = std::min(most, kUsualRoom);
    for (;;) {
      char* message = scratch->Reserve(kTypeSize + room);
      if (message == nullptr) return -ENOMEM;
      int flags = blocking == Blocking::kNo ? flags_ | IPC_NOWAIT : flags_;
      // Cut only what the caller's own limit cuts.
      if (room < most) flags &= ~MSG_NOERROR;
      ssize_t received = Receive(msqid_, message, room, type_, flags);
      if (received >= 0) return received;
      int error = errno;
      if (error != E2BIG || room == most) return -error;
      room = std::min(most, room * 4);
    }
  }

  bool WouldBlock(ssize_t result) const { return result == -ENOMSG; }

  Received Take(ssize_t result, const Scratch& scratch) const {
    Received received;
    received.bytes = scratch.data() + kTypeSize;
    received.size = static_cast<size_t>(result);
    long type = 0;
    memcpy(&type, scratch.data(), kTypeSize);
    received.detail = type;
    return received;
  }

  // The message is lost with the environment that took it.
  void Discard(ssize_t) {}
  Bytes into() const { return into_; }
  bool Own(Environment*) {
    into_ = Bytes();
    return true;
  }

 private:
  static constexpr size_t kUsualRoom = size_t{64} * 1024 - kTypeSize;
  static constexpr char kExcept = 0;

  int msqid_;
  long type_;
  int flags_;
  Bytes into_;
  size_t size_;
};

// msgrcvMany(into; msqid, type, flags, size, offset, max): takes messages without waiting until
// there is none, or no room for the next. Each goes to `into`, from `offset` on, as the kernel
// gives it, its type before its text; its row in the block tells where its text begins, how long it
// is, and its type. Returns how many, or -errno of the first.
int64_t ReceiveMany(Environment* environment, const FastArguments& arguments) {
  double* block = environment->block;
  Bytes into = arguments.bytes();
  int flags = arguments.Int(2) | IPC_NOWAIT;
  size_t offset = arguments.Size(4);
  size_t max = std::min(arguments.Size(5), WaitEngine::kRecordRows);
  size_t taken = 0;
  while (taken < max && offset + kTypeSize <= into.size) {
    char* message = into.data + offset;
    size_t room = into.size - offset - kTypeSize;
    size_t most = std::min(arguments.Size(3), room);
    // Cut only what the caller's own limit cuts.
    int how = most == room ? flags & ~MSG_NOERROR : flags;
    ssize_t length = Receive(arguments.Int(0), message, most, arguments.Long(1), how);
    int error = errno;
    if (length < 0) {
      if (taken == 0) return -error;
      break;
    }
    double* row = block + Environment::kBatchSlot + taken * WaitEngine::kRecordSlots;
    long type = 0;
    memcpy(&type, message, kTypeSize);
    row[2] = static_cast<double>(offset + kTypeSize);
    row[3] = static_cast<double>(length);
    WaitEngine::WriteDetail(row + 4, type);
    taken++;
    offset += kTypeSize + ((static_cast<size_t>(length) + 7) & ~size_t{7});
  }
  return static_cast<int64_t>(taken);
}

napi_value MsgrcvMany(napi_env env, napi_callback_info info) {
  return CallFast<View::kFilled>(env, info, ReceiveMany);
}

// msgget(key, flags)
Napi::Value Msgget(const Napi::CallbackInfo& info) {
  int msqid = msgget(ReadInt(info, 0), ReadInt(info, 1));
  return Result(info.Env(), msqid >= 0 ? msqid : -errno);
}

Napi::Object ToObject(Napi::Env env, const msqid_ds& queue) {
  Napi::Object object = Napi::Object::New(env);
  object["msg_perm"] = PermissionsToObject(env, queue.msg_perm);
  object["msg_stime"] = ToMember(env, queue.msg_stime);
  object["msg_rtime"] = ToMember(env, queue.msg_rtime);
  object["msg_ctime"] = ToMember(env, queue.msg_ctime);
  object["msg_cbytes"] = ToMember(env, queue.__msg_cbytes);
  object["msg_qnum"] = ToMember(env, queue.msg_qnum);
  object["msg_qbytes"] = ToMember(env, queue.msg_qbytes);
  object["msg_lspid"] = Napi::Number::New(env, queue.msg_lspid);
  object["msg_lrpid"] = Napi::Number::New(env, queue.msg_lrpid);
  return object;
}

Napi::Object ToObject(Napi::Env env, const msginfo& limits) {
  Napi::Object object = Napi::Object::New(env);
  object["msgpool"] = Napi::Number::New(env, limits.msgpool);
  object["msgmap"] = Napi::Number::New(env, limits.msgmap);
  object["msgmax"] = Napi::Number::New(env, limits.msgmax);
  object["msgmnb"] = Napi::Number::New(env, limits.msgmnb);
  object["msgmni"] = Napi::Number::New(env, limits.msgmni);
  object["msgssz"] = Napi::Number::New(env, limits.msgssz);
  object["msgtql"] = Napi::Number::New(env, limits.msgtql);
  object["msgseg"] = Napi::Number::New(env, limits.msgseg);
  return object;
}

// msgctl(msqid, cmd): an object, undefined where the command gives none, or -errno.
Napi::Value Msgctl(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int msqid = ReadInt(info, 0);
  int cmd = ReadInt(info, 1);
  // The kernel fills one or the other, as the command says.
  union {
    msqid_ds queue;
    msginfo limits;
  } result = {};
  int value = msgctl(msqid, cmd, &result.queue);
  if (value < 0) return Result(env, -errno);
  Napi::Object object;
  switch (cmd) {
    case IPC_STAT:
      return ToObject(env, result.queue);
    case MSG_STAT:
    case MSG_STAT_ANY:
      object = ToObject(env, result.queue);
      object["id"] = Napi::Number::New(env, value);
      return object;
    case IPC_INFO:
    case MSG_INFO:
      object = ToObject(env, result.limits);
      object["maxid"] = Napi::Number::New(env, value);
      return object;
    default:
      return env.Undefined();
  }
}

// msgctlSet(msqid, uid, gid, mode, qbytes): IPC_SET.
Napi::Value MsgctlSet(const Napi::CallbackInfo& info) {
  msqid_ds queue = {};
  queue.msg_perm.uid = ReadUnsigned(info, 1);
  queue.msg_perm.gid = ReadUnsigned(info, 2);
  queue.msg_perm.mode = static_cast<decltype(queue.msg_perm.mode)>(ReadUnsigned(info, 3));
  queue.msg_qbytes = static_cast<msglen_t>(ReadLong(info, 4));
  return Result(info.Env(), msgctl(ReadInt(info, 0), IPC_SET, &queue) == 0 ? 0 : -errno);
}

}  // namespace

void InitSysvMsg(Napi::Env env, Napi::Object exports, Napi::Object constants,
                 Environment* environment) {
  exports["msgget"] = Napi::Function::New<Msgget>(env, "msgget");
  exports["msgctl"] = Napi::Function::New<Msgctl>(env, "msgctl");
  exports["msgctlSet"] = Napi::Function::New<MsgctlSet>(env, "msgctlSet");
  ExportFast(env, exports, "msgrcvMany", MsgrcvMany, environment);
  Waitable<MessageSend>::Export(env, exports, environment);
  Waitable<MessageReceive>::Export(env, exports, environment);
  SetConstants(env, constants,
               {{"MSG_NOERROR", MSG_NOERROR},
                {"MSG_EXCEPT", MSG_EXCEPT},
                {"MSG_COPY", MSG_COPY},
                {"MSG_STAT", MSG_STAT},
                {"MSG_INFO", MSG_INFO},
                {"MSG_STAT_ANY", MSG_STAT_ANY}});
}

}  // namespace unix_ipc
