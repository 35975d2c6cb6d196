// Node-API threadsafe functions and cleanup hooks: see wait-engine.h.
#include "core/wait-engine.h"

#include <algorithm>
#include <utility>

#include "core/listener.h"
#include "core/results.h"

namespace unix_ipc {

namespace {

constexpr size_t kKeptLanes = 64;

// One burst of large messages must not hold its memory for ever.
constexpr size_t kKeptBytes = size_t{1024} * 1024;

}  // namespace

WaitEngine::~WaitEngine() { Shutdown(); }

void WaitEngine::Attach(napi_env env, napi_ref on_done, double* records, bool libuv) {
  env_ = env;
  on_done_ = on_done;
  records_ = records;
  libuv_ = libuv;
}

bool WaitEngine::Occupied(const LaneKey& key) const {
  if (pending_count_ == 0) return false;
  auto found = lanes_.find(key);
  return found != lanes_.end() && found->second->undelivered > 0;
}

int64_t WaitEngine::Start(std::unique_ptr<Wait> wait) {
  // Made with the first wait: a program that only makes calls needs none of this.
  if (!waker_.opened() && !waker_.Open(env_, libuv_, this)) return kNoThread;
  LaneKey key = wait->Key();
  std::unique_lock<std::mutex> lock(mutex_);
  if (stopping_) return kNoThread;
  Reap();
  auto found = lanes_.find(key);
  std::shared_ptr<Lane> lane = found != lanes_.end() ? found->second : std::make_shared<Lane>();
  WaitThread* hired = nullptr;
  if (lane->thread == nullptr) {
    hired = Hire();
    if (hired == nullptr) return kNoThread;
    hired->Serve(lane);
  }
  if (found == lanes_.end()) lanes_.emplace(key, lane);
  Wait* pending = wait.get();
  if (free_tickets_.empty()) {
    free_tickets_.push_back(kFirstTicket + static_cast<int64_t>(pending_.size()));
    pending_.push_back(nullptr);
  }
  pending->ticket_ = free_tickets_.back();
  free_tickets_.pop_back();
  pending_[pending->ticket_ - kFirstTicket] = pending;
  pending->lane_ = lane.get();
  lane->undelivered++;
  lane->line.push_back(std::move(wait));
  pending->place_ = std::prev(lane->line.end());
  lock.unlock();
  if (hired != nullptr) hired->Notify();
  // A pending wait keeps the event loop alive, as a pending read does.
  if (++pending_count_ == 1) waker_.Ref();
  return pending->ticket_;
}

// Returns an idle thread or a new one.
WaitThread* WaitEngine::Hire() {
  for (auto& thread : threads_) {
    if (thread->spare()) return thread.get();
  }
  if (threads_.size() - idle_.size() >= thread_limit_) return nullptr;
  if (!idle_.empty()) {
    WaitThread* thread = idle_.back();
    idle_.pop_back();
    return thread;
  }
  auto thread = std::make_unique<WaitThread>(this);
  if (!thread->Start()) return nullptr;
  threads_.push_back(std::move(thread));
  return threads_.back().get();
}

// Joins the threads that ended for want of work. Wants mutex_ held: a thread that is retired never
// takes it again.
void WaitEngine::Reap() {
  auto retired = std::stable_partition(threads_.begin(), threads_.end(),
                                       [](const auto& thread) { return !thread->retired(); });
  for (auto thread = retired; thread != threads_.end(); ++thread) (*thread)->Join();
  threads_.erase(retired, threads_.end());
}

Wait* WaitEngine::Find(int64_t ticket) const {
  auto index = static_cast<size_t>(ticket - kFirstTicket);
  return ticket >= kFirstTicket && index < pending_.size() ? pending_[index] : nullptr;
}

bool WaitEngine::Cancel(int64_t ticket) {
  Wait* wait = Find(ticket);
  if (wait == nullptr) return false;
  std::unique_ptr<Wait> removed;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (wait->state_ == Wait::State::kRunning) wait->lane_->thread->Cancel(wait);
    if (wait->state_ != Wait::State::kQueued) return false;
    removed = std::move(*wait->place_);
    wait->lane_->line.erase(wait->place_);
  }
  Forget(wait);
  return true;
}

void WaitEngine::Forget(Wait* wait) {
  pending_[wait->ticket_ - kFirstTicket] = nullptr;
  free_tickets_.push_back(wait->ticket_);
  if (--pending_count_ == 0) waker_.Unref();
  // A lane is usually wanted again soon. One that a thread is about to find empty stays the
  // thread's until then.
  if (--wait->lane_->undelivered == 0 && lanes_.size() > kKeptLanes) lanes_.erase(wait->Key());
}

size_t WaitEngine::busy_threads() {
  std::lock_guard<std::mutex> lock(mutex_);
  return std::count_if(threads_.begin(), threads_.end(),
                       [](const auto& thread) { return thread->busy(); });
}

// Wants mutex_ held.
void WaitEngine::Put(std::unique_ptr<Wait> wait, ssize_t result, const Received& received) {
  wait->state_ = Wait::State::kDone;
  // Typed arrays of 8-byte elements can be laid over every payload.
  size_t offset = (outbox_.bytes.size() + 7) & ~size_t{7};
  outbox_.bytes.resize(offset);
  outbox_.bytes.insert(outbox_.bytes.end(), received.bytes, received.bytes + received.size);
  outbox_.done.push_back({std::move(wait), result, received.detail, offset, received.size});
}

void WaitEngine::Wake() {
  if (!woken_.exchange(true)) waker_.Wake();
}

void WaitEngine::OnWake(napi_env env) {
  // Before the outbox is emptied: what comes later wakes the loop again.
  woken_ = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    std::swap(outbox_, delivering_);
    Reap();
  }
  auto& done = delivering_.done;
  for (size_t first = 0; first < done.size(); first += kRecordRows) {
    size_t rows = std::min(kRecordRows, done.size() - first);
    size_t begin = done[first].offset;
    for (size_t row = 0; row < rows; row++)
      WriteRow(done[first + row], begin, records_ + row * kRecordSlots);
    batch_ = delivering_.bytes.data() + begin;
    batch_size_ = done[first + rows - 1].offset + done[first + rows - 1].size - begin;
    napi_value arguments[2] = {ToResult(env, static_cast<int64_t>(rows)),
                               ToResult(env, static_cast<int64_t>(batch_size_))};
    // Settles promises; their reactions run after the last batch.
    CallListener(env, on_done_, arguments, 2);
    // Not earlier: a codec may start a wait while its batch is settled, and must not get a ticket
    // of this very batch.
    for (size_t row = 0; row < rows; row++) {
      Done& ended = done[first + row];
      // JavaScript has not taken it: the environment ends, and its loop only runs on to close handles.
      bool taken = records_[row * kRecordSlots] == 0;
      if (!taken && ended.result >= 0) ended.wait->Discard(ended.result);
      Forget(ended.wait.get());
    }
  }
  batch_ = nullptr;
  batch_size_ = 0;
  done.clear();
  delivering_.bytes.clear();
  if (delivering_.bytes.capacity() > kKeptBytes) delivering_.bytes.shrink_to_fit();
}

void WaitEngine::WriteRow(const Done& done, size_t begin, double* slots) {
  slots[0] = static_cast<double>(done.wait->ticket_);
  slots[1] = static_cast<double>(done.result);
  slots[2] = static_cast<double>(done.offset - begin);
  slots[3] = static_cast<double>(done.size);
  WriteDetail(slots + 4, done.detail);
}

size_t WaitEngine::TakeBatch(char* into, size_t size) const {
  size = std::min(size, batch_size_);
  if (size > 0) memcpy(into, batch_, size);
  return size;
}

void WaitEngine::Shutdown() {
  std::vector<std::unique_ptr<WaitThread>> threads;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    for (auto& thread : threads_) thread->Stop();
    // The threads leave the engine's list, not the engine: they are joined without the lock, which
    // they need to end.
    threads.swap(threads_);
  }
  for (auto& thread : threads) thread->Join();
  idle_.clear();
  lanes_.clear();
  pending_.clear();
  // Nobody will hear of these any more.
  for (Done& done : outbox_.done) {
    if (done.result >= 0) done.wait->Discard(done.result);
  }
  outbox_ = Outbox();
}

}  // namespace unix_ipc
