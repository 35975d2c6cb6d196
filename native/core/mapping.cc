// mmap(2), munmap(2), shmdt(2), Node-API external ArrayBuffers: see mapping.h.
#include "core/mapping.h"

#include <sys/mman.h>
#include <sys/shm.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <new>

#include "core/environment.h"
#include "core/fault-guard.h"
#include "core/results.h"

namespace unix_ipc {

namespace {

// More does not fit into an ArrayBuffer of every Node that there is.
constexpr uint64_t kLargestBuffer =
    sizeof(size_t) > 4 ? uint64_t{1} << 32 : (uint64_t{1} << 30) - 1;

constexpr size_t kLargestPage = size_t{1} << 30;

void Unmap(const Pages& pages) {
  size_t length = pages.length;
  // The length of a mapping of huge pages has to be a multiple of theirs.
  // For any other reason than this it must not reach what lies behind.
  for (size_t page = 2; munmap(pages.base, length) != 0; page *= 2) {
    if (errno != EINVAL || page > kLargestPage) return;
    length = (pages.length + page - 1) / page * page;
  }
}

// What is known of a mapping when its ArrayBuffer has been collected.
struct Collected {
  std::weak_ptr<Mappings> mappings;
  // Compared, never looked into, unless it is still in the table.
  std::weak_ptr<Mapping> mapping;
};

void OnCollected(napi_env, void*, void* hint) {
  std::unique_ptr<Collected> collected(static_cast<Collected*>(hint));
  std::shared_ptr<Mappings> mappings = collected->mappings.lock();
  std::shared_ptr<Mapping> mapping = collected->mapping.lock();
  if (mappings != nullptr && mapping != nullptr) mappings->Forget(mapping.get());
}

// unmap(buffer, attached): 0, or -EINVAL where the ArrayBuffer is no mapping, or, with `attached`, none of shmat's.
Napi::Value UnmapBuffer(const Napi::CallbackInfo& info) {
  Mappings* mappings = EnvironmentOf(info)->mappings.get();
  std::shared_ptr<Mapping> mapping = mappings->Of(info.Env(), info[0]);
  if (mapping == nullptr || (ReadBool(info, 1) && !mapping->pages().attached)) {
    return Result(info.Env(), -EINVAL);
  }
  mappings->Detach(info.Env(), info[0], mapping);
  return Result(info.Env(), 0);
}

// mappingFaults(buffer): what has happened to it, see Fault, or -EINVAL where the ArrayBuffer is no mapping.
Napi::Value MappingFaults(const Napi::CallbackInfo& info) {
  std::shared_ptr<Mapping> mapping = EnvironmentOf(info)->mappings->Of(info.Env(), info[0]);
  return Result(info.Env(), mapping == nullptr ? -EINVAL : static_cast<int64_t>(mapping->faults()));
}

}  // namespace

ParkedAddresses::~ParkedAddresses() {
  for (const Range& range : ranges_) munmap(range.base, range.length);
}

bool ParkedAddresses::Park(const Pages& pages) {
  void* parked = mmap(pages.base, pages.length, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  // Huge pages, or no more mappings allowed.
  if (parked == MAP_FAILED) return false;
  ranges_.push_back({pages.base, pages.length});
  length_ += pages.length;
  while (ranges_.size() > kMost || (length_ > kMostLength && ranges_.size() > 1)) {
    munmap(ranges_.front().base, ranges_.front().length);
    length_ -= ranges_.front().length;
    ranges_.pop_front();
  }
  return true;
}

Mapping::Mapping(const Pages& pages, GuardedRange* range, std::shared_ptr<ParkedAddresses> parked)
    : pages_(pages), range_(range), parked_(std::move(parked)) {}

Mapping::~Mapping() {
  // Under guard until it is parked: a thread of Node's may be in the middle of a page that a peer has taken away. No
  // longer, since another environment may be given the addresses of what is unmapped.
  bool parked = parked_->Park(pages_);
  UnguardRange(range_);
  if (!parked) Unmap(pages_);
}

uint32_t Mapping::faults() const { return range_->faults; }

napi_value Mappings::ToArrayBuffer(napi_env env, const Pages& pages) {
  GuardedRange* range =
      pages.size <= kLargestBuffer ? GuardRange(pages.base, pages.length, pages.readable) : nullptr;
  if (range == nullptr) {
    Unmap(pages);
    return ToResult(env, -ENOMEM);
  }
  auto mapping = std::make_shared<Mapping>(pages, range, parked_);
  auto* collected = new Collected{weak_from_this(), mapping};
  napi_value buffer = nullptr;
  napi_status status = napi_create_external_arraybuffer(env, pages.data, pages.size, OnCollected,
                                                        collected, &buffer);
  if (status != napi_ok) {
    delete collected;
    // A runtime whose ArrayBuffers must all lie in a memory area of its own.
    return ToResult(env, status == napi_no_external_buffers_allowed ? -EOPNOTSUPP : -ENOMEM);
  }
  mappings_[reinterpret_cast<uintptr_t>(pages.base)] = std::move(mapping);
  return buffer;
}

std::shared_ptr<Mapping> Mappings::Of(napi_env env, napi_value buffer) const {
  void* data = nullptr;
  size_t size = 0;
  if (napi_get_arraybuffer_info(env, buffer, &data, &size) != napi_ok || size == 0) return nullptr;
  std::shared_ptr<Mapping> mapping = At(data);
  bool same = mapping != nullptr && mapping->pages().data == data && mapping->pages().size == size;
  return same ? mapping : nullptr;
}

std::shared_ptr<Mapping> Mappings::At(const void* address) const {
  auto place = reinterpret_cast<uintptr_t>(address);
  auto next = mappings_.upper_bound(place);
  if (next == mappings_.begin()) return nullptr;
  const auto& [base, mapping] = *std::prev(next);
  return place < base + mapping->pages().length ? mapping : nullptr;
}

void Mappings::Detach(napi_env env, napi_value buffer, const std::shared_ptr<Mapping>& mapping) {
  // First: from here on no view reaches the memory.
  if (napi_detach_arraybuffer(env, buffer) != napi_ok) return;
  Forget(mapping.get());
}

void Mappings::Forget(const Mapping* mapping) {
  auto found = mappings_.find(reinterpret_cast<uintptr_t>(mapping->pages().base));
  if (found != mappings_.end() && found->second.get() == mapping) mappings_.erase(found);
}

void InitMapping(Napi::Env env, Napi::Object exports, Napi::Object, Environment* environment) {
  exports["unmap"] = Napi::Function::New<UnmapBuffer>(env, "unmap", environment);
  exports["mappingFaults"] = Napi::Function::New<MappingFaults>(env, "mappingFaults", environment);
}

}  // namespace unix_ipc
