// A thread that makes system calls which wait. It belongs to one engine and serves one lane at a
// time.
#ifndef UNIX_IPC_CORE_WAIT_THREAD_H_
#define UNIX_IPC_CORE_WAIT_THREAD_H_

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "core/kick.h"
#include "core/scratch.h"
#include "core/wait.h"

namespace unix_ipc {

class WaitEngine;

class WaitThread {
 public:
  explicit WaitThread(WaitEngine* engine) : engine_(engine) {}
  WaitThread(const WaitThread&) = delete;
  WaitThread& operator=(const WaitThread&) = delete;

  // Called by the engine on the JavaScript thread. Serve, Cancel and Stop want the engine's mutex
  // held.
  bool Start();
  void Serve(std::shared_ptr<Lane> lane);
  // After Serve, without the mutex: the thread may run at once, on this very core, and want it.
  void Notify();
  void Cancel(Wait* wait);
  void Stop();
  void Join();

  bool retired() const { return retired_; }
  bool busy() const { return lane_ != nullptr; }
  // Its line has emptied, which it has yet to see: it may be given another lane.
  bool spare() const;

 private:
  using Lock = std::unique_lock<std::mutex>;

  static void* Main(void* self);
  void Run();
  bool AwaitLane(Lock* lock);
  void ServeLane(Lock* lock);
  ssize_t Complete(Wait* wait);

  WaitEngine* const engine_;
  pthread_t thread_ = {};
  Scratch scratch_;
  size_t unannounced_ = 0;  // put into the outbox since the event loop was last woken

  // 1 when there may be something to do. A condition variable would cost one system call more for
  // every wait.
  std::atomic<uint32_t> notified_{0};

  // Guarded by the engine's mutex.
  KickTimer timer_;
  std::shared_ptr<Lane> lane_;
  Wait* current_ = nullptr;
  bool kicked_ = false;
  bool retired_ = false;
};

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_WAIT_THREAD_H_
