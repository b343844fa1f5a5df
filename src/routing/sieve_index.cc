#include "routing/sieve_index.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <unordered_map>

#include "base/check.h"

namespace tandem::routing {
namespace {

constexpr float kInfinite = std::numeric_limits<float>::infinity();

// `value` ≥ 0, lower by a sixteenth at most: one of few.
float coarse(float value) { return std::bit_cast<float>(std::bit_cast<uint32_t>(value) & 0xFFF80000); }

// By the order of their ways, a byte at a time.
void sort_by_order(std::span<uint32_t> sites, const uint32_t* ways, std::vector<uint32_t>& sorted) {
  sorted.resize(sites.size());
  for (const int shift : {0, 8}) {
    const auto byte = [&](uint32_t site) { return SieveIndex::order_of(ways[site]) >> shift & 0xFF; };
    std::array<uint32_t, 257> first{};
    for (const uint32_t site : sites) ++first[byte(site) + 1];
    std::partial_sum(first.begin(), first.end(), first.begin());
    for (const uint32_t site : sites) sorted[first[byte(site)]++] = site;
    std::copy(sorted.begin(), sorted.end(), sites.begin());
  }
}

}  // namespace

SieveIndex::SieveIndex(const RoutingTable& table)
    : sites_(table.rows().sites.size()), regions_(table.rows().regions.size()) {
  CHECK(sites_ < kSitesMax);
  for (uint32_t model = 0; model < table.rows().models.size(); ++model) add_model(table.candidates(model).rows);
  extents_.push_back(end());
  add_ways(table.rows());
}

// Of the model that is being added.
uint32_t SieveIndex::speed_for(const RoutingTable::Candidate& candidate) {
  if (!candidate.up) return kNoSpeed;
  const Speed speed{candidate.prefill_overhead_us, static_cast<float>(candidate.prefill_us_per_token),
                    coarse(static_cast<float>(candidate.tpot_ms))};
  const auto known = std::span(speeds_).subspan(extents_.back().speeds);
  const auto found = std::find(known.begin(), known.end(), speed);
  if (found == known.end() && known.size() < kSpeedsMax) {
    speeds_.push_back(speed);
    return static_cast<uint32_t>(known.size());
  }
  if (found == known.end()) {
    Speed& last = speeds_.back();
    last = {std::min(last.prefill_overhead_us, speed.prefill_overhead_us),
            std::min(last.prefill_us_per_token, speed.prefill_us_per_token), std::min(last.tpot_ms, speed.tpot_ms)};
    return kSpeedsMax - 1;
  }
  return static_cast<uint32_t>(found - known.begin());
}

void SieveIndex::add_model(std::span<const RoutingTable::Candidate> rows) {
  extents_.push_back(end());
  speeds_.push_back({kInfinite, 0, 0});
  for (size_t row = 0; row < rows.size(); ++row) {
    const RoutingTable::Candidate& candidate = rows[row];
    const size_t i = row % kRows;
    if (i == 0) blocks_.emplace_back();
    Block& block = blocks_.back();
    block.engines[i] = candidate.site << 8 | speed_for(candidate);
    block.euros_per_prompt_token[i] = static_cast<float>(candidate.euros_per_prompt_token);
    block.euros_per_output_token[i] = static_cast<float>(candidate.euros_per_output_token);
    const auto known = std::span(jurisdictions_).subspan(extents_.back().jurisdictions);
    if (std::ranges::find(known, candidate.jurisdiction) == known.end())
      jurisdictions_.push_back(candidate.jurisdiction);
  }
  if (rows.empty()) return;
  const size_t first = slots_.size(), count = std::bit_ceil(rows.size() * 2);
  slots_.resize(first + count, kFree);
  for (uint32_t row = 0; row < rows.size(); ++row) {
    size_t slot = slot_of(rows[row].site, count);
    while (slots_[first + (slot & (count - 1))] != kFree) ++slot;
    slots_[first + (slot & (count - 1))] = row;
  }
}

void SieveIndex::add_ways(const TableRows& rows) {
  ways_.assign(rows.legs.size(), kNoWay);
  nearest_.resize(rows.legs.size());
  std::unordered_map<uint64_t, uint32_t> known;  // looked up, never iterated
  std::vector<uint32_t> scratch;
  for (size_t row = 0; row < rows.paths * regions_; ++row) {
    const size_t first = row * sites_;
    size_t count = 0;
    for (uint32_t site = 0; site < sites_; ++site) {
      const Leg& leg = rows.legs[first + site];
      if (!leg.reachable) continue;
      const auto [zone, fresh] = known.try_emplace(leg.jurisdictions.bits, static_cast<uint32_t>(zones_.size()));
      if (fresh && zones_.size() < kZonesMax) zones_.push_back(leg.jurisdictions);
      const auto us = std::bit_cast<uint32_t>(static_cast<float>(leg.round_trip.value()));
      ways_[first + site] = (us & ~uint32_t{0xFF}) | zone->second;
      nearest_[first + count++] = site;
    }
    sort_by_order(std::span(nearest_).subspan(first, count), ways_.data() + first, scratch);
    nearest_count_.push_back(static_cast<uint32_t>(count));
  }
}

SieveIndex::Model SieveIndex::model(uint32_t model) const {
  const Extent &begin = extents_[model], &end = extents_[model + 1];
  return {std::span(blocks_).subspan(begin.blocks, end.blocks - begin.blocks),
          std::span(speeds_).subspan(begin.speeds, end.speeds - begin.speeds),
          std::span(jurisdictions_).subspan(begin.jurisdictions, end.jurisdictions - begin.jurisdictions),
          std::span(slots_).subspan(begin.slots, end.slots - begin.slots)};
}

SieveIndex::Region SieveIndex::region(uint32_t region, uint32_t paths) const {
  const size_t row = size_t{paths} * regions_ + region;
  return {std::span(ways_).subspan(row * sites_, sites_),
          std::span(nearest_).subspan(row * sites_, nearest_count_[row])};
}

}  // namespace tandem::routing
