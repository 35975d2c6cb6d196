#ifndef UNIX_IPC_POSIX_SHM_H_
#define UNIX_IPC_POSIX_SHM_H_

#include <napi.h>

#include "core/environment.h"

namespace unix_ipc {

void InitPosixShm(Napi::Env env, Napi::Object exports, Napi::Object constants,
                  Environment* environment);

}  // namespace unix_ipc

#endif  // UNIX_IPC_POSIX_SHM_H_
