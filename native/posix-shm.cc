// POSIX shared memory, memfds and mappings: shm_open(3), memfd_create(2), mmap(2), msync(2), mlock(2).
#include "posix-shm.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/arguments.h"
#include "core/mapping.h"
#include "core/results.h"

// <linux/memfd.h>, which older C libraries lack a part of.
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace unix_ipc {

namespace {

// shm_open(name, oflag, mode)
Napi::Value ShmOpen(const Napi::CallbackInfo& info) {
  std::string name = ReadString(info, 0);
  int fd = shm_open(name.c_str(), ReadInt(info, 1), static_cast<mode_t>(ReadUnsigned(info, 2)));
  return Result(info.Env(), fd >= 0 ? fd : -errno);
}

// shm_unlink(name)
Napi::Value ShmUnlink(const Napi::CallbackInfo& info) {
  std::string name = ReadString(info, 0);
  return Result(info.Env(), shm_unlink(name.c_str()) == 0 ? 0 : -errno);
}

// memfd_create(name, flags)
Napi::Value MemfdCreate(const Napi::CallbackInfo& info) {
  std::string name = ReadString(info, 0);
  int fd = memfd_create(name.c_str(), ReadUnsigned(info, 1));
  return Result(info.Env(), fd >= 0 ? fd : -errno);
}

// ftruncate(fd, length)
Napi::Value Ftruncate(const Napi::CallbackInfo& info) {
  return Result(info.Env(), ftruncate(ReadInt(info, 0), ReadLong(info, 1)) == 0 ? 0 : -errno);
}

// fallocate(fd, length): gives the file pages from its beginning on.
Napi::Value Fallocate(const Napi::CallbackInfo& info) {
  return Result(info.Env(), fallocate(ReadInt(info, 0), 0, 0, ReadLong(info, 1)) == 0 ? 0 : -errno);
}

// linkDescriptor(fd, path): gives a file that was opened without a name its name.
Napi::Value LinkDescriptor(const Napi::CallbackInfo& info) {
  std::string file = "/proc/self/fd/" + std::to_string(ReadInt(info, 0));
  std::string path = ReadString(info, 1);
  int result = linkat(AT_FDCWD, file.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW);
  return Result(info.Env(), result == 0 ? 0 : -errno);
}

// mmap(length, prot, flags, fd, offset, skip): an ArrayBuffer over what is mapped, without the first `skip`
// bytes, or -errno.
Napi::Value Mmap(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  size_t length = ReadSize(info, 0);
  int protection = ReadInt(info, 1);
  size_t skip = ReadSize(info, 5);
  void* address =
      mmap(nullptr, length, protection, ReadInt(info, 2), ReadInt(info, 3), ReadLong(info, 4));
  if (address == MAP_FAILED) return Result(env, -errno);
  auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  Pages pages;
  pages.base = static_cast<char*>(address);
  pages.length = (length + page - 1) / page * page;
  pages.data = pages.base + skip;
  pages.size = length - skip;
  // Processors that can't grant writing alone grant reading with it.
  pages.readable = (protection & (PROT_READ | PROT_WRITE)) != 0;
  return Napi::Value(env, EnvironmentOf(info)->mappings->ToArrayBuffer(env, pages));
}

template <typename Body>
Napi::Value WithPages(const Napi::CallbackInfo& info, Body body) {
  std::shared_ptr<Mapping> mapping = EnvironmentOf(info)->mappings->Of(info.Env(), info[0]);
  if (mapping == nullptr) return Result(info.Env(), -EINVAL);
  return Result(info.Env(), body(mapping->pages()) == 0 ? 0 : -errno);
}

// msync(buffer, flags)
Napi::Value Msync(const Napi::CallbackInfo& info) {
  int flags = ReadInt(info, 1);
  return WithPages(info,
                   [flags](const Pages& pages) { return msync(pages.base, pages.length, flags); });
}

// mlock(buffer)
Napi::Value Mlock(const Napi::CallbackInfo& info) {
  return WithPages(info, [](const Pages& pages) { return mlock(pages.base, pages.length); });
}

// munlock(buffer)
Napi::Value Munlock(const Napi::CallbackInfo& info) {
  return WithPages(info, [](const Pages& pages) { return munlock(pages.base, pages.length); });
}

}  // namespace

void InitPosixShm(Napi::Env env, Napi::Object exports, Napi::Object constants,
                  Environment* environment) {
  exports["shmOpen"] = Napi::Function::New<ShmOpen>(env, "shmOpen");
  exports["shmUnlink"] = Napi::Function::New<ShmUnlink>(env, "shmUnlink");
  exports["memfdCreate"] = Napi::Function::New<MemfdCreate>(env, "memfdCreate");
  exports["ftruncate"] = Napi::Function::New<Ftruncate>(env, "ftruncate");
  exports["fallocate"] = Napi::Function::New<Fallocate>(env, "fallocate");
  exports["linkDescriptor"] = Napi::Function::New<LinkDescriptor>(env, "linkDescriptor");
  exports["mmap"] = Napi::Function::New<Mmap>(env, "mmap", environment);
  exports["msync"] = Napi::Function::New<Msync>(env, "msync", environment);
  exports["mlock"] = Napi::Function::New<Mlock>(env, "mlock", environment);
  exports["munlock"] = Napi::Function::New<Munlock>(env, "munlock", environment);
  SetConstants(env, constants,
               {{"PROT_NONE", PROT_NONE},
                {"PROT_READ", PROT_READ},
                {"PROT_WRITE", PROT_WRITE},
                {"MAP_SHARED", MAP_SHARED},
                {"MAP_PRIVATE", MAP_PRIVATE},
                {"MAP_ANONYMOUS", MAP_ANONYMOUS},
                {"MAP_POPULATE", MAP_POPULATE},
                {"MAP_HUGETLB", MAP_HUGETLB},
                {"MAP_FIXED", MAP_FIXED},
                {"MAP_FIXED_NOREPLACE", MAP_FIXED_NOREPLACE},
                {"MAP_GROWSDOWN", MAP_GROWSDOWN},
                {"MS_SYNC", MS_SYNC},
                {"MS_ASYNC", MS_ASYNC},
                {"MS_INVALIDATE", MS_INVALIDATE},
                {"MFD_CLOEXEC", MFD_CLOEXEC},
                {"MFD_ALLOW_SEALING", MFD_ALLOW_SEALING},
                {"MFD_HUGETLB", MFD_HUGETLB},
                {"MFD_NOEXEC_SEAL", MFD_NOEXEC_SEAL},
                {"O_TMPFILE", O_TMPFILE}});
}

}  // namespace unix_ipc
