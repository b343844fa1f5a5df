#include "base/random.h"

#include <cmath>
#include <numbers>

#include "base/check.h"

namespace tandem {
namespace {

uint64_t splitmix(uint64_t& x) {
  x += 0x9E3779B97F4A7C15u;
  uint64_t z = x;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace

Random::Random(uint64_t seed, uint64_t stream) {
  uint64_t x = seed ^ (stream * 0xD1342543DE82EF95u);
  state_ = splitmix(x);
  increment_ = splitmix(x) | 1;
  next();
}

uint32_t Random::next() {
  const uint64_t old = state_;
  state_ = old * 6364136223846793005u + increment_;
  const auto xorshifted = static_cast<uint32_t>(((old >> 18) ^ old) >> 27);
  const auto rotation = static_cast<uint32_t>(old >> 59);
  return (xorshifted >> rotation) | (xorshifted << ((32 - rotation) & 31));
}

uint64_t Random::below(uint64_t bound) {
  CHECK(bound >= 1);
  const uint64_t limit = bound * (UINT64_MAX / bound);
  for (;;) {
    const uint64_t draw = (uint64_t{next()} << 32) | next();
    if (draw < limit) return draw % bound;
  }
}

double Random::uniform() {
  const uint64_t bits = ((uint64_t{next()} << 32) | next()) >> 11;
  return static_cast<double>(bits) * 0x1.0p-53;
}

double Random::exponential(double mean) { return -mean * std::log1p(-uniform()); }

double Random::normal(double mean, double deviation) {
  const double radius = std::sqrt(-2 * std::log1p(-uniform()));
  return mean + deviation * radius * std::cos(2 * std::numbers::pi * uniform());
}

}  // namespace tandem
