// Memory that system calls have mapped, as ArrayBuffers.
#ifndef UNIX_IPC_CORE_MAPPING_H_
#define UNIX_IPC_CORE_MAPPING_H_

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>

namespace unix_ipc {

struct Environment;
struct GuardedRange;

// What a system call has mapped: whole pages, and the part of them that JavaScript is to see.
struct Pages {
  char* base = nullptr;
  size_t length = 0;
  char* data = nullptr;
  size_t size = 0;
  bool readable = true;
  bool attached = false;  // by shmat
};

// Addresses that were mapped until a moment ago. Node's own threads may still work on a view whose memory was
// taken away, as zlib's do, so such addresses stay there a while, without the memory, before others get them.
class ParkedAddresses {
 public:
  ParkedAddresses() = default;
  ~ParkedAddresses();
  ParkedAddresses(const ParkedAddresses&) = delete;
  ParkedAddresses& operator=(const ParkedAddresses&) = delete;

  // Takes the memory away from the pages. False where they have to be unmapped instead.
  bool Park(const Pages& pages);

 private:
  struct Range {
    char* base;
    size_t length;
  };

  static constexpr size_t kMost = 64;
  // Bytes, of all but the last. Where the system lets nobody have more memory than there is (vm.overcommit_memory), all
  // of them count, whatever MAP_NORESERVE says.
  static constexpr size_t kMostLength = size_t{256} * 1024 * 1024;
  std::deque<Range> ranges_;
  size_t length_ = 0;
};

// One mapping. It ends with its last owner: the table of mappings, until it is detached or its ArrayBuffer
// collected, and the waits that are asleep on it.
class Mapping {
 public:
  Mapping(const Pages& pages, GuardedRange* range, std::shared_ptr<ParkedAddresses> parked);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  const Pages& pages() const { return pages_; }
  uint32_t faults() const;

 private:
  Pages pages_;
  GuardedRange* range_;
  std::shared_ptr<ParkedAddresses> parked_;
};

// The mappings of one environment, by address. Belongs to its JavaScript thread.
class Mappings : public std::enable_shared_from_this<Mappings> {
 public:
  // An ArrayBuffer over the pages, which belong to it from then on, or a number: -errno.
  napi_value ToArrayBuffer(napi_env env, const Pages& pages);

  // The mapping that this ArrayBuffer is over, or nothing.
  std::shared_ptr<Mapping> Of(napi_env env, napi_value buffer) const;
  // The mapping that has this address, or nothing.
  std::shared_ptr<Mapping> At(const void* address) const;

  // Empties the ArrayBuffer and every view of it, and ends the mapping.
  void Detach(napi_env env, napi_value buffer, const std::shared_ptr<Mapping>& mapping);
  // Ends the mapping, where it is there.
  void Forget(const Mapping* mapping);

 private:
  std::map<uintptr_t, std::shared_ptr<Mapping>> mappings_;
  std::shared_ptr<ParkedAddresses> parked_ = std::make_shared<ParkedAddresses>();
};

void InitMapping(Napi::Env env, Napi::Object exports, Napi::Object constants,
                 Environment* environment);

}  // namespace unix_ipc

#endif  // UNIX_IPC_CORE_MAPPING_H_
