#include "http/head.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"

namespace tandem::http {
namespace {

using CharacterSet = std::array<bool, 256>;

constexpr CharacterSet make_token_characters() {
  CharacterSet set{};
  for (char c = '0'; c <= '9'; ++c) set[static_cast<unsigned char>(c)] = true;
  for (char c = 'a'; c <= 'z'; ++c) set[static_cast<unsigned char>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) set[static_cast<unsigned char>(c)] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) set[static_cast<unsigned char>(c)] = true;
  return set;
}

constexpr CharacterSet make_value_characters() {
  CharacterSet set{};
  for (size_t c = ' '; c < 256; ++c) set[c] = c != 127;
  set['\t'] = true;
  return set;
}

// RFC 3986 allows fewer, but browsers send some of the others as they are; none of them can end a line or a target.
constexpr CharacterSet make_target_characters() {
  CharacterSet set{};
  for (size_t c = ' ' + 1; c < 127; ++c) set[c] = true;
  for (const char c : std::string_view("#\"<>")) set[static_cast<unsigned char>(c)] = false;
  return set;
}

constexpr CharacterSet make_host_characters() {
  CharacterSet set = make_token_characters();
  for (const char c : std::string_view(":[]();=,")) set[static_cast<unsigned char>(c)] = true;
  return set;
}

constexpr CharacterSet kTokenCharacters = make_token_characters();
constexpr CharacterSet kValueCharacters = make_value_characters();
constexpr CharacterSet kTargetCharacters = make_target_characters();
constexpr CharacterSet kHostCharacters = make_host_characters();

bool all_in(std::string_view text, const CharacterSet& set) {
  return std::all_of(text.begin(), text.end(), [&set](char c) { return set[static_cast<unsigned char>(c)]; });
}

constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kHighs = 0x80 * kOnes;

// Eight bytes at once: true only where all are such characters; false says nothing. Objects, not functions: they become
// part of the loop they are given to.
constexpr auto kAreWordCharacters = [](uint64_t bytes) {  // a-z, 0-9 and '-', as most names have them
  const auto within = [bytes](uint64_t low, uint64_t high) {
    return (bytes + (0x80 - low) * kOnes) & ~(bytes + (0x7F - high) * kOnes);
  };
  const uint64_t in_one = within('a', 'z') | within('0', '9') | within('-', '-');
  return (bytes & kHighs) == 0 && (in_one & kHighs) == kHighs;
};

constexpr auto kAreValueCharacters = [](uint64_t bytes) {  // no control character and no DEL
  const uint64_t below_space = (bytes - 0x20 * kOnes) & ~bytes;
  const uint64_t from_del = bytes ^ (0x7F * kOnes);
  return ((below_space | ((from_del - kOnes) & ~from_del)) & kHighs) == 0;
};

// The last eight bytes overlap those before them: nothing is left over but short texts.
template <class Test>
bool all_in_eights(std::string_view text, Test test, const CharacterSet& set) {
  constexpr size_t kEight = sizeof(uint64_t);
  if (text.size() < kEight) return all_in(text, set);
  for (size_t at = 0; at < text.size(); at += kEight) {
    const char* const part = text.data() + std::min(at, text.size() - kEight);
    uint64_t bytes = 0;
    std::memcpy(&bytes, part, kEight);
    if (!test(bytes) && !all_in({part, kEight}, set)) return false;
  }
  return true;
}

tl::unexpected<Refusal> bad(std::string_view message) { return tl::unexpected(Refusal{400, "bad_request", message}); }

std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// 1*DIGIT that fits with room to spare: 19 digits.
std::optional<uint64_t> parse_length(std::string_view text) {
  if (text.empty() || text.size() > 19) return std::nullopt;
  uint64_t length = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    length = length * 10 + static_cast<uint64_t>(c - '0');
  }
  return length;
}

}  // namespace

bool is_token(std::string_view text) {
  return !text.empty() && all_in_eights(text, kAreWordCharacters, kTokenCharacters);
}
bool is_target(std::string_view text) { return all_in(text, kTargetCharacters); }
bool is_host(std::string_view text) { return all_in(text, kHostCharacters); }

bool is_field_value(std::string_view text) { return all_in_eights(text, kAreValueCharacters, kValueCharacters); }

bool is_framing_field(const Header& field) {
  switch (field.name.size()) {
    case 10: return iequals(field.name, "connection") || iequals(field.name, "keep-alive");
    case 14: return iequals(field.name, "content-length");
    case 17: return iequals(field.name, "transfer-encoding");
    default: return false;
  }
}

Result<void> append_fields(const Headers& headers, std::string_view own, std::string& head) {
  const std::string_view lines = headers.lines();
  size_t sent = 0;  // of them, up to a field that is left out
  size_t at = 0;
  for (const Header& field : headers) {
    const size_t end = at + Headers::line_size(field);
    if (is_framing_field(field) || is_named(field, own)) {
      head.append(lines.substr(sent, at - sent));
      sent = end;
    } else if (!is_token(field.name) || !is_field_value(field.value)) {
      return fail(ErrorCode::invalid_argument, "the header '" + std::string(field.name) + "' cannot be sent");
    }
    at = end;
  }
  head.append(lines.substr(sent));
  return {};
}

Parsed<std::optional<size_t>> find_head_end(std::string_view bytes, size_t& checked, const HeadLimits& limits) {
  // `checked` is the start of a line: everything before it is whole lines.
  while (checked < bytes.size()) {
    const void* const found = std::memchr(bytes.data() + checked, '\n', bytes.size() - checked);
    if (found == nullptr) break;
    const auto line_feed = static_cast<size_t>(static_cast<const char*>(found) - bytes.data());
    if (line_feed == checked || bytes[line_feed - 1] != '\r') return bad("a line ends without CR before its LF");
    const bool is_blank = line_feed == checked + 1;
    checked = line_feed + 1;
    if (checked > limits.bytes_max) break;
    if (is_blank) return std::optional<size_t>(checked);
  }
  if (bytes.size() >= limits.bytes_max) {
    return tl::unexpected(
        Refusal{431, "headers_too_large", "the request line and headers are larger than this server takes"});
  }
  return std::optional<size_t>();
}

Parsed<Header> parse_field_line(std::string_view line) {
  if (!line.empty() && (line.front() == ' ' || line.front() == '\t')) return bad("a header line is folded");
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return bad("a header line has no colon");
  const Header field{line.substr(0, colon), trim_blanks(line.substr(colon + 1))};
  if (!is_token(field.name)) return bad("a header's name has a character that no name may have");
  if (!is_field_value(field.value)) return bad("a header's value has a control character");
  return field;
}

Parsed<void> parse_fields(std::string_view lines, const HeadLimits& limits, Headers& headers) {
  for (;;) {
    const size_t end = lines.find("\r\n");
    if (end == std::string_view::npos) return bad("the headers have no end");
    if (end == 0) return {};
    const auto field = parse_field_line(lines.substr(0, end));
    if (!field) return tl::unexpected(field.error());
    if (headers.size() >= limits.fields_max || !headers.add(field->name, field->value)) {
      return tl::unexpected(Refusal{431, "headers_too_large", "there are more headers than this server takes"});
    }
    lines.remove_prefix(end + 2);
  }
}

Parsed<BodyFraming> parse_framing(const Headers& headers, bool is_http_1_0) {
  const auto length = headers.find("content-length");
  const auto encoding = headers.find("transfer-encoding");
  BodyFraming framing;
  if (length) {
    const auto bytes = parse_length(*length);
    if (!bytes) return bad("content-length is not a whole number of bytes");
    if (headers.count("content-length") > 1) return bad("content-length is given more than once");
    framing = {BodyKind::length, *bytes};
  }
  if (!encoding) return framing;
  if (headers.count("transfer-encoding") > 1) return bad("transfer-encoding is given more than once");
  if (!iequals(*encoding, "chunked")) return bad("transfer-encoding may only be chunked");
  if (length) return bad("content-length and transfer-encoding are both given");
  if (is_http_1_0) return bad("transfer-encoding came with HTTP/1.0");
  return BodyFraming{BodyKind::chunked, 0};
}

bool keeps_alive(const Headers& headers, bool is_http_1_0) {
  bool keep_alive = !is_http_1_0;
  if (!headers.find("connection")) return keep_alive;
  for (const Header& field : headers) {
    if (!is_named(field, "connection")) continue;
    for (const std::string_view option : split(field.value, ',')) {
      if (iequals(trim(option), "close")) return false;
      if (iequals(trim(option), "keep-alive")) keep_alive = true;
    }
  }
  return keep_alive;
}

}  // namespace tandem::http
