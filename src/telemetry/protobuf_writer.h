// The few forms of the protobuf wire format (protobuf.dev, "Encoding") that OTLP needs, written without a schema.
// What is written is there, also where it is zero or empty. Internal.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace tandem::telemetry {

class ProtobufWriter {
 public:
  void varint(uint32_t field, uint64_t value) {
    tag(field, 0);
    raw_varint(value);
  }
  void fixed64(uint32_t field, uint64_t value) {
    tag(field, 1);
    little_endian(value, 8);
  }
  void fixed32(uint32_t field, uint32_t value) {
    tag(field, 5);
    little_endian(value, 4);
  }
  void real(uint32_t field, double value) { fixed64(field, std::bit_cast<uint64_t>(value)); }
  // Text, bytes, or a message that another writer made.
  void bytes(uint32_t field, std::string_view value) {
    tag(field, 2);
    raw_varint(value.size());
    out_ += value;
  }
  const std::string& data() const { return out_; }

 private:
  void tag(uint32_t field, uint32_t wire_type) { raw_varint(uint64_t{field} << 3 | wire_type); }
  void raw_varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }
  void little_endian(uint64_t value, int size) {
    for (int i = 0; i < size; ++i) out_ += static_cast<char>(value >> (8 * i));
  }

  std::string out_;
};

}  // namespace tandem::telemetry
