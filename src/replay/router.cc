#include "replay/router.h"

#include <algorithm>

namespace tandem::replay {
namespace {

using routing::Gate;

// A block's number is no hash. The finalizer of MurmurHash3 (A. Appleby): every bit moves every bit.
uint64_t mixed(uint64_t key) {
  key = (key ^ (key >> 33)) * 0xFF51AFD7ED558CCDu;
  key = (key ^ (key >> 33)) * 0xC4CEB9FE1A85EC53u;
  return key ^ (key >> 33);
}

}  // namespace

Router::Router(const grid::Snapshot& snapshot, const routing::RoutingTable& table, const v1::Plan& plan, Policy policy,
               uint64_t seed)
    : snapshot_(snapshot), table_(table), policy_(policy), draws_(seed, 3) {
  if (const auto baseline = routing::baseline_named(to_string(policy))) baseline_.emplace(table, *baseline, seed);
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
  if (policy == Policy::compute_then_network) read_shares(plan);
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

Router::Choice Router::choose(const Arrival& arrival, std::span<const routing::TargetLive> live) {
  if (baseline_) return by_baseline(arrival, live);
  return policy_ == Policy::compute_then_network ? by_share(arrival.demand) : decided(arrival, live);
}

Router::Choice Router::by_baseline(const Arrival& arrival, std::span<const routing::TargetLive> live) {
  constexpr size_t kBlocks = 4;  // beyond what everybody's prompts begin with, before what is one request's own
  const auto& blocks = arrival.prefix_blocks;
  std::optional<uint64_t> prefix;
  if (!blocks.empty()) prefix = blocks[std::min(kBlocks, blocks.size()) - 1];
  const routing::Decision decision = baseline_->choose(facts_[arrival.demand], live, {}, prefix);
  return {decision.target, decision.blocking};
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
  const double hit = arrival.prefix_blocks.empty() ? snapshot_.demands[size_t{arrival.demand}].prefix_hit : 0;
  return {decision.target, Gate::none,
          std::max(decision.cached_tokens, static_cast<uint32_t>(hit * arrival.prompt_tokens))};
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
