// Builders of small JavaScript results.
#ifndef UNIX_IPC_CORE_RESULTS_H_
#define UNIX_IPC_CORE_RESULTS_H_

#include <napi.h>

#include <cstdint>
#include <initializer_list>

namespace unix_ipc {

// An integer result. Most are small; a double costs a little more.
inline napi_value ToResult(napi_env env, int64_t result) {
  napi_value value = nullptr;
  if (result == static_cast<int32_t>(result)) {
    napi_create_int32(env, static_cast<int32_t>(result), &value);
  } else {
    napi_create_int64(env, result, &value);
  }
  return value;
}

inline Napi::Value Result(Napi::Env env, int64_t result) {
  return Napi::Value(env, ToResult(env, result));
}

// A 64-bit member of a kernel structure: a bigint only where a number can't hold it exactly.
inline Napi::Value ToMember(Napi::Env env, uint64_t member) {
  constexpr uint64_t kMaxSafeInteger = (uint64_t{1} << 53) - 1;
  if (member > kMaxSafeInteger) return Napi::BigInt::New(env, member);
  return Napi::Number::New(env, static_cast<double>(member));
}

struct Constant {
  const char* name;
  int64_t value;
};

inline void SetConstants(Napi::Env env, Napi::Object target,
                         std::initializer_list<Constant> constants) {
  for (const Constant& constant : constants) {
    target[constant.name] = Napi::Number::New(env, static_cast<double>(constant.value));
  }
}

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_RESULTS_H_
