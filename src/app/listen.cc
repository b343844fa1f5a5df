#include "app/listen.h"

#include <fmt/format.h>

#include "base/text.h"

namespace tandem::app {

Result<http::Endpoint> parse_listen(std::string_view text) {
  const size_t colon = text.rfind(':');
  const std::string_view port_text = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  std::string_view host = text.substr(0, colon);
  const auto port = parse_integer(port_text);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host.empty() || !port || *port < 0 || *port > 65'535)
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("'{}' is no place to listen; write an address and a port, as 127.0.0.1:8080", text.substr(0, 100)));
  return http::Endpoint{std::string(host), static_cast<uint16_t>(*port)};
}

}  // namespace tandem::app
