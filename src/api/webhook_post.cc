#include "api/webhook_post.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <chrono>
#include <optional>

#include "api/webhook.h"
#include "base/text.h"

namespace tandem::api {

namespace asio = boost::asio;
namespace beast = boost::beast;
using tcp = asio::ip::tcp;

namespace {

tl::unexpected<Error> wrong(std::string message) {
  return fail(ErrorCode::invalid_argument, std::move(message), "url");
}

bool is_host_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

// The machine itself by name or literal, so that no name server has a say in it.
bool is_loopback(std::string_view host) {
  if (iequals(host, "localhost")) return true;
  boost::system::error_code error;
  const asio::ip::address address = asio::ip::make_address(std::string(host), error);
  return !error && address.is_loopback();
}

// "host:port" or "[literal]:port" into the address.
Result<void> read_authority(std::string_view text, WebhookAddress& address) {
  const bool is_literal = text.starts_with('[');
  const size_t close = is_literal ? text.find(']') : 0;
  if (close == std::string_view::npos) return wrong("an IPv6 address stands in square brackets");
  const size_t colon = text.find(':', close);
  address.host = is_literal ? text.substr(1, close - 1) : text.substr(0, colon);
  if (is_literal) {
    boost::system::error_code error;
    asio::ip::make_address_v6(address.host, error);
    if (error || (close + 1 < text.size() && text[close + 1] != ':'))
      return wrong("what stands in square brackets is no IPv6 address");
  } else if (address.host.empty() || address.host.size() > 253 || !std::ranges::all_of(address.host, is_host_byte)) {
    return wrong("the URL names no host; write https://host/path");
  }
  address.port = address.is_tls ? 443 : 80;
  if (colon == std::string_view::npos) return {};
  const auto port = parse_integer(text.substr(colon + 1));
  if (!port || *port < 1 || *port > 65'535) return wrong("a port is 1 to 65535");
  address.port = static_cast<uint16_t>(*port);
  return {};
}

ErrorCode code_of(const boost::system::error_code& error) {
  if (error == beast::error::timeout) return ErrorCode::deadline_exceeded;
  return error.category() == beast::http::make_error_code(beast::http::error::bad_line_ending).category() &&
                 error != beast::http::error::end_of_stream && error != beast::http::error::partial_message
             ? ErrorCode::corrupt
             : ErrorCode::unavailable;
}

tl::unexpected<Error> failed(std::string_view doing, const boost::system::error_code& error) {
  return fail(code_of(error), fmt::format("{}: {}", doing, error.message()));
}

// Why the handshake failed, and, where it was for the certificate, what would be right.
tl::unexpected<Error> handshake_failed(long verified, const std::string& host, const boost::system::error_code& error) {
  if (verified == X509_V_OK) return failed("the TLS handshake", error);
  if (verified == X509_V_ERR_HOSTNAME_MISMATCH || verified == X509_V_ERR_IP_ADDRESS_MISMATCH)
    return fail(ErrorCode::unavailable,
                fmt::format("the certificate is not for '{}': register the name that it is for", host));
  const bool unknown =
      verified == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY || verified == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
      verified == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT || verified == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
  return fail(ErrorCode::unavailable,
              fmt::format("the certificate of '{}' is not trusted: {}{}", host, X509_verify_cert_error_string(verified),
                          unknown ? "; its authority can be named with `tandem up --webhook-ca FILE`" : ""));
}

}  // namespace

Result<void> check_authorities(const std::filesystem::path& file) {
  asio::ssl::context context(asio::ssl::context::tls_client);
  boost::system::error_code error;
  context.load_verify_file(file.string(), error);
  if (!error) return {};
  return fail(ErrorCode::invalid_argument,
              fmt::format("no certificate authority can be read from it ({}); give a PEM file", error.message()),
              file.string());
}

Result<WebhookAddress> parse_webhook_url(std::string_view url) {
  if (url.size() > Webhook::kUrlBytesMax)
    return wrong(fmt::format("a URL has at most {} bytes", Webhook::kUrlBytesMax));
  if (!std::ranges::all_of(url, [](char c) { return c > 0x20 && c < 0x7f; }))
    return wrong("a URL is printable ASCII; encode the rest with %");
  WebhookAddress address;
  address.is_tls = url.starts_with("https://");
  if (!address.is_tls && !url.starts_with("http://"))
    return wrong("a webhook's URL begins with https:// (or http:// for this machine itself)");
  std::string_view rest = url.substr(url.find("//") + 2);
  if (rest.find_first_of("@#\\") != std::string_view::npos)
    return wrong("a webhook's URL has no user, no fragment and no backslash");
  const size_t end = rest.find_first_of("/?");
  TANDEM_TRY(read_authority(rest.substr(0, end), address));
  if (!address.is_tls && !is_loopback(address.host))
    return wrong("without https only this machine itself is reached: use https:// for other hosts");
  rest = end == std::string_view::npos ? std::string_view("/") : rest.substr(end);
  address.target = rest.starts_with('?') ? fmt::format("/{}", rest) : std::string(rest);
  return address;
}

struct WebhookConnection::Streams {
  explicit Streams(asio::any_io_executor executor) : resolver(executor), plain(executor) {}

  tcp::resolver resolver;
  beast::tcp_stream plain;  // and what TLS runs over
  asio::ssl::context tls{asio::ssl::context::tls_client};
  std::optional<asio::ssl::stream<beast::tcp_stream&>> secure;
  beast::flat_buffer buffer;
  bool is_used = false;  // a request has been answered on it
};

WebhookConnection::WebhookConnection(asio::any_io_executor executor, WebhookAddress address, Duration timeout,
                                     std::filesystem::path authorities)
    : executor_(std::move(executor)),
      address_(std::move(address)),
      timeout_(timeout),
      authorities_(std::move(authorities)) {}
WebhookConnection::~WebhookConnection() = default;

void WebhookConnection::cancel() {
  cancelled_ = true;
  if (!streams_) return;
  streams_->resolver.cancel();
  boost::system::error_code ignored;
  streams_->plain.socket().close(ignored);
}

asio::awaitable<Result<void>> WebhookConnection::connect() {
  streams_ = std::make_unique<Streams>(executor_);
  boost::system::error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  auto found = co_await streams_->resolver.async_resolve(address_.host, std::to_string(address_.port), token);
  if (error) co_return failed("finding " + address_.host, error);
  std::vector<tcp::endpoint> endpoints;
  for (const auto& entry : found)
    if (address_.is_tls || entry.endpoint().address().is_loopback()) endpoints.push_back(entry.endpoint());
  if (endpoints.empty()) co_return fail(ErrorCode::unavailable, address_.host + " is not this machine");
  streams_->plain.expires_after(std::chrono::nanoseconds(timeout_.ns));
  co_await streams_->plain.async_connect(endpoints, token);
  if (error) co_return failed("connecting", error);
  if (!address_.is_tls) co_return Result<void>();
  if (auto prepared = prepare_tls(); !prepared) co_return prepared;
  co_await streams_->secure->async_handshake(asio::ssl::stream_base::client, token);
  if (error) co_return handshake_failed(SSL_get_verify_result(streams_->secure->native_handle()), address_.host, error);
  co_return Result<void>();
}

// What is trusted, and whose certificate it must be.
Result<void> WebhookConnection::prepare_tls() {
  boost::system::error_code error;
  streams_->tls.set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1, error);
  streams_->tls.set_default_verify_paths(error);
  if (error) return failed("reading the system's certificate authorities", error);
  if (!authorities_.empty()) streams_->tls.load_verify_file(authorities_.string(), error);
  if (error) return failed(fmt::format("reading certificate authorities from '{}'", authorities_.string()), error);
  streams_->secure.emplace(streams_->plain, streams_->tls);
  streams_->secure->set_verify_mode(asio::ssl::verify_peer);
  SSL* ssl = streams_->secure->native_handle();
  boost::system::error_code no_literal;
  asio::ip::make_address(address_.host, no_literal);
  const bool named =
      no_literal ? SSL_set1_host(ssl, address_.host.c_str()) == 1 &&
                       // (What the macro SSL_set_tlsext_host_name does, without its cast.)
                       SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, address_.host.data()) == 1
                 : X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), address_.host.c_str()) == 1;
  if (!named) return fail(ErrorCode::internal, "the host's name cannot be checked with TLS");
  return {};
}

asio::awaitable<Result<int>> WebhookConnection::exchange(const Fields& fields, const std::string& body) {
  beast::http::request<beast::http::string_body> request(beast::http::verb::post, address_.target, 11);
  const bool is_literal = address_.host.find(':') != std::string::npos;
  request.set(beast::http::field::host,
              fmt::format("{}:{}", is_literal ? "[" + address_.host + "]" : address_.host, address_.port));
  for (const auto& [name, value] : fields) request.set(name, value);
  request.body() = body;
  request.prepare_payload();
  beast::http::response_parser<beast::http::string_body> parser;
  parser.body_limit(kAnswerBytesMax);
  boost::system::error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  streams_->plain.expires_after(std::chrono::nanoseconds(timeout_.ns));
  if (streams_->secure) {
    co_await beast::http::async_write(*streams_->secure, request, token);
    if (!error) co_await beast::http::async_read(*streams_->secure, streams_->buffer, parser, token);
  } else {
    co_await beast::http::async_write(streams_->plain, request, token);
    if (!error) co_await beast::http::async_read(streams_->plain, streams_->buffer, parser, token);
  }
  if (error) co_return failed("the request", error);
  streams_->is_used = true;
  const int status = static_cast<int>(parser.get().result_int());
  if (!parser.get().keep_alive()) streams_.reset();
  co_return status;
}

asio::awaitable<Result<int>> WebhookConnection::attempt(const Fields& fields, const std::string& body) {
  if (!streams_) {
    auto connected = co_await connect();
    if (!connected) {
      streams_.reset();
      co_return tl::unexpected(connected.error());
    }
  }
  auto status = co_await exchange(fields, body);
  if (!status) streams_.reset();
  co_return status;
}

asio::awaitable<Result<int>> WebhookConnection::post(const Fields& fields, const std::string& body) {
  const bool was_used = streams_ && streams_->is_used;
  auto status = co_await attempt(fields, body);
  // The receiver closed a kept connection between two deliveries: that is no failure of this one.
  const bool again = !status && was_used && !cancelled_ && status.error().code == ErrorCode::unavailable;
  if (again) status = co_await attempt(fields, body);
  co_return status;
}

}  // namespace tandem::api
