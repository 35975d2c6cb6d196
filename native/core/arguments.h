// Readers of JavaScript arguments. TypeScript has checked them before: a reader that finds
// something else gives zero or nothing, which is wrong but never unsafe.
#ifndef UNIX_IPC_CORE_ARGUMENTS_H_
#define UNIX_IPC_CORE_ARGUMENTS_H_

#include <napi.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string>

namespace unix_ipc {

inline int32_t ReadInt(const Napi::CallbackInfo& info, size_t index) {
  int32_t value = 0;
  napi_get_value_int32(info.Env(), info[index], &value);
  return value;
}

inline uint32_t ReadUnsigned(const Napi::CallbackInfo& info, size_t index) {
  uint32_t value = 0;
  napi_get_value_uint32(info.Env(), info[index], &value);
  return value;
}

inline double ReadDouble(const Napi::CallbackInfo& info, size_t index) {
  double value = 0;
  napi_get_value_double(info.Env(), info[index], &value);
  return value;
}

// Not by coercion, which Node-API refuses where a Worker is being ended.
inline bool ReadBool(const Napi::CallbackInfo& info, size_t index) {
  bool value = false;
  napi_get_value_bool(info.Env(), info[index], &value);
  return value;
}

// A C long: a number, or a bigint where a number could not hold it.
inline int64_t ReadLong(const Napi::CallbackInfo& info, size_t index) {
  int64_t value = 0;
  if (napi_get_value_int64(info.Env(), info[index], &value) == napi_ok) return value;
  bool lossless = false;
  napi_get_value_bigint_int64(info.Env(), info[index], &value, &lossless);
  return value;
}

inline size_t ReadSize(const Napi::CallbackInfo& info, size_t index) {
  int64_t value = 0;
  napi_get_value_int64(info.Env(), info[index], &value);
  return value > 0 ? static_cast<size_t>(value) : 0;
}

// A time limit in milliseconds, which may have a fraction.
inline timespec ToTimespec(double milliseconds) {
  // Some 146 years are for ever.
  milliseconds = std::min(std::max(milliseconds, 0.0), 4.6e12);
  timespec time = {};
  time.tv_sec = static_cast<time_t>(milliseconds / 1e3);
  time.tv_nsec = static_cast<long>(std::fmod(milliseconds, 1e3) * 1e6);
  return time;
}

inline std::string ReadString(const Napi::CallbackInfo& info, size_t index) {
  return info[index].IsString() ? info[index].As<Napi::String>().Utf8Value() : std::string();
}

// The memory of a Uint8Array. Valid only until the call returns to JavaScript.
struct Bytes {
  char* data = nullptr;
  size_t size = 0;
};

// False where the value is no typed array, or one over a detached buffer. Which kind it is,
// TypeScript has seen: asking for that here would cost a tenth of a short system call.
inline bool ReadBytes(napi_env env, napi_value value, Bytes* bytes) {
  void* data = nullptr;
  size_t size = 0;
  if (napi_get_typedarray_info(env, value, nullptr, &size, &data, nullptr, nullptr) != napi_ok) {
    return false;
  }
  *bytes = {static_cast<char*>(data), size};
  if (size > 0) return true;
  napi_value buffer = nullptr;
  bool detached = false;
  napi_get_typedarray_info(env, value, nullptr, nullptr, nullptr, &buffer, nullptr);
  napi_is_detached_arraybuffer(env, buffer, &detached);
  return !detached;
}

// The arguments of a call whose speed counts. Numbers come through the block, memory that both
// sides see: to take one out of a JavaScript value costs as much as a tenth of a short system call.
class FastArguments {
 public:
  // How many numbers there may be. Where one is NaN, the integer is `kMost` slots further on, as an
  // int64.
  static constexpr size_t kMost = 8;

  FastArguments(const double* block, Bytes bytes) : block_(block), bytes_(bytes) {}

  int Int(size_t index) const { return static_cast<int>(block_[index]); }
  double Double(size_t index) const { return block_[index]; }

  int64_t Long(size_t index) const {
    double value = block_[index];
    if (value == value) return static_cast<int64_t>(value);
    int64_t wide = 0;
    memcpy(&wide, &block_[kMost + index], sizeof(wide));
    return wide;
  }

  size_t Size(size_t index) const {
    double value = block_[index];
    return value > 0 ? static_cast<size_t>(value) : 0;
  }

  Bytes bytes() const { return bytes_; }

  // What else is in the block.
  const double* At(size_t slot) const { return block_ + slot; }

 private:
  const double* block_;
  Bytes bytes_;
};

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_ARGUMENTS_H_
