// pthread_create(3), pthread_sigmask(3): see thread.h.
#include "core/thread.h"

#include <csignal>
#include <cstddef>
#include <initializer_list>

namespace unix_ipc {

namespace {

// A call and a signal frame need little; the C library also keeps the thread-local data of the
// whole process there.
constexpr size_t kStackSize = size_t{256} * 1024;

}  // namespace

bool StartThread(pthread_t* thread, void* (*run)(void*), void* argument) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackSize);
  // The new thread inherits this mask, which is in force at its first instruction. A fault that is blocked would
  // end the process, without a look at its handler.
  sigset_t blocked;
  sigset_t previous;
  sigfillset(&blocked);
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) sigdelset(&blocked, fault);
  pthread_sigmask(SIG_SETMASK, &blocked, &previous);
  int error = pthread_create(thread, &attributes, run, argument);
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  pthread_attr_destroy(&attributes);
  return error == 0;
}

}  // namespace unix_ipc
