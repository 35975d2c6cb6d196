// System V shared memory: shmget(2), shmop(2), shmctl(2).
#include "sysv-shm.h"

#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "core/arguments.h"
#include "core/mapping.h"
#include "core/results.h"
#include "core/sysv-ipc.h"

namespace unix_ipc {

namespace {

// shmget(key, size, flags)
Napi::Value Shmget(const Napi::CallbackInfo& info) {
  int shmid = shmget(ReadInt(info, 0), ReadSize(info, 1), ReadInt(info, 2));
  return Result(info.Env(), shmid >= 0 ? shmid : -errno);
}

// Takes the pages before and after the part away, so that there is one mapping all the same.
void KeepPart(Pages* pages) {
  auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size_t begin = static_cast<size_t>(pages->data - pages->base) / page * page;
  size_t end = static_cast<size_t>(pages->data - pages->base) + pages->size;
  end = std::min((end + page - 1) / page * page, pages->length);
  // Huge pages may refuse: then the whole stays.
  if (end < pages->length && munmap(pages->base + end, pages->length - end) == 0)
    pages->length = end;
  if (begin > 0 && munmap(pages->base, begin) == 0) {
    pages->base += begin;
    pages->length -= begin;
  }
}

// shmat(shmid, flags, offset, length): an ArrayBuffer over that part of the segment (length negative: up to
// its end), or -errno.
Napi::Value Shmat(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int shmid = ReadInt(info, 0);
  int flags = ReadInt(info, 1);
  void* address = shmat(shmid, nullptr, flags);
  // The call's own way to say that it failed. NOLINTNEXTLINE(performance-no-int-to-ptr)
  if (address == reinterpret_cast<void*>(-1)) return Result(env, -errno);
  shmid_ds segment = {};
  // It can't be gone now that it is attached, and who may attach it may ask for this.
  if (shmctl(shmid, IPC_STAT, &segment) != 0) {
    int error = errno;
    shmdt(address);
    return Result(env, -error);
  }
  size_t offset = ReadSize(info, 2);
  double length = ReadDouble(info, 3);
  size_t whole = segment.shm_segsz;
  offset = std::min(offset, whole);
  size_t size = length < 0 ? whole - offset : std::min(static_cast<size_t>(length), whole - offset);
  if (size == 0) {
    shmdt(address);
    return Result(env, -EINVAL);
  }
  auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  Pages pages;
  pages.base = static_cast<char*>(address);
  pages.length = (whole + page - 1) / page * page;
  pages.data = pages.base + offset;
  pages.size = size;
  pages.attached = true;
  KeepPart(&pages);
  return Napi::Value(env, EnvironmentOf(info)->mappings->ToArrayBuffer(env, pages));
}

Napi::Object ToObject(Napi::Env env, const shmid_ds& segment) {
  Napi::Object object = Napi::Object::New(env);
  object["shm_perm"] = PermissionsToObject(env, segment.shm_perm);
  object["shm_segsz"] = ToMember(env, segment.shm_segsz);
  object["shm_atime"] = ToMember(env, segment.shm_atime);
  object["shm_dtime"] = ToMember(env, segment.shm_dtime);
  object["shm_ctime"] = ToMember(env, segment.shm_ctime);
  object["shm_cpid"] = Napi::Number::New(env, segment.shm_cpid);
  object["shm_lpid"] = Napi::Number::New(env, segment.shm_lpid);
  object["shm_nattch"] = ToMember(env, segment.shm_nattch);
  return object;
}

Napi::Object ToObject(Napi::Env env, const shminfo& limits) {
  Napi::Object object = Napi::Object::New(env);
  object["shmmax"] = ToMember(env, limits.shmmax);
  object["shmmin"] = ToMember(env, limits.shmmin);
  object["shmmni"] = ToMember(env, limits.shmmni);
  object["shmseg"] = ToMember(env, limits.shmseg);
  object["shmall"] = ToMember(env, limits.shmall);
  return object;
}

Napi::Object ToObject(Napi::Env env, const shm_info& use) {
  Napi::Object object = Napi::Object::New(env);
  object["used_ids"] = Napi::Number::New(env, use.used_ids);
  object["shm_tot"] = ToMember(env, use.shm_tot);
  object["shm_rss"] = ToMember(env, use.shm_rss);
  object["shm_swp"] = ToMember(env, use.shm_swp);
  object["swap_attempts"] = ToMember(env, use.swap_attempts);
  object["swap_successes"] = ToMember(env, use.swap_successes);
  return object;
}

// shmctl(shmid, cmd): an object, undefined where the command gives none, or -errno.
Napi::Value Shmctl(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int cmd = ReadInt(info, 1);
  // The kernel fills one of them, as the command says.
  union {
    shmid_ds segment;
    shminfo limits;
    shm_info use;
  } result = {};
  int value = shmctl(ReadInt(info, 0), cmd, &result.segment);
  if (value < 0) return Result(env, -errno);
  Napi::Object object;
  switch (cmd) {
    case IPC_STAT:
      return ToObject(env, result.segment);
    case SHM_STAT:
    case SHM_STAT_ANY:
      object = ToObject(env, result.segment);
      object["id"] = Napi::Number::New(env, value);
      return object;
    case IPC_INFO:
      object = ToObject(env, result.limits);
      break;
    case SHM_INFO:
      object = ToObject(env, result.use);
      break;
    default:
      return env.Undefined();
  }
  object["maxid"] = Napi::Number::New(env, value);
  return object;
}

// shmctlSet(shmid, uid, gid, mode): IPC_SET.
Napi::Value ShmctlSet(const Napi::CallbackInfo& info) {
  shmid_ds segment = {};
  segment.shm_perm.uid = ReadUnsigned(info, 1);
  segment.shm_perm.gid = ReadUnsigned(info, 2);
  segment.shm_perm.mode = static_cast<decltype(segment.shm_perm.mode)>(ReadUnsigned(info, 3));
  return Result(info.Env(), shmctl(ReadInt(info, 0), IPC_SET, &segment) == 0 ? 0 : -errno);
}

}  // namespace

void InitSysvShm(Napi::Env env, Napi::Object exports, Napi::Object constants,
                 Environment* environment) {
  exports["shmget"] = Napi::Function::New<Shmget>(env, "shmget");
  exports["shmat"] = Napi::Function::New<Shmat>(env, "shmat", environment);
  exports["shmctl"] = Napi::Function::New<Shmctl>(env, "shmctl");
  exports["shmctlSet"] = Napi::Function::New<ShmctlSet>(env, "shmctlSet");
  SetConstants(env, constants,
               {{"SHM_RDONLY", SHM_RDONLY},
                {"SHM_RND", SHM_RND},
                {"SHM_EXEC", SHM_EXEC},
                {"SHM_HUGETLB", SHM_HUGETLB},
                {"SHM_NORESERVE", SHM_NORESERVE},
                {"SHM_DEST", SHM_DEST},
                {"SHM_LOCKED", SHM_LOCKED},
                {"SHMLBA", SHMLBA},
                {"SHM_LOCK", SHM_LOCK},
                {"SHM_UNLOCK", SHM_UNLOCK},
                {"SHM_STAT", SHM_STAT},
                {"SHM_INFO", SHM_INFO},
                {"SHM_STAT_ANY", SHM_STAT_ANY}});
}

}  // namespace unix_ipc
