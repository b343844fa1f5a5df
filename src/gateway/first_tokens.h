// How long an engine's first tokens took of late. Internal.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace tandem::gateway {

// Any thread may note and ask at any time. Counts that two threads change at once may lose one: they are many, and it
// is a quantile. Buckets are a quarter of an octave wide, from a quarter of a millisecond to a minute: 144 bytes.
class FirstTokens {
 public:
  static constexpr uint32_t kLeast = 20;    // before it, a quantile would be chance
  static constexpr uint32_t kOfLate = 512;  // then all count half: some minutes of a busy engine

  void note(Duration time);
  void forget();
  // The time within which a fraction `quantile` ∈ (0, 1) of them came, to a fifth; nothing before there were kLeast.
  std::optional<Duration> quantile(double quantile) const;

 private:
  static constexpr size_t kBuckets = 72;
  std::array<std::atomic<uint16_t>, kBuckets> counts_{};
};

}  // namespace tandem::gateway
