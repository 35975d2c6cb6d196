// sysvipc(7), ftok(3).
#include "core/sysv-ipc.h"

#include <cerrno>
#include <cstdint>
#include <string>

#include "core/arguments.h"
#include "core/results.h"

namespace unix_ipc {

namespace {

// ftok(path, projId): the key as an unsigned number, because a key may be negative, or -errno.
Napi::Value Ftok(const Napi::CallbackInfo& info) {
  std::string path = ReadString(info, 0);
  errno = 0;
  key_t key = ftok(path.c_str(), ReadInt(info, 1));
  int error = errno;
  // A device number ending in 0xff and a projId of 0xff make a key of -1 that is none the less a
  // key.
  if (key == -1 && error != 0) return Result(info.Env(), -error);
  return Result(info.Env(), static_cast<uint32_t>(key));
}

}  // namespace

Napi::Object PermissionsToObject(Napi::Env env, const ipc_perm& permissions) {
  Napi::Object object = Napi::Object::New(env);
  object["key"] = Napi::Number::New(env, permissions.__key);
  object["uid"] = Napi::Number::New(env, permissions.uid);
  object["gid"] = Napi::Number::New(env, permissions.gid);
  object["cuid"] = Napi::Number::New(env, permissions.cuid);
  object["cgid"] = Napi::Number::New(env, permissions.cgid);
  object["mode"] = Napi::Number::New(env, permissions.mode);
  object["seq"] = Napi::Number::New(env, permissions.__seq);
  return object;
}

void InitSysvIpc(Napi::Env env, Napi::Object exports, Napi::Object constants, Environment*) {
  exports["ftok"] = Napi::Function::New<Ftok>(env, "ftok");
  SetConstants(env, constants,
               {{"IPC_PRIVATE", IPC_PRIVATE},
                {"IPC_CREAT", IPC_CREAT},
                {"IPC_EXCL", IPC_EXCL},
                {"IPC_NOWAIT", IPC_NOWAIT},
                {"IPC_RMID", IPC_RMID},
                {"IPC_SET", IPC_SET},
                {"IPC_STAT", IPC_STAT},
                {"IPC_INFO", IPC_INFO}});
}

}  // namespace unix_ipc
