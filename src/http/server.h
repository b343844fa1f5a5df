// An HTTP/1.1 server on one io_context. It is strict: what two parsers could read differently is refused (RFC 9112,
// chapters 6 and 11.2), so nothing can be smuggled through it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "http/local_peer.h"
#include "http/message.h"

namespace tandem::http {

class Connection;
class ServerState;

// How a handler answers, from one coroutine at a time. Exactly one of `respond`, or `start`, `write`…, `finish`. A
// handler that returns without an answer gives a 500; one that returns between `start` and `finish` breaks the stream
// as `abort` does.
//
// Errors of the awaitables: unavailable (the client has gone), deadline_exceeded (it reads too slowly),
// invalid_argument (a header that cannot be sent, or a call out of order). After one, nothing more can be sent.
class ResponseWriter {
 public:
  explicit ResponseWriter(Connection& connection) : connection_(connection) {}
  ResponseWriter(const ResponseWriter&) = delete;
  ResponseWriter& operator=(const ResponseWriter&) = delete;

  // The whole answer. content-length, date and connection are added here and are not to be among `headers`.
  boost::asio::awaitable<Result<void>> respond(int status, Headers headers, std::string body);
  boost::asio::awaitable<Result<void>> respond_json(int status, std::string json);
  boost::asio::awaitable<Result<void>> respond_error(const Error& error);  // status and body from base's error table

  // An answer in pieces: chunked, or to an HTTP/1.0 client ended by closing. Each `write` is one gathered send and
  // returns when the kernel has taken it, which is the backpressure; an empty piece sends nothing. The first piece and
  // the last may go out with the head and with the end, in the same call. A piece stays where it is until then.
  boost::asio::awaitable<Result<void>> start(int status, Headers headers, std::string_view piece = {});
  boost::asio::awaitable<Result<void>> write(std::string_view piece);
  boost::asio::awaitable<Result<void>> finish(std::string_view piece = {});

  // As `respond`, `start`, `write` and `finish` where the kernel takes all at once, as it most often does, and no
  // coroutine is needed. Nothing: it did not, and `rest` is to be waited for; until it returns, the body or piece stays
  // where it is.
  std::optional<Result<void>> respond_now(int status, const Headers& headers, std::string_view body);
  std::optional<Result<void>> start_now(int status, const Headers& headers, std::string_view piece = {});
  std::optional<Result<void>> write_now(std::string_view piece);
  std::optional<Result<void>> finish_now(std::string_view piece = {});
  boost::asio::awaitable<Result<void>> rest();

  // Closes the connection without a proper end, so that the client sees a broken stream and not a short answer.
  void abort();

  bool started() const;  // the status line has been handed to the kernel or is about to be

  // True once the client has closed its side or the connection is broken, seen while the handler runs.
  bool peer_closed() const;
  // Called once, on the io_context's thread, when `peer_closed` becomes true while the handler runs (at once when it
  // already is). The place to cancel the work behind the answer. One callback; a later one replaces it.
  void on_disconnect(std::function<void()> callback);

 private:
  Connection& connection_;
};

// Runs on the io_context's thread, one call at a time per connection. The request and the writer live until it returns.
using Handler = std::function<boost::asio::awaitable<void>(const Request&, ResponseWriter&)>;

struct ServerOptions {
  std::string address = "127.0.0.1";  // a literal; "::" takes IPv4 too
  uint16_t port = 0;                  // 0: any free one, see Server::port
  bool reuse_port = false;            // several servers, one per io_context, share one port (SO_REUSEPORT)

  // Four times what browsers and OpenAI clients send with cookies and traces; what common proxies allow.
  size_t header_bytes_max = 32 * 1024;
  size_t header_fields_max = 100;  // as common servers have it; ours are under 30
  // A chat request with a few images in base64; larger inputs go by reference.
  size_t body_bytes_max = 16 * 1024 * 1024;
  // From a request's first byte to its head's last: one round trip normally; a slow sender may not hold a slot longer.
  Duration header_timeout = seconds(10);
  // From the head's end to the body's: 16 MiB at 2 Mbit/s takes 67 s.
  Duration body_timeout = seconds(90);
  // Between requests: above the 60 s at which clients and balancers drop theirs, so that they close and not we.
  Duration idle_timeout = seconds(75);
  // For one piece to be taken by the kernel: a reader that stands still for a minute is gone.
  Duration write_timeout = seconds(60);
  // Memory: an idle connection holds about 5 KiB, so 100 MiB at the limit. Beyond it, clients get a 503 and are closed.
  size_t connections_max = 20'000;
  std::vector<uint32_t> trusted_users = {};  // of this machine, as LocalPeer has them
};

// Runs on the thread that runs its io_context, and that must be one thread. No locks, no other threads.
class Server {
 public:
  // Errors: invalid_argument (address), io (cannot bind, with the system's reason).
  static Result<std::unique_ptr<Server>> listen(boost::asio::io_context& context, ServerOptions options,
                                                Handler handler);

  // Closes everything at once. The handlers still running unwind when the io_context runs or is destroyed.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  uint16_t port() const;
  size_t connections() const;  // open now

  // Serves a connection that somebody else accepted: `descriptor` is a connected stream socket, non-blocking, which it
  // owns from here; `ends` are of the connection that requests come by. `on_cut` is called where an answer is broken
  // off, which a socket within the machine does not tell from its end.
  void adopt(int descriptor, const Ends& ends, std::function<void()> on_cut = {});

  // Stops accepting, closes idle connections, lets requests under way end, and closes what is left after `grace`.
  void close(Duration grace);

 private:
  explicit Server(std::shared_ptr<ServerState> state);
  std::shared_ptr<ServerState> state_;
};

}  // namespace tandem::http
