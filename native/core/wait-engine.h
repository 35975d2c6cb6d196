// The blocking engine: promises for system calls that have no descriptor to poll. ARCHITECTURE.md
// tells the life of one wait. All public methods belong to the JavaScript thread of one
// environment.
#ifndef UNIX_IPC_CORE_WAIT_ENGINE_H_
#define UNIX_IPC_CORE_WAIT_ENGINE_H_

#include <node_api.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "core/loop-waker.h"
#include "core/wait-thread.h"
#include "core/wait.h"

namespace unix_ipc {

// The waits for one thing, and the thread that serves them while there are any.
struct Lane {
  WaitList line;                 // guarded by the engine's mutex
  WaitThread* thread = nullptr;  // guarded by the engine's mutex
  size_t undelivered = 0;        // waits JavaScript has not heard of yet; JavaScript thread only
};

class WaitEngine final : private LoopWaker::Client {
 public:
  // Below every -errno, so that one integer says result, error or ticket.
  static constexpr int64_t kFirstTicket = 4096;
  static constexpr int64_t kNoThread = -4095;

  // A row of the records: ticket, result, where its bytes begin in the batch, how many, detail
  // (NaN: see below), and the detail as int64 where a double could not hold it.
  static constexpr size_t kRecordSlots = 6;
  static constexpr size_t kRecordRows = 128;

  WaitEngine() = default;
  ~WaitEngine();
  WaitEngine(const WaitEngine&) = delete;
  WaitEngine& operator=(const WaitEngine&) = delete;

  // `on_done(rows, size)` is called on the event loop when `rows` rows of `records` have been
  // filled. It has to fetch the batch of `size` bytes that they tell of with TakeBatch.
  void Attach(napi_env env, napi_ref on_done, double* records, bool libuv);

  // Whether an earlier wait for the same thing has not been answered yet: a new one must stand in
  // line behind it.
  bool Occupied(const LaneKey& key) const;
  // Returns the wait's ticket, or kNoThread where it would need a thread more than there may be.
  int64_t Start(std::unique_ptr<Wait> wait);
  // True: it stood in line and is gone. False: it is being answered; on_done will tell how it ended
  // (-ECANCELED or, where the call was faster, its result).
  bool Cancel(int64_t ticket);

  void set_thread_limit(size_t limit) { thread_limit_ = limit; }
  size_t thread_limit() const { return thread_limit_; }
  size_t busy_threads();

  size_t TakeBatch(char* into, size_t size) const;

  static void WriteDetail(double* slots, int64_t detail) {
    // A double holds these without a gap.
    constexpr int64_t kMaxSafeInteger = (int64_t{1} << 53) - 1;
    bool safe = detail <= kMaxSafeInteger && detail >= -kMaxSafeInteger;
    slots[0] = safe ? static_cast<double>(detail) : NAN;
    memcpy(&slots[1], &detail, sizeof(detail));
  }

 private:
  friend class WaitThread;

  // A wait that has ended, on its way to JavaScript.
  struct Done {
    std::unique_ptr<Wait> wait;
    ssize_t result;
    int64_t detail;
    size_t offset;
    size_t size;
  };

  struct Outbox {
    std::vector<Done> done;
    std::vector<char> bytes;
  };

  WaitThread* Hire();
  void Reap();
  Wait* Find(int64_t ticket) const;
  void Forget(Wait* wait);
  static void WriteRow(const Done& done, size_t begin, double* slots);
  void OnWake(napi_env env) override;
  void OnEnd() override { Shutdown(); }
  void Shutdown();

  // Called by wait threads.
  void Put(std::unique_ptr<Wait> wait, ssize_t result, const Received& received);
  void Wake();

  // JavaScript thread only.
  napi_env env_ = nullptr;
  napi_ref on_done_ = nullptr;
  double* records_ = nullptr;
  bool libuv_ = false;
  LoopWaker waker_;
  std::vector<Wait*> pending_;  // by ticket; nullptr where the ticket is free
  std::vector<int64_t> free_tickets_;
  size_t pending_count_ = 0;
  std::unordered_map<LaneKey, std::shared_ptr<Lane>, LaneKeyHash> lanes_;
  size_t thread_limit_ = 1024;
  Outbox delivering_;
  // The part of `delivering_` that on_done is being told of.
  const char* batch_ = nullptr;
  size_t batch_size_ = 0;

  std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<std::unique_ptr<WaitThread>> threads_;
  std::vector<WaitThread*> idle_;  // the last one in is the first one out
  Outbox outbox_;
  bool stopping_ = false;

  std::atomic<bool> woken_{false};
};

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_WAIT_ENGINE_H_
