// Node-API instance data: see environment.h.
#include "core/environment.h"

#include <algorithm>
#include <cstring>

#include "core/arguments.h"
#include "core/errors.h"
#include "core/results.h"

namespace unix_ipc {

namespace {

// onDone((rows: number, size: number) => void, libuv: boolean): what is called when waits have ended.
// Once, before the first wait.
void OnDone(const Napi::CallbackInfo& info) {
  Environment* environment = EnvironmentOf(info);
  if (!info[0].IsFunction() || !environment->on_done.IsEmpty()) return;
  environment->on_done = Napi::Persistent(info[0].As<Napi::Function>());
  environment->waits.Attach(info.Env(), environment->on_done,
                            environment->block + Environment::kRowSlot, info[1].ToBoolean());
}

// cancelWait(ticket): boolean
Napi::Value CancelWait(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), EnvironmentOf(info)->waits.Cancel(ReadLong(info, 0)));
}

// takeReceived(into: Uint8Array): number, the bytes copied of what the last call received.
Napi::Value TakeReceived(const Napi::CallbackInfo& info) {
  Environment* environment = EnvironmentOf(info);
  Bytes into;
  ReadBytes(info.Env(), info[0], &into);
  size_t size = std::min(into.size, environment->received.size);
  if (size > 0) memcpy(into.data, environment->received.bytes, size);
  environment->received = Received();
  environment->scratch.Trim();
  return Result(info.Env(), static_cast<int64_t>(size));
}

// takeBatch(into: Uint8Array, offset: number): copies the batch that onDone is being told of.
void TakeBatch(const Napi::CallbackInfo& info) {
  Bytes into;
  ReadBytes(info.Env(), info[0], &into);
  size_t offset = std::min(ReadSize(info, 1), into.size);
  EnvironmentOf(info)->waits.TakeBatch(into.data + offset, into.size - offset);
}

void SetThreadLimit(const Napi::CallbackInfo& info) {
  EnvironmentOf(info)->waits.set_thread_limit(ReadSize(info, 0));
}

Napi::Value ThreadLimit(const Napi::CallbackInfo& info) {
  return Result(info.Env(), static_cast<int64_t>(EnvironmentOf(info)->waits.thread_limit()));
}

Napi::Value BusyThreads(const Napi::CallbackInfo& info) {
  return Result(info.Env(), static_cast<int64_t>(EnvironmentOf(info)->waits.busy_threads()));
}

}  // namespace

Environment* InitEnvironment(Napi::Env env, Napi::Object exports) {
  auto* environment = new Environment();
  env.SetInstanceData(environment);
  auto block = Napi::Float64Array::New(env, Environment::kBlockSlots);
  environment->block_reference = Napi::Persistent(block);
  environment->block = block.Data();
  exports["block"] = block;
  exports["onDone"] = Napi::Function::New<OnDone>(env, "onDone", environment);
  exports["cancelWait"] = Napi::Function::New<CancelWait>(env, "cancelWait", environment);
  exports["takeReceived"] = Napi::Function::New<TakeReceived>(env, "takeReceived", environment);
  exports["takeBatch"] = Napi::Function::New<TakeBatch>(env, "takeBatch", environment);
  exports["setThreadLimit"] =
      Napi::Function::New<SetThreadLimit>(env, "setThreadLimit", environment);
  exports["threadLimit"] = Napi::Function::New<ThreadLimit>(env, "threadLimit", environment);
  exports["busyThreads"] = Napi::Function::New<BusyThreads>(env, "busyThreads", environment);
  exports["errorTable"] = Napi::Function::New<ErrorTable>(env, "errorTable");
  return environment;
}

}  // namespace unix_ipc
