// dlsym(3): see libuv.h.
#include "core/libuv.h"

#include <dlfcn.h>

#include <cstdlib>

namespace unix_ipc {

namespace {

template <typename Function>
void Find(Function* function, const char* name) {
  *function = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

Libuv FindAll() {
  Libuv uv = {};
  Find(&uv.async_init, "uv_async_init");
  Find(&uv.async_send, "uv_async_send");
  Find(&uv.poll_init, "uv_poll_init");
  Find(&uv.poll_start, "uv_poll_start");
  Find(&uv.handle_size, "uv_handle_size");
  Find(&uv.close, "uv_close");
  Find(&uv.ref, "uv_ref");
  Find(&uv.unref, "uv_unref");
  return uv;
}

}  // namespace

bool Libuv::complete() const {
  return async_init != nullptr && async_send != nullptr && poll_init != nullptr &&
         poll_start != nullptr && handle_size != nullptr && close != nullptr && ref != nullptr &&
         unref != nullptr;
}

const Libuv& Uv() {
  static const Libuv libuv = FindAll();
  return libuv;
}

void* NewHandleMemory(uv_handle_type type) { return calloc(1, Uv().handle_size(type)); }

}  // namespace unix_ipc
