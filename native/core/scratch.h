// Memory that system calls fill before its content goes on to JavaScript.
#ifndef UNIX_IPC_CORE_SCRATCH_H_
#define UNIX_IPC_CORE_SCRATCH_H_

#include <cstddef>
#include <cstdlib>

namespace unix_ipc {

// Grows on demand. Its content lasts until the next Reserve. Owned by one thread.
class Scratch {
 public:
  Scratch() = default;
  ~Scratch() { free(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  // At least `size` bytes, or nullptr where the system has no memory. The old content is lost.
  char* Reserve(size_t size) {
    if (size <= capacity_) return data_;
    free(data_);
    if (size < kUsual) size = kUsual;
    data_ = static_cast<char*>(malloc(size));
    capacity_ = data_ != nullptr ? size : 0;
    return data_;
  }

  char* data() const { return data_; }

  // Gives an unusually large area back, so that one large message does not hold its memory for
  // ever.
  void Trim() {
    if (capacity_ <= kUsual) return;
    free(data_);
    data_ = nullptr;
    capacity_ = 0;
  }

 private:
  static constexpr size_t kUsual = size_t{64} * 1024;

  char* data_ = nullptr;
  size_t capacity_ = 0;
};

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_SCRATCH_H_
