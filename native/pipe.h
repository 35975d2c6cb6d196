#ifndef UNIX_IPC_PIPE_H_
#define UNIX_IPC_PIPE_H_

#include <napi.h>

#include "core/environment.h"

namespace unix_ipc {

void InitPipe(Napi::Env env, Napi::Object exports, Napi::Object constants,
              Environment* environment);

}  // namespace unix_ipc

#endif  // UNIX_IPC_PIPE_H_
