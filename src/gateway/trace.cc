#include "gateway/trace.h"

#include <fmt/format.h>

#include <algorithm>

namespace tandem::gateway {
namespace {

// Lower-case hexadecimal digits only, as the recommendation has it.
std::optional<uint64_t> read_hex(std::string_view text) {
  uint64_t value = 0;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'a' && c <= 'f')) return std::nullopt;
    value = value << 4 | static_cast<uint64_t>(digit ? c - '0' : c - 'a' + 10);
  }
  return value;
}

uint64_t last_half(const TraceId& id) {
  uint64_t value = 0;
  for (size_t i = 8; i < 16; ++i) value = value << 8 | id.bytes[i];
  return value;
}

}  // namespace

std::string to_hex(const TraceId& id) {
  if (!id) return {};
  std::string text;
  for (const uint8_t byte : id.bytes) text += fmt::format("{:02x}", byte);
  return text;
}

std::optional<TraceContext> read_traceparent(std::string_view value) {
  // 00-<32 digits>-<16 digits>-<2 digits>; later versions may append fields, 00 may not, ff is none.
  constexpr size_t kBytes = 55;
  if (value.size() < kBytes || value[2] != '-' || value[35] != '-' || value[52] != '-') return std::nullopt;
  const auto version = read_hex(value.substr(0, 2));
  if (!version || *version == 0xff || (*version == 0 && value.size() > kBytes)) return std::nullopt;
  if (value.size() > kBytes && value[kBytes] != '-') return std::nullopt;
  TraceContext context;
  for (size_t i = 0; i < context.trace_id.bytes.size(); ++i) {
    const auto byte = read_hex(value.substr(3 + 2 * i, 2));
    if (!byte) return std::nullopt;
    context.trace_id.bytes[i] = static_cast<uint8_t>(*byte);
  }
  const auto span = read_hex(value.substr(36, 16));
  const auto flags = read_hex(value.substr(53, 2));
  if (!context.trace_id || !span || *span == 0 || !flags) return std::nullopt;
  context.span_id = *span;
  context.sampled = (*flags & 1) != 0;
  return context;
}

std::string to_traceparent(const TraceContext& context) {
  return fmt::format("00-{}-{:016x}-{}", to_hex(context.trace_id), context.span_id, context.sampled ? "01" : "00");
}

bool is_sampled(const TraceId& id, double ratio) {
  constexpr double kHalf = 9'223'372'036'854'775'808.0;  // 2⁶³: the first bit is left out, as the specification has it
  return static_cast<double>(last_half(id) >> 1) < ratio * kHalf;
}

}  // namespace tandem::gateway
