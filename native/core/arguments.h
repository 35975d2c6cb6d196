// Readers of JavaScript arguments. TypeScript has checked them before: a reader that finds something else gives zero or
// nothing, which is wrong but never unsafe.
#ifndef UNIX_IPC_CORE_ARGUMENTS_H_
#define UNIX_IPC_CORE_ARGUMENTS_H_

#include <napi.h>

#include <cstddef>
#include <cstdint>
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

inline std::string ReadString(const Napi::CallbackInfo& info, size_t index) {
  return info[index].IsString() ? info[index].As<Napi::String>().Utf8Value() : std::string();
}

// The memory of a Uint8Array. Valid only until the call returns to JavaScript.
struct Bytes {
  char* data = nullptr;
  size_t size = 0;
};

inline Bytes ReadBytes(const Napi::CallbackInfo& info, size_t index) {
  Bytes bytes;
  void* data = nullptr;
  // Leaves both untouched where the value is no typed array.
  if (napi_get_typedarray_info(info.Env(), info[index], nullptr, &bytes.size, &data, nullptr,
                               nullptr) == napi_ok) {
    bytes.data = static_cast<char*>(data);
  }
  return bytes;
}

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_ARGUMENTS_H_
