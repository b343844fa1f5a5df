// One client's connection and what the connections of one server share. Internal to the module.
#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>

#include "http/deadline.h"
#include "http/local_peer.h"
#include "http/reactor.h"
#include "http/request_parser.h"
#include "http/server.h"

namespace tandem::http {

// What a server and its connections share. It outlives the Server while connections unwind.
class ServerState : public std::enable_shared_from_this<ServerState> {
 public:
  ServerState(boost::asio::io_context& context, ServerOptions options, Handler handler);

  Result<void> listen();
  boost::asio::awaitable<void> accept_connections();
  void serve(int descriptor, const Ends& ends, std::function<void()> on_cut = {});
  void close(Duration grace);
  void close_now();

  boost::asio::io_context& context() { return context_; }
  Reactor& reactor() { return reactor_; }
  const ServerOptions& options() const { return options_; }
  const Handler& handler() const { return handler_; }
  bool closing() const { return closing_; }
  uint16_t port() const { return port_; }
  size_t connections() const { return connections_.size(); }
  void forget(Connection* connection);
  std::string_view date_line();  // "date: …\r\n", made once a second

 private:
  boost::system::error_code accept_waiting();
  void turn_away(int descriptor);

  boost::asio::io_context& context_;
  Reactor& reactor_;
  ServerOptions options_;
  Handler handler_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer grace_timer_;
  std::unordered_set<Connection*> connections_;  // each removes itself
  uint16_t port_ = 0;
  bool closing_ = false;
  Reactor::TimePoint date_until_ = Reactor::TimePoint::min();
  std::string date_line_;
};

// Reads requests, runs the handler, writes answers. While the handler runs, nothing is read: what the client sends
// meanwhile stays in the kernel, and that it has left is told without a read.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ServerState> server, const Ends& ends, std::function<void()> on_cut);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  boost::system::error_code open(int descriptor);
  boost::asio::awaitable<void> run();
  void close_if_idle();
  void close_now() { socket_.close(); }

  // What ResponseWriter promises.
  std::optional<Result<void>> respond(int status, const Headers& headers, std::string_view body);
  std::optional<Result<void>> start(int status, const Headers& headers, std::string_view piece);
  std::optional<Result<void>> write(std::string_view piece);
  std::optional<Result<void>> finish(std::string_view piece);
  boost::asio::awaitable<Result<void>> rest();
  void abort();
  bool started() const { return stage_ != Stage::waiting; }
  bool peer_closed() const { return peer_closed_; }
  void on_disconnect(std::function<void()> callback);

 private:
  enum class Stage : uint8_t { waiting, streaming, answered, broken };
  enum class Wait : uint8_t { idle, head, body, handler, write, drain };  // what the deadline is for
  enum class Received : uint8_t { request, refused, nothing };
  enum class Input : uint8_t { taken, none, ended };

  boost::asio::awaitable<Received> receive();
  Input take_input();
  size_t consume(std::string_view bytes);
  void consume_unread();
  bool has_unread() const { return unread_begin_ < unread_.size(); }
  boost::asio::awaitable<void> answer();
  boost::asio::awaitable<void> refuse(Refusal refusal);
  boost::asio::awaitable<void> drain();

  void wait_for(Wait wait, Duration timeout);
  void on_deadline();
  void disconnected();

  Result<void> make_head(int status, const Headers& headers, std::string_view framing);
  void add_piece(boost::asio::const_buffer piece) { pieces_[pieces_count_++] = piece; }
  void add_chunk(std::string_view piece);
  std::optional<Result<void>> send();
  Result<void> break_off();

  std::shared_ptr<ServerState> server_;
  Socket socket_;
  RequestParser parser_;
  Deadline deadline_;

  std::string unread_;  // what came beyond the parser's need: part of a head, or the next requests
  size_t unread_begin_ = 0;

  Wait wait_ = Wait::idle;
  Stage stage_ = Stage::waiting;
  bool timed_out_ = false;
  bool peer_closed_ = false;
  bool handler_runs_ = false;
  bool keep_open_ = true;
  bool head_only_ = false;  // the request is HEAD
  std::string head_;        // of the answer; kept for its capacity
  // What goes out now: a head, a chunk's size line, its data and end, and the last chunk.
  std::array<boost::asio::const_buffer, 5> pieces_;
  size_t pieces_count_ = 0;
  std::array<char, 20> size_line_;
  std::function<void()> on_disconnect_;
  const std::function<void()> on_cut_;  // of `abort`; may be empty
};

}  // namespace tandem::http
