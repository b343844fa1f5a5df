#include "api/webhook_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "api/webhook.h"
#include "base/text.h"

namespace tandem::api {

namespace asio = boost::asio;

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

}  // namespace

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

}  // namespace tandem::api
