// libuv's functions, looked up when the first of them is needed: the addon has to load in runtimes
// without them.
#ifndef UNIX_IPC_CORE_LIBUV_H_
#define UNIX_IPC_CORE_LIBUV_H_

#include <uv.h>

namespace unix_ipc {

struct Libuv {
  decltype(&uv_async_init) async_init;
  decltype(&uv_async_send) async_send;
  decltype(&uv_poll_init) poll_init;
  decltype(&uv_poll_start) poll_start;
  decltype(&uv_handle_size) handle_size;
  decltype(&uv_close) close;
  decltype(&uv_ref) ref;
  decltype(&uv_unref) unref;

  // Whether all of them are there.
  bool complete() const;
};

const Libuv& Uv();

// Memory for a handle: the size is that of the library that runs, not that of the header. To be
// freed when the handle has closed; nullptr where there is none.
void* NewHandleMemory(uv_handle_type type);

template <typename Handle>
Handle* NewHandle(uv_handle_type type) {
  return static_cast<Handle*>(NewHandleMemory(type));
}

template <typename Handle>
uv_handle_t* ToHandle(Handle* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);
}

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_LIBUV_H_
