// Who on this machine holds the other end of a connection over loopback. A proxy that says nothing of itself connects
// as a local tool does; but its process is another user's.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "base/result.h"

namespace tandem::http {

// The addresses of a connection, as the server's socket has them.
struct Ends {
  boost::asio::ip::tcp::endpoint peer, own;
};

class LocalPeer {
 public:
  // Of a connection over loopback; an IPv4 address stands as such. Trusts root, the user that this process runs as, and
  // these.
  LocalPeer(Ends ends, std::vector<uint32_t> also_trusted)
      : ends_(std::move(ends)), also_trusted_(std::move(also_trusted)) {}
  // Whose user is known.
  explicit LocalPeer(std::optional<uint32_t> user) : asked_(true), user_(user) {}

  // Of the process that made the socket at the other end. The kernel is asked at the first call, which takes some ten
  // microseconds, and not again. Nothing where it does not say: the peer has closed it, is of a user that this
  // namespace does not know, or neither way of asking is there.
  std::optional<uint32_t> user() const;
  // The other end has gone: its addresses may soon be another's, so that nobody is asked any more.
  void note_gone() const;
  bool is_trusted() const;

 private:
  Ends ends_;
  std::vector<uint32_t> also_trusted_;
  mutable std::mutex mutex_;  // a request may be looked at aside, while its connection's thread sees the client go
  mutable bool asked_ = false;
  mutable std::optional<uint32_t> user_;
};

// That the kernel names where a user is not one of this namespace's: nobody in particular.
inline constexpr uint32_t kUnknownUser = 65'534;

// The two ways to ask, internal to the module: a message to the kernel and back, which fails where a sandbox has none
// of these; and then the first kProcLinesMax lines of /proc/net/tcp and tcp6, some tens of milliseconds. Both say
// nothing of a socket that no process has open any more, for it is shown as root's.
Result<std::optional<uint32_t>> user_by_sock_diag(const Ends& ends);
inline constexpr size_t kProcLinesMax = 10'000;
std::optional<uint32_t> user_by_proc(const Ends& ends);

}  // namespace tandem::http
