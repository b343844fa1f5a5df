#include "http/server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

#include "base/logging.h"
#include "http/connection.h"

namespace tandem::http {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

// Out of file descriptors: as long as a request takes, so that one may have ended.
constexpr auto kAcceptPause = std::chrono::milliseconds(50);

using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

}  // namespace

ServerState::ServerState(asio::io_context& context, ServerOptions options, Handler handler)
    : context_(context),
      options_(std::move(options)),
      handler_(std::move(handler)),
      acceptor_(context),
      grace_timer_(context) {}

Result<void> ServerState::listen() {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(options_.address, error);
  if (error) {
    return fail(ErrorCode::invalid_argument, "'" + options_.address + "' is no IP address to listen on");
  }
  const tcp::endpoint endpoint(address, options_.port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && options_.reuse_port) acceptor_.set_option(ReusePort(true), error);
  if (!error && address.is_v6()) acceptor_.set_option(asio::ip::v6_only(false), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return fail(ErrorCode::io,
                "cannot listen on " + to_string(Endpoint{options_.address, options_.port}) + ": " + error.message());
  }
  port_ = acceptor_.local_endpoint(error).port();
  return {};
}

asio::awaitable<void> ServerState::accept_connections() {
  const auto self = shared_from_this();
  asio::steady_timer pause(context_);
  for (;;) {
    boost::system::error_code error;
    tcp::socket socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (!acceptor_.is_open()) co_return;
    if (!error) {
      socket.set_option(tcp::no_delay(true), error);
      const tcp::endpoint peer = error ? tcp::endpoint() : socket.remote_endpoint(error);
      if (!error) serve(std::move(socket), peer);  // else it has left already
    } else if (error != asio::error::connection_aborted) {
      log_warning("accept on port {}: {}", port_, error.message());
      pause.expires_after(kAcceptPause);
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
  }
}

void ServerState::adopt(int descriptor, const tcp::endpoint& peer) {
  boost::system::error_code error;
  tcp::socket socket(context_);
  socket.assign(peer.protocol(), descriptor, error);  // (of another family, perhaps: nothing here asks for it)
  if (error)
    ::close(descriptor);
  else
    serve(std::move(socket), peer);
}

void ServerState::serve(tcp::socket socket, const tcp::endpoint& peer) {
  boost::system::error_code error;
  socket.non_blocking(true, error);
  if (error) return;  // it has left already
  if (connections_.size() >= options_.connections_max) return turn_away(std::move(socket));
  const auto connection = std::make_shared<Connection>(shared_from_this(), std::move(socket), peer);
  connections_.insert(connection.get());
  asio::co_spawn(
      context_, [connection] { return connection->run(); }, asio::detached);
}

void ServerState::turn_away(tcp::socket socket) {
  const std::string body =
      json_error_body({ErrorCode::resource_exhausted, "the server has as many connections as it takes", {}});
  const std::string answer =
      "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
      "connection: close\r\ncontent-length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body;
  boost::system::error_code ignored;  // a courtesy: what fits the empty socket buffer goes out
  socket.write_some(asio::buffer(answer), ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
}

void ServerState::close(Duration grace) {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  closing_ = true;
  for (Connection* const connection : connections_) connection->close_if_idle();
  if (connections_.empty()) return;
  grace_timer_.expires_after(std::chrono::nanoseconds(grace.ns));
  grace_timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) self->close_now();
  });
}

void ServerState::forget(Connection* connection) {
  connections_.erase(connection);
  if (closing_ && connections_.empty()) grace_timer_.cancel();  // nothing is left to wait for
}

void ServerState::close_now() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  grace_timer_.cancel();
  closing_ = true;
  for (Connection* const connection : connections_) connection->close_now();
}

std::string_view ServerState::date() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  if (now != date_second_) {
    date_second_ = now;
    std::tm utc{};
    gmtime_r(&now, &utc);
    std::array<char, 40> text{};
    const size_t size =
        std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);  // in the "C" locale
    date_.assign(text.data(), size);
  }
  return date_;
}

Server::Server(std::shared_ptr<ServerState> state) : state_(std::move(state)) {}
Server::~Server() { state_->close_now(); }
uint16_t Server::port() const { return state_->port(); }
size_t Server::connections() const { return state_->connections(); }
void Server::adopt(int descriptor, const tcp::endpoint& peer) { state_->adopt(descriptor, peer); }
void Server::close(Duration grace) { state_->close(grace); }

Result<std::unique_ptr<Server>> Server::listen(asio::io_context& context, ServerOptions options, Handler handler) {
  auto state = std::make_shared<ServerState>(context, std::move(options), std::move(handler));
  TANDEM_TRY(state->listen());
  asio::co_spawn(
      context, [state] { return state->accept_connections(); }, asio::detached);
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

}  // namespace tandem::http
