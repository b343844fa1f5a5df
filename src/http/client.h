// An HTTP/1.1 client on one io_context, with a pool of kept connections per endpoint. All of it runs on the thread that
// runs the io_context, and that must be one thread; there are no locks.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "http/message.h"

namespace tandem::http {

class ClientConnection;
class ClientPool;
struct ExchangeState;

// (A constructor, here and in Endpoint, because GCC 12 destroys a braced aggregate twice when it is made within one
// expression with `co_await`.)
struct ClientRequest {
  ClientRequest() = default;
  ClientRequest(std::string its_method, std::string its_target, Headers its_headers = {}, std::string its_body = {})
      : method(std::move(its_method)),
        target(std::move(its_target)),
        headers(std::move(its_headers)),
        body(std::move(its_body)) {}

  std::string method = "GET";
  std::string target = "/";  // path and query, encoded
  Headers headers;           // host and content-length are added here
  std::string body;
  // Sent in place of `body` where there is one: bytes of the caller's, which stay where they are until the response's
  // head has come.
  std::string_view lent_body = {};
};

struct ClientTimeouts {
  Duration connect = seconds(2);         // name, TCP handshake: a few round trips across a country
  Duration first_byte = seconds(60);     // from sending to the response's head: a queue and a long prefill
  Duration between_bytes = seconds(30);  // while the body comes: a decode step is milliseconds
};

// Ends a request from outside the coroutine that awaits it, at any stage: give it to `send`, keep a copy, call
// `cancel`. What awaits then gets `unavailable`. One for each request; `cancel` before `send` and twice are allowed.
class Cancellation {
 public:
  Cancellation();
  void cancel();
  bool cancelled() const;

 private:
  friend class Client;
  friend class ClientConnection;
  struct State;
  std::shared_ptr<State> state_;
};

// A response whose head has come. It stays where it is while a read is under way. Destroying it before its proper end
// closes the connection; at its proper end the connection goes back to the pool.
class Exchange {
 public:
  explicit Exchange(std::unique_ptr<ExchangeState> state);
  ~Exchange();
  Exchange(Exchange&&) noexcept;
  Exchange& operator=(Exchange&&) noexcept;

  int status() const;  // 200 to 599
  const Headers& headers() const;

  // The next piece of the body as it comes, without chunk framing and never empty; nothing at the proper end.
  // Errors: unavailable (the connection ended before the body did, or was cancelled), deadline_exceeded, corrupt
  // (framing).
  boost::asio::awaitable<Result<std::optional<std::string>>> read_some();

  // The whole body. Errors: those of read_some, and too_large beyond `bytes_max`.
  boost::asio::awaitable<Result<std::string>> read_all(size_t bytes_max);

  // As `read_some` and `read_all` where what they wait for has come already; else nothing, and they are to be called.
  std::optional<Result<std::optional<std::string>>> take_some();
  std::optional<Result<std::string>> take_all(size_t bytes_max);

  void cancel();  // closes the connection; a read under way ends with `unavailable`

 private:
  std::unique_ptr<ExchangeState> state_;
};

// Speaking TLS 1.2 or newer: the server's certificate must be for the endpoint's name or address, from an authority of
// the system or of `authorities`.
struct ClientTls {
  std::filesystem::path authorities = {};  // a PEM file, read for each connection; empty: the system's alone
  std::string remedy = {};  // what to do where an authority is not known, for the error: "name it with …"
};

// That a file holds certificates of authorities, in PEM. Errors: invalid_argument.
Result<void> check_authorities(const std::filesystem::path& file);

struct ClientOptions {
  size_t idle_per_endpoint_max = 256;   // as many as a site's busiest engine has requests running at once
  size_t idle_max = 4'096;              // over all endpoints: a quarter of a usual limit on open files
  Duration idle_timeout = seconds(30);  // under the 60 to 75 s at which servers drop theirs
  size_t header_bytes_max = 32 * 1024;  // as the server's
  std::optional<ClientTls> tls = {};    // for every connection; nothing: none is encrypted
  bool loopback_only = false;           // to this machine itself, whatever a name server says of the name
};

class Client {
 public:
  explicit Client(boost::asio::io_context& context, ClientOptions options = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Sends the request and returns when the response's head has come. A kept connection that turns out to have been
  // closed by the server is replaced once, if no byte of the response came.
  // Errors: unavailable (no such name, refused, reset, cancelled, a certificate that is not trusted),
  // resource_exhausted (this machine has no descriptor, port or buffer left to connect with), deadline_exceeded
  // (connect, first_byte), corrupt (the response is not HTTP/1.1 as we read it), invalid_argument (the request cannot
  // be sent).
  boost::asio::awaitable<Result<Exchange>> send(Endpoint endpoint, ClientRequest request, ClientTimeouts timeouts,
                                                Cancellation cancellation);
  boost::asio::awaitable<Result<Exchange>> send(Endpoint endpoint, ClientRequest request, ClientTimeouts timeouts);

  // Keeps no connection any more: idle ones are closed now, so that the context has nothing to wait for, others at the
  // end of their exchange. Requests may still be sent.
  void close();
  size_t idle_connections() const;

 private:
  std::shared_ptr<ClientPool> pool_;
};

}  // namespace tandem::http
