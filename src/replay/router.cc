#include "replay/router.h"

#include <algorithm>
#include <cmath>

namespace tandem::replay {
namespace {

using routing::Gate;

double euros_at(const routing::RoutingTable& table, const routing::RequestFacts& facts, uint32_t target) {
  const routing::Target& row = table.targets()[target];
  return facts.prompt_tokens * row.euros_per_prompt_token + facts.output_tokens * row.euros_per_output_token +
         facts.bytes * table.leg(facts.region, row.site_position, facts.paths).euros_per_byte;
}

// A block's number is no hash. The finalizer of MurmurHash3 (A. Appleby): every bit moves every bit.
uint64_t mixed(uint64_t key) {
  key = (key ^ (key >> 33)) * 0xFF51AFD7ED558CCDu;
  key = (key ^ (key >> 33)) * 0xC4CEB9FE1A85EC53u;
  return key ^ (key >> 33);
}

}  // namespace

Router::Router(const grid::Snapshot& snapshot, const routing::RoutingTable& table, const v1::Plan& plan, Policy policy,
               uint64_t seed)
    : snapshot_(snapshot), table_(table), policy_(policy), draws_(seed, 3), credits_(snapshot.demands.size()) {
  for (const grid::Demand& demand : snapshot.demands) {
    routing::RequestFacts facts;
    facts.tenant = demand.tenant.value;
    facts.region = demand.region.value;
    facts.model = demand.model.value;
    facts.paths = table.paths_of(facts.tenant, facts.region, facts.model);
    facts.prompt_tokens = demand.prompt_tokens;
    facts.output_tokens = demand.output_tokens;
    facts.bytes = demand.upload_bytes + demand.download_bytes;
    facts.allowed = snapshot.tenants[demand.tenant].residency;
    facts.ttft = demand.promise.ttft;
    facts.tpot = demand.promise.tpot;
    facts_.push_back(facts);
  }
  find_eligible();
  if (policy == Policy::compute_then_network) read_shares(plan);
}

void Router::find_eligible() {
  eligible_.resize(facts_.size());
  for (size_t d = 0; d < facts_.size(); ++d) {
    const routing::RequestFacts& facts = facts_[d];
    if (!table_.may_use(facts.tenant, facts.model)) continue;
    for (const uint32_t target : table_.targets_of_model(facts.model)) {
      const routing::Target& row = table_.targets()[target];
      const bool reachable = table_.leg(facts.region, row.site_position, facts.paths).reachable;
      if (row.up && reachable && facts.allowed.contains(row.jurisdiction)) eligible_[d].push_back(target);
    }
    const auto sort_by = [&](auto key) {
      std::stable_sort(eligible_[d].begin(), eligible_[d].end(),
                       [&](uint32_t a, uint32_t b) { return key(a) < key(b); });
    };
    if (policy_ == Policy::nearest)
      sort_by([&](uint32_t t) {
        return table_.leg(facts.region, table_.targets()[t].site_position, facts.paths).round_trip.value();
      });
    else if (policy_ == Policy::cheapest)
      sort_by([&](uint32_t t) { return euros_at(table_, facts, t); });
  }
}

void Router::read_shares(const v1::Plan& plan) {
  shares_.resize(facts_.size());
  for (const v1::DemandPlan& planned : plan.demands()) {
    const grid::DemandIndex demand = snapshot_.demands.find(planned.demand());
    if (!demand.valid()) continue;
    double sum = 0;
    for (const v1::PlannedSplit& split : planned.splits()) {
      const auto target = table_.find_target(split.deployment());
      if (!target) continue;
      sum += split.fraction();
      shares_[demand.value].push_back({*target, sum});
    }
  }
}

bool Router::has_room(uint32_t target, std::span<const routing::TargetLive> live) const {
  return live[target].in_flight < table_.targets()[target].concurrency_max * (1 + routing::kQueuePerConcurrency);
}

Router::Choice Router::choose(const Arrival& arrival, std::span<const routing::TargetLive> live) {
  switch (policy_) {
    case Policy::tandem:
    case Policy::centralise: return decided(arrival, live);
    case Policy::nearest:
    case Policy::cheapest: return first_with_room(arrival.demand, live);
    case Policy::least_load: return emptiest(arrival.demand, live);
    case Policy::round_robin: return in_turn(arrival.demand, live);
    case Policy::compute_then_network: return by_share(arrival.demand);
    case Policy::prefix_hash: return by_prefix(arrival, live);
  }
  return {};
}

// As the gateway decides, prompts known by their blocks where it knows them by their text.
Router::Choice Router::decided(const Arrival& arrival, std::span<const routing::TargetLive> live) {
  routing::RequestFacts facts = facts_[arrival.demand];
  facts.prompt_tokens = arrival.prompt_tokens;
  std::vector<routing::PrefixPoint> points;
  const double block_tokens = arrival.prompt_tokens / std::max(1.0, static_cast<double>(arrival.prefix_blocks.size()));
  for (const uint64_t block : arrival.prefix_blocks)
    points.push_back({mixed(block), static_cast<uint32_t>(block_tokens * static_cast<double>(points.size() + 1))});
  points = routing::thinned(points);
  const Duration now{arrival.at_ns};
  prefixes_.find(points, now, [&](uint32_t target, uint32_t tokens) { facts.hits.offer({target, tokens}); });
  const routing::Decision decision = routing::decide(table_, facts, live, {}, draws_.uniform());
  if (!decision.target) return {decision.target, decision.blocking};
  const routing::Target& target = table_.targets()[*decision.target];
  prefixes_.note(points, {*decision.target, target.replicas, target.kv_tokens},
                 arrival.prompt_tokens - decision.cached_tokens + arrival.output_tokens, now);
  return {decision.target};
}

// The target with the highest hash of itself and the prompt's first blocks, of those with room (D. Thaler and C.
// Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM ToN 1998); without blocks, any.
Router::Choice Router::by_prefix(const Arrival& arrival, std::span<const routing::TargetLive> live) {
  constexpr size_t kBlocks = 4;  // beyond what everybody's prompts begin with, before what is one request's own
  const auto& blocks = arrival.prefix_blocks;
  const uint64_t key = blocks.empty() ? draws_.next() : blocks[std::min(kBlocks, blocks.size()) - 1];
  std::optional<uint32_t> best;
  double best_score = 0;
  for (const uint32_t target : eligible_[arrival.demand]) {
    if (!has_room(target, live)) continue;
    // Rendezvous hashing, each as often as it has replicas (C. Schindelhauer, G. Schomaker, SPAA 2005).
    const double uniform = (static_cast<double>(mixed(mixed(key) + target) >> 11) + 0.5) * 0x1p-53;
    const double score = -static_cast<double>(table_.targets()[target].replicas) / std::log(uniform);
    if (best && score <= best_score) continue;
    best = target;
    best_score = score;
  }
  return {best, best ? Gate::none : eligible_[arrival.demand].empty() ? Gate::model : Gate::capacity};
}

// The first with a place free; where none has one, the first whose queue is not full.
Router::Choice Router::first_with_room(uint32_t demand, std::span<const routing::TargetLive> live) const {
  for (const uint32_t target : eligible_[demand])
    if (live[target].in_flight < table_.targets()[target].concurrency_max) return {target};
  for (const uint32_t target : eligible_[demand])
    if (has_room(target, live)) return {target};
  return {std::nullopt, eligible_[demand].empty() ? Gate::model : Gate::capacity};
}

Router::Choice Router::emptiest(uint32_t demand, std::span<const routing::TargetLive> live) const {
  std::optional<uint32_t> best;
  double best_load = 0;
  for (const uint32_t target : eligible_[demand]) {
    if (!has_room(target, live)) continue;
    const double load = static_cast<double>(live[target].in_flight.load()) / table_.targets()[target].concurrency_max;
    if (best && load >= best_load) continue;
    best = target;
    best_load = load;
  }
  return {best, best ? Gate::none : eligible_[demand].empty() ? Gate::model : Gate::capacity};
}

// Each as often as it has replicas, and those turns spread evenly (nginx's smooth weighted round robin).
Router::Choice Router::in_turn(uint32_t demand, std::span<const routing::TargetLive> live) {
  const auto& targets = eligible_[demand];
  std::vector<int64_t>& credits = credits_[demand];
  credits.resize(targets.size());
  std::optional<size_t> next;
  int64_t replicas = 0;
  for (size_t i = 0; i < targets.size(); ++i) {
    if (!has_room(targets[i], live)) continue;
    const auto own = static_cast<int64_t>(table_.targets()[targets[i]].replicas);
    credits[i] += own;
    replicas += own;
    if (!next || credits[i] > credits[*next]) next = i;
  }
  if (!next) return {std::nullopt, targets.empty() ? Gate::model : Gate::capacity};
  credits[*next] -= replicas;
  return {targets[*next]};
}

// The plan's shares and nothing else: a plan that knows no network has no reason to look at it.
Router::Choice Router::by_share(uint32_t demand) {
  const double draw = draws_.uniform();
  for (const Shared& share : shares_[demand])
    if (draw < share.up_to) {
      const routing::Target& row = table_.targets()[share.target];
      if (!row.up) return {std::nullopt, Gate::down};
      if (!table_.leg(facts_[demand].region, row.site_position, facts_[demand].paths).reachable)
        return {std::nullopt, Gate::unreachable};
      return {share.target};
    }
  return {std::nullopt, Gate::capacity};
}

bool Router::resident(uint32_t demand, uint32_t target) const {
  const routing::RequestFacts& facts = facts_[demand];
  const routing::Target& row = table_.targets()[target];
  return facts.allowed.contains(row.jurisdiction) &&
         facts.allowed.contains(table_.leg(facts.region, row.site_position, facts.paths).jurisdictions);
}

}  // namespace tandem::replay
