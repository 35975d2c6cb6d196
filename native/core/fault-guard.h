// The fault guard: touching memory of this package never ends the process, whatever a peer has done to it.
//
// A handler for SIGSEGV and SIGBUS mends the page of a guarded range that was touched, and hands every
// other fault to the handler that was there. The disposition of a signal is the whole process's, so this
// is one of the two things here that no environment has for itself.
#ifndef UNIX_IPC_CORE_FAULT_GUARD_H_
#define UNIX_IPC_CORE_FAULT_GUARD_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace unix_ipc {

// What has happened to a guarded range.
enum Fault : uint32_t {
  // Was written to though it is read-only: what was written is in private copies of its pages.
  kFaultWritten = 1,
  // Had no page where it was touched: there are zeros instead, and nobody else sees them.
  kFaultLost = 2,
};

// A range of addresses under guard. Never freed, since the handler may be looking at it.
struct GuardedRange {
  std::atomic<char*> begin{nullptr};  // nullptr while unused
  std::atomic<char*> end{nullptr};
  std::atomic<bool> readable{false};
  std::atomic<uint32_t> faults{0};
  std::atomic<uint32_t> mended{0};
  GuardedRange* next_unused = nullptr;
};

// Both from any thread. nullptr where there is no memory to remember the range by, or there are as many as
// there may be.
GuardedRange* GuardRange(char* begin, size_t length, bool readable);
void UnguardRange(GuardedRange* range);

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_FAULT_GUARD_H_
