// Registers the families.
#include <napi.h>

#include "core/descriptor.h"
#include "core/environment.h"
#include "core/sysv-ipc.h"
#include "eventfd.h"
#include "futex.h"
#include "pipe.h"
#include "posix-mq.h"
#include "posix-sem.h"
#include "posix-shm.h"
#include "sysv-msg.h"
#include "sysv-sem.h"
#include "sysv-shm.h"
#include "unix-socket.h"

namespace unix_ipc {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  Environment* environment = InitEnvironment(env, exports);
  Napi::Object constants = Napi::Object::New(env);
  InitSysvIpc(env, exports, constants);
  InitDescriptor(env, exports, constants, environment);
  InitEventfd(env, exports, constants, environment);
  InitFutex(env, exports, constants, environment);
  InitPipe(env, exports, constants, environment);
  InitPosixMq(env, exports, constants, environment);
  InitPosixSem(env, exports, constants, environment);
  InitPosixShm(env, exports, constants, environment);
  InitSysvMsg(env, exports, constants, environment);
  InitSysvSem(env, exports, constants, environment);
  InitSysvShm(env, exports, constants, environment);
  InitUnixSocket(env, exports, constants, environment);
  InitUnixSocketMessage(env, exports, constants, environment);
  exports["constants"] = constants;
  return exports;
}

}  // namespace unix_ipc

using unix_ipc::Init;
NODE_API_MODULE(unix_ipc, Init)
