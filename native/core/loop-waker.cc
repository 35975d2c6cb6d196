// libuv's uv_async_t where there is libuv, a threadsafe function elsewhere. A threadsafe function
// holds its mutex while it writes to the loop's eventfd; on one core the loop then wakes, wants
// that mutex and has to sleep again, which makes every promise wait for two switches more.
#include "core/loop-waker.h"

#include <cstdlib>

#include "core/libuv.h"

namespace unix_ipc {

namespace {

constexpr char kName[] = "unix-ipc:wait";

}  // namespace

bool LoopWaker::Open(napi_env env, bool libuv, Client* client) {
  env_ = env;
  client_ = client;
  return libuv && Uv().complete() ? OpenAsync() : OpenFunction();
}

bool LoopWaker::OpenAsync() {
  uv_loop_t* loop = nullptr;
  napi_value name = nullptr;
  if (napi_get_uv_event_loop(env_, &loop) != napi_ok ||
      napi_create_string_utf8(env_, kName, NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_async_init(env_, nullptr, name, &context_) != napi_ok) {
    return false;
  }
  auto* async = NewHandle<uv_async_t>(UV_ASYNC);
  if (async == nullptr || Uv().async_init(loop, async, OnAsync) != 0) {
    free(async);
    return false;
  }
  async->data = this;
  async_ = async;
  Unref();
  napi_add_async_cleanup_hook(env_, OnAsyncEnd, this, nullptr);
  return true;
}

bool LoopWaker::OpenFunction() {
  napi_value name = nullptr;
  if (napi_create_string_utf8(env_, kName, NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(env_, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this,
                                      OnFunction, &function_) != napi_ok) {
    return false;
  }
  Unref();
  // Hooks run last in, first out. This one must come before the threadsafe function's own, which
  // frees what Wake uses.
  napi_add_env_cleanup_hook(env_, OnFunctionEnd, this);
  return true;
}

void LoopWaker::Ref() {
  if (async_ != nullptr) {
    Uv().ref(ToHandle(async_));
  } else {
    napi_ref_threadsafe_function(env_, function_);
  }
}

void LoopWaker::Unref() {
  if (async_ != nullptr) {
    Uv().unref(ToHandle(async_));
  } else {
    napi_unref_threadsafe_function(env_, function_);
  }
}

void LoopWaker::Wake() {
  if (async_ != nullptr) {
    Uv().async_send(async_);
  } else {
    napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
  }
}

void LoopWaker::OnAsync(uv_async_t* async) {
  auto* waker = static_cast<LoopWaker*>(async->data);
  napi_env env = waker->env_;
  napi_handle_scope handles = nullptr;
  napi_callback_scope callback = nullptr;
  if (napi_open_handle_scope(env, &handles) != napi_ok) return;
  if (napi_open_callback_scope(env, nullptr, waker->context_, &callback) == napi_ok) {
    waker->client_->OnWake(env);
    napi_close_callback_scope(env, callback);
  }
  napi_close_handle_scope(env, handles);
}

void LoopWaker::OnAsyncEnd(napi_async_cleanup_hook_handle hook, void* waker) {
  auto* self = static_cast<LoopWaker*>(waker);
  self->client_->OnEnd();
  napi_async_destroy(self->env_, self->context_);
  // The loop needs the handle a little longer than the environment needs the rest.
  uv_async_t* async = self->async_;
  self->async_ = nullptr;
  async->data = hook;
  Uv().close(ToHandle(async), [](uv_handle_t* closed) {
    napi_remove_async_cleanup_hook(static_cast<napi_async_cleanup_hook_handle>(closed->data));
    free(closed);
  });
}

void LoopWaker::OnFunction(napi_env env, napi_value callback, void* waker, void* data) {
  // Without an environment it is ending, and so is the waker.
  if (env != nullptr) static_cast<LoopWaker*>(waker)->client_->OnWake(env);
}

void LoopWaker::OnFunctionEnd(void* waker) {
  auto* self = static_cast<LoopWaker*>(waker);
  self->client_->OnEnd();
  napi_release_threadsafe_function(self->function_, napi_tsfn_abort);
}

}  // namespace unix_ipc
