#include "grid/text_format.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"
#include "base/time.h"
#include "grid/prefix.h"

namespace tandem::grid {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_hexadecimal(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_capital(char c) { return c >= 'A' && c <= 'Z'; }

auto wrong(std::string what_is_right) { return fail(ErrorCode::invalid_argument, std::move(what_is_right)); }

Result<std::string> canonical_address(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return wrong("write an IPv4 or IPv6 address, such as 10.0.0.1 or 2001:db8::1/64");
  const bool ipv4 = text.substr(0, slash).find(':') == std::string_view::npos;
  const std::string whole = to_string(Prefix{*address, 128});
  std::string canonical = whole.substr(0, whole.find('/'));
  if (slash == std::string_view::npos) return canonical;
  const auto length = parse_integer(text.substr(slash + 1));
  const int64_t length_max = ipv4 ? 32 : 128;
  if (!length || *length < 0 || *length > length_max)
    return wrong(fmt::format("the length of its network is a number from 0 to {}", length_max));
  return fmt::format("{}/{}", canonical, *length);
}

// "00-1B-44-11-3A-B7" and "001b.4411.3ab7" are written 00:1b:44:11:3a:b7.
Result<std::string> canonical_mac_address(std::string_view text) {
  std::string digits;
  for (const char c : to_lower(text)) {
    if (is_hexadecimal(c))
      digits += c;
    else if (c != ':' && c != '-' && c != '.')
      digits += '?';
  }
  if (digits.size() != 12 || digits.find('?') != std::string::npos)
    return wrong("write six pairs of hexadecimal digits, such as 00:1b:44:11:3a:b7");
  std::string canonical;
  for (size_t i = 0; i < digits.size(); i += 2) {
    if (i > 0) canonical += ':';
    canonical.append(digits, i, 2);
  }
  return canonical;
}

Result<std::string> canonical_date(std::string_view text) {
  const bool form = text.size() == 10 && text[4] == '-' && text[7] == '-';
  if (!form || !parse_rfc3339(fmt::format("{}T00:00:00Z", text))) return wrong("write a date such as 2026-11-21");
  return std::string(text);
}

bool is_canonical_mac_address(std::string_view text) {
  if (text.size() != 17) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i % 3 == 2 ? c != ':' : !(is_digit(c) || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

bool is_email(std::string_view text) {
  const size_t at = text.find('@');
  return at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
         text.find('@', at + 1) == std::string_view::npos && text.find(' ') == std::string_view::npos;
}

bool is_external_id(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) return false;
  return std::ranges::all_of(text.substr(0, colon),
                             [](char c) { return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == '-'; });
}

}  // namespace

Result<std::string> canonical_text(Format format, std::string_view text) {
  switch (format) {
    case Format::any: return std::string(text);
    case Format::jurisdiction:
    case Format::country:
      if (text.size() == 2 && is_capital(text[0]) && is_capital(text[1])) return std::string(text);
      return wrong("write an ISO 3166 alpha-2 code such as DE");
    case Format::sha256:
      if (const auto digest = digest_from_hex(text)) return to_hex(*digest);
      return wrong("write the 64 hexadecimal digits of a SHA-256");
    case Format::prefix: {
      TANDEM_ASSIGN(const Prefix prefix, parse_prefix(text));
      return to_string(prefix);
    }
    case Format::url:
      if (text.empty() || text.starts_with("http://") || text.starts_with("https://")) return std::string(text);
      return wrong("write http://host:port/path");
    case Format::address: return canonical_address(text);
    case Format::mac_address: return canonical_mac_address(text);
    case Format::date: return canonical_date(text);
    case Format::instant: {
      const auto instant = parse_rfc3339(text);
      if (instant) return format_rfc3339(*instant);
      return wrong("write a time such as 2026-11-21T08:16:00Z");
    }
    case Format::email:
      if (is_email(text)) return std::string(text);
      return wrong("write an address such as name@example.org");
    case Format::external_id:
      if (is_external_id(text)) return std::string(text);
      return wrong("write <system>:<id>, such as netbox:1234");
  }
  return wrong("write a text");
}

bool is_canonical_text(Format format, std::string_view text) {
  if (format == Format::any) return true;
  if (format == Format::mac_address) return is_canonical_mac_address(text);
  const auto canonical = canonical_text(format, text);
  return canonical && *canonical == text;
}

}  // namespace tandem::grid
