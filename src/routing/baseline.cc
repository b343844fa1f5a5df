#include "routing/baseline.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "routing/live_at.h"

namespace tandem::routing {
namespace {

constexpr std::array<std::pair<Baseline, std::string_view>, 5> kBaselines{{{Baseline::nearest, "nearest"},
                                                                           {Baseline::cheapest, "cheapest"},
                                                                           {Baseline::least_load, "least-load"},
                                                                           {Baseline::round_robin, "round-robin"},
                                                                           {Baseline::prefix_hash, "prefix-hash"}}};

// The finalizer of MurmurHash3 (A. Appleby): every bit of the key moves every bit of the result.
uint64_t scattered(uint64_t key) {
  key = (key ^ (key >> 33)) * 0xFF51AFD7ED558CCDu;
  key = (key ^ (key >> 33)) * 0xC4CEB9FE1A85EC53u;
  return key ^ (key >> 33);
}

// The one with the highest score.
template <class Room, class Score>
std::optional<uint32_t> highest(const std::vector<uint32_t>& targets, Room has_room, Score score) {
  std::optional<uint32_t> best;
  double best_score = 0;
  for (const uint32_t target : targets) {
    if (!has_room(target)) continue;
    const double own = score(target);
    if (best && own <= best_score) continue;
    best = target;
    best_score = own;
  }
  return best;
}

}  // namespace

std::string_view to_string(Baseline baseline) {
  for (const auto& [known, name] : kBaselines)
    if (known == baseline) return name;
  return "unknown";
}

std::optional<Baseline> baseline_named(std::string_view name) {
  for (const auto& [baseline, its_name] : kBaselines)
    if (its_name == name) return baseline;
  return std::nullopt;
}

BaselineRouter::Group& BaselineRouter::group_of(const RequestFacts& request) {
  const std::tuple whose{request.tenant, request.region, request.model, request.allowed.bits};
  if (groups_.size() >= kGroupsMax && !groups_.contains(whose)) groups_.clear();
  const auto [entry, fresh] = groups_.try_emplace(whose);
  Group& group = entry->second;
  if (!fresh || !table_.may_use(request.tenant, request.model)) return group;
  const auto leg = [&](uint32_t target) -> const Leg& {
    return table_.leg(request.region, table_.targets()[target].site_position, request.paths);
  };
  for (const uint32_t target : table_.targets_of_model(request.model)) {
    const Target& row = table_.targets()[target];
    if (row.up && leg(target).reachable && request.allowed.contains(row.jurisdiction)) group.targets.push_back(target);
  }
  group.credits.resize(group.targets.size());
  const auto sort_by = [&](auto key) {
    std::ranges::stable_sort(group.targets, [&](uint32_t a, uint32_t b) { return key(a) < key(b); });
  };
  if (baseline_ == Baseline::nearest) sort_by([&](uint32_t target) { return leg(target).round_trip.value(); });
  if (baseline_ == Baseline::cheapest)
    sort_by([&](uint32_t target) {
      const Target& row = table_.targets()[target];
      return request.prompt_tokens * row.euros_per_prompt_token + request.output_tokens * row.euros_per_output_token +
             request.bytes * leg(target).euros_per_byte;
    });
  return group;
}

template <class Free>
std::optional<uint32_t> BaselineRouter::first(const Group& group, Free is_free) const {
  const auto found = std::ranges::find_if(group.targets, is_free);
  return found == group.targets.end() ? std::nullopt : std::optional(*found);
}

// Each as often as it has replicas, and those turns spread evenly (nginx's smooth weighted round robin).
template <class Room>
std::optional<uint32_t> BaselineRouter::next_in_turn(Group& group, Room has_room) const {
  std::optional<size_t> next;
  int64_t replicas = 0;
  for (size_t i = 0; i < group.targets.size(); ++i) {
    if (!has_room(group.targets[i])) continue;
    const auto own = static_cast<int64_t>(table_.targets()[group.targets[i]].replicas);
    group.credits[i] += own;
    replicas += own;
    if (!next || group.credits[i] > group.credits[*next]) next = i;
  }
  if (!next) return std::nullopt;
  group.credits[*next] -= replicas;
  return group.targets[*next];
}

template <class Live>
Decision BaselineRouter::choose_among(const RequestFacts& request, Live live, std::span<const uint32_t> excluded,
                                      std::optional<uint64_t> prefix) {
  Group& group = group_of(request);
  const auto state = [&](uint32_t target) -> const TargetLive& {
    return live_at(table_, live, table_.position_of(target));
  };
  const auto takes = [&](uint32_t target, uint32_t most) {
    const TargetLive& one = state(target);
    return one.healthy && one.in_flight < std::min<uint32_t>(most, one.in_flight_max) &&
           std::ranges::find(excluded, target) == excluded.end();
  };
  const auto is_free = [&](uint32_t target) { return takes(target, table_.targets()[target].concurrency_max); };
  const auto has_room = [&](uint32_t target) {
    return takes(target, table_.targets()[target].concurrency_max * (1 + kQueuePerConcurrency));
  };
  std::optional<uint32_t> chosen;
  switch (baseline_) {
    case Baseline::nearest:
    case Baseline::cheapest:
      chosen = first(group, is_free);
      if (!chosen) chosen = first(group, has_room);
      break;
    case Baseline::least_load:
      chosen = highest(group.targets, has_room, [&](uint32_t target) {
        return -static_cast<double>(state(target).in_flight.load()) / table_.targets()[target].concurrency_max;
      });
      break;
    case Baseline::round_robin: chosen = next_in_turn(group, has_room); break;
    case Baseline::prefix_hash: {
      // Rendezvous hashing (D. Thaler and C. Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM
      // ToN 1998), each as often as it has replicas (C. Schindelhauer, G. Schomaker, SPAA 2005).
      const uint64_t key = scattered(prefix ? *prefix : draws_.next());
      chosen = highest(group.targets, has_room, [&](uint32_t target) {
        const double uniform = (static_cast<double>(scattered(key + target) >> 11) + 0.5) * 0x1p-53;
        return -static_cast<double>(table_.targets()[target].replicas) / std::log(uniform);
      });
      break;
    }
  }
  if (!chosen)
    return {Reason::rejected, std::nullopt, group.targets.empty() ? Gate::model : Gate::capacity, Microseconds()};
  return {Reason::baseline, chosen, Gate::none, predict_ttft(table_, request, *chosen, state(*chosen))};
}

Decision BaselineRouter::choose(const RequestFacts& request, std::span<const TargetLive> live,
                                std::span<const uint32_t> excluded, std::optional<uint64_t> prefix) {
  return choose_among(request, live, excluded, prefix);
}

Decision BaselineRouter::choose(const RequestFacts& request, LivePointers live, std::span<const uint32_t> excluded,
                                std::optional<uint64_t> prefix) {
  return choose_among(request, live, excluded, prefix);
}

}  // namespace tandem::routing
