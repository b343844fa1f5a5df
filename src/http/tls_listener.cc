#include "http/tls_listener.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <mutex>

#include "base/logging.h"

namespace tandem::http {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using asio::ip::tcp;

struct ServerCertificate::Loaded {
  mutable ssl::context context{ssl::context::tls_server};
  Instant not_after;
};

namespace {

using FileTime = std::filesystem::file_time_type;
using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

constexpr auto kTlsAcceptPause = std::chrono::milliseconds(50);
constexpr Duration kCloseTimeout = seconds(1);
constexpr size_t kRecordBytes = 16 * 1024;         // as a TLS record holds at most
constexpr unsigned kUnacknowledgedMaxMs = 60'000;  // as the server's write_timeout: who stands still that long is gone

// HTTP/1.1, where the client names it; none, where it names others only (RFC 7301).
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_bytes, const unsigned char* offered,
                    unsigned offered_bytes, void*) {
  static constexpr std::array<unsigned char, 9> kOurs{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, chosen_bytes, kOurs.data(), kOurs.size(), offered, offered_bytes) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

Instant end_of(X509* certificate) {
  std::tm utc{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &utc) != 1) return {};
  return Instant{seconds(timegm(&utc)).ns};
}

Result<std::shared_ptr<const ServerCertificate::Loaded>> load_files(const std::filesystem::path& chain,
                                                                    const std::filesystem::path& key) {
  auto loaded = std::make_shared<ServerCertificate::Loaded>();
  ssl::context& context = loaded->context;
  boost::system::error_code error;
  context.set_options(ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1 | SSL_OP_NO_RENEGOTIATION, error);
  const auto wrong = [&](const std::filesystem::path& file, const char* what) {
    return fail(ErrorCode::invalid_argument, fmt::format("{} ({}); give a PEM file", what, error.message()),
                file.string());
  };
  context.use_certificate_chain_file(chain.string(), error);
  if (error) return wrong(chain, "no certificate can be read from it");
  context.use_private_key_file(key.string(), ssl::context::pem, error);
  if (error) return wrong(key, "no private key for the certificate can be read from it");
  if (SSL_CTX_check_private_key(context.native_handle()) != 1)
    return fail(ErrorCode::invalid_argument, "the key is not the certificate's", key.string());
  SSL_CTX_set_alpn_select_cb(context.native_handle(), choose_protocol, nullptr);
  loaded->not_after = end_of(SSL_CTX_get0_certificate(context.native_handle()));
  return std::shared_ptr<const ServerCertificate::Loaded>(std::move(loaded));
}

FileTime time_of(const std::filesystem::path& file) {
  std::error_code ignored;  // a file that is gone has another time than one that is there
  return std::filesystem::last_write_time(file, ignored);
}

}  // namespace

// --- the certificate ---

struct ServerCertificate::State {
  std::filesystem::path chain;
  std::filesystem::path key;
  mutable std::mutex mutex;  // guards what is below
  std::shared_ptr<const Loaded> loaded;
  FileTime chain_time, key_time;
};

ServerCertificate::ServerCertificate(std::unique_ptr<State> state) : state_(std::move(state)) {}
ServerCertificate::~ServerCertificate() = default;

Result<std::shared_ptr<ServerCertificate>> ServerCertificate::load(std::filesystem::path chain,
                                                                   std::filesystem::path key) {
  auto state = std::make_unique<State>();
  state->chain = std::move(chain);
  state->key = std::move(key);
  std::shared_ptr<ServerCertificate> certificate(new ServerCertificate(std::move(state)));
  TANDEM_TRY(certificate->reload());
  return certificate;
}

Result<void> ServerCertificate::reload() {
  const std::lock_guard lock(state_->mutex);
  state_->chain_time = time_of(state_->chain);
  state_->key_time = time_of(state_->key);
  TANDEM_ASSIGN(state_->loaded, load_files(state_->chain, state_->key));
  return {};
}

Result<bool> ServerCertificate::reload_if_changed() {
  {
    const std::lock_guard lock(state_->mutex);
    if (time_of(state_->chain) == state_->chain_time && time_of(state_->key) == state_->key_time) return false;
  }
  TANDEM_TRY(reload());
  return true;
}

std::shared_ptr<const ServerCertificate::Loaded> ServerCertificate::current() const {
  const std::lock_guard lock(state_->mutex);
  return state_->loaded;
}

Instant ServerCertificate::not_after() const { return current()->not_after; }

// --- one connection ---

using ServerSide = asio::local::stream_protocol::socket;

// Moves bytes between a client's TLS and the server's plain socket until both have ended.
class TlsConnection : public std::enable_shared_from_this<TlsConnection> {
 public:
  TlsConnection(tcp::socket socket, std::shared_ptr<const ServerCertificate::Loaded> certificate)
      : certificate_(std::move(certificate)),
        client_(std::move(socket), certificate_->context),
        server_(client_.get_executor()) {}

  asio::awaitable<bool> shake_hands(Duration timeout) {
    const auto patience = close_after(timeout);
    boost::system::error_code error;
    co_await client_.async_handshake(ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, error));
    co_return !error;
  }

  // Gives the server its end of a pair. False: there are no descriptors left.
  bool join(Server& server) {
    boost::system::error_code error;
    Ends ends{client_.next_layer().remote_endpoint(error), {}};
    if (!error) ends.own = client_.next_layer().local_endpoint(error);
    std::array<int, 2> pair{};
    if (error || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair.data()) != 0) return false;
    server_.assign({}, pair[0], error);
    if (error) {
      for (const int end : pair) ::close(end);
      return false;
    }
    server.adopt(pair[1], ends, [weak = weak_from_this()] {
      if (const auto self = weak.lock(); self != nullptr)
        self->close();  // without a word of TLS: nobody takes it for an end
    });
    return true;
  }

  // What the client sends; its end is passed on, so that the server sees it leave.
  asio::awaitable<void> to_server() {
    const auto self = shared_from_this();
    std::array<char, kRecordBytes> buffer;
    boost::system::error_code error;
    while (!error) {
      const size_t bytes =
          co_await client_.async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
      if (!error)
        co_await asio::async_write(server_, asio::buffer(buffer, bytes),
                                   asio::redirect_error(asio::use_awaitable, error));
    }
    server_.shutdown(ServerSide::shutdown_send, error);
  }

  // What the server answers; where it has ended, so has the connection.
  asio::awaitable<void> to_client() {
    const auto self = shared_from_this();
    std::array<char, kRecordBytes> buffer;
    boost::system::error_code error;
    while (!error) {
      const size_t bytes =
          co_await server_.async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
      if (!error)
        co_await asio::async_write(client_, asio::buffer(buffer, bytes),
                                   asio::redirect_error(asio::use_awaitable, error));
    }
    // The end is told in TLS's own way, so that nobody takes a cut for it; the client's own is not waited for long.
    const auto patience = close_after(kCloseTimeout);
    co_await client_.async_shutdown(asio::redirect_error(asio::use_awaitable, error));
    close();
  }

  void close() {
    boost::system::error_code ignored;
    client_.next_layer().close(ignored);
    server_.close(ignored);
  }

 private:
  // Closes both sides then, unless the timer has gone before.
  std::unique_ptr<asio::steady_timer> close_after(Duration timeout) {
    auto timer = std::make_unique<asio::steady_timer>(client_.get_executor(), std::chrono::nanoseconds(timeout.ns));
    timer->async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      if (const auto self = weak.lock(); self != nullptr && !error) self->close();
    });
    return timer;
  }

  const std::shared_ptr<const ServerCertificate::Loaded> certificate_;  // that it began with
  ssl::stream<tcp::socket> client_;
  ServerSide server_;
};

// --- the listener ---

class TlsListener::Impl : public std::enable_shared_from_this<TlsListener::Impl> {
 public:
  Impl(asio::io_context& context, TlsListenerOptions options, std::shared_ptr<ServerCertificate> certificate,
       Server& server)
      : context_(context),
        options_(std::move(options)),
        certificate_(std::move(certificate)),
        server_(server),
        acceptor_(context),
        look_(context) {}

  Result<void> listen() {
    boost::system::error_code error;
    const auto address = asio::ip::make_address(options_.address, error);
    if (error) return fail(ErrorCode::invalid_argument, "'" + options_.address + "' is no IP address to listen on");
    const tcp::endpoint endpoint(address, options_.port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error && options_.reuse_port) acceptor_.set_option(ReusePort(true), error);
    if (!error && address.is_v6()) acceptor_.set_option(asio::ip::v6_only(false), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error)
      return fail(ErrorCode::io,
                  "cannot listen on " + to_string(Endpoint{options_.address, options_.port}) + ": " + error.message());
    port_ = acceptor_.local_endpoint(error).port();
    look_again();
    return {};
  }

  asio::awaitable<void> accept_connections() {
    const auto self = shared_from_this();
    asio::steady_timer pause(context_);
    while (acceptor_.is_open()) {
      boost::system::error_code error;
      tcp::socket socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (!acceptor_.is_open()) co_return;
      if (!error) {
        begin(std::move(socket));
      } else if (error != asio::error::connection_aborted) {
        log_warning("accept on port {}: {}", port_, error.message());
        pause.expires_after(kTlsAcceptPause);
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      }
    }
  }

  void close() {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    look_.cancel();
  }
  uint16_t port() const { return port_; }

 private:
  void begin(tcp::socket socket) {
    if (handshakes_ >= options_.handshakes_max) return;  // closes it: a refusal in TLS would cost what is short
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    const unsigned timeout_ms = kUnacknowledgedMaxMs;
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
    const auto connection = std::make_shared<TlsConnection>(std::move(socket), certificate_->current());
    asio::co_spawn(
        context_, [self = shared_from_this(), connection] { return self->serve(connection); }, asio::detached);
  }

  asio::awaitable<void> serve(std::shared_ptr<TlsConnection> connection) {
    const auto self = shared_from_this();
    ++handshakes_;
    const bool agreed = co_await connection->shake_hands(options_.handshake_timeout);
    --handshakes_;
    if (!agreed || !acceptor_.is_open() || !connection->join(server_)) {
      connection->close();
      co_return;
    }
    asio::co_spawn(
        context_, [connection] { return connection->to_server(); }, asio::detached);
    co_await connection->to_client();
  }

  void look_again() {
    look_.expires_after(std::chrono::nanoseconds(options_.look_every.ns));
    look_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (self == nullptr || error || !self->acceptor_.is_open()) return;
      const Result<bool> changed = self->certificate_->reload_if_changed();
      if (!changed)
        log_error("the certificate in use stays: {}", to_string(changed.error()));
      else if (*changed)
        log_info("a new certificate is in use, valid until {}", format_rfc3339(self->certificate_->not_after()));
      self->look_again();
    });
  }

  asio::io_context& context_;
  const TlsListenerOptions options_;
  const std::shared_ptr<ServerCertificate> certificate_;
  Server& server_;
  tcp::acceptor acceptor_;
  asio::steady_timer look_;
  uint16_t port_ = 0;
  size_t handshakes_ = 0;
};

TlsListener::TlsListener(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsListener::~TlsListener() { impl_->close(); }
uint16_t TlsListener::port() const { return impl_->port(); }
void TlsListener::close() { impl_->close(); }

Result<std::unique_ptr<TlsListener>> TlsListener::listen(asio::io_context& context, TlsListenerOptions options,
                                                         std::shared_ptr<ServerCertificate> certificate,
                                                         Server& server) {
  auto impl = std::make_shared<Impl>(context, std::move(options), std::move(certificate), server);
  TANDEM_TRY(impl->listen());
  asio::co_spawn(
      context, [impl] { return impl->accept_connections(); }, asio::detached);
  return std::unique_ptr<TlsListener>(new TlsListener(std::move(impl)));
}

}  // namespace tandem::http
