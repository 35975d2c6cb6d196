{
  "targets": [
    {
      "target_name": "unix_ipc",
      "sources": [
        "native/addon.cc",
        "native/core/descriptor.cc",
        "native/core/environment.cc",
        "native/core/errors.cc",
        "native/core/fault-guard.cc",
        "native/core/kick.cc",
        "native/core/libuv.cc",
        "native/core/listener.cc",
        "native/core/loop-poll.cc",
        "native/core/loop-waker.cc",
        "native/core/mapping.cc",
        "native/core/readiness.cc",
        "native/core/sysv-ipc.cc",
        "native/core/thread.cc",
        "native/core/wait-engine.cc",
        "native/core/wait-thread.cc",
        "native/eventfd.cc",
        "native/futex.cc",
        "native/pipe.cc",
        "native/posix-mq.cc",
        "native/posix-sem.cc",
        "native/posix-shm.cc",
        "native/sysv-msg.cc",
        "native/sysv-sem.cc",
        "native/sysv-shm.cc",
        "native/unix-socket.cc",
        "native/unix-socket/message.cc"
      ],
      "include_dirs": ["<!@(node scripts/build-native.js --include)"],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags_cc": ["-std=gnu++17", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fno-exceptions", "-fno-plt", "-fno-rtti", "-fvisibility=hidden"],
      "cflags_cc!": ["-std=gnu++20", "-std=gnu++14"],
      # The signal handler of the kick must outlive every environment that loaded the addon (core/kick.cc).
      "ldflags": ["-Wl,-z,nodelete", "-Wl,-z,relro,-z,now", "-pthread"],
      # mq_open and its like are there in older C libraries.
      "libraries": ["-lrt"]
    }
  ]
}
