// libuv's uv_poll_t where there is libuv; elsewhere a thread in poll(2), which costs a switch more
// for every wake-up.
#include "core/loop-poll.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>

#include "core/libuv.h"
#include "core/thread.h"

namespace unix_ipc {

namespace {

constexpr char kName[] = "unix-ipc:readiness";

}  // namespace

bool LoopPoll::Open(napi_env env, bool libuv, int fd, Client* client) {
  env_ = env;
  fd_ = fd;
  client_ = client;
  return libuv && Uv().complete() ? OpenPoll() : OpenThread();
}

bool LoopPoll::OpenPoll() {
  uv_loop_t* loop = nullptr;
  napi_value name = nullptr;
  if (napi_get_uv_event_loop(env_, &loop) != napi_ok ||
      napi_create_string_utf8(env_, kName, NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_async_init(env_, nullptr, name, &context_) != napi_ok) {
    return false;
  }
  auto* poll = NewHandle<uv_poll_t>(UV_POLL);
  if (poll == nullptr || Uv().poll_init(loop, poll, fd_) != 0) {
    free(poll);
    return false;
  }
  poll->data = this;
  poll_ = poll;
  Uv().poll_start(poll, UV_READABLE, OnPoll);
  Unref();
  napi_add_async_cleanup_hook(env_, OnPollEnd, this, nullptr);
  return true;
}

bool LoopPoll::OpenThread() {
  int control = eventfd(0, EFD_CLOEXEC);
  if (control < 0) return false;
  control_ = control;
  if ((!waker_.opened() && !waker_.Open(env_, false, this)) ||
      !StartThread(&thread_, RunThread, this)) {
    close(control);
    control_ = -1;
    return false;
  }
  return true;
}

void LoopPoll::Ref() {
  if (poll_ != nullptr) {
    Uv().ref(ToHandle(poll_));
  } else {
    waker_.Ref();
  }
}

void LoopPoll::Unref() {
  if (poll_ != nullptr) {
    Uv().unref(ToHandle(poll_));
  } else {
    waker_.Unref();
  }
}

void LoopPoll::OnPoll(uv_poll_t* poll, int status, int events) {
  auto* self = static_cast<LoopPoll*>(poll->data);
  napi_env env = self->env_;
  napi_handle_scope handles = nullptr;
  napi_callback_scope callback = nullptr;
  if (napi_open_handle_scope(env, &handles) != napi_ok) return;
  if (napi_open_callback_scope(env, nullptr, self->context_, &callback) == napi_ok) {
    self->client_->OnReadable(env);
    napi_close_callback_scope(env, callback);
    // The environment may have ended in there.
    if (self->poll_ != nullptr) self->client_->OnDone();
  }
  napi_close_handle_scope(env, handles);
}

void LoopPoll::OnPollEnd(napi_async_cleanup_hook_handle hook, void* loop_poll) {
  auto* self = static_cast<LoopPoll*>(loop_poll);
  napi_async_destroy(self->env_, self->context_);
  // The loop needs the handle a little longer than the environment needs the rest.
  uv_poll_t* poll = self->poll_;
  self->poll_ = nullptr;
  poll->data = hook;
  Uv().close(ToHandle(poll), [](uv_handle_t* closed) {
    napi_remove_async_cleanup_hook(static_cast<napi_async_cleanup_hook_handle>(closed->data));
    free(closed);
  });
  self->client_->OnEnd();
}

void* LoopPoll::RunThread(void* loop_poll) {
  pthread_setname_np(pthread_self(), "unix-ipc poll");
  static_cast<LoopPoll*>(loop_poll)->Run();
  return nullptr;
}

void LoopPoll::Run() {
  for (;;) {
    pollfd descriptors[] = {{fd_, POLLIN, 0}, {control_, POLLIN, 0}};
    poll(descriptors, 2, -1);
    if (stopping_) return;
    // Somebody else has closed one of them, or worse.
    if (((descriptors[0].revents | descriptors[1].revents) & (POLLERR | POLLNVAL)) != 0) return;
    if ((descriptors[0].revents & POLLIN) == 0) continue;
    waker_.Wake();
    uint64_t resumed = 0;
    while (read(control_, &resumed, sizeof(resumed)) < 0 && errno == EINTR) {
    }
    if (stopping_) return;
  }
}

void LoopPoll::Resume() {
  uint64_t once = 1;
  while (write(control_, &once, sizeof(once)) < 0 && errno == EINTR) {
  }
}

void LoopPoll::OnWake(napi_env env) {
  client_->OnReadable(env);
  client_->OnDone();
  Resume();
}

void LoopPoll::OnEnd() {
  if (control_ < 0) return;
  stopping_ = true;
  Resume();
  pthread_join(thread_, nullptr);
  close(control_);
  control_ = -1;
  client_->OnEnd();
}

}  // namespace unix_ipc
