// One connection of a client, and the pool of those that are kept. Internal to the module.
#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "http/body_decoder.h"
#include "http/client.h"
#include "http/client_tls.h"
#include "http/deadline.h"
#include "http/reactor.h"
#include "http/response_head.h"

namespace tandem::http {

struct Cancellation::State {
  bool cancelled = false;
  ClientConnection* serving = nullptr;  // the request now; none before it has a connection and after its end
};

class ClientConnection {
 public:
  ClientConnection(boost::asio::io_context& context, Endpoint endpoint, std::shared_ptr<const ClientOptions> options);
  ~ClientConnection();
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;

  // For the next request; `detach` before the connection is kept.
  void attach(const Cancellation& cancellation, ClientTimeouts timeouts);
  void detach();

  boost::asio::awaitable<Result<void>> connect();  // TCP, and TLS where it is spoken
  // Sends the request, which stays where it is until the response's head has come. False: the kernel did not take all
  // of it, and `send_rest` is to be waited for.
  Result<bool> begin(const ClientRequest& request);
  boost::asio::awaitable<Result<bool>> send_rest();
  // The response's head; nothing: it has not come yet, and there is to be waited for `more`.
  Result<std::optional<ResponseHead>> take_answer(std::string_view method);

  // Puts what has come of the body behind `body`, without waiting: bytes or its end, or neither, and then there is to
  // be waited. Errors as Exchange::read_some has them.
  enum class Got : uint8_t { bytes, end, nothing };
  Result<Got> take_body(std::string& body);
  boost::asio::awaitable<void> more();

  void cancel();
  bool is_reusable() const { return is_complete_ && keeps_alive_ && unread().empty() && is_open(); }
  bool is_complete() const { return is_complete_; }  // the response's proper end has been read
  // A kept connection that the server closed before it saw the request.
  bool was_stale() const { return !got_bytes_ && !timed_out_ && !cancelled_; }
  bool is_quiet();  // open, with nothing to read: fit for a request
  const Endpoint& endpoint() const { return endpoint_; }
  bool lacked_address() const { return lacked_address_; }  // of this machine's own, to connect from

 private:
  boost::asio::awaitable<Result<std::vector<boost::asio::ip::tcp::endpoint>>> resolve();
  boost::asio::awaitable<Result<void>> secure();
  Result<bool> sent(const boost::system::error_code& error);
  boost::asio::awaitable<void> read_tls();
  boost::system::error_code read_now();  // would_block: nothing has come
  Result<void> make_head(const ClientRequest& request);
  // The head of the answer, once its bytes are there; interim ones are passed over.
  Result<std::optional<ResponseHead>> take_head(std::string_view method);
  void take_decoded(std::string& body);
  bool is_open() const { return tls_ ? socket_.is_open() : wire_.is_open(); }
  void on_deadline();
  void close();
  Error failure(const boost::system::error_code& error, std::string_view what);
  Error malformed(std::string_view reason);
  std::string_view unread() const { return std::string_view(unread_).substr(unread_begin_); }

  Endpoint endpoint_;
  std::string host_;       // its endpoint in words
  std::string host_line_;  // the header that names it
  std::shared_ptr<const ClientOptions> options_;
  HeadLimits limits_;
  Reactor& reactor_;
  boost::asio::ip::tcp::resolver resolver_;
  boost::asio::ip::tcp::socket socket_;  // that connects; and what TLS goes over
  Socket wire_;                          // once connected, where nothing is encrypted
  std::unique_ptr<ClientTlsStream> tls_;
  boost::system::error_code tls_error_;  // of the last read
  Deadline deadline_;
  ClientTimeouts timeouts_;
  std::shared_ptr<Cancellation::State> cancellation_;
  BodyDecoder decoder_;
  std::string head_;                                 // of the request
  std::array<boost::asio::const_buffer, 2> pieces_;  // of the request, that are not sent yet
  std::string unread_;                               // came and not decoded yet
  size_t unread_begin_ = 0;
  size_t head_checked_ = 0;  // of what is unread
  int interim_heads_ = 0;
  bool keeps_alive_ = false;
  bool is_complete_ = false;
  bool got_bytes_ = false;  // of this response
  bool timed_out_ = false;
  bool lacked_address_ = false;
  bool cancelled_ = false;
};

// Whose fault it is that no address to connect from is found: this machine's, which has no port left, or that of an
// endpoint which cannot be reached from here, as ::1 where there is no IPv6. One that was reached before can be.
class AddressLacks {
 public:
  static constexpr int kLacksMax = 3;             // in a row; more are the endpoint's
  static constexpr size_t kEndpointsMax = 4'096;  // of more all are forgotten: no harm but that they are tried again

  void note_connected(const Endpoint& endpoint);
  // True: it is the endpoint's.
  bool note_lack(const Endpoint& endpoint);

 private:
  static constexpr int kReached = -1;
  int& of(const Endpoint& endpoint);
  std::map<Endpoint, int> lacks_;
};

class ClientPool {
 public:
  ClientPool(boost::asio::io_context& context, ClientOptions options);

  std::unique_ptr<ClientConnection> take(const Endpoint& endpoint);  // nothing when none is fit
  std::unique_ptr<ClientConnection> make(const Endpoint& endpoint);
  void give(std::unique_ptr<ClientConnection> connection);
  void close();
  size_t idle() const { return idle_count_; }
  AddressLacks& address_lacks() { return address_lacks_; }

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Idle {
    std::unique_ptr<ClientConnection> connection;
    TimePoint since;
  };

  void drop_expired();

  boost::asio::io_context& context_;
  Reactor& reactor_;
  std::shared_ptr<const ClientOptions> options_;
  std::map<Endpoint, std::vector<Idle>> idle_;  // per endpoint in order of `since`
  size_t idle_count_ = 0;
  AddressLacks address_lacks_;
  bool closed_ = false;
  Deadline sweep_;
};

struct ExchangeState {
  Result<ClientConnection::Got> take_body(std::string& body);
  void keep_connection();
  // What has come of the whole body; nothing: not all of it.
  std::optional<Result<std::string>> take_whole(size_t bytes_max);

  std::unique_ptr<ClientConnection> connection;  // none once the response has been read to its end
  ResponseHead head;
  std::shared_ptr<ClientPool> pool;
  std::string whole;            // what has come of the body, where it is taken at once
  std::optional<Error> failed;  // a read after a failed one fails in the same way
};

}  // namespace tandem::http
