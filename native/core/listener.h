// Calls a JavaScript function from the event loop.
#ifndef UNIX_IPC_CORE_LISTENER_H_
#define UNIX_IPC_CORE_LISTENER_H_

#include <node_api.h>

#include <cstddef>

namespace unix_ipc {

// An exception that it throws is the program's uncaught one. Left pending, it would be thrown by
// whatever call of this addon comes next.
void CallListener(napi_env env, napi_ref listener, const napi_value* arguments, size_t count);

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_LISTENER_H_
