// Reads JSON that is as plain as nearly all of it is, in one pass and without building anything, for what is read of
// every request. It gives up at whatever is rare (\u escapes, exponents, numbers of more than 18 digits, names with
// escapes, nesting beyond kDepthMax) as at whatever is wrong: then simdjson tells which it is. What it reads to the end
// is valid JSON (RFC 8259) in valid UTF-8. Internal.
//
// Each function reads one thing at the place reached, with the white space before it, and says whether it did; after a
// false nothing more can be read.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/text.h"

namespace tandem::gateway {

// Whether a name is that one, without a call.
template <size_t kSize>
bool is(std::string_view name, const char (&literal)[kSize]) {
  return name.size() == kSize - 1 && std::memcmp(name.data(), literal, kSize - 1) == 0;
}

class PlainJson {
 public:
  static constexpr size_t kDepthMax = 32;  // real bodies nest about eight deep

  explicit PlainJson(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  // The next value's first character; 0 at the end.
  [[gnu::always_inline]] char peek() {
    while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) ++at_;
    return at_ < end_ ? *at_ : '\0';
  }
  bool at_end() { return peek() == '\0' && at_ == end_; }

  struct String {
    std::string_view raw;  // between the quotes
    size_t bytes = 0;      // of its text; fewer than raw has where there are escapes
    bool has_escapes() const { return bytes < raw.size(); }
  };
  bool read(String& string);
  // A whole number, 0 to 10¹⁸ − 1.
  bool read(uint64_t& number);
  bool read(bool& flag);
  bool read_null() { return peek() == 'n' && literal("null"); }

  // `member(name)` reads the member's value.
  template <class Member>
  bool read_members(Member member);
  // `item()` reads the item.
  template <class Item>
  bool read_items(Item item);

  bool skip();  // any value

 private:
  static_assert(std::endian::native == std::endian::little);

  bool literal(std::string_view text) {
    if (!std::string_view(at_, static_cast<size_t>(end_ - at_)).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  [[gnu::always_inline]] bool take(char c) { return peek() == c ? (++at_, true) : false; }
  size_t take_digits() {
    const char* const begin = at_;
    while (at_ < end_ && *at_ >= '0' && *at_ <= '9') ++at_;
    return static_cast<size_t>(at_ - begin);
  }
  bool skip_number();
  void pass_ordinary();

  const char* at_;
  const char* end_;
  size_t depth_ = 0;
};

// To the next byte of a string that is not simply a part of its text: a quote, an escape, a control character, one that
// is not ASCII. The last two are those below a space, where bytes are signed.
inline void PlainJson::pass_ordinary() {
  using Bytes = int8_t __attribute__((vector_size(16)));
  while (static_cast<size_t>(end_ - at_) >= sizeof(Bytes)) {
    Bytes bytes;
    std::memcpy(&bytes, at_, sizeof bytes);
    const auto special = (bytes == '"') | (bytes == '\\') | (bytes < ' ');
    uint64_t halves[2];
    std::memcpy(halves, &special, sizeof halves);
    if (halves[0] != 0) {
      at_ += std::countr_zero(halves[0]) / 8;
      return;
    }
    if (halves[1] != 0) {
      at_ += 8 + std::countr_zero(halves[1]) / 8;
      return;
    }
    at_ += sizeof(Bytes);
  }
  for (; at_ < end_; ++at_) {
    const auto byte = static_cast<signed char>(*at_);
    if (byte == '"' || byte == '\\' || byte < ' ') return;
  }
}

inline bool PlainJson::read(String& string) {
  if (!take('"')) return false;
  const char* const begin = at_;
  size_t escapes = 0;
  bool is_ascii = true;
  for (;;) {
    pass_ordinary();
    if (at_ == end_) return false;
    if (*at_ == '"') break;
    if (*at_ == '\\') {
      if (end_ - at_ < 2 || std::string_view("\"\\/bfnrt").find(at_[1]) == std::string_view::npos) return false;
      at_ += 2;
      ++escapes;
    } else if (static_cast<unsigned char>(*at_) >= 0x80) {
      is_ascii = false;
      while (at_ < end_ && static_cast<unsigned char>(*at_) >= 0x80) ++at_;
    } else {
      return false;
    }
  }
  string.raw = {begin, static_cast<size_t>(at_ - begin)};
  string.bytes = string.raw.size() - escapes;
  ++at_;
  return is_ascii || is_utf8(string.raw);
}

inline bool PlainJson::read(uint64_t& number) {
  constexpr size_t kDigitsMax = 18;
  if (peek() == '\0') return false;
  const char* const begin = at_;
  const size_t digits = take_digits();
  if (digits == 0 || digits > kDigitsMax || (digits > 1 && *begin == '0')) return false;
  if (at_ < end_ && (*at_ == '.' || *at_ == 'e' || *at_ == 'E')) return false;
  number = 0;
  for (const char* digit = begin; digit < at_; ++digit) number = number * 10 + static_cast<uint64_t>(*digit - '0');
  return true;
}

inline bool PlainJson::read(bool& flag) {
  flag = peek() == 't';
  return literal(flag ? "true" : "false");
}

inline bool PlainJson::skip_number() {
  constexpr size_t kDigitsMax = 18;
  if (*at_ == '-') ++at_;
  const bool begins_with_zero = at_ < end_ && *at_ == '0';
  const size_t digits = take_digits();
  if (digits == 0 || digits > kDigitsMax || (begins_with_zero && digits > 1)) return false;
  if (at_ == end_ || *at_ != '.') return at_ == end_ || (*at_ != 'e' && *at_ != 'E');
  ++at_;
  const size_t decimals = take_digits();
  return decimals > 0 && decimals <= kDigitsMax && (at_ == end_ || (*at_ != 'e' && *at_ != 'E'));
}

template <class Member>
bool PlainJson::read_members(Member member) {
  if (!take('{') || ++depth_ > kDepthMax) return false;
  if (!take('}')) {
    do {
      String name;
      if (!read(name) || name.has_escapes() || !take(':') || !member(name.raw)) return false;
    } while (take(','));
    if (!take('}')) return false;
  }
  --depth_;
  return true;
}

template <class Item>
bool PlainJson::read_items(Item item) {
  if (!take('[') || ++depth_ > kDepthMax) return false;
  if (!take(']')) {
    do {
      if (!item()) return false;
    } while (take(','));
    if (!take(']')) return false;
  }
  --depth_;
  return true;
}

inline bool PlainJson::skip() {
  String string;
  bool flag = false;
  switch (peek()) {
    case '"': return read(string);
    case '{': return read_members([this](std::string_view) { return skip(); });
    case '[': return read_items([this] { return skip(); });
    case 't':
    case 'f': return read(flag);
    case 'n': return literal("null");
    case '\0': return false;
    default: return skip_number();
  }
}

}  // namespace tandem::gateway
