#include "http/body_decoder.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace tandem::http {
namespace {

constexpr std::array<int8_t, 256> make_hex_values() {
  std::array<int8_t, 256> values{};
  for (int8_t& value : values) value = -1;
  for (int8_t i = 0; i < 10; ++i) values[static_cast<size_t>('0' + i)] = i;
  for (int8_t i = 10; i < 16; ++i)
    values[static_cast<size_t>('a' + i - 10)] = values[static_cast<size_t>('A' + i - 10)] = i;
  return values;
}
constexpr std::array<int8_t, 256> kHexValues = make_hex_values();

int hex_value(char c) { return kHexValues[static_cast<unsigned char>(c)]; }

}  // namespace

BodyDecoder::BodyDecoder(BodyFraming framing) : remaining_(framing.length) {
  switch (framing.kind) {
    case BodyKind::none: state_ = State::done; break;
    case BodyKind::length: state_ = framing.length == 0 ? State::done : State::length; break;
    case BodyKind::chunked: state_ = State::chunk_size; break;
    case BodyKind::until_close: state_ = State::until_close; break;
  }
}

BodyDecoder::Step BodyDecoder::next(std::string_view bytes) {
  size_t taken = 0;
  while (taken < bytes.size()) {
    switch (state_) {
      case State::done:
      case State::malformed: return {taken, {}};
      case State::until_close: return {bytes.size(), bytes.substr(taken)};
      case State::length:
      case State::chunk_data: {
        const auto count = static_cast<size_t>(std::min<uint64_t>(remaining_, bytes.size() - taken));
        remaining_ -= count;
        if (remaining_ == 0) state_ = state_ == State::length ? State::done : State::chunk_data_cr;
        return {taken + count, bytes.substr(taken, count)};
      }
      default: taken += take_framing(bytes.substr(taken)); break;
    }
  }
  return {taken, {}};
}

// Of `bytes`, not empty: the end of a chunk and the next one's size line in one step where they are there whole, else
// one byte.
size_t BodyDecoder::take_framing(std::string_view bytes) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  const auto ends_line = [&] { return end - at >= 2 && at[0] == '\r' && at[1] == '\n'; };
  const auto taken = [&] { return static_cast<size_t>(at - bytes.data()); };
  if (state_ == State::chunk_data_cr && ends_line()) {
    state_ = State::chunk_size;
    at += 2;
  }
  if (state_ == State::chunk_size && digits_ == 0) {
    const char* const line = at;
    const char* const longest = line + std::min<ptrdiff_t>(end - line, kSizeDigitsMax);
    uint64_t size = 0;
    for (int value = 0; at < longest && (value = hex_value(*at)) >= 0; ++at)
      size = size * 16 + static_cast<uint64_t>(value);
    if (at > line && ends_line()) {
      at += 2;
      remaining_ = size;
      dropped_bytes_ = 0;
      state_ = size == 0 ? State::trailer : State::chunk_data;
      return taken();
    }
    at = line;
  }
  if (at != bytes.data()) return taken();
  take_framing_byte(*at);
  return 1;
}

void BodyDecoder::take_framing_byte(char c) {
  switch (state_) {
    case State::chunk_size: take_size_byte(c); return;
    case State::chunk_extension:
      if (c == '\r') {
        state_ = State::chunk_size_lf;
      } else if (++dropped_bytes_ > kExtensionBytesMax || !is_field_value({&c, 1})) {
        state_ = State::malformed;
      }
      return;
    case State::chunk_size_lf:
      state_ = c != '\n' ? State::malformed : remaining_ == 0 ? State::trailer : State::chunk_data;
      digits_ = 0;
      dropped_bytes_ = 0;
      return;
    case State::chunk_data_cr: state_ = c == '\r' ? State::chunk_data_lf : State::malformed; return;
    case State::chunk_data_lf: state_ = c == '\n' ? State::chunk_size : State::malformed; return;
    default: take_trailer_byte(c); return;
  }
}

// No white space around the size: parsers disagree about it, which is how requests are smuggled.
void BodyDecoder::take_size_byte(char c) {
  const int value = hex_value(c);
  if (value >= 0) {
    if (++digits_ > kSizeDigitsMax) {
      state_ = State::malformed;
    } else {
      remaining_ = remaining_ * 16 + static_cast<uint64_t>(value);
    }
  } else if (digits_ > 0 && c == '\r') {
    state_ = State::chunk_size_lf;
  } else if (digits_ > 0 && c == ';') {
    state_ = State::chunk_extension;
  } else {
    state_ = State::malformed;
  }
}

void BodyDecoder::take_trailer_byte(char c) {
  if (++dropped_bytes_ > kTrailerBytesMax) {
    state_ = State::malformed;
  } else if (state_ == State::trailer) {
    if (c == '\r') {
      state_ = State::trailer_lf;
    } else {
      trailer_line_.push_back(c);
    }
  } else if (c != '\n') {
    state_ = State::malformed;
  } else if (trailer_line_.empty()) {
    state_ = State::done;
  } else {
    state_ = parse_field_line(trailer_line_) ? State::trailer : State::malformed;
    trailer_line_.clear();
  }
}

}  // namespace tandem::http
