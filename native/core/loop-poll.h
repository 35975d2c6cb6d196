// Tells the event loop of one environment that a descriptor is readable.
#ifndef UNIX_IPC_CORE_LOOP_POLL_H_
#define UNIX_IPC_CORE_LOOP_POLL_H_

#include <node_api.h>
#include <pthread.h>
#include <uv.h>

#include <atomic>

#include "core/loop-waker.h"

namespace unix_ipc {

// On the JavaScript thread, but for Run.
class LoopPoll final : private LoopWaker::Client {
 public:
  class Client {
   public:
    // On the event loop, where JavaScript may be called; again as long as the descriptor stays
    // readable.
    virtual void OnReadable(napi_env env) = 0;
    // After that; where libuv polls, after the promises that were settled have run as well.
    virtual void OnDone() = 0;
    // The environment ends. The descriptor is not polled any more.
    virtual void OnEnd() = 0;

   protected:
    ~Client() = default;
  };

  LoopPoll() = default;
  LoopPoll(const LoopPoll&) = delete;
  LoopPoll& operator=(const LoopPoll&) = delete;

  // `libuv`: as in LoopWaker. The descriptor stays the caller's.
  bool Open(napi_env env, bool libuv, int fd, Client* client);
  bool opened() const { return poll_ != nullptr || control_ >= 0; }

  // Whether the loop stays alive for this. Not at first.
  void Ref();
  void Unref();

  // A descriptor of its own, or -1.
  int control() const { return control_; }

 private:
  bool OpenPoll();
  bool OpenThread();
  void Resume();
  void Run();

  void OnWake(napi_env env) override;
  void OnEnd() override;

  static void OnPoll(uv_poll_t* poll, int status, int events);
  static void OnPollEnd(napi_async_cleanup_hook_handle hook, void* loop_poll);
  static void* RunThread(void* loop_poll);

  napi_env env_ = nullptr;
  int fd_ = -1;
  Client* client_ = nullptr;

  // Where the loop polls.
  uv_poll_t* poll_ = nullptr;
  napi_async_context context_ = nullptr;

  // Where a thread does. It waits for `control_` after every wake-up, until the loop has looked.
  LoopWaker waker_;
  pthread_t thread_ = {};
  int control_ = -1;
  std::atomic<bool> stopping_{false};
};

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_LOOP_POLL_H_
