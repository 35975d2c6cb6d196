// Registers the families.
#include <napi.h>

#include "core/environment.h"
#include "core/sysv-ipc.h"
#include "sysv-msg.h"

namespace unix_ipc {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  Environment* environment = InitEnvironment(env, exports);
  Napi::Object constants = Napi::Object::New(env);
  InitSysvIpc(env, exports, constants);
  InitSysvMsg(env, exports, constants, environment);
  exports["constants"] = constants;
  return exports;
}

}  // namespace unix_ipc

using unix_ipc::Init;
NODE_API_MODULE(unix_ipc, Init)
