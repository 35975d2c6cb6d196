// sysvipc(7): what the System V families share, <sys/ipc.h>.
#ifndef UNIX_IPC_CORE_SYSV_IPC_H_
#define UNIX_IPC_CORE_SYSV_IPC_H_

#include <napi.h>
#include <sys/ipc.h>

namespace unix_ipc {

struct Environment;

// ftok and the constants IPC_*.
void InitSysvIpc(Napi::Env env, Napi::Object exports, Napi::Object constants,
                 Environment* environment);

Napi::Object PermissionsToObject(Napi::Env env, const ipc_perm& permissions);

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_SYSV_IPC_H_
