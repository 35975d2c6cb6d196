// What one environment (the main thread or a Worker) has for itself.
#ifndef UNIX_IPC_CORE_ENVIRONMENT_H_
#define UNIX_IPC_CORE_ENVIRONMENT_H_

#include <napi.h>

#include "core/kick.h"
#include "core/scratch.h"
#include "core/wait-engine.h"
#include "core/wait.h"

namespace unix_ipc {

struct Environment {
  // Of the JavaScript thread: what its calls receive into, and the timer of its time limits.
  Scratch scratch;
  KickTimer deadline;
  // What the last call left in `scratch`, for a caller whose memory was too small.
  Received received;

  WaitEngine waits;

  // Memory that TypeScript made and nobody else sees, so it is never detached. Row 0 of the immediate results, then
  // the rows of `waits`.
  Napi::Reference<Napi::Float64Array> hand_over;
  Napi::FunctionReference on_done;
  double* immediate = nullptr;
};

// Adds to `exports` what TypeScript needs of the core: attach, cancelWait, takeReceived, the thread limit, the errors.
Environment* InitEnvironment(Napi::Env env, Napi::Object exports);

inline Environment* EnvironmentOf(const Napi::CallbackInfo& info) {
  return static_cast<Environment*>(info.Data());
}

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_ENVIRONMENT_H_
