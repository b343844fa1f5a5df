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

// How many of the bytes no value may have, but for tabs: control characters and DEL.
size_t count_controls(std::string_view text) {
  using Bytes = uint8_t __attribute__((vector_size(16)));
  constexpr size_t kVectors = 255;  // as many as a byte counts
  size_t count = 0;
  while (text.size() >= sizeof(Bytes)) {
    Bytes found{};
    const size_t vectors = std::min(text.size() / sizeof(Bytes), kVectors);
    for (size_t i = 0; i < vectors; ++i) {
      Bytes bytes;
      std::memcpy(&bytes, text.data() + i * sizeof bytes, sizeof bytes);
      found -= (bytes < ' ') | (bytes == 127);
    }
    for (size_t i = 0; i < sizeof(Bytes); ++i) count += found[i];
    text.remove_prefix(vectors * sizeof(Bytes));
  }
  for (const char c : text) count += static_cast<size_t>(static_cast<uint8_t>(c) < ' ' || c == 127);
  return count;
}

// Of the lines of that many fields: no value has a control character, for all there are end a line.
bool have_plain_values(std::string_view lines, size_t fields) { return count_controls(lines) == 2 * fields; }

// Up to 16 bytes, no less than 8: true only where all are a-z, 0-9 or '-', as most names are; false says nothing.
bool are_word_characters(std::string_view text) {
  using Bytes = uint8_t __attribute__((vector_size(16)));
  constexpr size_t kHalf = sizeof(Bytes) / 2;
  Bytes bytes;  // the halves overlap
  std::memcpy(&bytes, text.data(), kHalf);
  std::memcpy(reinterpret_cast<char*>(&bytes) + kHalf, text.data() + text.size() - kHalf, kHalf);
  const auto outside = (bytes - 'a' > 'z' - 'a') & (bytes - '0' > '9' - '0') & (bytes != '-');
  uint64_t halves[2];
  std::memcpy(halves, &outside, sizeof halves);
  return (halves[0] | halves[1]) == 0;
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
  constexpr size_t kLeast = 8, kMost = 16;
  const size_t last = text.size() - std::min(text.size(), kMost);  // where the last bytes begin that go at once
  if (text.size() >= kLeast && text.size() <= 2 * kMost && are_word_characters(text.substr(0, kMost)) &&
      (last == 0 || are_word_characters(text.substr(last))))
    return true;
  return !text.empty() && all_in(text, kTokenCharacters);
}
bool is_target(std::string_view text) { return all_in(text, kTargetCharacters); }
bool is_host(std::string_view text) { return all_in(text, kHostCharacters); }

bool is_field_value(std::string_view text) { return all_in(text, kValueCharacters); }

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
  const bool are_plain = have_plain_values(lines, headers.size());
  if (are_plain && !headers.has_unknown_names()) {
    head.append(lines);
    return {};
  }
  size_t sent = 0;  // of them, up to a field that is left out
  size_t at = 0;
  for (const Header& field : headers) {
    const size_t end = at + Headers::line_size(field);
    if (is_framing_field(field) || is_named(field, own)) {
      head.append(lines.substr(sent, at - sent));
      sent = end;
    } else if (!is_token(field.name) || (!are_plain && !is_field_value(field.value))) {
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

namespace {

// Of one line: its name, checked, and its value, which is to be.
Parsed<Header> split_field_line(std::string_view line) {
  size_t colon = 0;
  while (colon < line.size() && kTokenCharacters[static_cast<unsigned char>(line[colon])]) ++colon;
  if (colon > 0 && colon < line.size() && line[colon] == ':')
    return Header{line.substr(0, colon), trim_blanks(line.substr(colon + 1))};
  if (!line.empty() && (line.front() == ' ' || line.front() == '\t')) return bad("a header line is folded");
  if (line.find(':') == std::string_view::npos) return bad("a header line has no colon");
  return bad("a header's name has a character that no name may have");
}

tl::unexpected<Refusal> bad_value() { return bad("a header's value has a control character"); }

}  // namespace

Parsed<Header> parse_field_line(std::string_view line) {
  const auto field = split_field_line(line);
  if (field && !is_field_value(field->value)) return bad_value();
  return field;
}

Parsed<void> parse_fields(std::string_view lines, const HeadLimits& limits, Headers& headers) {
  std::string_view rest = lines;
  for (size_t fields = 0;; ++fields) {
    const size_t end = rest.find("\r\n");
    if (end == std::string_view::npos) return bad("the headers have no end");
    if (end == 0) {
      if (have_plain_values(lines.substr(0, lines.size() - rest.size()), fields)) return {};
      break;
    }
    const auto field = split_field_line(rest.substr(0, end));
    if (!field) return tl::unexpected(field.error());
    if (headers.size() >= limits.fields_max || !headers.add(field->name, field->value)) {
      return tl::unexpected(Refusal{431, "headers_too_large", "there are more headers than this server takes"});
    }
    rest.remove_prefix(end + 2);
  }
  for (const Header& field : headers)
    if (!is_field_value(field.value)) return bad_value();
  return {};
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
