#include "http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
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
      reactor_(Reactor::of(context)),
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
  if (!error) acceptor_.non_blocking(true, error);
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
    co_await acceptor_.async_wait(asio::socket_base::wait_read, asio::redirect_error(asio::use_awaitable, error));
    if (!acceptor_.is_open()) co_return;
    if (!error) error = accept_waiting();
    if (error) {
      log_warning("accept on port {}: {}", port_, error.message());
      pause.expires_after(kAcceptPause);
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
  }
}

// All that wait to be accepted. An error: there may be more, but not now.
boost::system::error_code ServerState::accept_waiting() {
  for (;;) {
    Ends ends;
    auto size = static_cast<socklen_t>(ends.peer.capacity());
    const int descriptor = ::accept4(acceptor_.native_handle(), ends.peer.data(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
      ends.peer.resize(size);
      size = static_cast<socklen_t>(ends.own.capacity());
      if (::getsockname(descriptor, ends.own.data(), &size) == 0) ends.own.resize(size);
      serve(descriptor, ends);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return {};
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return {errno, boost::system::system_category()};
    }
  }
}

void ServerState::serve(int descriptor, const Ends& ends, std::function<void()> on_cut) {
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connections_.size() >= options_.connections_max) return turn_away(descriptor);
  const auto connection = std::make_shared<Connection>(shared_from_this(), ends, std::move(on_cut));
  connections_.insert(connection.get());
  if (connection->open(descriptor)) return;
  asio::co_spawn(
      context_, [connection] { return connection->run(); }, asio::detached);
}

void ServerState::turn_away(int descriptor) {
  const std::string body =
      json_error_body({ErrorCode::resource_exhausted, "the server has as many connections as it takes", {}});
  const std::string answer =
      "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
      "connection: close\r\ncontent-length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body;
  // A courtesy: what fits the empty socket buffer goes out.
  if (::send(descriptor, answer.data(), answer.size(), MSG_NOSIGNAL) > 0) ::shutdown(descriptor, SHUT_WR);
  ::close(descriptor);
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

std::string_view ServerState::date_line() {
  const Reactor::TimePoint now = reactor_.now();
  if (now >= date_until_) {
    const auto time = std::chrono::system_clock::now();
    const auto second = std::chrono::floor<std::chrono::seconds>(time);
    date_until_ = now + (second + std::chrono::seconds(1) - time);
    const std::time_t at = std::chrono::system_clock::to_time_t(second);
    std::tm utc{};
    gmtime_r(&at, &utc);
    std::array<char, 40> text{};
    const size_t size =
        std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);  // in the "C" locale
    date_line_.assign("date: ").append(text.data(), size).append("\r\n");
  }
  return date_line_;
}

Server::Server(std::shared_ptr<ServerState> state) : state_(std::move(state)) {}
Server::~Server() { state_->close_now(); }
uint16_t Server::port() const { return state_->port(); }
size_t Server::connections() const { return state_->connections(); }
void Server::adopt(int descriptor, const Ends& ends, std::function<void()> on_cut) {
  state_->serve(descriptor, ends, std::move(on_cut));
}
void Server::close(Duration grace) { state_->close(grace); }

Result<std::unique_ptr<Server>> Server::listen(asio::io_context& context, ServerOptions options, Handler handler) {
  auto state = std::make_shared<ServerState>(context, std::move(options), std::move(handler));
  TANDEM_TRY(state->listen());
  asio::co_spawn(
      context, [state] { return state->accept_connections(); }, asio::detached);
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

}  // namespace tandem::http
