// errno(3), strerror(3): the error numbers of this build's headers.
#include "core/errors.h"

#include <cerrno>
#include <system_error>

namespace unix_ipc {

namespace {

struct Row {
  int number;
  const char* name;
};

// EWOULDBLOCK, ENOTSUP and EDEADLOCK are left out: on Linux they are second names of EAGAIN,
// EOPNOTSUPP and EDEADLK.
#define ROW(name) \
  { name, #name }
constexpr Row kRows[] = {
    ROW(E2BIG),
    ROW(EACCES),
    ROW(EADDRINUSE),
    ROW(EADDRNOTAVAIL),
    ROW(EADV),
    ROW(EAFNOSUPPORT),
    ROW(EAGAIN),
    ROW(EALREADY),
    ROW(EBADE),
    ROW(EBADF),
    ROW(EBADFD),
    ROW(EBADMSG),
    ROW(EBADR),
    ROW(EBADRQC),
    ROW(EBADSLT),
    ROW(EBFONT),
    ROW(EBUSY),
    ROW(ECANCELED),
    ROW(ECHILD),
    ROW(ECHRNG),
    ROW(ECOMM),
    ROW(ECONNABORTED),
    ROW(ECONNREFUSED),
    ROW(ECONNRESET),
    ROW(EDEADLK),
    ROW(EDESTADDRREQ),
    ROW(EDOM),
    ROW(EDOTDOT),
    ROW(EDQUOT),
    ROW(EEXIST),
    ROW(EFAULT),
    ROW(EFBIG),
    ROW(EHOSTDOWN),
    ROW(EHOSTUNREACH),
    ROW(EHWPOISON),
    ROW(EIDRM),
    ROW(EILSEQ),
    ROW(EINPROGRESS),
    ROW(EINTR),
    ROW(EINVAL),
    ROW(EIO),
    ROW(EISCONN),
    ROW(EISDIR),
    ROW(EISNAM),
    ROW(EKEYEXPIRED),
    ROW(EKEYREJECTED),
    ROW(EKEYREVOKED),
    ROW(EL2HLT),
    ROW(EL2NSYNC),
    ROW(EL3HLT),
    ROW(EL3RST),
    ROW(ELIBACC),
    ROW(ELIBBAD),
    ROW(ELIBEXEC),
    ROW(ELIBMAX),
    ROW(ELIBSCN),
    ROW(ELNRNG),
    ROW(ELOOP),
    ROW(EMEDIUMTYPE),
    ROW(EMFILE),
    ROW(EMLINK),
    ROW(EMSGSIZE),
    ROW(EMULTIHOP),
    ROW(ENAMETOOLONG),
    ROW(ENAVAIL),
    ROW(ENETDOWN),
    ROW(ENETRESET),
    ROW(ENETUNREACH),
    ROW(ENFILE),
    ROW(ENOANO),
    ROW(ENOBUFS),
    ROW(ENOCSI),
    ROW(ENODATA),
    ROW(ENODEV),
    ROW(ENOENT),
    ROW(ENOEXEC),
    ROW(ENOKEY),
    ROW(ENOLCK),
    ROW(ENOLINK),
    ROW(ENOMEDIUM),
    ROW(ENOMEM),
    ROW(ENOMSG),
    ROW(ENONET),
    ROW(ENOPKG),
    ROW(ENOPROTOOPT),
    ROW(ENOSPC),
    ROW(ENOSR),
    ROW(ENOSTR),
    ROW(ENOSYS),
    ROW(ENOTBLK),
    ROW(ENOTCONN),
    ROW(ENOTDIR),
    ROW(ENOTEMPTY),
    ROW(ENOTNAM),
    ROW(ENOTRECOVERABLE),
    ROW(ENOTSOCK),
    ROW(ENOTTY),
    ROW(ENOTUNIQ),
    ROW(ENXIO),
    ROW(EOPNOTSUPP),
    ROW(EOVERFLOW),
    ROW(EOWNERDEAD),
    ROW(EPERM),
    ROW(EPFNOSUPPORT),
    ROW(EPIPE),
    ROW(EPROTO),
    ROW(EPROTONOSUPPORT),
    ROW(EPROTOTYPE),
    ROW(ERANGE),
    ROW(EREMCHG),
    ROW(EREMOTE),
    ROW(EREMOTEIO),
    ROW(ERESTART),
    ROW(ERFKILL),
    ROW(EROFS),
    ROW(ESHUTDOWN),
    ROW(ESOCKTNOSUPPORT),
    ROW(ESPIPE),
    ROW(ESRCH),
    ROW(ESRMNT),
    ROW(ESTALE),
    ROW(ESTRPIPE),
    ROW(ETIME),
    ROW(ETIMEDOUT),
    ROW(ETOOMANYREFS),
    ROW(ETXTBSY),
    ROW(EUCLEAN),
    ROW(EUNATCH),
    ROW(EUSERS),
    ROW(EXDEV),
    ROW(EXFULL),
};
#undef ROW

}  // namespace

Napi::Value ErrorTable(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Array table = Napi::Array::New(env);
  for (const Row& row : kRows) {
    Napi::Array entry = Napi::Array::New(env, 3);
    entry.Set(0u, Napi::Number::New(env, row.number));
    entry.Set(1u, Napi::String::New(env, row.name));
    entry.Set(2u, Napi::String::New(env, std::generic_category().message(row.number)));
    table.Set(table.Length(), entry);
  }
  return table;
}

}  // namespace unix_ipc
