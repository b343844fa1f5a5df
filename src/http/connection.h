// One client's connection and what the connections of one server share. Internal to the module.
#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>

#include "http/deadline.h"
#include "http/request_parser.h"
#include "http/server.h"
#include "http/signal.h"

namespace tandem::http {

// What a server and its connections share. It outlives the Server while connections unwind.
class ServerState : public std::enable_shared_from_this<ServerState> {
 public:
  ServerState(boost::asio::io_context& context, ServerOptions options, Handler handler);

  Result<void> listen();
  boost::asio::awaitable<void> accept_connections();
  void adopt(int descriptor, const boost::asio::ip::tcp::endpoint& peer);
  void close(Duration grace);
  void close_now();

  boost::asio::io_context& context() { return context_; }
  const ServerOptions& options() const { return options_; }
  const Handler& handler() const { return handler_; }
  bool closing() const { return closing_; }
  uint16_t port() const { return port_; }
  size_t connections() const { return connections_.size(); }
  void forget(Connection* connection);
  std::string_view date();  // the value of the date header, made once a second

 private:
  void serve(boost::asio::ip::tcp::socket socket, const boost::asio::ip::tcp::endpoint& peer);
  void turn_away(boost::asio::ip::tcp::socket socket);

  boost::asio::io_context& context_;
  ServerOptions options_;
  Handler handler_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer grace_timer_;
  std::unordered_set<Connection*> connections_;  // each removes itself
  uint16_t port_ = 0;
  bool closing_ = false;
  std::time_t date_second_ = 0;
  std::string date_;
};

// Reads requests, runs the handler, writes answers. A read is under way nearly always, also while the handler runs:
// that is how it sees the client leave, and it costs nothing, for the next request would need the same read.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ServerState> server, boost::asio::ip::tcp::socket socket,
             const boost::asio::ip::tcp::endpoint& peer);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  boost::asio::awaitable<void> run();
  void close_if_idle();
  void close_now();

  // What ResponseWriter promises.
  boost::asio::awaitable<Result<void>> respond(int status, Headers headers, std::string body);
  boost::asio::awaitable<Result<void>> start(int status, Headers headers);
  boost::asio::awaitable<Result<void>> write(std::string_view piece);
  boost::asio::awaitable<Result<void>> finish();
  void abort();
  bool started() const { return stage_ != Stage::waiting; }
  bool peer_closed() const { return peer_closed_; }
  void on_disconnect(std::function<void()> callback);

 private:
  enum class Stage : uint8_t { waiting, streaming, answered, broken };
  enum class Wait : uint8_t { idle, head, body, handler, write, drain };  // what the deadline is for
  enum class Received : uint8_t { request, refused, nothing };

  // Frees a waiting coroutine when the io_context is destroyed with the read under way: else the connection, the
  // coroutine and the handler of the read would keep each other.
  struct ReadHandler {
    std::shared_ptr<Connection> connection;
    explicit ReadHandler(std::shared_ptr<Connection> owner) : connection(std::move(owner)) {}
    ReadHandler(ReadHandler&&) = default;
    ~ReadHandler() {
      if (connection) connection->more_.abandon();
    }
    void operator()(const boost::system::error_code& error, size_t bytes) {
      const auto self = std::move(connection);
      self->on_read(error, bytes);
    }
  };

  boost::asio::awaitable<Received> receive();
  boost::asio::awaitable<bool> more_bytes();
  boost::asio::awaitable<void> answer();
  boost::asio::awaitable<void> refuse(Refusal refusal);
  boost::asio::awaitable<void> drain();

  void wait_for(Wait wait, Duration timeout);
  void on_deadline();
  void arm_read();
  void on_read(const boost::system::error_code& error, size_t bytes);
  bool make_room();
  void disconnected();
  void consume();
  std::string_view unread() const { return {buffer_.get() + begin_, end_ - begin_}; }

  Result<void> make_head(int status, const Headers& headers, std::string_view framing);
  template <size_t count>
  boost::asio::awaitable<Result<void>> send(std::array<boost::asio::const_buffer, count> pieces);
  Error send_error() const;

  std::shared_ptr<ServerState> server_;
  boost::asio::ip::tcp::socket socket_;
  RequestParser parser_;
  Deadline deadline_;
  Signal more_;  // bytes, the end of them, or the deadline

  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = 0;
  size_t begin_ = 0;  // unread bytes are [begin_, end_)
  size_t end_ = 0;

  Wait wait_ = Wait::idle;
  Stage stage_ = Stage::waiting;
  bool read_armed_ = false;
  bool at_end_ = false;  // the client will send no more
  bool timed_out_ = false;
  bool peer_closed_ = false;
  bool handler_runs_ = false;
  bool keep_open_ = true;
  bool head_only_ = false;  // the request is HEAD
  std::string head_;        // of the answer; kept for its capacity
  std::function<void()> on_disconnect_;
};

}  // namespace tandem::http
