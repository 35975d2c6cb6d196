// Threads of this package.
#ifndef UNIX_IPC_CORE_THREAD_H_
#define UNIX_IPC_CORE_THREAD_H_

#include <pthread.h>

namespace unix_ipc {

// Starts a thread with a small stack and all signals but faults blocked: the program's signals are for its
// other threads. False where the system has no thread to give.
bool StartThread(pthread_t* thread, void* (*run)(void*), void* argument);

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_THREAD_H_
