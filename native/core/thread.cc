// pthread_create(3), pthread_sigmask(3): see thread.h.
#include "core/thread.h"

#include <csignal>
#include <cstddef>

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
  // The new thread inherits this mask, which is in force at its first instruction.
  sigset_t all;
  sigset_t previous;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  int error = pthread_create(thread, &attributes, run, argument);
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  pthread_attr_destroy(&attributes);
  return error == 0;
}

}  // namespace unix_ipc
