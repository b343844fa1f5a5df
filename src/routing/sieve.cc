#include "routing/sieve.h"

#include <algorithm>
#include <cstring>

namespace tandem::routing {
namespace {


// Four at once, in every processor's registers.
using Floats = float __attribute__((vector_size(16)));
constexpr size_t kLanes = 4;

Floats load(const float* from) {
  Floats values;
  std::memcpy(&values, from, sizeof values);
  return values;
}
Floats all(float value) { return Floats{} + value; }

float rounded(double us) {
  constexpr double kEver = 1e30;  // later than anything, sooner than never
  return static_cast<float>(std::min(us, kEver)) * Sieve::kSlack;
}

// The longest way that takes `us` at most; one of no length where there is none, for it may be rounding.
uint32_t longest_way(float us) { return us > 0 ? std::bit_cast<uint32_t>(us) | 0xFF : 0xFF; }

}  // namespace

Sieve::Sieve(const RoutingTable& table, const RequestFacts& request)
    : model_(table.sieve_index().model(request.model)),
      region_(table.sieve_index().region(request.region, request.paths)),
      prompt_tokens_(static_cast<float>(request.prompt_tokens)),
      output_tokens_(static_cast<float>(request.output_tokens)) {
  const bool times_first = request.ttft.value() > 0, times_rest = request.tpot.value() > 0;
  const float ttft_us = rounded(times_first ? to_microseconds(request.ttft).value() : kNever);
  const float tpot_ms = rounded(times_rest ? request.tpot.value() : kNever);
  for (size_t i = 0; i < model_.speeds.size(); ++i) {
    const SieveIndex::Speed& speed = model_.speeds[i];
    prefill_us_[i] = speed.prefill_overhead_us + prompt_tokens_ * speed.prefill_us_per_token;
    limits_[i] = longest_way(speed.tpot_ms <= tpot_ms ? ttft_us - prefill_us_[i] : 0);
    if (i == SieveIndex::kNoSpeed) continue;
    least_prefill_us_ = std::min(least_prefill_us_, prefill_us_[i]);
    longest_ = std::max(longest_, limits_[i]);
  }
  const auto zones = table.sieve_index().zones();
  for (size_t i = 0; i < zones.size(); ++i) zone_allowed_[i] = request.allowed.contains(zones[i]);
  zone_allowed_[SieveIndex::kZonesMax] = 1;
}

uint64_t Sieve::that_can_keep(size_t block, uint64_t lanes) const {
  const uint32_t* const engines = model_.blocks[block].engines.data();
  uint64_t result = 0;
  for (size_t i = 0; i < kRows; ++i) {
    const uint32_t way = region_.ways[SieveIndex::site_of(engines[i])];
    const bool keeps = way <= limits_[SieveIndex::speed_of(engines[i])];
    result |= uint64_t{zone_allowed_[SieveIndex::zone_of(way)] & static_cast<uint32_t>(keeps)} << i;
  }
  return result & lanes;
}

uint64_t Sieve::that_cost(double euros_max, double transport_euros, size_t block, uint64_t lanes) const {
  const SieveIndex::Block& rows = model_.blocks[block];
  const Floats most = all(static_cast<float>(euros_max) * kSlack);
  const auto transport = static_cast<float>(transport_euros);
  uint64_t result = 0;
  for (size_t i = 0; i < kRows; i += kLanes) {
    const Floats cost = prompt_tokens_ * load(&rows.euros_per_prompt_token[i]) +
                        output_tokens_ * load(&rows.euros_per_output_token[i]) + transport;
    const auto passes = cost <= most;
    for (size_t lane = 0; lane < kLanes; ++lane) result |= uint64_t{passes[lane] != 0} << (i + lane);
  }
  return result & lanes;
}

}  // namespace tandem::routing
