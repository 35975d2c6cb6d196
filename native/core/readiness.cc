// epoll(7): see readiness.h.
#include "core/readiness.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>

#include "core/listener.h"
#include "core/results.h"

namespace unix_ipc {

Readiness::~Readiness() { OnEnd(); }

void Readiness::Attach(napi_env env, napi_ref on_ready, double* rows, bool libuv) {
  env_ = env;
  on_ready_ = on_ready;
  rows_ = rows;
  libuv_ = libuv;
}

// Made with the first watch: a program that only makes calls needs none of this.
int Readiness::Open() {
  int fd = epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) return -errno;
  if (!poll_.Open(env_, libuv_, fd, this)) {
    close(fd);
    return -EAGAIN;
  }
  epoll_ = fd;
  return 0;
}

int Readiness::Control(int operation, int fd, uint32_t events, uint64_t watch) {
  if (epoll_ < 0) {
    int error = Open();
    if (error < 0) return error;
  }
  epoll_event event = {};
  event.events = events;
  event.data.u64 = watch;
  return epoll_ctl(epoll_, operation, fd, &event) == 0 ? 0 : -errno;
}

void Readiness::Hold(bool held) {
  if (!poll_.opened()) return;
  this->held() = held ? 1 : 0;
  if (held) {
    poll_.Ref();
  } else {
    poll_.Unref();
  }
}

void Readiness::OnDone() {
  if (held() != 0 && waits() == 0) Hold(false);
}

void Readiness::OnReadable(napi_env env) {
  epoll_event events[kRows];
  int count = epoll_wait(epoll_, events, static_cast<int>(kRows), 0);
  if (count <= 0) return;
  for (int i = 0; i < count; i++) {
    double* row = rows_ + i * kRowSlots;
    row[0] = static_cast<double>(events[i].data.u64);
    row[1] = events[i].events;
  }
  napi_value argument = ToResult(env, count);
  CallListener(env, on_ready_, &argument, 1);
}

void Readiness::OnEnd() {
  if (epoll_ >= 0) close(epoll_);
  epoll_ = -1;
}

}  // namespace unix_ipc
