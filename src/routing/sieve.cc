#include "routing/sieve.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace tandem::routing {
namespace {

constexpr size_t kRows = Sieve::Bounds::kRows;

// Four at once, in every processor's registers. A vector put together from values that were stored one by one would
// wait for them to leave the store buffer: they are put together in registers.
using Floats = float __attribute__((vector_size(16)));
using Masks = int32_t __attribute__((vector_size(16)));
constexpr size_t kLanes = 4;

Floats load(const float* from) {
  Floats values;
  std::memcpy(&values, from, sizeof values);
  return values;
}
template <class Lanes, class T>
void store(Lanes values, T* to) {
  std::memcpy(to, &values, sizeof values);
}
Floats all(float value) { return Floats{} + value; }
Floats lesser(Floats a, Floats b) { return a < b ? a : b; }
Floats greater(Floats a, Floats b) { return a > b ? a : b; }

}  // namespace

Sieve::Sieve(const RoutingTable& table, const RequestFacts& request)
    : reach_(table.reach(request.region, request.paths)),
      prompt_tokens_(static_cast<float>(request.prompt_tokens)),
      output_us_per_ms_(static_cast<float>(request.output_tokens * 1e3)),
      queue_(static_cast<float>(request.queue_per_concurrency)),
      kept_least_(request.ttft.value() > 0 || request.tpot.value() > 0 ? 0 : kNever),
      tpot_ms_max_(request.tpot.value() > 0 ? static_cast<float>(request.tpot.value()) * kSlack : kNever) {
  const auto zones = table.zones();
  for (size_t i = 0; i < zones.size(); ++i) detours_us_[i] = request.allowed.contains(zones[i]) ? 0 : kNever;
  detours_us_[RoutingTable::kZonesMax] = 0;
}

bool Sieve::take(const Bounds& block, uint64_t open, double keeps_us, double any_us) {
  block_ = &block;
  approach(open);
  passed_ = 0;
  const Limits limits(keeps_us, any_us);
  return soonest_us_ <= std::max(limits.keeps_us, limits.any_us) && narrow(keeps_us, any_us);
}

void Sieve::approach(uint64_t open) {
  Floats soonest_us = all(kNever);
  for (size_t i = 0; i < kRows; i += kLanes) {
    const auto way_us = [&](size_t lane) {
      const uint32_t site = block_->site[i + lane];
      return reach_.round_trip_us[site] + detours_us_[reach_.zone[site]];
    };
    const Floats ways_us{way_us(0), way_us(1), way_us(2), way_us(3)};
    const Floats prefill_us =
        load(&block_->prefill_overhead_us[i]) + prompt_tokens_ * load(&block_->prefill_us_per_token[i]);
    const Masks is_open = ((Masks{} + static_cast<int32_t>(open >> i)) & Masks{1, 2, 4, 8}) != 0;
    const Floats ttft_us = is_open ? ways_us + prefill_us : all(kNever);
    store(prefill_us, &prefill_us_[i]);
    store(ttft_us, &ttft_us_[i]);
    soonest_us = lesser(soonest_us, ttft_us);
  }
  soonest_us_ = std::min({soonest_us[0], soonest_us[1], soonest_us[2], soonest_us[3]});
}

// `wait_us` of decide.cc; never, where `live_gate` says that it is full.
void Sieve::add_waits() {
  for (size_t i = 0; i < kRows; i += kLanes) {
    const Floats places = load(&block_->places[i]), in_flight = load(&in_flight_[i]);
    const Floats queue_max = lesser(places, greater(all(1), places * queue_));
    const Floats most = lesser(places + queue_max, greater(load(&block_->kept[i]), all(kept_least_)));
    const Floats service_us = load(&prefill_us_[i]) + output_us_per_ms_ * load(&block_->tpot_ms[i]);
    const Floats for_place_us = service_us * greater(all(0), in_flight - places + 1) / places;
    const Floats prefills = load(&prefills_[i]), replicas = load(&block_->replicas[i]);
    const Floats work_us = prefills * load(&block_->prefill_overhead_us[i]) +
                           load(&prefill_tokens_[i]) * load(&block_->prefill_us_per_token[i]);
    const Floats turns = (prefills - replicas) / replicas + 1 / (replicas + 1);
    const Floats for_prefills_us = prefills < replicas ? all(0) : work_us / greater(all(1), prefills) * turns;
    const Floats wait_us = greater(for_place_us, for_prefills_us);
    store(in_flight < most ? load(&ttft_us_[i]) + wait_us : all(kNever), &ttft_us_[i]);
  }
}

bool Sieve::narrow(double keeps_us, double any_us) {
  const Limits limits(keeps_us, any_us);
  passed_ = 0;
  for (size_t i = 0; i < kRows; ++i) {
    const float limit_us = block_->tpot_ms[i] <= tpot_ms_max_ ? limits.keeps_us : limits.any_us;
    passed_ |= uint64_t{ttft_us_[i] <= limit_us} << i;
  }
  return passed_ != 0;
}

size_t Sieve::soonest() const {
  size_t best = static_cast<size_t>(std::countr_zero(passed_));
  for (uint64_t left = passed_; left != 0; left &= left - 1)
    if (const auto i = static_cast<size_t>(std::countr_zero(left)); ttft_us_[i] < ttft_us_[best]) best = i;
  return best;
}

}  // namespace tandem::routing
