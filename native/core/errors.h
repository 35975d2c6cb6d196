// What the C library calls each error number: Node's own table lacks ENOMSG, EIDRM, EOWNERDEAD and
// others.
#ifndef UNIX_IPC_CORE_ERRORS_H_
#define UNIX_IPC_CORE_ERRORS_H_

#include <napi.h>

namespace unix_ipc {

// An array of [number, name, description], one row for every error number of <errno.h>.
Napi::Value ErrorTable(const Napi::CallbackInfo& info);

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_ERRORS_H_
