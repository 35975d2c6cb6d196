// Wakes the event loop of one environment from any thread.
#ifndef UNIX_IPC_CORE_LOOP_WAKER_H_
#define UNIX_IPC_CORE_LOOP_WAKER_H_

#include <node_api.h>
#include <uv.h>

namespace unix_ipc {

class LoopWaker {
 public:
  class Client {
   public:
    // On the event loop, where JavaScript may be called. Several wakes may be one call.
    virtual void OnWake(napi_env env) = 0;
    // The environment ends. When this returns, no thread may call Wake any more.
    virtual void OnEnd() = 0;

   protected:
    ~Client() = default;
  };

  LoopWaker() = default;
  LoopWaker(const LoopWaker&) = delete;
  LoopWaker& operator=(const LoopWaker&) = delete;

  // On the JavaScript thread. `libuv`: the runtime's loop is libuv's; not every one that exports
  // its symbols has it.
  bool Open(napi_env env, bool libuv, Client* client);
  bool opened() const { return async_ != nullptr || function_ != nullptr; }

  // Whether the loop stays alive for this. Not at first.
  void Ref();
  void Unref();

  // From any thread.
  void Wake();

 private:
  bool OpenAsync();
  bool OpenFunction();

  static void OnAsync(uv_async_t* async);
  static void OnAsyncEnd(napi_async_cleanup_hook_handle hook, void* waker);
  static void OnFunction(napi_env env, napi_value callback, void* waker, void* data);
  static void OnFunctionEnd(void* waker);

  napi_env env_ = nullptr;
  Client* client_ = nullptr;
  // One or the other.
  uv_async_t* async_ = nullptr;
  napi_threadsafe_function function_ = nullptr;
  napi_async_context context_ = nullptr;
};

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_LOOP_WAKER_H_
