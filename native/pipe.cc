// Pipes and FIFOs: pipe(2), mkfifo(3), open(2), splice(2), tee(2).
#include "pipe.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <string>

#include "core/arguments.h"
#include "core/results.h"
#include "core/waitable.h"

namespace unix_ipc {

namespace {

// open(path; flags, mode, lane): the path ends with a NUL. A FIFO's opening waits for the other
// side; each has a lane, and so a thread, of its own.
class Open {
 public:
  static constexpr char kName[] = "open";
  static constexpr size_t kArguments = 3;

  explicit Open(const FastArguments& arguments)
      : path_(arguments.bytes().data),
        flags_(arguments.Int(0)),
        mode_(static_cast<mode_t>(arguments.Double(1))),
        lane_(arguments.Long(2)) {}

  LaneKey Key() const { return {kName, lane_, 0}; }

  ssize_t Attempt(Blocking blocking, Scratch*) const {
    int flags = flags_;
    if (blocking == Blocking::kNo) {
      // Without waiting a FIFO opens for reading whether there is a writer or not, which is not
      // what was asked for.
      if ((flags & O_ACCMODE) != O_WRONLY) return -EAGAIN;
      flags |= O_NONBLOCK;
    }
    int fd = open(path_, flags, mode_);
    if (fd < 0) return -errno;
    if (flags != flags_) fcntl(fd, F_SETFL, flags_ & ~(O_ACCMODE | O_CLOEXEC | O_NOFOLLOW));
    return fd;
  }

  // ENXIO: nobody has it open for reading.
  bool WouldBlock(ssize_t result) const { return result == -EAGAIN || result == -ENXIO; }
  Received Take(ssize_t, const Scratch&) const { return {}; }
  void Discard(ssize_t fd) const { close(static_cast<int>(fd)); }
  Bytes into() const { return {}; }

  bool Own() {
    own_ = path_;
    path_ = nullptr;
    return true;
  }

  Open(Open&& other) noexcept
      : path_(nullptr), flags_(other.flags_), mode_(other.mode_), lane_(other.lane_) {
    own_ = std::move(other.own_);
    path_ = own_.c_str();
  }

 private:
  const char* path_;
  int flags_;
  mode_t mode_;
  int64_t lane_;
  std::string own_;
};

// pipe2(flags): both descriptors, or -errno.
Napi::Value Pipe2(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int ends[2] = {};
  if (pipe2(ends, ReadInt(info, 0)) != 0) return Result(env, -errno);
  Napi::Array descriptors = Napi::Array::New(env, 2);
  descriptors.Set(0u, Result(env, ends[0]));
  descriptors.Set(1u, Result(env, ends[1]));
  return descriptors;
}

// mkfifo(path, mode)
Napi::Value Mkfifo(const Napi::CallbackInfo& info) {
  std::string path = ReadString(info, 0);
  return Result(info.Env(), mkfifo(path.c_str(), ReadUnsigned(info, 1)) == 0 ? 0 : -errno);
}

// splice(fdIn, fdOut, size, flags)
Napi::Value Splice(const Napi::CallbackInfo& info) {
  ssize_t moved = splice(ReadInt(info, 0), nullptr, ReadInt(info, 1), nullptr, ReadSize(info, 2),
                         ReadUnsigned(info, 3));
  return Result(info.Env(), moved >= 0 ? moved : -errno);
}

// tee(fdIn, fdOut, size, flags)
Napi::Value Tee(const Napi::CallbackInfo& info) {
  ssize_t copied =
      tee(ReadInt(info, 0), ReadInt(info, 1), ReadSize(info, 2), ReadUnsigned(info, 3));
  return Result(info.Env(), copied >= 0 ? copied : -errno);
}

}  // namespace

void InitPipe(Napi::Env env, Napi::Object exports, Napi::Object constants,
              Environment* environment) {
  exports["pipe2"] = Napi::Function::New<Pipe2>(env, "pipe2");
  exports["mkfifo"] = Napi::Function::New<Mkfifo>(env, "mkfifo");
  exports["splice"] = Napi::Function::New<Splice>(env, "splice");
  exports["tee"] = Napi::Function::New<Tee>(env, "tee");
  Waitable<Open>::Export(env, exports, environment);
  SetConstants(env, constants,
               {{"SPLICE_F_MOVE", SPLICE_F_MOVE},
                {"SPLICE_F_NONBLOCK", SPLICE_F_NONBLOCK},
                {"SPLICE_F_MORE", SPLICE_F_MORE},
                {"PIPE_BUF", PIPE_BUF}});
}

}  // namespace unix_ipc
