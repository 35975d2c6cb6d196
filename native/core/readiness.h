// The second half of the blocking engine: which descriptors are ready. One epoll instance for each
// environment, which its event loop polls in turn. The calls themselves are made by JavaScript.
#ifndef UNIX_IPC_CORE_READINESS_H_
#define UNIX_IPC_CORE_READINESS_H_

#include <node_api.h>

#include <cstddef>
#include <cstdint>

#include "core/loop-poll.h"

namespace unix_ipc {

class Readiness final : private LoopPoll::Client {
 public:
  // A row: the watch's number, and what has happened.
  static constexpr size_t kRowSlots = 2;
  static constexpr size_t kRows = 64;
  // Behind the rows: how many promises wait, which JavaScript writes, and whether the loop is held for them.
  static constexpr size_t kSlots = kRows * kRowSlots + 2;

  Readiness() = default;
  ~Readiness();
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;

  // `on_ready(count)` is called on the event loop when `count` of `rows` have been filled.
  void Attach(napi_env env, napi_ref on_ready, double* rows, bool libuv);

  // epoll_ctl(2). Returns 0 or -errno.
  int Control(int operation, int fd, uint32_t events, uint64_t watch);

  // Whether the event loop stays alive for what is watched. Not at first. It is let go by itself where nobody
  // waits any more after a call of `on_ready`, since whoever is answered usually waits again.
  void Hold(bool held);

  // The descriptors that this needs for itself; -1 for none.
  int epoll() const { return epoll_; }
  int control() const { return poll_.control(); }

 private:
  int Open();
  void OnReadable(napi_env env) override;
  void OnDone() override;
  void OnEnd() override;

  double& waits() { return rows_[kRows * kRowSlots]; }
  double& held() { return rows_[kRows * kRowSlots + 1]; }

  napi_env env_ = nullptr;
  napi_ref on_ready_ = nullptr;
  double* rows_ = nullptr;
  bool libuv_ = false;
  int epoll_ = -1;
  LoopPoll poll_;
};

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_READINESS_H_
