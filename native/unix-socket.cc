// Unix domain sockets: unix(7), socket(2), socketpair(2), bind(2), listen(2), accept(2), connect(2), shutdown(2),
// getsockname(2), getpeername(2), getsockopt(2).
#include "unix-socket.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/arguments.h"
#include "core/results.h"
#include "core/waitable.h"

namespace unix_ipc {

SocketName::SocketName(Bytes name) {
  auto* unix_address = reinterpret_cast<sockaddr_un*>(&storage_);
  unix_address->sun_family = AF_UNIX;
  size_t length = std::min(name.size, sizeof(unix_address->sun_path));
  if (length > 0) memcpy(unix_address->sun_path, name.data, length);
  size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
}

bool SocketName::IsUnix() const {
  return size_ >= sizeof(sa_family_t) && storage_.ss_family == AF_UNIX;
}

Bytes SocketName::name() {
  constexpr size_t kPath = offsetof(sockaddr_un, sun_path);
  size_t size = std::min<size_t>(size_, sizeof(storage_));
  if (!IsUnix() || size <= kPath) return {};
  char* path = reinterpret_cast<char*>(&storage_) + kPath;
  size_t length = size - kPath;
  if (path[0] != '\0') length = strnlen(path, length);
  return {path, length};
}

ucred Attachment::credentials() const {
  ucred credentials = {};
  credentials.pid = static_cast<pid_t>(slots_[kPid]);
  credentials.uid = static_cast<uid_t>(slots_[kUid]);
  credentials.gid = static_cast<gid_t>(slots_[kGid]);
  return credentials;
}

void Attachment::WriteCredentials(const ucred& credentials) {
  slots_[kHasCredentials] = 1;
  slots_[kPid] = credentials.pid;
  slots_[kUid] = credentials.uid;
  slots_[kGid] = credentials.gid;
}

sockaddr* Attachment::receiver() const {
  auto* address = reinterpret_cast<sockaddr*>(slots_ + kReceiver);
  address->sa_family = AF_UNIX;
  return address;
}

socklen_t Attachment::receiver_size() const {
  size_t length =
      std::min(static_cast<size_t>(slots_[kReceiverLength]), sizeof(sockaddr_un::sun_path));
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
}

void Attachment::WriteSender(SocketName* name) {
  Bytes bytes = name->name();
  bool same = slots_[kSenderLength] == static_cast<double>(bytes.size) &&
              (bytes.size == 0 || memcmp(slots_ + kSender, bytes.data, bytes.size) == 0);
  if (same) return;
  slots_[kSenderChanges]++;
  slots_[kSenderLength] = static_cast<double>(bytes.size);
  if (bytes.size > 0) memcpy(slots_ + kSender, bytes.data, bytes.size);
}

namespace {

int ConnectTo(int fd, const SocketName& name) {
  return connect(fd, name.address(), name.size()) == 0 ? 0 : -errno;
}

// What became of an interrupted connect of a socket that nobody else has. Each accept(2) wakes one of those who wait,
// perhaps this one, in the same moment as the signal: without another try the room would stay empty, and the next one
// asleep. -EINTR where there is none.
int AfterInterruption(int fd, const SocketName& name) {
  fcntl(fd, F_SETFL, O_NONBLOCK);
  int result = ConnectTo(fd, name);
  fcntl(fd, F_SETFL, 0);
  return result == -EAGAIN ? -EINTR : result;
}

// connect(address; fd, ours): an address may be owned by one call alone. `ours`: nobody else has the socket yet, so that
// its O_NONBLOCK can be set and taken away as the call needs it. Waits while the backlog is full.
class Connect {
 public:
  static constexpr char kName[] = "connect";
  static constexpr View kView = View::kRead;
  static constexpr size_t kArguments = 2;
  static constexpr bool kTries = true;

  explicit Connect(const FastArguments& arguments)
      : name_(arguments.bytes()), fd_(arguments.Int(0)), ours_(arguments.Int(1) != 0) {}

  // Each has a thread of its own: whose turn it is at the listener, the kernel decides.
  LaneKey Key() const { return {kName, fd_, 0}; }

  ssize_t Attempt(Blocking blocking, Scratch*) const {
    if (!ours_) return ConnectTo(fd_, name_);
    bool tries = blocking == Blocking::kNo;
    fcntl(fd_, F_SETFL, tries ? O_NONBLOCK : 0);
    ssize_t result = ConnectTo(fd_, name_);
    if (result == -EINTR) return AfterInterruption(fd_, name_);
    if (tries && result == 0) fcntl(fd_, F_SETFL, 0);
    return result;
  }

  bool WouldBlock(ssize_t result) const { return result == -EAGAIN; }
  Received Take(ssize_t, const Scratch&) const { return {}; }
  void Discard(ssize_t) const {}
  Bytes into() const { return {}; }
  bool Own(Environment*) { return true; }

 private:
  SocketName name_;
  int fd_;
  bool ours_;
};

// connectInterruptibly(address; fd, timeout): waits at most `timeout` milliseconds (negative: for ever), or until a
// signal handler is to run: -EINTR. Without a time limit on the socket the kernel would make the call anew after the
// handlers of process.on(), which ask for that: Ctrl+C would do nothing.
int64_t ConnectWithin(Environment*, const FastArguments& arguments) {
  SocketName name(arguments.bytes());
  int fd = arguments.Int(0);
  double milliseconds = arguments.Double(1);
  // Some thirty years, and not nothing, which the kernel takes for ever.
  timespec limit =
      ToTimespec(milliseconds < 0 ? 1e12 : std::min(std::max(milliseconds, 1.0), 1e12));
  timeval time = {limit.tv_sec, limit.tv_nsec / 1000};
  if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time)) != 0) return -errno;
  int result = ConnectTo(fd, name);
  if (result == -EINTR) result = AfterInterruption(fd, name);
  time = {};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
  return result == -EAGAIN ? -ETIMEDOUT : result;
}

napi_value ConnectInterruptibly(napi_env env, napi_callback_info info) {
  return CallFast<View::kRead>(env, info, ConnectWithin);
}

// socket(domain, type, protocol)
Napi::Value Socket(const Napi::CallbackInfo& info) {
  int fd = socket(ReadInt(info, 0), ReadInt(info, 1), ReadInt(info, 2));
  return Result(info.Env(), fd >= 0 ? fd : -errno);
}

// socketpair(domain, type, protocol): both descriptors, or -errno.
Napi::Value Socketpair(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int ends[2] = {};
  int result = socketpair(ReadInt(info, 0), ReadInt(info, 1), ReadInt(info, 2), ends);
  if (result != 0) return Result(env, -errno);
  Napi::Array descriptors = Napi::Array::New(env, 2);
  descriptors.Set(0u, Napi::Number::New(env, ends[0]));
  descriptors.Set(1u, Napi::Number::New(env, ends[1]));
  return descriptors;
}

// bind(fd, address, mode): the permissions of a socket file, less the umask, where mode is not undefined. They are set
// before anybody can find the file.
Napi::Value Bind(const Napi::CallbackInfo& info) {
  int fd = ReadInt(info, 0);
  Bytes address;
  if (!ReadBytes(info.Env(), info[1], &address)) return Result(info.Env(), kNotBytes);
  if (!info[2].IsUndefined() && fchmod(fd, ReadUnsigned(info, 2)) != 0) {
    return Result(info.Env(), -errno);
  }
  SocketName name(address);
  return Result(info.Env(), bind(fd, name.address(), name.size()) == 0 ? 0 : -errno);
}

// listen(fd, backlog)
Napi::Value Listen(const Napi::CallbackInfo& info) {
  return Result(info.Env(), listen(ReadInt(info, 0), ReadInt(info, 1)) == 0 ? 0 : -errno);
}

// accept(fd, flags, owned): the descriptor of the connection, or -errno. `owned`: it is closed with the environment from
// the first moment on, since a Worker may be ended before it could say so.
Napi::Value Accept(const Napi::CallbackInfo& info) {
  int fd = accept4(ReadInt(info, 0), nullptr, nullptr, ReadInt(info, 1));
  if (fd >= 0 && ReadBool(info, 2)) EnvironmentOf(info)->descriptors.insert(fd);
  return Result(info.Env(), fd >= 0 ? fd : -errno);
}

// getsockname(fd), getpeername(fd): the name is in the block.
template <int (*Call)(int, sockaddr*, socklen_t*)>
Napi::Value GetName(const Napi::CallbackInfo& info) {
  SocketName name;
  socklen_t size = SocketName::capacity();
  if (Call(ReadInt(info, 0), name.address(), &size) != 0) return Result(info.Env(), -errno);
  name.set_size(size);
  if (!name.IsUnix()) return Result(info.Env(), -EAFNOSUPPORT);
  Attachment(EnvironmentOf(info)).WriteSender(&name);
  return Result(info.Env(), 0);
}

int GetSockName(int fd, sockaddr* address, socklen_t* size) {
  return getsockname(fd, address, size);
}
int GetPeerName(int fd, sockaddr* address, socklen_t* size) {
  return getpeername(fd, address, size);
}

// shutdown(fd, how)
Napi::Value Shutdown(const Napi::CallbackInfo& info) {
  return Result(info.Env(), shutdown(ReadInt(info, 0), ReadInt(info, 1)) == 0 ? 0 : -errno);
}

// getsockopt(fd, level, option), of an option that is an int: it is the detail.
Napi::Value Getsockopt(const Napi::CallbackInfo& info) {
  int value = 0;
  socklen_t size = sizeof(value);
  int result = getsockopt(ReadInt(info, 0), ReadInt(info, 1), ReadInt(info, 2), &value, &size);
  if (result != 0) return Result(info.Env(), -errno);
  EnvironmentOf(info)->WriteDetail(value);
  return Result(info.Env(), 0);
}

// setsockopt(fd, level, option, value)
Napi::Value Setsockopt(const Napi::CallbackInfo& info) {
  int value = ReadInt(info, 3);
  int result =
      setsockopt(ReadInt(info, 0), ReadInt(info, 1), ReadInt(info, 2), &value, sizeof(value));
  return Result(info.Env(), result == 0 ? 0 : -errno);
}

// getpeercred(fd): the credentials are in the block.
Napi::Value Getpeercred(const Napi::CallbackInfo& info) {
  ucred credentials = {};
  socklen_t size = sizeof(credentials);
  int result = getsockopt(ReadInt(info, 0), SOL_SOCKET, SO_PEERCRED, &credentials, &size);
  if (result != 0) return Result(info.Env(), -errno);
  Attachment(EnvironmentOf(info)).WriteCredentials(credentials);
  return Result(info.Env(), 0);
}

// siocoutq(fd): how many bytes of the send buffer are used.
Napi::Value Siocoutq(const Napi::CallbackInfo& info) {
  int used = 0;
  int result = ioctl(ReadInt(info, 0), SIOCOUTQ, &used);
  return Result(info.Env(), result == 0 ? used : -errno);
}

}  // namespace

void InitUnixSocket(Napi::Env env, Napi::Object exports, Napi::Object constants,
                    Environment* environment) {
  exports["socket"] = Napi::Function::New<Socket>(env, "socket");
  exports["socketpair"] = Napi::Function::New<Socketpair>(env, "socketpair");
  exports["bind"] = Napi::Function::New<Bind>(env, "bind");
  exports["listen"] = Napi::Function::New<Listen>(env, "listen");
  exports["accept"] = Napi::Function::New<Accept>(env, "accept", environment);
  exports["getsockname"] =
      Napi::Function::New<GetName<GetSockName>>(env, "getsockname", environment);
  exports["getpeername"] =
      Napi::Function::New<GetName<GetPeerName>>(env, "getpeername", environment);
  exports["shutdown"] = Napi::Function::New<Shutdown>(env, "shutdown");
  exports["getsockopt"] = Napi::Function::New<Getsockopt>(env, "getsockopt", environment);
  exports["setsockopt"] = Napi::Function::New<Setsockopt>(env, "setsockopt");
  exports["getpeercred"] = Napi::Function::New<Getpeercred>(env, "getpeercred", environment);
  exports["siocoutq"] = Napi::Function::New<Siocoutq>(env, "siocoutq");
  ExportFast(env, exports, "connectInterruptibly", ConnectInterruptibly, environment);
  Waitable<Connect>::Export(env, exports, environment);
  SetConstants(env, constants,
               {{"AF_UNIX", AF_UNIX},
                {"SOCK_STREAM", SOCK_STREAM},
                {"SOCK_DGRAM", SOCK_DGRAM},
                {"SOCK_SEQPACKET", SOCK_SEQPACKET},
                {"SOCK_NONBLOCK", SOCK_NONBLOCK},
                {"SOCK_CLOEXEC", SOCK_CLOEXEC},
                {"SOL_SOCKET", SOL_SOCKET},
                {"SO_ACCEPTCONN", SO_ACCEPTCONN},
                {"SO_BROADCAST", SO_BROADCAST},
                {"SO_DEBUG", SO_DEBUG},
                {"SO_DOMAIN", SO_DOMAIN},
                {"SO_DONTROUTE", SO_DONTROUTE},
                {"SO_ERROR", SO_ERROR},
                {"SO_KEEPALIVE", SO_KEEPALIVE},
                {"SO_MARK", SO_MARK},
                {"SO_OOBINLINE", SO_OOBINLINE},
                {"SO_PASSCRED", SO_PASSCRED},
                {"SO_PASSSEC", SO_PASSSEC},
                {"SO_PEEK_OFF", SO_PEEK_OFF},
                {"SO_PEERCRED", SO_PEERCRED},
                {"SO_PRIORITY", SO_PRIORITY},
                {"SO_PROTOCOL", SO_PROTOCOL},
                {"SO_RCVBUF", SO_RCVBUF},
                {"SO_RCVBUFFORCE", SO_RCVBUFFORCE},
                {"SO_RCVLOWAT", SO_RCVLOWAT},
                {"SO_REUSEADDR", SO_REUSEADDR},
                {"SO_REUSEPORT", SO_REUSEPORT},
                {"SO_SNDBUF", SO_SNDBUF},
                {"SO_SNDBUFFORCE", SO_SNDBUFFORCE},
                {"SO_SNDLOWAT", SO_SNDLOWAT},
                {"SO_TIMESTAMP", SO_TIMESTAMP},
                {"SO_TIMESTAMPNS", SO_TIMESTAMPNS},
                {"SO_TYPE", SO_TYPE},
                {"SHUT_RD", SHUT_RD},
                {"SHUT_WR", SHUT_WR},
                {"SHUT_RDWR", SHUT_RDWR}});
  InitUnixSocketMessage(env, exports, constants, environment);
}

}  // namespace unix_ipc
