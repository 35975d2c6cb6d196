// POSIX message queues: mq_overview(7), mq_open(3), mq_send(3), mq_receive(3), mq_notify(3).
#include "posix-mq.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/netlink.h>
#include <mqueue.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <string>

#include "core/arguments.h"
#include "core/results.h"

namespace unix_ipc {

namespace {

// The C library's calls are cancellation points, which cost two atomic exchanges a call in a
// process with threads. Where a time is not of the kernel's old size the C library knows how to
// convert it.
#if defined(__x86_64__) || defined(__aarch64__)
int Send(mqd_t queue, const char* message, size_t size, unsigned priority, const timespec* until) {
  return static_cast<int>(syscall(SYS_mq_timedsend, queue, message, size, priority, until));
}

ssize_t Receive(mqd_t queue, char* message, size_t size, unsigned* priority,
                const timespec* until) {
  return syscall(SYS_mq_timedreceive, queue, message, size, priority, until);
}
#else
int Send(mqd_t queue, const char* message, size_t size, unsigned priority, const timespec* until) {
  return until == nullptr ? mq_send(queue, message, size, priority)
                          : mq_timedsend(queue, message, size, priority, until);
}

ssize_t Receive(mqd_t queue, char* message, size_t size, unsigned* priority,
                const timespec* until) {
  return until == nullptr ? mq_receive(queue, message, size, priority)
                          : mq_timedreceive(queue, message, size, priority, until);
}
#endif

// An absolute time from two numbers of the block; nullptr, for ever, where the second is negative
// and so no time.
class Until {
 public:
  Until(const FastArguments& arguments, size_t seconds, size_t timed)
      : timed_(arguments.Int(timed) != 0) {
    time_.tv_sec = static_cast<time_t>(arguments.Long(seconds));
    time_.tv_nsec = static_cast<long>(arguments.Double(seconds + 1));
  }

  const timespec* get() const { return timed_ ? &time_ : nullptr; }

 private:
  timespec time_ = {};
  bool timed_;
};

// mq_send(message; mqdes, priority, seconds, nanoseconds, timed)
int64_t SendMessage(Environment* environment, const FastArguments& arguments) {
  Bytes message = arguments.bytes();
  Until until(arguments, 2, 4);
  int result = Send(arguments.Int(0), message.data, message.size,
                    static_cast<unsigned>(arguments.Double(1)), until.get());
  return result == 0 ? 0 : -errno;
}

napi_value MqSend(napi_env env, napi_callback_info info) {
  return CallFast<View::kRead>(env, info, SendMessage);
}

// mq_receive(into; mqdes, offset, size, seconds, nanoseconds, timed): offers `size` bytes (negative:
// as many as `into` has), and puts the message to into[offset], or aside for takeReceived where it
// does not fit. The priority is the detail.
int64_t ReceiveMessage(Environment* environment, const FastArguments& arguments) {
  Bytes into = arguments.bytes();
  size_t offset = std::min(arguments.Size(1), into.size);
  into = {into.data + offset, into.size - offset};
  size_t size = arguments.Double(2) < 0 ? into.size : arguments.Size(2);
  bool direct = size <= into.size;
  char* memory = direct ? into.data : environment->scratch.Reserve(size);
  if (memory == nullptr && size > 0) return -ENOMEM;
  Until until(arguments, 3, 5);
  unsigned priority = 0;
  ssize_t result = Receive(arguments.Int(0), memory, size, &priority, until.get());
  if (result < 0) result = -errno;
  environment->WriteDetail(priority);
  if (direct) return result;
  Received received;
  received.bytes = memory;
  received.size = result > 0 ? static_cast<size_t>(result) : 0;
  environment->Deliver(received, into);
  return result;
}

napi_value MqReceive(napi_env env, napi_callback_info info) {
  return CallFast<View::kFilled>(env, info, ReceiveMessage);
}

// mq_receiveMany(into; mqdes, offset, size, max): takes messages, of which none is longer than
// `size`, without waiting, until there is none or no room for one. Each goes to
// `into`, from `offset` on; its row in the block tells where it begins, how long it is, and its
// priority. Returns how many, or -errno of the first.
int64_t ReceiveMessages(Environment* environment, const FastArguments& arguments) {
  Bytes into = arguments.bytes();
  size_t offset = arguments.Size(1);
  size_t size = arguments.Size(2);
  size_t max = std::min(arguments.Size(3), WaitEngine::kRecordRows);
  size_t taken = 0;
  // Long past: whoever shares the descriptor may have taken its O_NONBLOCK away.
  const timespec past = {};
  while (taken < max && offset + size <= into.size) {
    unsigned priority = 0;
    ssize_t length = Receive(arguments.Int(0), into.data + offset, size, &priority, &past);
    int error = errno;
    if (length < 0) {
      if (taken == 0) return -error;
      break;
    }
    double* row = environment->block + Environment::kBatchSlot + taken * WaitEngine::kRecordSlots;
    row[2] = static_cast<double>(offset);
    row[3] = static_cast<double>(length);
    WaitEngine::WriteDetail(row + 4, priority);
    taken++;
    offset += (static_cast<size_t>(length) + 7) & ~size_t{7};
  }
  return static_cast<int64_t>(taken);
}

napi_value MqReceiveMany(napi_env env, napi_callback_info info) {
  return CallFast<View::kFilled>(env, info, ReceiveMessages);
}

// mq_open(name, oflag, mode, maxmsg, msgsize): the system's defaults where maxmsg is undefined.
Napi::Value MqOpen(const Napi::CallbackInfo& info) {
  std::string name = ReadString(info, 0);
  mq_attr attributes = {};
  attributes.mq_maxmsg = static_cast<long>(ReadLong(info, 3));
  attributes.mq_msgsize = static_cast<long>(ReadLong(info, 4));
  mqd_t queue = mq_open(name.c_str(), ReadInt(info, 1), static_cast<mode_t>(ReadUnsigned(info, 2)),
                        info[3].IsUndefined() ? nullptr : &attributes);
  return Result(info.Env(), queue >= 0 ? queue : -errno);
}

// mq_unlink(name)
Napi::Value MqUnlink(const Napi::CallbackInfo& info) {
  std::string name = ReadString(info, 0);
  return Result(info.Env(), mq_unlink(name.c_str()) == 0 ? 0 : -errno);
}

Napi::Object ToObject(Napi::Env env, const mq_attr& attributes) {
  Napi::Object object = Napi::Object::New(env);
  object["mq_flags"] = Napi::Number::New(env, static_cast<double>(attributes.mq_flags));
  object["mq_maxmsg"] = Napi::Number::New(env, static_cast<double>(attributes.mq_maxmsg));
  object["mq_msgsize"] = Napi::Number::New(env, static_cast<double>(attributes.mq_msgsize));
  object["mq_curmsgs"] = Napi::Number::New(env, static_cast<double>(attributes.mq_curmsgs));
  return object;
}

// mq_getattr(mqdes)
Napi::Value MqGetattr(const Napi::CallbackInfo& info) {
  mq_attr attributes = {};
  if (mq_getattr(ReadInt(info, 0), &attributes) != 0) return Result(info.Env(), -errno);
  return ToObject(info.Env(), attributes);
}

// mq_setattr(mqdes, flags): what was there before.
Napi::Value MqSetattr(const Napi::CallbackInfo& info) {
  mq_attr attributes = {};
  mq_attr before = {};
  attributes.mq_flags = static_cast<long>(ReadLong(info, 1));
  if (mq_setattr(ReadInt(info, 0), &attributes, &before) != 0) return Result(info.Env(), -errno);
  return ToObject(info.Env(), before);
}

// mq_contents(mqdes): what the queue's file says of it, a line of text, or -errno.
Napi::Value MqContents(const Napi::CallbackInfo& info) {
  char text[256];
  ssize_t length = pread(ReadInt(info, 0), text, sizeof(text), 0);
  if (length < 0) return Result(info.Env(), -errno);
  return Napi::String::New(info.Env(), text, static_cast<size_t>(length));
}

// mq_notify(mqdes, notify, signal, value); takes the registration back where notify is undefined.
Napi::Value MqNotify(const Napi::CallbackInfo& info) {
  sigevent event = {};
  event.sigev_notify = ReadInt(info, 1);
  event.sigev_signo = ReadInt(info, 2);
  event.sigev_value.sival_int = ReadInt(info, 3);
  int result = mq_notify(ReadInt(info, 0), info[1].IsUndefined() ? nullptr : &event);
  return Result(info.Env(), result == 0 ? 0 : -errno);
}

// mq_notifySocket(): a descriptor that mq_notifyThrough can make readable.
Napi::Value MqNotifySocket(const Napi::CallbackInfo& info) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  return Result(info.Env(), fd >= 0 ? fd : -errno);
}

// mq_notifyThrough(mqdes, socket): the C library's way to SIGEV_THREAD, without its thread. The
// kernel sends 32 bytes through the socket when the notification comes (the last is 1) or the
// registration goes (2).
Napi::Value MqNotifyThrough(const Napi::CallbackInfo& info) {
  char cookie[32] = {};
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_signo = ReadInt(info, 1);
  event.sigev_value.sival_ptr = cookie;
  long result = syscall(SYS_mq_notify, ReadInt(info, 0), &event);
  return Result(info.Env(), result == 0 ? 0 : -errno);
}

}  // namespace

void InitPosixMq(Napi::Env env, Napi::Object exports, Napi::Object constants,
                 Environment* environment) {
  ExportFast(env, exports, "mq_send", MqSend, environment);
  ExportFast(env, exports, "mq_receive", MqReceive, environment);
  ExportFast(env, exports, "mq_receiveMany", MqReceiveMany, environment);
  exports["mq_open"] = Napi::Function::New<MqOpen>(env, "mq_open");
  exports["mq_unlink"] = Napi::Function::New<MqUnlink>(env, "mq_unlink");
  exports["mq_getattr"] = Napi::Function::New<MqGetattr>(env, "mq_getattr");
  exports["mq_setattr"] = Napi::Function::New<MqSetattr>(env, "mq_setattr");
  exports["mq_contents"] = Napi::Function::New<MqContents>(env, "mq_contents");
  exports["mq_notify"] = Napi::Function::New<MqNotify>(env, "mq_notify");
  exports["mq_notifySocket"] = Napi::Function::New<MqNotifySocket>(env, "mq_notifySocket");
  exports["mq_notifyThrough"] = Napi::Function::New<MqNotifyThrough>(env, "mq_notifyThrough");
  SetConstants(env, constants,
               {{"SIGEV_SIGNAL", SIGEV_SIGNAL},
                {"SIGEV_NONE", SIGEV_NONE},
                {"SIGEV_THREAD", SIGEV_THREAD},
                {"MQ_PRIO_MAX", MQ_PRIO_MAX}});
}

}  // namespace unix_ipc
