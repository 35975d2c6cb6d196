#ifndef UNIX_IPC_POSIX_SEM_H_
#define UNIX_IPC_POSIX_SEM_H_

#include <napi.h>

#include "core/environment.h"

namespace unix_ipc {

void InitPosixSem(Napi::Env env, Napi::Object exports, Napi::Object constants,
                  Environment* environment);

}  // namespace unix_ipc

#endif  // UNIX_IPC_POSIX_SEM_H_
