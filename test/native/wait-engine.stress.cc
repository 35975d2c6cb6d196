// The blocking engine over a make-believe event loop, for ThreadSanitizer. This main thread stands
// for JavaScript's: waits start, end and are cancelled at random, and half of the environments end
// in the middle. No message may be lost, come twice or out of order, and no kick or wake-up be
// lost.
//
//   npm run build:tsan && build/tsan/wait-engine-stress [rounds] [seed]
#include "core/wait-engine.h"

#include <node_api.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <utility>
#include <vector>

namespace {

using unix_ipc::Blocking;
using unix_ipc::LaneKey;
using unix_ipc::LoopWaker;
using unix_ipc::Received;
using unix_ipc::Scratch;
using unix_ipc::Wait;
using unix_ipc::WaitEngine;

constexpr int kSockets = 3;
constexpr int kLanesOfSocket = 2;  // they compete for the same messages
constexpr size_t kMostBytes = 100;
constexpr int kSteps = 400;

unsigned seed;

void Check(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "seed %u: %s\n", seed, what);
  abort();
}

// The event loop of an environment. What the engine takes for the environment is this.
struct Loop {
  std::mutex mutex;
  std::condition_variable woken;
  bool due = false;
  bool closed = false;

  // Main thread only.
  bool referenced = false;
  LoopWaker::Client* client = nullptr;

  // A turn of the loop, for which there may be nothing to do.
  void Turn(std::chrono::microseconds patience) {
    {
      std::unique_lock<std::mutex> lock(mutex);
      if (!woken.wait_for(lock, patience, [this] { return due; })) return;
      due = false;
    }
    client->OnWake(reinterpret_cast<napi_env>(this));
  }
};

// A datagram is a message: its number, then so many bytes of that number.
class Receive final : public Wait {
 public:
  Receive(int socket, int lane) : socket_(socket), lane_(lane) {}
  LaneKey Key() const override { return {"recv", socket_, lane_}; }
  ssize_t Attempt(Blocking blocking, Scratch* scratch) override {
    int flags = blocking == Blocking::kNo ? MSG_DONTWAIT : 0;
    ssize_t size = recv(socket_, scratch->Reserve(kMostBytes), kMostBytes, flags);
    return size >= 0 ? size : -errno;
  }
  void Discard(ssize_t) override {}
  bool WouldBlock(ssize_t result) const override { return result == -EAGAIN; }
  Received Take(ssize_t result, const Scratch& scratch) const override {
    Received received;
    memcpy(&received.detail, scratch.data(), sizeof(received.detail));
    received.bytes = scratch.data();
    received.size = static_cast<size_t>(result);
    return received;
  }

 private:
  int socket_;
  int lane_;
};

// One environment, from its first wait to its end.
class Round {
 public:
  Round() : random_(seed) {
    for (auto& pair : sockets_) Check(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0, "socketpair");
    engine_->set_thread_limit(Any(1, kSockets * kLanesOfSocket));
    engine_->Attach(reinterpret_cast<napi_env>(&loop_), nullptr, records_, false);
  }

  ~Round() {
    for (auto& pair : sockets_) {
      close(pair[0]);
      close(pair[1]);
    }
  }

  Loop& loop() { return loop_; }

  void Run() {
    bool to_the_end = Any(0, 1) == 0;
    for (int step = Any(1, kSteps); step > 0; step--) Step();
    if (to_the_end) Finish();
    // As Node does it: the hook, then the event loop's end, then the instance data.
    if (loop_.client != nullptr) loop_.client->OnEnd();
    {
      std::lock_guard<std::mutex> lock(loop_.mutex);
      loop_.closed = true;
    }
    engine_.reset();
    if (to_the_end) CountLeft();
  }

  void OnDone(size_t rows, size_t size) {
    std::vector<char> batch(size);
    Check(engine_->TakeBatch(batch.data(), size) == size, "a batch is too short");
    for (size_t row = 0; row < rows; row++) {
      const double* slots = records_ + row * WaitEngine::kRecordSlots;
      auto found = pending_.find(static_cast<int64_t>(slots[0]));
      Check(found != pending_.end(), "a wait was answered that was over");
      Pending wait = found->second;
      pending_.erase(found);
      Check(std::exchange(latest_[wait.lane], wait.number) < wait.number,
            "a lane was answered out of order");
      if (slots[1] == -ECANCELED) {
        Check(wait.cancelled, "a wait was cancelled by nobody");
        continue;
      }
      Check(slots[1] > 0 && slots[1] == slots[3], "a wait failed");
      left_[wait.lane / kLanesOfSocket]--;
      Take(static_cast<size_t>(slots[4]), batch.data() + static_cast<size_t>(slots[2]),
           static_cast<size_t>(slots[3]));
    }
  }

 private:
  void Step() {
    switch (Any(0, 9)) {
      case 0:
      case 1:
        Start();
        return;
      case 2:
        return StartAndCancel();
      case 3:
      case 4:
      case 5:
        return Send();
      case 6:
      case 7:
        return CancelAny();
      default:
        return loop_.Turn(std::chrono::microseconds(Any(0, 300)));
    }
  }

  int64_t Start() {
    int lane = Any(0, kSockets * kLanesOfSocket - 1);
    int64_t ticket = engine_->Start(
        std::make_unique<Receive>(sockets_[lane / kLanesOfSocket][0], lane % kLanesOfSocket));
    if (ticket == WaitEngine::kNoThread) return ticket;
    Check(pending_.count(ticket) == 0, "a ticket was given twice");
    pending_[ticket] = {++started_, lane, false};
    Check(loop_.referenced == !pending_.empty(), "the loop is kept alive by nothing");
    return ticket;
  }

  // Aims at the moment between a thread's last look at the flag and its call.
  void StartAndCancel() {
    int64_t ticket = Start();
    auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(Any(0, 200));
    while (std::chrono::steady_clock::now() < end) continue;
    if (pending_.count(ticket) > 0) Cancel(ticket);
  }

  void Send() {
    char message[kMostBytes];
    int64_t number = static_cast<int64_t>(received_.size());
    memset(message, static_cast<char>(number), sizeof(message));
    memcpy(message, &number, sizeof(number));
    size_t size = Any(sizeof(number), kMostBytes);
    int socket = Any(0, kSockets - 1);
    if (send(sockets_[socket][1], message, size, MSG_DONTWAIT) < 0) return;
    left_[socket]++;
    received_.push_back(false);
  }

  void CancelAny() {
    if (pending_.empty()) return;
    auto chosen = pending_.begin();
    std::advance(chosen, Any(0, static_cast<int>(pending_.size()) - 1));
    Cancel(chosen->first);
  }

  void Cancel(int64_t ticket) {
    if (engine_->Cancel(ticket)) {
      pending_.erase(ticket);
    } else {
      pending_[ticket].cancelled = true;
    }
    Check(loop_.referenced == !pending_.empty(), "the loop is kept alive by nothing");
  }

  void Finish() {
    Await("a message was not handed over", [this] {
      for (const auto& [ticket, wait] : pending_) {
        if (left_[wait.lane / kLanesOfSocket] > 0) return false;
      }
      return true;
    });
    auto waiting = pending_;
    for (const auto& [ticket, wait] : waiting) Cancel(ticket);
    Await("a kick was lost", [this] { return pending_.empty(); });
  }

  template <typename Condition>
  void Await(const char* otherwise, Condition condition) {
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      Check(std::chrono::steady_clock::now() < end, otherwise);
      loop_.Turn(std::chrono::seconds(1));
    }
  }

  void CountLeft() {
    char message[kMostBytes];
    for (auto& pair : sockets_) {
      ssize_t size;
      while ((size = recv(pair[0], message, sizeof(message), MSG_DONTWAIT)) > 0) {
        int64_t number = 0;
        memcpy(&number, message, sizeof(number));
        Take(static_cast<size_t>(number), message, static_cast<size_t>(size));
      }
    }
    for (bool received : received_) Check(received, "a message was lost");
  }

  void Take(size_t number, const char* message, size_t size) {
    Check(number < received_.size() && !received_[number], "a message came twice");
    received_[number] = true;
    for (size_t at = sizeof(int64_t); at < size; at++) {
      Check(message[at] == static_cast<char>(number), "a message has another one's bytes");
    }
  }

  int Any(int least, int most) { return std::uniform_int_distribution<>(least, most)(random_); }

  struct Pending {
    int number;  // in the order of starting
    int lane;
    bool cancelled;
  };

  std::mt19937 random_;
  Loop loop_;
  double records_[WaitEngine::kRecordRows * WaitEngine::kRecordSlots];
  std::unique_ptr<WaitEngine> engine_ = std::make_unique<WaitEngine>();
  int sockets_[kSockets][2];
  int left_[kSockets] = {};             // messages that were sent and not received
  std::map<int64_t, Pending> pending_;  // by ticket
  int started_ = 0;
  std::map<int, int> latest_;   // the wait that a lane answered last
  std::vector<bool> received_;  // by the number of the message
};

Round* current_round;

napi_value ToValue(size_t number) { return reinterpret_cast<napi_value>(number); }

}  // namespace

namespace unix_ipc {

bool LoopWaker::Open(napi_env env, bool libuv, Client* client) {
  env_ = env;
  function_ = reinterpret_cast<napi_threadsafe_function>(env);
  reinterpret_cast<Loop*>(env)->client = client;
  return true;
}

void LoopWaker::Ref() { reinterpret_cast<Loop*>(env_)->referenced = true; }
void LoopWaker::Unref() { reinterpret_cast<Loop*>(env_)->referenced = false; }

void LoopWaker::Wake() {
  auto* loop = reinterpret_cast<Loop*>(env_);
  std::lock_guard<std::mutex> lock(loop->mutex);
  Check(!loop->closed, "a wait thread outlived its environment");
  loop->due = true;
  loop->woken.notify_one();
}

}  // namespace unix_ipc

// What the engine takes of Node-API.
extern "C" {

napi_status napi_get_reference_value(napi_env, napi_ref, napi_value* result) {
  *result = ToValue(1);
  return napi_ok;
}

napi_status napi_get_undefined(napi_env, napi_value* result) {
  *result = ToValue(0);
  return napi_ok;
}

napi_status napi_create_int32(napi_env, int32_t number, napi_value* result) {
  *result = ToValue(static_cast<size_t>(number));
  return napi_ok;
}

napi_status napi_create_int64(napi_env, int64_t number, napi_value* result) {
  *result = ToValue(static_cast<size_t>(number));
  return napi_ok;
}

napi_status napi_call_function(napi_env, napi_value, napi_value, size_t,
                               const napi_value* arguments, napi_value*) {
  current_round->OnDone(reinterpret_cast<size_t>(arguments[0]),
                        reinterpret_cast<size_t>(arguments[1]));
  return napi_ok;
}

napi_status napi_is_exception_pending(napi_env, bool* result) {
  *result = false;
  return napi_ok;
}

napi_status napi_get_and_clear_last_exception(napi_env, napi_value*) {
  return napi_generic_failure;
}

napi_status napi_fatal_exception(napi_env, napi_value) { return napi_generic_failure; }

}  // extern "C"

int main(int count, char** arguments) {
  int rounds = count > 1 ? atoi(arguments[1]) : 200;
  unsigned first = count > 2 ? static_cast<unsigned>(atoi(arguments[2])) : std::random_device()();
  printf("seed %u, %d rounds\n", first, rounds);
  for (int index = 0; index < rounds; index++) {
    seed = first + static_cast<unsigned>(index);
    Round round;
    current_round = &round;
    round.Run();
  }
  return 0;
}
