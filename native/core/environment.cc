// Node-API instance data: see environment.h.
#include "core/environment.h"

#include <algorithm>
#include <cstring>

#include "core/arguments.h"
#include "core/errors.h"
#include "core/results.h"

namespace unix_ipc {

namespace {

// attach(handOver: Float64Array, onDone: (rows: number, bytes?: Buffer) => void): once, before any other call.
void Attach(const Napi::CallbackInfo& info) {
  Environment* environment = EnvironmentOf(info);
  constexpr size_t kRows = 1 + WaitEngine::kRecordRows;
  if (!info[0].IsTypedArray() || !info[1].IsFunction() || environment->immediate != nullptr) return;
  auto hand_over = info[0].As<Napi::Float64Array>();
  if (hand_over.ElementLength() < kRows * WaitEngine::kRecordSlots) return;
  environment->hand_over = Napi::Persistent(hand_over);
  environment->on_done = Napi::Persistent(info[1].As<Napi::Function>());
  environment->immediate = hand_over.Data();
  environment->waits.Attach(info.Env(), environment->on_done,
                            hand_over.Data() + WaitEngine::kRecordSlots);
}

// cancelWait(ticket): boolean
Napi::Value CancelWait(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), EnvironmentOf(info)->waits.Cancel(ReadLong(info, 0)));
}

// takeReceived(into: Uint8Array): number, the bytes copied of what the last call received.
Napi::Value TakeReceived(const Napi::CallbackInfo& info) {
  Environment* environment = EnvironmentOf(info);
  Bytes into = ReadBytes(info, 0);
  size_t size = std::min(into.size, environment->received.size);
  if (size > 0) memcpy(into.data, environment->received.bytes, size);
  environment->received = Received();
  environment->scratch.Trim();
  return ToResult(info.Env(), static_cast<int64_t>(size));
}

void SetThreadLimit(const Napi::CallbackInfo& info) {
  EnvironmentOf(info)->waits.set_thread_limit(ReadSize(info, 0));
}

Napi::Value ThreadLimit(const Napi::CallbackInfo& info) {
  return ToResult(info.Env(), static_cast<int64_t>(EnvironmentOf(info)->waits.thread_limit()));
}

Napi::Value BusyThreads(const Napi::CallbackInfo& info) {
  return ToResult(info.Env(), static_cast<int64_t>(EnvironmentOf(info)->waits.busy_threads()));
}

}  // namespace

Environment* InitEnvironment(Napi::Env env, Napi::Object exports) {
  auto* environment = new Environment();
  env.SetInstanceData(environment);
  exports["attach"] = Napi::Function::New<Attach>(env, "attach", environment);
  exports["cancelWait"] = Napi::Function::New<CancelWait>(env, "cancelWait", environment);
  exports["takeReceived"] = Napi::Function::New<TakeReceived>(env, "takeReceived", environment);
  exports["setThreadLimit"] =
      Napi::Function::New<SetThreadLimit>(env, "setThreadLimit", environment);
  exports["threadLimit"] = Napi::Function::New<ThreadLimit>(env, "threadLimit", environment);
  exports["busyThreads"] = Napi::Function::New<BusyThreads>(env, "busyThreads", environment);
  exports["errorTable"] = Napi::Function::New<ErrorTable>(env, "errorTable");
  return environment;
}

}  // namespace unix_ipc
