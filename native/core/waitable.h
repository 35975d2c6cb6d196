// Makes three JavaScript functions of one description of a call that can wait.
//
// A description is a class that can be moved, with
//   static constexpr char kName[];           its C name
//   static constexpr View kView;             what it does with the Uint8Array
//   static constexpr size_t kArguments;      how many numbers the constructor reads
//   static constexpr bool kTries;            whether Attempt(kNo) makes the call
//   explicit Call(const FastArguments&);
//   LaneKey Key() const;                     calls with equal keys compete for the same thing
//   ssize_t Attempt(Blocking, Scratch*);     one system call: its result or -errno
//   bool WouldBlock(ssize_t result) const;   whether kNo failed only because it must not wait
//   Received Take(ssize_t, const Scratch&) const;   what a call that succeeded left there
//   void Discard(ssize_t);                   gives back a result that JavaScript will never hear of
//   Bytes into() const;                      where the caller on the JavaScript thread wants that
//   bool Own(Environment*);                  copies or holds what it points to, because it outlives the
//                                            JavaScript call; false where there is no memory
//
// The functions take one argument, a Uint8Array, and the numbers from the block. The integer that they
// leave in the block is the call's result, -errno, kNotBytes, or what WaitEngine::Start gives.
#ifndef UNIX_IPC_CORE_WAITABLE_H_
#define UNIX_IPC_CORE_WAITABLE_H_

#include <napi.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "core/arguments.h"
#include "core/environment.h"
#include "core/results.h"

namespace unix_ipc {

template <typename Call>
class Waitable {
 public:
  static void Export(Napi::Env env, Napi::Object exports, Environment* environment) {
    std::string name(Call::kName);
    ExportFast(env, exports, name, Function<Now>, environment);
    ExportFast(env, exports, name + "Within", Function<Within>, environment);
    ExportFast(env, exports, name + "Later", Function<Later>, environment);
  }

 private:
  class Pending final : public Wait {
   public:
    explicit Pending(Call call) : call_(std::move(call)) {}
    LaneKey Key() const override { return call_.Key(); }
    ssize_t Attempt(Blocking blocking, Scratch* scratch) override {
      return call_.Attempt(blocking, scratch);
    }
    bool WouldBlock(ssize_t result) const override { return call_.WouldBlock(result); }
    Received Take(ssize_t result, const Scratch& scratch) const override {
      return call_.Take(result, scratch);
    }
    void Discard(ssize_t result) override { call_.Discard(result); }

   private:
    Call call_;
  };

  template <int64_t (*Variant)(Environment*, Call*)>
  static napi_value Function(napi_env env, napi_callback_info info) {
    return CallFast<Call::kView>(env, info,
                                 [](Environment* environment, const FastArguments& arguments) {
                                   Call call(arguments);
                                   return Variant(environment, &call);
                                 });
  }

  // call: the call itself, waiting or not as its own flags say.
  static int64_t Now(Environment* environment, Call* call) {
    return Deliver(environment, *call, call->Attempt(Blocking::kYes, &environment->scratch));
  }

  // callWithin, with two more numbers: waits at most `timeout` milliseconds (negative: for ever),
  // without sleeping for the first `spin` microseconds. -ETIMEDOUT when the time is over.
  static int64_t Within(Environment* environment, Call* call) {
    double timeout = environment->block[Call::kArguments];
    double spin = environment->block[Call::kArguments + 1];
    return Deliver(environment, *call, AttemptWithin(environment, call, timeout, spin));
  }

  // callLater, with `spin`: the result where there is one at once, else minus the ticket of a wait.
  static int64_t Later(Environment* environment, Call* call) {
    if (!environment->waits.Occupied(call->Key())) {
      ssize_t result = Spin(environment, call, environment->block[Call::kArguments]);
      if (!call->WouldBlock(result)) return Deliver(environment, *call, result);
    }
    if (!call->Own(environment)) return -ENOMEM;
    int64_t ticket = environment->waits.Start(std::make_unique<Pending>(std::move(*call)));
    return ticket > 0 ? -ticket : ticket;
  }

  // Tries at least once, then again and again for `spin` microseconds.
  static ssize_t Spin(Environment* environment, Call* call, double spin) {
    ssize_t result = call->Attempt(Blocking::kNo, &environment->scratch);
    if (spin <= 0 || !call->WouldBlock(result)) return result;
    int64_t end = MonotonicNow() + static_cast<int64_t>(spin * 1e3);
    while (call->WouldBlock(result) && MonotonicNow() < end) {
      result = call->Attempt(Blocking::kNo, &environment->scratch);
    }
    return result;
  }

  static ssize_t AttemptWithin(Environment* environment, Call* call, double timeout, double spin) {
    // From the start of the whole call. Some 146 years are for ever.
    int64_t deadline = MonotonicNow() + static_cast<int64_t>(std::min(timeout * 1e6, 4.6e18));
    bool limited = timeout >= 0;
    if (limited && spin > timeout * 1e3) spin = timeout * 1e3;
    if (limited || spin > 0) {
      ssize_t result = Spin(environment, call, spin);
      if (!call->WouldBlock(result)) return result;
    }
    if (!limited) return call->Attempt(Blocking::kYes, &environment->scratch);
    // Where it can't be made without waiting it has yet to be tried, however late it has become.
    if (Call::kTries && MonotonicNow() >= deadline) return -ETIMEDOUT;
    KickTimer& timer = environment->deadline;
    if (!timer.created()) {
      int error = timer.Create();
      if (error < 0) return error;
    }
    KickUnblocked kicks;
    timer.KickAt(deadline);
    ssize_t result = call->Attempt(Blocking::kYes, &environment->scratch);
    timer.Disarm();
    // The timer is never early: an interruption before the deadline was a signal of the program's.
    if (result == -EINTR && MonotonicNow() >= deadline) return -ETIMEDOUT;
    return result;
  }

  static int64_t Deliver(Environment* environment, const Call& call, ssize_t result) {
    Received received = result >= 0 ? call.Take(result, environment->scratch) : Received();
    if (result >= 0) environment->WriteDetail(received.detail);
    environment->Deliver(received, call.into());
    return result;
  }
};

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_WAITABLE_H_
