// What one environment (the main thread or a Worker) has for itself.
#ifndef UNIX_IPC_CORE_ENVIRONMENT_H_
#define UNIX_IPC_CORE_ENVIRONMENT_H_

#include <napi.h>

#include <cstring>
#include <memory>
#include <string>
#include <unordered_set>

#include "core/arguments.h"
#include "core/kick.h"
#include "core/mapping.h"
#include "core/readiness.h"
#include "core/scratch.h"
#include "core/wait-engine.h"
#include "core/wait.h"

namespace unix_ipc {

struct Environment {
  Environment() = default;
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  // Of the JavaScript thread: what its calls receive into, and the timer of its time limits.
  Scratch scratch;
  // What is longer than its caller expected. Kept, since most calls leave it untouched, and it takes no memory then.
  Scratch overflow;
  KickTimer deadline;
  // What the last call left in `scratch`, for a caller whose memory was too small.
  Received received;

  // Before the waits, which may hold one and end first.
  std::shared_ptr<Mappings> mappings = std::make_shared<Mappings>();

  WaitEngine waits;
  Readiness readiness;

  // How many waits have begun that compete with no other, and have a line each.
  int64_t own_lines = 0;

  // The descriptors that belong to this environment's objects, and end with it: a Worker that is ended
  // can't close them itself.
  std::unordered_set<int> descriptors;

  // The memory of the view that each kind of call was last given. TypeScript looks whether that is still
  // its memory before it asks for it again, so that it need not be found anew: see CallFast.
  static constexpr size_t kHeldViews = 2;
  Bytes held[kHeldViews];

  // The block: a Float64Array that TypeScript and C++ both write. Only this package has it, so it
  // is never detached. Its parts: arguments (FastArguments), what a call brought besides its result
  // (WriteDetail), how often each of `held` has changed, the rows of `waits`, rows of a
  // call that brings many results, the rows of `readiness`, what goes along with a message.
  static constexpr size_t kResultSlot = 2 * FastArguments::kMost;
  static constexpr size_t kDetailSlot = kResultSlot + 1;
  static constexpr size_t kHeldSlot = kDetailSlot + 2;
  static constexpr size_t kRowSlot = kHeldSlot + kHeldViews;
  static constexpr size_t kBatchSlot =
      kRowSlot + WaitEngine::kRecordRows * WaitEngine::kRecordSlots;
  static constexpr size_t kReadySlot =
      kBatchSlot + WaitEngine::kRecordRows * WaitEngine::kRecordSlots;
  static constexpr size_t kAlongSlot = kReadySlot + Readiness::kSlots;
  static constexpr size_t kAlongSlots = 384;
  static constexpr size_t kBlockSlots = kAlongSlot + kAlongSlots;
  Napi::Reference<Napi::Float64Array> block_reference;
  double* block = nullptr;

  Napi::FunctionReference on_done;
  Napi::FunctionReference on_ready;

  void WriteDetail(int64_t detail) { WaitEngine::WriteDetail(block + kDetailSlot, detail); }

  // Copies what a call left in `scratch` to where its caller wants it. What has no room there stays
  // for takeReceived: the kernel has given it away already.
  void Deliver(const Received& left, Bytes into) {
    received = Received();
    if (left.size > into.size) {
      received = left;
      return;
    }
    if (left.size > 0) memcpy(into.data, left.bytes, left.size);
    scratch.Trim();
  }
};

// Adds to `exports` what TypeScript needs of the core: the block, waits, the thread limit, the
// errors.
Environment* InitEnvironment(Napi::Env env, Napi::Object exports);

// Below every -errno: the argument is no typed array, or its buffer is detached.
inline constexpr int64_t kNotBytes = -4094;

// A function in the plain C interface, which is a little faster than CallbackInfo. Its data is the
// environment.
inline void ExportFast(Napi::Env env, Napi::Object exports, const std::string& name,
                       napi_callback function, Environment* environment) {
  napi_value value = nullptr;
  napi_create_function(env, name.c_str(), name.size(), function, environment, &value);
  exports[name] = value;
}

// What such a function does with a Uint8Array: the two may be used alternately.
enum class View { kFilled, kRead };

// The body of such a function whose argument is a Uint8Array, with its numbers in the block, where its
// integer result goes as well. Without an argument it takes the memory of the call before.
template <View kView, typename Body>
napi_value CallFast(napi_env env, napi_callback_info info, Body body) {
  napi_value argument = nullptr;
  size_t count = 1;
  void* data = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, &data);
  auto* environment = static_cast<Environment*>(data);
  constexpr auto kIndex = static_cast<size_t>(kView);
  Bytes* bytes = &environment->held[kIndex];
  int64_t result = kNotBytes;
  bool given = count == 0;
  if (!given) {
    environment->block[Environment::kHeldSlot + kIndex]++;
    *bytes = Bytes();
    given = ReadBytes(env, argument, bytes);
  }
  if (given) result = body(environment, FastArguments(environment->block, *bytes));
  environment->block[Environment::kResultSlot] = static_cast<double>(result);
  return nullptr;
}

inline Environment* EnvironmentOf(const Napi::CallbackInfo& info) {
  return static_cast<Environment*>(info.Data());
}

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_ENVIRONMENT_H_
