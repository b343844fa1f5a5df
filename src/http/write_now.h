// Internal to the module.
#pragma once

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace tandem::http {

// Hands the pieces to the kernel in one call, without waiting: a socket's buffer nearly always has room, and then no
// coroutine is suspended. True when it took all; otherwise, unless `error` is set, `pieces` are what is left.
// The socket must be non-blocking.
template <size_t count>
bool write_now(boost::asio::ip::tcp::socket& socket, std::array<boost::asio::const_buffer, count>& pieces,
               boost::system::error_code& error) {
  const size_t wanted = boost::asio::buffer_size(pieces);
  size_t written = socket.write_some(pieces, error);
  if (error == boost::asio::error::would_block) error.clear();
  if (error || written == wanted) return !error;
  for (boost::asio::const_buffer& piece : pieces) {
    const size_t part = std::min(written, piece.size());
    piece += part;
    written -= part;
  }
  return false;
}

}  // namespace tandem::http
