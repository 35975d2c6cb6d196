// Registers the families.
#include <napi.h>

#include "core/descriptor.h"
#include "core/environment.h"
#include "core/mapping.h"
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

namespace {

struct Family {
  const char* stem;
  void (*init)(Napi::Env env, Napi::Object exports, Napi::Object constants,
               Environment* environment);
};

constexpr Family kFamilies[] = {
    {"descriptor", InitDescriptor},  {"eventfd", InitEventfd},    {"futex", InitFutex},
    {"mapping", InitMapping},        {"pipe", InitPipe},          {"posix-mq", InitPosixMq},
    {"posix-sem", InitPosixSem},     {"posix-shm", InitPosixShm}, {"sysv-ipc", InitSysvIpc},
    {"sysv-msg", InitSysvMsg},       {"sysv-sem", InitSysvSem},   {"sysv-shm", InitSysvShm},
    {"unix-socket", InitUnixSocket},
};

}  // namespace

// The exports have a member for each file of lib/native.
Napi::Object Init(Napi::Env env, Napi::Object exports) {
  Napi::Object core = Napi::Object::New(env);
  Environment* environment = InitEnvironment(env, core);
  exports["core"] = core;
  for (const Family& family : kFamilies) {
    Napi::Object functions = Napi::Object::New(env);
    Napi::Object constants = Napi::Object::New(env);
    family.init(env, functions, constants, environment);
    functions["constants"] = constants;
    exports[family.stem] = functions;
  }
  return exports;
}

}  // namespace unix_ipc

using unix_ipc::Init;
NODE_API_MODULE(unix_ipc, Init)
