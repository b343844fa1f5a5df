// Takes the framing off a message body as its bytes come (RFC 9112, chapters 6 and 7). A pure function over bytes with
// a few bytes of state. Internal to the module.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/head.h"

namespace tandem::http {

class BodyDecoder {
 public:
  BodyDecoder() = default;  // no body: done
  explicit BodyDecoder(BodyFraming framing);

  // What one call took from the front of the bytes it was given: any framing, then at most one run of data, which is
  // a view into them. Call again with the rest until nothing is taken or the body is done or malformed.
  struct Step {
    size_t taken = 0;
    std::string_view data;
  };
  Step next(std::string_view bytes);

  bool done() const { return state_ == State::done; }
  bool malformed() const { return state_ == State::malformed; }

  // Whether a body that ends here, with the connection, ends properly.
  bool may_end_with_connection() const { return state_ == State::until_close || done(); }

 private:
  // An extension is for nobody we know; one line of an ordinary header's length is patience enough.
  static constexpr size_t kExtensionBytesMax = 1024;
  // Trailers are dropped; as a few headers.
  static constexpr size_t kTrailerBytesMax = 8 * 1024;

  static constexpr uint32_t kSizeDigitsMax = 15;  // 2⁶⁰ bytes

  enum class State : uint8_t {
    length,           // `remaining_` bytes of data
    until_close,      // data until the connection ends
    chunk_size,       // before or within the digits
    chunk_extension,  // after ';', dropped
    chunk_size_lf,    // after the CR of the size line
    chunk_data,       // `remaining_` bytes of data
    chunk_data_cr,    // after the data
    chunk_data_lf,
    trailer,     // within a line of the trailer
    trailer_lf,  // after its CR
    done,
    malformed,
  };

  size_t take_framing(std::string_view bytes);
  void take_framing_byte(char c);
  void take_size_byte(char c);
  void take_trailer_byte(char c);

  State state_ = State::done;
  uint64_t remaining_ = 0;
  uint32_t digits_ = 0;       // of the chunk size under way
  size_t dropped_bytes_ = 0;  // of this chunk's extension, or of the trailer
  std::string trailer_line_;
};

}  // namespace tandem::http
