// Node-API instance data: see environment.h.
#include "core/environment.h"

#include <algorithm>
#include <cstring>

#include "core/arguments.h"
#include "core/descriptor.h"
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
                            environment->block + Environment::kRowSlot, ReadBool(info, 1));
}

// onReady((rows: number) => void, libuv: boolean): what is called when descriptors are ready. Once.
void OnReady(const Napi::CallbackInfo& info) {
  Environment* environment = EnvironmentOf(info);
  if (!info[0].IsFunction() || !environment->on_ready.IsEmpty()) return;
  environment->on_ready = Napi::Persistent(info[0].As<Napi::Function>());
  environment->readiness.Attach(info.Env(), environment->on_ready,
                                environment->block + Environment::kReadySlot, ReadBool(info, 1));
}

// watch(operation, fd, events, watch): 0 or -errno of epoll_ctl(2).
Napi::Value Watch(const Napi::CallbackInfo& info) {
  int result = EnvironmentOf(info)->readiness.Control(ReadInt(info, 0), ReadInt(info, 1),
                                                      ReadUnsigned(info, 2), ReadSize(info, 3));
  return Result(info.Env(), result);
}

// holdLoop(held: boolean): whether the event loop stays alive for what is watched.
void HoldLoop(const Napi::CallbackInfo& info) {
  EnvironmentOf(info)->readiness.Hold(ReadBool(info, 0));
}

// watchDescriptors(): the descriptors that watching needs for itself, -1 for those that are not open.
Napi::Value WatchDescriptors(const Napi::CallbackInfo& info) {
  const Readiness& readiness = EnvironmentOf(info)->readiness;
  Napi::Array descriptors = Napi::Array::New(info.Env(), 2);
  descriptors.Set(0u, Result(info.Env(), readiness.epoll()));
  descriptors.Set(1u, Result(info.Env(), readiness.control()));
  return descriptors;
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

Environment::~Environment() {
  for (int fd : descriptors) CloseOwned(fd);
}

Environment* InitEnvironment(Napi::Env env, Napi::Object exports) {
  auto* environment = new Environment();
  env.SetInstanceData(environment);
  auto block = Napi::Float64Array::New(env, Environment::kBlockSlots);
  environment->block_reference = Napi::Persistent(block);
  environment->block = block.Data();
  exports["block"] = block;
  exports["onDone"] = Napi::Function::New<OnDone>(env, "onDone", environment);
  exports["onReady"] = Napi::Function::New<OnReady>(env, "onReady", environment);
  exports["watch"] = Napi::Function::New<Watch>(env, "watch", environment);
  exports["holdLoop"] = Napi::Function::New<HoldLoop>(env, "holdLoop", environment);
  exports["watchDescriptors"] =
      Napi::Function::New<WatchDescriptors>(env, "watchDescriptors", environment);
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
