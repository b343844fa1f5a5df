#include "grid/prefix.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace tandem::grid {
namespace {

constexpr std::array<uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

bool is_mapped(const std::array<uint8_t, 16>& address) {
  return std::equal(kMapped.begin(), kMapped.end(), address.begin());
}

bool has_host_bits(const Prefix& prefix) {
  for (size_t bit = prefix.length; bit < 128; ++bit)
    if (prefix.address[bit / 8] & (0x80u >> (bit % 8))) return true;
  return false;
}

}  // namespace

Result<std::array<uint8_t, 16>> parse_address(std::string_view text) {
  std::array<uint8_t, 16> address{};
  const std::string terminated(text.substr(0, INET6_ADDRSTRLEN));
  if (text.size() < INET6_ADDRSTRLEN && text.find('\0') == std::string_view::npos) {
    if (inet_pton(AF_INET6, terminated.c_str(), address.data()) == 1) return address;
    std::copy(kMapped.begin(), kMapped.end(), address.begin());
    if (inet_pton(AF_INET, terminated.c_str(), address.data() + kMapped.size()) == 1) return address;
  }
  return fail(ErrorCode::invalid_argument, fmt::format("'{}' is no IPv4 or IPv6 address", terminated));
}

Result<Prefix> parse_prefix(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos)
    return fail(ErrorCode::invalid_argument, "a prefix is an address, '/' and a length, such as 10.1.0.0/16");
  Prefix prefix;
  TANDEM_ASSIGN(prefix.address, parse_address(text.substr(0, slash)));
  const bool ipv4 = text.substr(0, slash).find(':') == std::string_view::npos;
  const auto length = parse_integer(text.substr(slash + 1));
  const int64_t length_max = ipv4 ? 32 : 128;
  if (!length || *length < 0 || *length > length_max)
    return fail(ErrorCode::invalid_argument,
                fmt::format("the length of that prefix is a number from 0 to {}", length_max));
  prefix.length = static_cast<uint8_t>(*length + (ipv4 ? 96 : 0));
  if (has_host_bits(prefix))
    return fail(ErrorCode::invalid_argument, fmt::format("bits beyond the first {} must be zero", *length));
  return prefix;
}

std::string to_string(const Prefix& prefix) {
  char text[INET6_ADDRSTRLEN] = {};
  if (prefix.length >= 96 && is_mapped(prefix.address)) {
    inet_ntop(AF_INET, prefix.address.data() + kMapped.size(), text, sizeof text);
    return fmt::format("{}/{}", text, prefix.length - 96);
  }
  inet_ntop(AF_INET6, prefix.address.data(), text, sizeof text);
  return fmt::format("{}/{}", text, prefix.length);
}

}  // namespace tandem::grid
