#include "routing/sieve.h"

#include <algorithm>
#include <cstring>

namespace tandem::routing {
namespace {

constexpr size_t kRows = Sieve::kRows;

// Four at once, in every processor's registers.
using Floats = float __attribute__((vector_size(16)));
constexpr size_t kLanes = 4;

Floats load(const float* from) {
  Floats values;
  std::memcpy(&values, from, sizeof values);
  return values;
}
void store(Floats values, float* to) { std::memcpy(to, &values, sizeof values); }
Floats all(float value) { return Floats{} + value; }
Floats lesser(Floats a, Floats b) { return a < b ? a : b; }
Floats greater(Floats a, Floats b) { return a > b ? a : b; }

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
      output_tokens_(static_cast<float>(request.output_tokens)),
      output_us_per_ms_(static_cast<float>(request.output_tokens * 1e3)),
      queue_(static_cast<float>(request.queue_per_concurrency)),
      kept_least_(request.is_promised() ? 0 : kNever) {
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
    shortest_ = std::min(shortest_, limits_[i]);
  }
  const auto zones = table.sieve_index().zones();
  for (size_t i = 0; i < zones.size(); ++i) zone_allowed_[i] = request.allowed.contains(zones[i]);
  zone_allowed_[SieveIndex::kZonesMax] = 1;
}

size_t Sieve::count_that_all_keep() const {
  const auto keeps = [&](uint32_t site) { return SieveIndex::order_of(way(site)) < SieveIndex::order_of(shortest_); };
  return static_cast<size_t>(std::ranges::partition_point(nearest(), keeps) - nearest().begin());
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

// `wait_us` of decide.cc; never, where `live_gate` says that it is full.
void Sieve::add_waits(const SieveIndex::Block& block) {
  Floats soonest_us = all(kNever);
  for (size_t i = 0; i < kRows; i += kLanes) {
    const Floats places = load(&block.places[i]), in_flight = load(&in_flight_[i]);
    const Floats queue_max = lesser(places, greater(all(1), places * queue_));
    const Floats most = lesser(places + queue_max, greater(load(&block.kept[i]), all(kept_least_)));
    const Floats for_place_us = load(&service_us_[i]) * greater(all(0), in_flight - places + 1) / places;
    const Floats prefills = load(&prefills_[i]), replicas = load(&block.replicas[i]);
    const Floats turns = (prefills - replicas) / replicas + 1 / (replicas + 1);
    const Floats for_prefills_us =
        prefills < replicas ? all(0) : load(&work_us_[i]) / greater(all(1), prefills) * turns;
    const Floats wait_us = greater(for_place_us, for_prefills_us);
    const Floats ttft_us = in_flight < most ? load(&ttft_us_[i]) + wait_us : all(kNever);
    store(ttft_us, &ttft_us_[i]);
    soonest_us = lesser(ttft_us, soonest_us);
  }
  soonest_us_ = std::min({soonest_us[0], soonest_us[1], soonest_us[2], soonest_us[3]});
}

uint64_t Sieve::within(double us) const {
  const float limit = rounded(us);
  uint64_t result = 0;
  if (soonest_us_ > limit) return result;
  for (size_t i = 0; i < kRows; ++i) result |= uint64_t{ttft_us_[i] <= limit} << i;
  return result & waiting_;
}

size_t Sieve::soonest() const {
  size_t best = static_cast<size_t>(std::countr_zero(waiting_));
  for (uint64_t left = waiting_; left != 0; left &= left - 1)
    if (const auto i = static_cast<size_t>(std::countr_zero(left)); ttft_us_[i] < ttft_us_[best]) best = i;
  return best;
}

}  // namespace tandem::routing
