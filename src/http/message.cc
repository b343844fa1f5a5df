#include "http/message.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <cstring>
#include <type_traits>

#include "base/json.h"
#include "base/text.h"
#include "http/local_peer.h"

namespace tandem::http {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Percent-decoding, with `plus` as a space where it is one.
std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded.push_back(' ');
    } else if (text[i] != '%') {
      decoded.push_back(text[i]);
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
      decoded.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    }
  }
  return decoded;
}

// Copies what is most often a few dozen bytes, and returns where they end: a call would take longer than that.
char* put_text(char* to, std::string_view text) {
  const auto put_ends = [&]<size_t kHalf>(std::integral_constant<size_t, kHalf>) {  // which may overlap
    std::array<char, kHalf> first, last;
    std::memcpy(first.data(), text.data(), kHalf);
    std::memcpy(last.data(), text.data() + text.size() - kHalf, kHalf);
    std::memcpy(to, first.data(), kHalf);
    std::memcpy(to + text.size() - kHalf, last.data(), kHalf);
  };
  if (text.size() > 32)
    std::memcpy(to, text.data(), text.size());
  else if (text.size() >= 16)
    put_ends(std::integral_constant<size_t, 16>());
  else if (text.size() >= 8)
    put_ends(std::integral_constant<size_t, 8>());
  else if (text.size() >= 4)
    put_ends(std::integral_constant<size_t, 4>());
  else
    for (size_t i = 0; i < text.size(); ++i) to[i] = text[i];
  return to + text.size();
}

}  // namespace

Headers::Headers(std::initializer_list<Header> fields) {
  for (const Header& field : fields) add(field.name, field.value);
}

Headers& Headers::operator=(const Headers& other) {
  if (this == &other) return *this;
  clear();
  if (other.size_ > capacity_) grow(other.size_);
  std::copy_n(other.text_.get(), other.size_, text_.get());
  size_ = other.size_;
  has_unknown_names_ = other.has_unknown_names_;
  marks_ = other.marks_;
  fields_ = other.fields_;
  return *this;
}

void Headers::swap(Headers& other) noexcept {
  std::swap(text_, other.text_);
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
  std::swap(has_unknown_names_, other.has_unknown_names_);
  std::swap(marks_, other.marks_);
  fields_.swap(other.fields_);
}

void Headers::clear() {
  fields_.clear();
  size_ = 0;
  marks_ = 0;
  has_unknown_names_ = false;
}

// What is needed in all; a gateway's answers have 16 fields of 460 bytes.
void Headers::grow(size_t wanted) {
  constexpr size_t kBytesUsual = 576;
  constexpr size_t kFieldsUsual = 20;
  const size_t capacity = std::max({wanted, 2 * size_t{capacity_}, kBytesUsual});
  auto larger = std::make_unique_for_overwrite<char[]>(capacity);
  std::copy_n(text_.get(), size_, larger.get());
  text_ = std::move(larger);
  capacity_ = static_cast<uint32_t>(capacity);
  if (fields_.capacity() == 0) fields_.reserve(kFieldsUsual);
}

bool Headers::put(std::string_view name, std::string_view value) {
  const size_t line = line_size({name, value});
  if (fields_.size() >= kFieldsMax || name.size() > kBytesMax || value.size() > kBytesMax) return false;
  if (size_ + line > kBytesMax) return false;
  if (size_ + line > capacity_) grow(size_ + line);
  char* to = put_text(text_.get() + size_, name);
  to = std::copy_n(kColon.data(), kColon.size(), to);
  to = put_text(to, value);
  std::copy_n(kLineEnd.data(), kLineEnd.size(), to);
  fields_.push_back({size_, static_cast<uint32_t>(name.size()), static_cast<uint32_t>(value.size())});
  size_ += static_cast<uint32_t>(line);
  marks_ |= mark_of(name);
  return true;
}

bool Headers::set(std::string_view name, std::string_view value) {
  remove(name);
  return add(name, value);
}

void Headers::remove(std::string_view name) {
  if (!find(name)) return;
  Headers kept;
  for (const Header& field : *this)
    if (!iequals(field.name, name)) kept.add(field.name, field.value);
  *this = std::move(kept);
}

std::optional<std::string_view> Headers::search(std::string_view name) const {
  for (const Field& field : fields_)
    if (field.name_size == name.size() && iequals(name_of(field), name)) return value_of(field);
  return std::nullopt;
}

size_t Headers::count(std::string_view name) const {
  return static_cast<size_t>(std::count_if(fields_.begin(), fields_.end(), [&](const Field& field) {
    return field.name_size == name.size() && iequals(name_of(field), name);
  }));
}

std::string_view Headers::value_or(std::string_view name, std::string_view fallback) const {
  return find(name).value_or(fallback);
}

Headers content_type(std::string_view type) {
  constexpr FieldName kContentType("content-type");
  Headers headers;
  headers.add(kContentType, type);
  return headers;
}

Headers json_headers() { return content_type("application/json"); }

std::string to_string(const Endpoint& endpoint) {
  const bool is_ipv6 = endpoint.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

namespace {

// ":8080"
bool is_port(std::string_view text) {
  const bool are_digits = std::all_of(text.begin() + 1, text.end(), [](char c) { return c >= '0' && c <= '9'; });
  return text.front() == ':' && text.size() > 1 && text.size() <= 6 && are_digits;
}

bool names_loopback(std::string_view host) {
  for (const std::string_view usual : {"127.0.0.1", "localhost"})
    if (host.starts_with(usual) && (host.size() == usual.size() || is_port(host.substr(usual.size())))) return true;
  const Result<Endpoint> endpoint = parse_endpoint(host);
  if (!endpoint) return false;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(endpoint->host, error);
  return error ? iequals(endpoint->host, "localhost") : address.is_loopback();
}

// The headers by which proxies and the networks in front of them tell of themselves and of whom they speak for.
bool is_of_proxy(const Header& header) {
  const auto is = [&](std::string_view name) { return iequals(header.name, name); };
  const auto begins = [&](std::string_view name) { return iequals(header.name.substr(0, name.size()), name); };
  switch (header.name.empty() ? '\0' : header.name.front() | 0x20) {
    case 'c': return begins("cf-") || is("client-ip") || is("cdn-loop");
    case 'f': return is("forwarded") || begins("fastly-") || begins("fly-");
    case 't': return is("true-client-ip");
    case 'v': return is("via");
    case 'x':
      return begins("x-forwarded-") || is("x-real-ip") || is("x-client-ip") || is("x-cluster-client-ip") ||
             begins("x-original-") || begins("x-envoy-") || begins("x-azure-") || begins("x-amzn-");
    default: return false;
  }
}

}  // namespace

bool is_from_this_machine(const Request& request) {
  return request.local_peer != nullptr && !request.is_http_1_0 &&
         std::none_of(request.headers.begin(), request.headers.end(), is_of_proxy) &&
         names_loopback(request.headers.value_or("host", "localhost"));
}

bool is_of_trusted_user(const Request& request) {
  return is_from_this_machine(request) && request.local_peer->is_trusted();
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  const std::string whole(text);
  const auto wrong = [&] {
    return fail(ErrorCode::invalid_argument, "'" + whole + "' is no endpoint; write http://host:port");
  };
  if (text.starts_with("http://")) text.remove_prefix(7);
  if (text.ends_with('/')) text.remove_suffix(1);
  Endpoint endpoint;
  size_t host_end = text.find(':');
  if (text.starts_with('[')) {
    const size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return wrong();
    endpoint.host = text.substr(1, bracket - 1);
    host_end = bracket + 1;
  } else {
    endpoint.host = text.substr(0, host_end);
  }
  const std::string_view rest = host_end < text.size() ? text.substr(host_end) : std::string_view{};
  const bool host_is_plain = std::all_of(endpoint.host.begin(), endpoint.host.end(), [](unsigned char c) {
    return c > ' ' && c < 127 && std::string_view("/?#@[]\\").find(static_cast<char>(c)) == std::string_view::npos;
  });
  if (endpoint.host.empty() || endpoint.host.size() > 253 || !host_is_plain) return wrong();
  if (rest.empty()) return endpoint;
  const auto port = rest.front() == ':' ? parse_integer(rest.substr(1)) : std::nullopt;
  if (!port || *port < 1 || *port > 65'535) return wrong();
  endpoint.port = static_cast<uint16_t>(*port);
  return endpoint;
}

std::optional<std::string> percent_decode(std::string_view text) { return decode(text, false); }

std::string percent_encode(std::string_view text) {
  std::string encoded;
  for (const char byte : text) {
    const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                       std::string_view("-._~").find(byte) != std::string_view::npos;
    if (plain)
      encoded += byte;
    else
      encoded += fmt::format("%{:02X}", static_cast<uint8_t>(byte));
  }
  return encoded;
}

std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!query.empty() && pairs.size() < kQueryPairsMax) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    auto name = decode(pair.substr(0, equals), true);
    auto value = decode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (name && value) pairs.emplace_back(std::move(*name), std::move(*value));
  }
  return pairs;
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
  for (auto& [key, value] : parse_query(query)) {
    if (key == name) return std::move(value);
  }
  return std::nullopt;
}

std::string json_error_body(const Error& error) {
  const ErrorDescription& description = describe(error.code);
  std::string body = R"({"error":{"message":)";
  append_json_string(body, error.context.empty() ? error.message : error.message + " (" + error.context + ")");
  body.append(R"(,"type":)");
  append_json_string(body, description.openai_type);
  body.append(R"(,"param":null,"code":)");
  append_json_string(body, description.name);
  body.append("}}");
  return body;
}

std::string_view reason_phrase(int status) {
  struct Phrase {
    int status;
    std::string_view text;
  };
  static constexpr std::array kPhrases{
      Phrase{200, "OK"},
      Phrase{201, "Created"},
      Phrase{202, "Accepted"},
      Phrase{204, "No Content"},
      Phrase{206, "Partial Content"},
      Phrase{301, "Moved Permanently"},
      Phrase{302, "Found"},
      Phrase{303, "See Other"},
      Phrase{304, "Not Modified"},
      Phrase{307, "Temporary Redirect"},
      Phrase{308, "Permanent Redirect"},
      Phrase{400, "Bad Request"},
      Phrase{401, "Unauthorized"},
      Phrase{403, "Forbidden"},
      Phrase{404, "Not Found"},
      Phrase{405, "Method Not Allowed"},
      Phrase{406, "Not Acceptable"},
      Phrase{408, "Request Timeout"},
      Phrase{409, "Conflict"},
      Phrase{410, "Gone"},
      Phrase{412, "Precondition Failed"},
      Phrase{413, "Content Too Large"},
      Phrase{415, "Unsupported Media Type"},
      Phrase{417, "Expectation Failed"},
      Phrase{422, "Unprocessable Content"},
      Phrase{429, "Too Many Requests"},
      Phrase{431, "Request Header Fields Too Large"},
      Phrase{499, "Client Closed Request"},
      Phrase{500, "Internal Server Error"},
      Phrase{501, "Not Implemented"},
      Phrase{502, "Bad Gateway"},
      Phrase{503, "Service Unavailable"},
      Phrase{504, "Gateway Timeout"},
      Phrase{505, "HTTP Version Not Supported"},
  };
  const auto* const found = std::find_if(kPhrases.begin(), kPhrases.end(),
                                         [status](const Phrase& phrase) { return phrase.status == status; });
  return found == kPhrases.end() ? "Unknown" : found->text;
}

}  // namespace tandem::http
