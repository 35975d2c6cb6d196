// Descriptors of any kind: read(2), write(2), close(2), dup(2), fcntl(2), ioctl_tty(2) FIONREAD,
// poll(2), epoll_ctl(2).
#include "core/descriptor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "core/arguments.h"
#include "core/results.h"

namespace unix_ipc {

namespace {

// The most that the kernel moves in one call, whatever it is asked for.
constexpr size_t kMost = 0x7ffff000;

// The C library's read and write are cancellation points, which cost two atomic exchanges a call in
// a process with threads.
ssize_t ReadOnce(int fd, char* memory, size_t size, bool wait) {
  if (wait) return syscall(SYS_read, fd, memory, size);
  iovec part = {memory, size};
  return syscall(SYS_preadv2, fd, &part, 1, -1L, -1L, RWF_NOWAIT);
}

ssize_t WriteOnce(int fd, const char* memory, size_t size, bool wait) {
  if (wait) return syscall(SYS_write, fd, memory, size);
  iovec part = {const_cast<char*>(memory), size};
  return syscall(SYS_pwritev2, fd, &part, 1, -1L, -1L, RWF_NOWAIT);
}

// read(into; fd, offset, size, wait): at most `size` bytes (negative: as many as `into` has) to into[offset], or aside for
// takeReceived where they don't fit. Without `wait` the call does not wait, whatever O_NONBLOCK
// says: EOPNOTSUPP where the kernel can't do that for this descriptor.
int64_t ReadDescriptor(Environment* environment, const FastArguments& arguments) {
  Bytes into = arguments.bytes();
  size_t offset = std::min(arguments.Size(1), into.size);
  size_t size = arguments.Double(2) < 0 ? into.size : arguments.Size(2);
  size = std::min(size, kMost);
  into = {into.data + offset, into.size - offset};
  bool direct = size <= into.size;
  char* memory = direct ? into.data : environment->scratch.Reserve(size);
  if (memory == nullptr && size > 0) return -ENOMEM;
  ssize_t result = ReadOnce(arguments.Int(0), memory, size, arguments.Int(3) != 0);
  if (result < 0) result = -errno;
  if (direct) return result;
  Received received;
  received.bytes = memory;
  received.size = result > 0 ? static_cast<size_t>(result) : 0;
  environment->Deliver(received, into);
  return result;
}

napi_value Read(napi_env env, napi_callback_info info) {
  return CallFast<View::kFilled>(env, info, ReadDescriptor);
}

// write(data; fd, offset, wait): the bytes from `offset` on.
int64_t WriteDescriptor(Environment* environment, const FastArguments& arguments) {
  Bytes data = arguments.bytes();
  size_t offset = std::min(arguments.Size(1), data.size);
  ssize_t result =
      WriteOnce(arguments.Int(0), data.data + offset, data.size - offset, arguments.Int(2) != 0);
  return result < 0 ? -errno : result;
}

napi_value Write(napi_env env, napi_callback_info info) {
  return CallFast<View::kRead>(env, info, WriteDescriptor);
}

// Which descriptors this package has made for the program. Descriptors are the process's, not an
// environment's: one Worker may be given another's. Those past the end are taken for made.
constexpr int kNoted = 4096;
std::atomic<bool> made[kNoted];

// note(fd, made: boolean)
void Note(const Napi::CallbackInfo& info) {
  int fd = ReadInt(info, 0);
  if (fd >= 0 && fd < kNoted) made[fd] = ReadBool(info, 1);
}

// isNoted(fd): boolean
Napi::Value IsNoted(const Napi::CallbackInfo& info) {
  int fd = ReadInt(info, 0);
  return Napi::Boolean::New(info.Env(), fd >= kNoted || (fd >= 0 && made[fd]));
}

// close(fd)
Napi::Value Close(const Napi::CallbackInfo& info) {
  int fd = ReadInt(info, 0);
  EnvironmentOf(info)->descriptors.erase(fd);
  if (fd >= 0 && fd < kNoted) made[fd] = false;
  return Result(info.Env(), close(fd) == 0 ? 0 : -errno);
}

// own(fd, owned: boolean): whether the descriptor is closed when the environment ends.
void Own(const Napi::CallbackInfo& info) {
  int fd = ReadInt(info, 0);
  if (ReadBool(info, 1)) {
    EnvironmentOf(info)->descriptors.insert(fd);
  } else {
    EnvironmentOf(info)->descriptors.erase(fd);
  }
}

// reopen(fd): another open file, with O_NONBLOCK, of the pipe or FIFO that `fd` is an end of.
Napi::Value Reopen(const Napi::CallbackInfo& info) {
  int fd = ReadInt(info, 0);
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return Result(info.Env(), -errno);
  std::string path = "/proc/self/fd/" + std::to_string(fd);
  int another = open(path.c_str(), (flags & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC);
  if (another < 0) return Result(info.Env(), -errno);
  // A FIFO can't be opened with O_DIRECT.
  if ((flags & O_DIRECT) != 0) fcntl(another, F_SETFL, O_NONBLOCK | O_DIRECT);
  return Result(info.Env(), another);
}

// dup(fd)
Napi::Value Dup(const Napi::CallbackInfo& info) {
  int fd = dup(ReadInt(info, 0));
  return Result(info.Env(), fd >= 0 ? fd : -errno);
}

// dup2(oldfd, newfd)
Napi::Value Dup2(const Napi::CallbackInfo& info) {
  int fd = dup2(ReadInt(info, 0), ReadInt(info, 1));
  return Result(info.Env(), fd >= 0 ? fd : -errno);
}

// fcntl(fd, cmd, arg), for commands whose argument is an int.
Napi::Value Fcntl(const Napi::CallbackInfo& info) {
  int result = fcntl(ReadInt(info, 0), ReadInt(info, 1), ReadInt(info, 2));
  return Result(info.Env(), result >= 0 ? result : -errno);
}

// fionread(fd)
Napi::Value Fionread(const Napi::CallbackInfo& info) {
  int available = 0;
  int result = ioctl(ReadInt(info, 0), FIONREAD, &available);
  return Result(info.Env(), result == 0 ? available : -errno);
}

// poll(descriptors: Int32Array, timeout): fd, events and revents of one after the other; fills in
// revents. Returns how many are ready.
Napi::Value Poll(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsTypedArray()) return Result(env, kNotBytes);
  auto table = info[0].As<Napi::Int32Array>();
  std::vector<pollfd> descriptors(table.ElementLength() / 3);
  int32_t* row = table.Data();
  for (pollfd& descriptor : descriptors) {
    descriptor = {row[0], static_cast<short>(row[1]), 0};
    row += 3;
  }
  int result = poll(descriptors.data(), descriptors.size(), ReadInt(info, 1));
  if (result < 0) return Result(env, -errno);
  row = table.Data();
  for (const pollfd& descriptor : descriptors) {
    row[2] = descriptor.revents;
    row += 3;
  }
  return Result(env, result);
}

// pollOne(fd, events, timeout): what has happened, 0 after `timeout` milliseconds, which may have a
// fraction (negative: for ever).
Napi::Value PollOne(const Napi::CallbackInfo& info) {
  pollfd descriptor = {ReadInt(info, 0), static_cast<short>(ReadInt(info, 1)), 0};
  double milliseconds = ReadDouble(info, 2);
  timespec timeout = ToTimespec(milliseconds);
  int result = ppoll(&descriptor, 1, milliseconds < 0 ? nullptr : &timeout, nullptr);
  return Result(info.Env(), result < 0 ? -errno : descriptor.revents);
}

}  // namespace

void CloseOwned(int fd) {
  if (fd >= 0 && fd < kNoted) made[fd] = false;
  close(fd);
}

void InitDescriptor(Napi::Env env, Napi::Object exports, Napi::Object constants,
                    Environment* environment) {
  ExportFast(env, exports, "read", Read, environment);
  ExportFast(env, exports, "write", Write, environment);
  exports["close"] = Napi::Function::New<Close>(env, "close", environment);
  exports["note"] = Napi::Function::New<Note>(env, "note");
  exports["isNoted"] = Napi::Function::New<IsNoted>(env, "isNoted");
  exports["own"] = Napi::Function::New<Own>(env, "own", environment);
  exports["reopen"] = Napi::Function::New<Reopen>(env, "reopen");
  exports["dup"] = Napi::Function::New<Dup>(env, "dup");
  exports["dup2"] = Napi::Function::New<Dup2>(env, "dup2");
  exports["fcntl"] = Napi::Function::New<Fcntl>(env, "fcntl");
  exports["fionread"] = Napi::Function::New<Fionread>(env, "fionread");
  exports["poll"] = Napi::Function::New<Poll>(env, "poll");
  exports["pollOne"] = Napi::Function::New<PollOne>(env, "pollOne");
  SetConstants(env, constants,
               {{"O_RDONLY", O_RDONLY},
                {"O_WRONLY", O_WRONLY},
                {"O_RDWR", O_RDWR},
                {"O_ACCMODE", O_ACCMODE},
                {"O_CREAT", O_CREAT},
                {"O_EXCL", O_EXCL},
                {"O_TRUNC", O_TRUNC},
                {"O_APPEND", O_APPEND},
                {"O_NONBLOCK", O_NONBLOCK},
                {"O_CLOEXEC", O_CLOEXEC},
                {"O_DIRECT", O_DIRECT},
                {"O_NOFOLLOW", O_NOFOLLOW},
                {"F_DUPFD", F_DUPFD},
                {"F_DUPFD_CLOEXEC", F_DUPFD_CLOEXEC},
                {"F_GETFL", F_GETFL},
                {"F_SETFL", F_SETFL},
                {"F_GETFD", F_GETFD},
                {"F_SETFD", F_SETFD},
                {"FD_CLOEXEC", FD_CLOEXEC},
                {"F_SETPIPE_SZ", F_SETPIPE_SZ},
                {"F_GETPIPE_SZ", F_GETPIPE_SZ},
                {"F_ADD_SEALS", F_ADD_SEALS},
                {"F_GET_SEALS", F_GET_SEALS},
                {"F_SEAL_SEAL", F_SEAL_SEAL},
                {"F_SEAL_SHRINK", F_SEAL_SHRINK},
                {"F_SEAL_GROW", F_SEAL_GROW},
                {"F_SEAL_WRITE", F_SEAL_WRITE},
                {"F_SEAL_FUTURE_WRITE", F_SEAL_FUTURE_WRITE},
                {"POLLIN", POLLIN},
                {"POLLOUT", POLLOUT},
                {"POLLERR", POLLERR},
                {"POLLHUP", POLLHUP},
                {"POLLNVAL", POLLNVAL},
                {"POLLPRI", POLLPRI},
                {"POLLRDHUP", POLLRDHUP},
                {"EPOLL_CTL_ADD", EPOLL_CTL_ADD},
                {"EPOLL_CTL_MOD", EPOLL_CTL_MOD},
                {"EPOLL_CTL_DEL", EPOLL_CTL_DEL},
                {"EPOLLET", static_cast<int64_t>(EPOLLET)}});
}

}  // namespace unix_ipc
