// Messages of Unix domain sockets and what goes along with them: send(2), recv(2), cmsg(3), unix(7).
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/arguments.h"
#include "core/results.h"
#include "unix-socket.h"

namespace unix_ipc {

namespace {

// The most that the kernel moves in one call, whatever it is asked for.
constexpr size_t kMost = 0x7ffff000;

// The C library's calls are cancellation points, which cost two atomic exchanges a call in a process with threads.
// Where the kernel has these calls only behind socketcall(2), the C library knows.
#if defined(SYS_sendto) && defined(SYS_recvfrom) && defined(SYS_sendmsg) && defined(SYS_recvmsg)
ssize_t Send(int fd, Bytes data, int flags, const sockaddr* to, socklen_t to_size) {
  return syscall(SYS_sendto, fd, data.data, data.size, flags, to, to_size);
}
ssize_t Receive(int fd, char* memory, size_t size, int flags) {
  return syscall(SYS_recvfrom, fd, memory, size, flags, nullptr, nullptr);
}
ssize_t SendWith(int fd, const msghdr* message, int flags) {
  return syscall(SYS_sendmsg, fd, message, flags);
}
ssize_t ReceiveWith(int fd, msghdr* message, int flags) {
  return syscall(SYS_recvmsg, fd, message, flags);
}
#else
ssize_t Send(int fd, Bytes data, int flags, const sockaddr* to, socklen_t to_size) {
  return sendto(fd, data.data, data.size, flags, to, to_size);
}
ssize_t Receive(int fd, char* memory, size_t size, int flags) {
  return recv(fd, memory, size, flags);
}
ssize_t SendWith(int fd, const msghdr* message, int flags) { return sendmsg(fd, message, flags); }
ssize_t ReceiveWith(int fd, msghdr* message, int flags) { return recvmsg(fd, message, flags); }
#endif

constexpr size_t kDescriptorBytes = (Attachment::kMostDescriptors + 1) * sizeof(int);

// send(data; fd, flags)
int64_t SendBytes(Environment*, const FastArguments& arguments) {
  ssize_t result = Send(arguments.Int(0), arguments.bytes(), arguments.Int(1), nullptr, 0);
  return result < 0 ? -errno : result;
}

napi_value SendFunction(napi_env env, napi_callback_info info) {
  return CallFast<View::kRead>(env, info, SendBytes);
}

// sendto(data; fd, flags), to the address in the block.
int64_t SendTo(Environment* environment, const FastArguments& arguments) {
  Bytes data = arguments.bytes();
  Attachment attachment(environment);
  ssize_t result = Send(arguments.Int(0), data, arguments.Int(1), attachment.receiver(),
                        attachment.receiver_size());
  return result < 0 ? -errno : result;
}

napi_value SendtoFunction(napi_env env, napi_callback_info info) {
  return CallFast<View::kRead>(env, info, SendTo);
}

// Adds a control message of `size` bytes behind those that are there. `control` is zero as far as it is free.
void AddControl(msghdr* message, int type, const void* data, size_t size) {
  auto* header = reinterpret_cast<cmsghdr*>(static_cast<char*>(message->msg_control) +
                                            message->msg_controllen);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(size);
  memcpy(CMSG_DATA(header), data, size);
  message->msg_controllen += CMSG_SPACE(size);
}

// sendmsg(data; fd, flags), with what the block has to go along with it.
int64_t SendMessage(Environment* environment, const FastArguments& arguments) {
  Bytes data = arguments.bytes();
  Attachment attachment(environment);
  alignas(cmsghdr) char control[CMSG_SPACE(kDescriptorBytes) + CMSG_SPACE(sizeof(ucred))] = {};
  iovec part = {data.data, data.size};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (attachment.has_receiver()) {
    message.msg_name = attachment.receiver();
    message.msg_namelen = attachment.receiver_size();
  }
  message.msg_control = control;
  size_t count = std::min(attachment.descriptor_count(), Attachment::kMostDescriptors + 1);
  if (count > 0) {
    int descriptors[Attachment::kMostDescriptors + 1];
    for (size_t i = 0; i < count; i++) descriptors[i] = attachment.descriptor(i);
    AddControl(&message, SCM_RIGHTS, descriptors, count * sizeof(int));
  }
  if (attachment.has_credentials()) {
    ucred credentials = attachment.credentials();
    AddControl(&message, SCM_CREDENTIALS, &credentials, sizeof(credentials));
  }
  ssize_t result = SendWith(arguments.Int(0), &message, arguments.Int(1));
  return result < 0 ? -errno : result;
}

napi_value SendmsgFunction(napi_env env, napi_callback_info info) {
  return CallFast<View::kRead>(env, info, SendMessage);
}

// recv(into; fd, offset, size, flags): at most `size` bytes (negative: as many as `into` has) to into[offset], or aside
// for takeReceived where they don't fit. With MSG_TRUNC the result may be more than that.
int64_t ReceiveBytes(Environment* environment, const FastArguments& arguments) {
  Bytes into = arguments.bytes();
  size_t offset = std::min(arguments.Size(1), into.size);
  into = {into.data + offset, into.size - offset};
  size_t size = arguments.Double(2) < 0 ? into.size : std::min(arguments.Size(2), kMost);
  bool direct = size <= into.size;
  char* memory = direct ? into.data : environment->scratch.Reserve(size);
  if (memory == nullptr && size > 0) return -ENOMEM;
  ssize_t result = Receive(arguments.Int(0), memory, size, arguments.Int(3));
  if (result < 0) result = -errno;
  if (direct) return result;
  Received received;
  received.bytes = memory;
  received.size = result > 0 ? std::min(static_cast<size_t>(result), size) : 0;
  environment->Deliver(received, into);
  return result;
}

napi_value RecvFunction(napi_env env, napi_callback_info info) {
  return CallFast<View::kFilled>(env, info, ReceiveBytes);
}

// What is wanted along with a message, besides descriptors.
constexpr int kAddress = 1;
constexpr int kCredentials = 2;
constexpr int kStamp = 4;

// Control messages as they come: descriptors beyond what was asked for are closed, since nobody would.
class Control {
 public:
  Control(const msghdr& message, Attachment* attachment, size_t room) {
    attachment->WriteNoCredentials();
    size_t count = 0;
    size_t dropped = 0;
    // CMSG_NXTHDR takes a pointer to what it does not change.
    auto* all = const_cast<msghdr*>(&message);
    for (cmsghdr* header = CMSG_FIRSTHDR(all); header != nullptr;
         header = CMSG_NXTHDR(all, header)) {
      if (header->cmsg_level != SOL_SOCKET) continue;
      if (header->cmsg_type == SCM_RIGHTS) {
        size_t bytes = header->cmsg_len - CMSG_LEN(0);
        for (size_t at = 0; at + sizeof(int) <= bytes; at += sizeof(int)) {
          int fd = -1;
          memcpy(&fd, CMSG_DATA(header) + at, sizeof(fd));
          if (count < room) {
            attachment->set_descriptor(count++, fd);
          } else {
            close(fd);
            dropped++;
          }
        }
      } else if (header->cmsg_type == SCM_CREDENTIALS) {
        ucred credentials = {};
        memcpy(&credentials, CMSG_DATA(header), sizeof(credentials));
        attachment->WriteCredentials(credentials);
      } else if (header->cmsg_type == kPidfd) {
        // SO_PASSPIDFD, which somebody else must have set: there is nobody to take it.
        int fd = -1;
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
        if (fd >= 0) close(fd);
      } else if (header->cmsg_type == SO_TIMESTAMP) {
        stamped_ = true;
      }
    }
    attachment->set_descriptor_count(count);
    flags_ = message.msg_flags | (dropped > 0 ? MSG_CTRUNC : 0);
  }

  bool stamped() const { return stamped_; }
  int flags() const { return flags_; }

 private:
  // SCM_PIDFD of newer headers.
  static constexpr int kPidfd = 4;

  bool stamped_ = false;
  int flags_ = 0;
};

// What a message is received with.
struct Receiving {
  int fd;
  size_t size;
  int flags;
  // For so many descriptors. Where there is to be none, there is room for nothing that is not wanted: some would be put into
  // what is left, and to close one of a file takes away the locks that this process has on it (fcntl_locking(2)).
  size_t room;
  int wanted;

  explicit Receiving(const FastArguments& arguments)
      : fd(arguments.Int(0)),
        size(std::min(arguments.Size(2), kMost)),
        flags(arguments.Int(3) | MSG_CMSG_CLOEXEC),
        room(std::min(arguments.Size(4), Attachment::kMostDescriptors)),
        wanted(arguments.Int(5)) {}
};

// Receives a message to `into`, or aside for takeReceived where it does not fit. What came along is in the block. The result may
// be more than the size (MSG_TRUNC), and is -errno where the call failed.
ssize_t ReceiveMessage(Environment* environment, Bytes into, const Receiving& receiving) {
  environment->received = Received();
  // What is longer than `into` goes on elsewhere, behind a gap for its beginning.
  size_t size = receiving.size;
  bool direct = size <= into.size;
  char* aside = direct ? nullptr : environment->overflow.Reserve(size);
  if (aside == nullptr && !direct) return -ENOMEM;
  size_t first = std::min(size, into.size);
  iovec parts[2] = {{into.data, first}, {aside + (direct ? 0 : first), size - first}};

  alignas(cmsghdr) char control[CMSG_SPACE(kDescriptorBytes) + CMSG_SPACE(sizeof(ucred)) +
                                CMSG_SPACE(sizeof(timeval)) + CMSG_SPACE(sizeof(int))];
  SocketName name;
  bool named = (receiving.wanted & kAddress) != 0;
  msghdr message = {};
  if (named) {
    message.msg_name = name.address();
    message.msg_namelen = SocketName::capacity();
  }
  message.msg_iov = parts;
  message.msg_iovlen = direct ? 1 : 2;
  size_t used = (receiving.wanted & kCredentials) != 0 ? CMSG_SPACE(sizeof(ucred)) : 0;
  if ((receiving.wanted & kStamp) != 0) used += CMSG_SPACE(sizeof(timeval));
  message.msg_controllen = receiving.room > 0 ? sizeof(control) : used;
  message.msg_control = message.msg_controllen > 0 ? control : nullptr;
  ssize_t result = ReceiveWith(receiving.fd, &message, receiving.flags);
  if (result < 0) return -errno;

  Attachment attachment(environment);
  if (named) {
    name.set_size(message.msg_namelen);
    attachment.WriteSender(&name);
  }
  Control along(message, &attachment, receiving.room);
  attachment.WriteFlags(along.flags(), along.stamped());
  size_t length = std::min(static_cast<size_t>(result), size);
  if (length > first) {
    if (first > 0) memcpy(aside, into.data, first);
    environment->received.bytes = aside;
    environment->received.size = length;
  }
  return result;
}

Bytes RestOf(const FastArguments& arguments) {
  Bytes into = arguments.bytes();
  size_t offset = std::min(arguments.Size(1), into.size);
  return {into.data + offset, into.size - offset};
}

// recvmsg(into; fd, offset, size, flags, room, along)
napi_value RecvmsgFunction(napi_env env, napi_callback_info info) {
  return CallFast<View::kFilled>(
      env, info, [](Environment* environment, const FastArguments& arguments) -> int64_t {
        return ReceiveMessage(environment, RestOf(arguments), Receiving(arguments));
      });
}

// recvmsgMany(into; fd, offset, size, flags, room, along, max): receives messages until a call fails, or there is one that is
// not just bytes like the one before: with something along, from another sender, too long for the rest of `into`, or the end.
// That one is the last, and as after recvmsg. Each has a row in the block that tells where it begins and how long it is.
// Returns how many, or -errno of the first. The detail: 1 where the last is such a one; the -errno that came behind them; else 0.
int64_t ReceiveMessages(Environment* environment, const FastArguments& arguments) {
  // Less is not worth a call that may be longer.
  constexpr size_t kLeastRoom = 4096;
  Receiving receiving(arguments);
  Bytes into = RestOf(arguments);
  size_t max = std::min(arguments.Size(6), WaitEngine::kRecordRows);
  Attachment attachment(environment);
  auto start = static_cast<double>(arguments.bytes().size - into.size);
  double sender = attachment.sender_changes();
  size_t taken = 0;
  environment->WriteDetail(0);
  while (taken < max && (taken == 0 || into.size >= kLeastRoom)) {
    ssize_t result = ReceiveMessage(environment, into, receiving);
    if (result < 0) {
      if (taken == 0) return result;
      environment->WriteDetail(result);
      break;
    }
    double* row = environment->block + Environment::kBatchSlot + taken * WaitEngine::kRecordSlots;
    row[2] = start;
    row[3] = static_cast<double>(result);
    taken++;
    bool is_end = result == 0 && (receiving.wanted & kStamp) != 0 && !attachment.is_message();
    if (is_end || !attachment.is_plain() || attachment.sender_changes() != sender ||
        environment->received.size > 0) {
      environment->WriteDetail(1);
      break;
    }
    size_t used = std::min((static_cast<size_t>(result) + 7) & ~size_t{7}, into.size);
    into = {into.data + used, into.size - used};
    start += static_cast<double>(used);
  }
  return static_cast<int64_t>(taken);
}

napi_value RecvmsgManyFunction(napi_env env, napi_callback_info info) {
  return CallFast<View::kFilled>(env, info, ReceiveMessages);
}

}  // namespace

void InitUnixSocketMessage(Napi::Env env, Napi::Object exports, Napi::Object constants,
                           Environment* environment) {
  ExportFast(env, exports, "send", SendFunction, environment);
  ExportFast(env, exports, "sendto", SendtoFunction, environment);
  ExportFast(env, exports, "sendmsg", SendmsgFunction, environment);
  ExportFast(env, exports, "recv", RecvFunction, environment);
  ExportFast(env, exports, "recvmsg", RecvmsgFunction, environment);
  ExportFast(env, exports, "recvmsgMany", RecvmsgManyFunction, environment);
  SetConstants(env, constants,
               {{"MSG_CMSG_CLOEXEC", MSG_CMSG_CLOEXEC},
                {"MSG_CTRUNC", MSG_CTRUNC},
                {"MSG_DONTWAIT", MSG_DONTWAIT},
                {"MSG_NOSIGNAL", MSG_NOSIGNAL},
                {"MSG_PEEK", MSG_PEEK},
                {"MSG_TRUNC", MSG_TRUNC},
                {"MSG_WAITALL", MSG_WAITALL}});
}

}  // namespace unix_ipc
