#ifndef UNIX_IPC_CORE_DESCRIPTOR_H_
#define UNIX_IPC_CORE_DESCRIPTOR_H_

#include <napi.h>

#include "core/environment.h"

namespace unix_ipc {

// At the end of an environment: closes a descriptor of one of its objects.
void CloseOwned(int fd);

void InitDescriptor(Napi::Env env, Napi::Object exports, Napi::Object constants,
                    Environment* environment);

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_DESCRIPTOR_H_
