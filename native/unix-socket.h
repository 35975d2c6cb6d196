#ifndef UNIX_IPC_UNIX_SOCKET_H_
#define UNIX_IPC_UNIX_SOCKET_H_

#include <napi.h>
#include <sys/socket.h>

#include <cstddef>

#include "core/arguments.h"
#include "core/environment.h"

namespace unix_ipc {

// An address of a Unix socket as the kernel takes it: AF_UNIX, and the bytes of a path or name, without a NUL
// behind them. There is room for what the kernel gives: a path of 108 bytes comes with one.
class SocketName {
 public:
  SocketName() = default;
  // At most as many bytes as the kernel takes.
  explicit SocketName(Bytes name);

  sockaddr* address() { return reinterpret_cast<sockaddr*>(&storage_); }
  const sockaddr* address() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }
  static socklen_t capacity() { return sizeof(sockaddr_storage); }
  // After the kernel has filled it in.
  void set_size(socklen_t size) { size_ = size; }

  // False for a socket of another kind.
  bool IsUnix() const;
  // A path, a name that begins with NUL, or nothing.
  Bytes name();

 private:
  sockaddr_storage storage_ = {};
  socklen_t size_ = 0;
};

// What goes along with a message, in the block: addresses, descriptors and credentials.
class Attachment {
 public:
  // SCM_MAX_FD. One more can be asked for, so that the kernel itself refuses.
  static constexpr size_t kMostDescriptors = 253;

  explicit Attachment(Environment* environment)
      : slots_(environment->block + Environment::kAlongSlot) {}

  // What the kernel said of a message, and whether there was one: no bytes may also mean the end.
  void WriteFlags(int flags, bool is_message) {
    slots_[kFlags] = flags;
    slots_[kIsMessage] = is_message ? 1 : 0;
  }

  bool is_message() const { return slots_[kIsMessage] != 0; }
  // Whether nothing came along, and nothing is lacking.
  bool is_plain() const {
    return (static_cast<int>(slots_[kFlags]) & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
           slots_[kCount] == 0 && slots_[kHasCredentials] == 0;
  }

  size_t descriptor_count() const { return static_cast<size_t>(slots_[kCount]); }
  void set_descriptor_count(size_t count) { slots_[kCount] = static_cast<double>(count); }
  int descriptor(size_t index) const { return static_cast<int>(slots_[kDescriptors + index]); }
  void set_descriptor(size_t index, int fd) { slots_[kDescriptors + index] = fd; }

  bool has_credentials() const { return slots_[kHasCredentials] != 0; }
  ucred credentials() const;
  void WriteNoCredentials() { slots_[kHasCredentials] = 0; }
  void WriteCredentials(const ucred& credentials);

  // Where to: the bytes lie in the block as the kernel takes them. Without an address their number is negative.
  bool has_receiver() const { return slots_[kReceiverLength] >= 0; }
  sockaddr* receiver() const;
  socklen_t receiver_size() const;

  // Where from, and how often that has changed.
  void WriteSender(SocketName* name);
  double sender_changes() const { return slots_[kSenderChanges]; }

 private:
  static constexpr size_t kAddressSlots = sizeof(sockaddr_storage) / sizeof(double);

  enum : size_t {
    kFlags,
    kIsMessage,
    kCount,
    kHasCredentials,
    kPid,
    kUid,
    kGid,
    kReceiverLength,
    kSenderLength,
    kSenderChanges,
    kReceiver,
    kSender = kReceiver + kAddressSlots,
    kDescriptors = kSender + kAddressSlots,
  };
  static_assert(kDescriptors + kMostDescriptors < Environment::kAlongSlots,
                "the block has room for all descriptors");

  double* slots_;
};

void InitUnixSocket(Napi::Env env, Napi::Object exports, Napi::Object constants,
                    Environment* environment);
void InitUnixSocketMessage(Napi::Env env, Napi::Object exports, Napi::Object constants,
                           Environment* environment);

}  // namespace unix_ipc

#endif  // UNIX_IPC_UNIX_SOCKET_H_
