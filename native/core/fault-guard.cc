// sigaction(2), mmap(2), mremap(2): see fault-guard.h.
#include "core/fault-guard.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <new>

namespace unix_ipc {

namespace {

constexpr size_t kChunkRanges = 256;

// The kernel allows a process 65,530 mappings as a rule (vm.max_map_count), and the runtime ends where it can have
// no more.
constexpr size_t kMostRanges = 32768;

// Ranges come in chunks that are only ever added, in front, so that the handler can look through them without a lock.
struct Chunk {
  GuardedRange ranges[kChunkRanges];
  std::atomic<Chunk*> next{nullptr};
};

std::mutex mutex;
// Both guarded by it.
GuardedRange* unused = nullptr;
size_t ranges_in_use = 0;
std::atomic<Chunk*> chunks{nullptr};

// The handlers that were there before. Written before ours is installed.
struct sigaction previous_segv;
struct sigaction previous_bus;

// After so many mends of one range each mends twice as much: a mapping in two pieces for every page would
// reach the limit on mappings (vm.max_map_count), and then no page could be mended.
constexpr uint32_t kMendsOfASize = 64;
constexpr uint32_t kMostDoublings = 24;

constexpr size_t kLargestPage = size_t{1} << 30;
size_t page_size = 4096;

// A range as it was when it was looked up: its mapping may be ended by another thread meanwhile.
struct Found {
  GuardedRange* range = nullptr;
  char* begin = nullptr;
  char* end = nullptr;
  bool readable = false;
};

Found RangeOf(const char* address) {
  for (Chunk* chunk = chunks; chunk != nullptr; chunk = chunk->next) {
    for (GuardedRange& range : chunk->ranges) {
      Found found = {&range, range.begin, range.end, range.readable};
      if (found.begin == nullptr || address < found.begin || address >= found.end) continue;
      // It may have become another range in between.
      if (range.begin == found.begin) return found;
    }
  }
  return {};
}

// Whether the processor wanted to run what is at the address: no page that can be mended is meant to be run.
bool IsExecution(const void* address, const void* context) {
#if defined(__x86_64__)
  const auto* user = static_cast<const ucontext_t*>(context);
  constexpr greg_t kInstructionFetch = 1 << 4;
  return (user->uc_mcontext.gregs[REG_ERR] & kInstructionFetch) != 0 ||
         static_cast<uintptr_t>(user->uc_mcontext.gregs[REG_RIP]) ==
             reinterpret_cast<uintptr_t>(address);
#elif defined(__aarch64__)
  return static_cast<const ucontext_t*>(context)->uc_mcontext.pc ==
         reinterpret_cast<uintptr_t>(address);
#else
  static_cast<void>(address);
  static_cast<void>(context);
  return false;
#endif
}

size_t RoundUp(size_t size, size_t page) { return (size + page - 1) / page * page; }

// Puts anonymous memory in the place of `size` bytes.
bool Replace(char* place, size_t size, bool copy) {
  constexpr int kProtection = PROT_READ | PROT_WRITE;
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  if (!copy) return mmap(place, size, kProtection, kFlags | MAP_FIXED, -1, 0) != MAP_FAILED;
  void* fresh = mmap(nullptr, size, kProtection, kFlags, -1, 0);
  if (fresh == MAP_FAILED) return false;
  // A page that a peer has truncated away faults in here once more, and is mended as such.
  memcpy(fresh, place, size);
  if (mremap(fresh, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place) != MAP_FAILED) return true;
  int error = errno;
  munmap(fresh, size);
  errno = error;
  return false;
}

// Puts anonymous memory in the place of the whole, which divides no mapping: for when no more are allowed.
bool ReplaceAll(const Found& found, bool copy) {
  char* place = found.begin;
  size_t size = found.end - place;
  constexpr int kProtection = PROT_READ | PROT_WRITE;
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* content = copy ? mmap(nullptr, size, kProtection, kFlags, -1, 0) : nullptr;
  if (content == MAP_FAILED) return false;
  if (copy) memcpy(content, place, size);
  bool replaced = mmap(place, size, kProtection, kFlags | MAP_FIXED, -1, 0) != MAP_FAILED;
  if (copy && replaced) memcpy(place, content, size);
  if (copy) munmap(content, size);
  return replaced;
}

// Mends the page that was touched, and those after it once there have been many.
bool Mend(const Found& found, char* address, bool copy) {
  uint32_t doublings = std::min(found.range->mended.fetch_add(1) / kMendsOfASize, kMostDoublings);
  // A mapping of huge pages can't be divided elsewhere than between them, and says EINVAL.
  for (size_t page = page_size; page <= kLargestPage; page *= 2) {
    char* from = address - (address - found.begin) % page;
    size_t size = std::min(page << doublings, RoundUp(found.end - from, page));
    if (Replace(from, size, copy)) return true;
    if (errno == ENOMEM) return ReplaceAll(found, copy);
    if (errno != EINVAL) return false;
  }
  return false;
}

bool Handle(int signal, const siginfo_t* info, const void* context) {
  bool lost = signal == SIGBUS && info->si_code == BUS_ADRERR;
  bool denied = signal == SIGSEGV && (info->si_code == SEGV_ACCERR ||
                                      info->si_code == SEGV_MAPERR || info->si_code == SEGV_PKUERR);
  if (!lost && !denied) return false;
  auto* address = static_cast<char*>(info->si_addr);
  Found found = RangeOf(address);
  if (found.range == nullptr || IsExecution(address, context)) return false;
  bool copy = info->si_code == SEGV_ACCERR && denied && found.readable;
  if (!Mend(found, address, copy)) return false;
  found.range->faults |= copy ? kFaultWritten : kFaultLost;
  return true;
}

// What would have happened without the guard.
void HandOn(int signal, siginfo_t* info, void* context) {
  struct sigaction* previous = signal == SIGBUS ? &previous_bus : &previous_segv;
  bool sent = info->si_code <= 0;
  if (previous->sa_handler == SIG_IGN && sent) return;
  if (previous->sa_handler != SIG_DFL && previous->sa_handler != SIG_IGN) {
    auto* handler = previous->sa_sigaction;
    if ((previous->sa_flags & SA_RESETHAND) != 0) previous->sa_handler = SIG_DFL;
    handler(signal, info, context);
    return;
  }
  struct sigaction fatal = {};
  fatal.sa_handler = SIG_DFL;
  sigaction(signal, &fatal, nullptr);
  // A fault happens once more on return; a signal that was sent has to be sent once more.
  if (sent) syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal);
}

void OnFault(int signal, siginfo_t* info, void* context) {
  int error = errno;
  if (!Handle(signal, info, context)) HandOn(signal, info, context);
  errno = error;
}

void Install(int signal, struct sigaction* previous) {
  sigaction(signal, nullptr, previous);
  struct sigaction guard = {};
  guard.sa_sigaction = OnFault;
  // Not blocked meanwhile: see Mend. The handlers before expect to run on the alternate stack.
  guard.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigaction(signal, &guard, nullptr);
}

// Wants the mutex held. Somebody may have had a handler meanwhile, and left none when he took it away. One that
// is there now came later than ours and knows of it: to go before it would make a ring of the two.
void InstallAgain() {
  for (int signal : {SIGSEGV, SIGBUS}) {
    struct sigaction present = {};
    sigaction(signal, nullptr, &present);
    if (present.sa_handler == SIG_DFL)
      Install(signal, signal == SIGBUS ? &previous_bus : &previous_segv);
  }
}

// Wants the mutex held.
bool AddChunk() {
  auto* chunk = new (std::nothrow) Chunk();
  if (chunk == nullptr) return false;
  for (GuardedRange& range : chunk->ranges) {
    range.next_unused = unused;
    unused = &range;
  }
  chunk->next = chunks.load();
  if (chunk->next == nullptr) {
    page_size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    Install(SIGSEGV, &previous_segv);
    Install(SIGBUS, &previous_bus);
  }
  chunks = chunk;
  return true;
}

}  // namespace

GuardedRange* GuardRange(char* begin, size_t length, bool readable) {
  std::lock_guard<std::mutex> lock(mutex);
  if (ranges_in_use == kMostRanges || (unused == nullptr && !AddChunk())) return nullptr;
  InstallAgain();
  GuardedRange* range = unused;
  unused = range->next_unused;
  ranges_in_use++;
  range->end = begin + length;
  range->readable = readable;
  range->faults = 0;
  range->mended = 0;
  // Last: from here on the handler sees it.
  range->begin = begin;
  return range;
}

void UnguardRange(GuardedRange* range) {
  std::lock_guard<std::mutex> lock(mutex);
  range->begin = nullptr;
  range->next_unused = unused;
  unused = range;
  ranges_in_use--;
}

}  // namespace unix_ipc
