// Varints, texts and doubles to bytes and back. Internal to `series`.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"

namespace tandem::series {

class Encoder {
 public:
  void byte(uint8_t value) { out_ += static_cast<char>(value); }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) byte(static_cast<uint8_t>(value | 0x80));
    byte(static_cast<uint8_t>(value));
  }
  void fixed(uint64_t value) {
    for (int i = 0; i < 8; ++i) byte(static_cast<uint8_t>(value >> (8 * i)));
  }
  void number(double value) { fixed(std::bit_cast<uint64_t>(value)); }
  void text(std::string_view text) {
    varint(text.size());
    out_ += text;
  }
  // From one instant to the next, in zigzag form; differences wrap, so any two instants will do.
  void difference(int64_t from, int64_t to) {
    const uint64_t step = static_cast<uint64_t>(to) - static_cast<uint64_t>(from);
    varint(step << 1 ^ (0 - (step >> 63)));
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

// Reads what Encoder wrote, from any bytes. The first thing that is wrong makes it fail for good: from then on it gives
// zeros and empty texts, and `done` is false.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : in_(bytes) {}

  bool good() const { return good_; }
  bool done() const { return good_ && in_.empty(); }
  void refuse() {
    good_ = false;
    in_ = {};
  }
  std::string_view rest() const { return in_; }

  uint8_t byte() {
    if (in_.empty()) return refuse(), uint8_t{0};
    const auto value = static_cast<uint8_t>(in_.front());
    in_.remove_prefix(1);
    return value;
  }
  uint64_t varint(uint64_t largest = UINT64_MAX) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t part = byte();
      if (shift == 63 && part > 1) break;
      value |= uint64_t{part & 0x7fu} << shift;
      if (part < 0x80) {
        if (value <= largest) return value;
        break;
      }
    }
    return refuse(), uint64_t{0};
  }
  uint64_t fixed() {
    uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value |= uint64_t{byte()} << (8 * i);
    return value;
  }
  double number() { return std::bit_cast<double>(fixed()); }
  std::string_view text(size_t bytes_max) {
    const size_t size = varint(bytes_max);
    if (size > in_.size() || !is_utf8(in_.substr(0, size))) return refuse(), std::string_view{};
    const std::string_view text = in_.substr(0, size);
    in_.remove_prefix(size);
    return text;
  }
  // How many things follow: each takes at least a byte, so that no count makes us reserve more than was sent.
  size_t count(size_t most) {
    const uint64_t count = varint(most);
    if (count > in_.size()) return refuse(), size_t{0};
    return count;
  }
  template <class T, class Read>
  void column(std::vector<T>& out, size_t size, Read read) {
    if (!good_) return;
    if (out.empty()) out.reserve(size);  // else it grows by itself: exact steps would copy it each time
    for (size_t i = 0; i < size && good_; ++i) out.push_back(read());
  }
  void times(std::vector<int64_t>& out, size_t size) {
    uint64_t at = 0;
    column(out, size, [&] {
      const uint64_t step = varint();
      at += step >> 1 ^ (0 - (step & 1));
      return static_cast<int64_t>(at);
    });
  }

 private:
  std::string_view in_;
  bool good_ = true;
};

}  // namespace tandem::series
