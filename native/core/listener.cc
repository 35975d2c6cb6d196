// Node-API functions called from C++: see listener.h.
#include "core/listener.h"

namespace unix_ipc {

void CallListener(napi_env env, napi_ref listener, const napi_value* arguments, size_t count) {
  napi_value function = nullptr;
  napi_value receiver = nullptr;
  if (napi_get_reference_value(env, listener, &function) != napi_ok) return;
  napi_get_undefined(env, &receiver);
  if (napi_call_function(env, receiver, function, count, arguments, nullptr) == napi_ok) return;
  bool pending = false;
  napi_value exception = nullptr;
  napi_is_exception_pending(env, &pending);
  if (pending && napi_get_and_clear_last_exception(env, &exception) == napi_ok) {
    napi_fatal_exception(env, exception);
  }
}

}  // namespace unix_ipc
