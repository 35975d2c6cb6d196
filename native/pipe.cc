// Pipes and FIFOs: pipe(2), mkfifo(3), open(2), splice(2), tee(2).
#include "pipe.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <ctime>
#include <string>
#include <utility>

#include "core/arguments.h"
#include "core/kick.h"
#include "core/results.h"
#include "core/thread.h"
#include "core/waitable.h"

namespace unix_ipc {

namespace {

// open(path; flags, mode, lane): the path ends with a NUL. A FIFO's opening waits for the other
// side; each has a lane, and so a thread, of its own.
class Open {
 public:
  static constexpr char kName[] = "open";
  static constexpr View kView = View::kRead;
  static constexpr size_t kArguments = 3;
  static constexpr bool kTries = false;

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

  bool Own(Environment*) {
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

// An opening that this thread waits for in poll(2) while another makes the call. The kernel would make
// it anew after the handlers of process.on(), which ask for that: Ctrl+C would do nothing.
class InterruptibleOpening {
 public:
  InterruptibleOpening(const char* path, int flags) : path_(path), flags_(flags) {}

  // The descriptor or -errno: -ETIMEDOUT after `timeout` milliseconds (negative: for ever), -EINTR
  // when a signal handler ran.
  int64_t Run(double timeout) {
    done_ = eventfd(0, EFD_CLOEXEC);
    if (done_ < 0) return -errno;
    pthread_t thread = {};
    if (!StartThread(&thread, Main, this)) {
      close(done_);
      return -EAGAIN;
    }
    pollfd descriptor = {done_, POLLIN, 0};
    timespec limit = ToTimespec(timeout);
    int ready = ppoll(&descriptor, 1, timeout < 0 ? nullptr : &limit, nullptr);
    int error = ready < 0 ? -errno : -ETIMEDOUT;
    if (ready <= 0) {
      // Either the thread sees this, or it can be kicked.
      cancelled_ = true;
      if (can_be_kicked_) timer_.Kick();
    }
    pthread_join(thread, nullptr);
    close(done_);
    return result_ == -ECANCELED ? error : result_;
  }

 private:
  static void* Main(void* opening) {
    static_cast<InterruptibleOpening*>(opening)->Work();
    return nullptr;
  }

  void Work() {
    KickUnblocked kicks;
    result_ = timer_.Create();
    if (result_ == 0) {
      can_be_kicked_ = true;
      do {
        result_ = -ECANCELED;
        if (cancelled_) break;
        int fd = open(path_.c_str(), flags_);
        result_ = fd >= 0 ? fd : -errno;
      } while (result_ == -EINTR);
    }
    eventfd_write(done_, 1);
  }

  // A copy: JavaScript's memory is for its own thread.
  const std::string path_;
  const int flags_;
  int done_ = -1;
  KickTimer timer_;
  std::atomic<bool> can_be_kicked_{false};
  std::atomic<bool> cancelled_{false};
  int64_t result_ = 0;
};

// openInterruptibly(path; flags, timeout): the path ends with a NUL.
napi_value OpenInterruptibly(napi_env env, napi_callback_info info) {
  return CallFast<View::kRead>(env, info, [](Environment*, const FastArguments& arguments) {
    InterruptibleOpening opening(arguments.bytes().data, arguments.Int(0));
    return opening.Run(arguments.Double(1));
  });
}

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
  ExportFast(env, exports, "openInterruptibly", OpenInterruptibly, environment);
  Waitable<Open>::Export(env, exports, environment);
  SetConstants(env, constants,
               {{"SPLICE_F_MOVE", SPLICE_F_MOVE},
                {"SPLICE_F_NONBLOCK", SPLICE_F_NONBLOCK},
                {"SPLICE_F_MORE", SPLICE_F_MORE},
                {"PIPE_BUF", PIPE_BUF}});
}

}  // namespace unix_ipc
