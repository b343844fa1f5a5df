#include "planner/written.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "planner/explain.h"

namespace tandem::planner {
namespace {

// What a deployment does, worked out once for all that share it.
struct Running {
  twin::Serving serving;
  double active_w = 0;  // above idle; idle energy is in the replica's own price
  double eur_per_hour = 0;
};

struct Costs {
  double eur_per_hour = 0;
  uint32_t moves = 0;
  std::vector<Running> running;  // by candidate
};

Costs write_deployments(const Problem& problem, const Search& search, v1::Plan* plan) {
  Costs costs;
  costs.running.resize(problem.candidates.size());
  std::vector<uint32_t> by_id;
  for (uint32_t c = 0; c < problem.candidates.size(); ++c) {
    const Candidate& candidate = problem.candidates[c];
    const uint32_t replicas = search.deployed(c).fit.replicas;
    if (problem.has_incumbent)
      costs.moves += std::max(replicas, candidate.incumbent) - std::min(replicas, candidate.incumbent);
    if (replicas > 0) by_id.push_back(c);
  }
  std::sort(by_id.begin(), by_id.end(),
            [&](uint32_t a, uint32_t b) { return problem.candidates[a].id < problem.candidates[b].id; });
  for (const uint32_t c : by_id) {
    const Candidate& candidate = problem.candidates[c];
    const Deployed& deployed = search.deployed(c);
    const grid::OperatingPoint& point = candidate.profile->points[deployed.fit.point];
    const uint32_t replicas = deployed.fit.replicas;
    const twin::Serving serving = twin::serve(*candidate.profile, point, replicas, deployed.requirements.mix);
    const double power_w =
        twin::average_power(*candidate.profile, point, Watts(candidate.idle_w), replicas, deployed.requirements.mix)
            .value();
    const double active_w = std::max(0.0, power_w - replicas * candidate.idle_w);
    const double eur_per_hour = replicas * candidate.replica_eur_per_hour + active_w * candidate.eur_per_watt_hour;
    costs.running[c] = {serving, active_w, eur_per_hour};
    costs.eur_per_hour += eur_per_hour;
    v1::PlannedDeployment* row = plan->add_deployments();
    row->set_id(candidate.id);
    row->set_pool(problem.snapshot.pools[size_t{candidate.pool}].id);
    row->set_model(problem.snapshot.models[size_t{candidate.model}].id);
    row->set_profile(candidate.profile->id);
    row->set_tensor_parallel(candidate.accelerators);
    row->set_replicas(replicas);
    row->set_batch(point.batch);
    row->set_decode_ms_per_token(point.decode_per_token.value());
    row->set_utilization(serving.utilization);
    row->set_power_w(power_w);
    row->set_cost_eur_per_hour(eur_per_hour);
  }
  costs.eur_per_hour += costs.moves * problem.snapshot.policy.move_penalty.value();
  return costs;
}

void write_ways(const Problem& problem, const DiverseLeg& leg, v1::PlannedSplit* split) {
  const auto write = [&](const twin::Way& way, v1::PlannedWay* planned) {
    for (const grid::LinkIndex link : way.links) planned->add_links(problem.snapshot.links[link].id);
  };
  write(leg.ways.primary, split->mutable_primary());
  write(leg.ways.second, split->mutable_second());
}

// Returns transport and penalties.
double write_demand(const Problem& problem, const Search& search, const std::vector<Running>& all_running, uint32_t d,
                    v1::DemandPlan* planned) {
  const DemandRow& demand = problem.demands[d];
  const Placement& placement = search.placement(d);
  double eur = demand.penalty_eur_per_hour * placement.unserved / kWhole;
  planned->set_demand(demand.row->id);
  planned->set_rejected(static_cast<double>(placement.unserved) / kWhole);
  for (const Member& member : placement.members) {
    const Option& option = problem.options[member.option];
    const Candidate& candidate = problem.candidates[option.candidate];
    const Deployed& deployed = search.deployed(option.candidate);
    const grid::OperatingPoint& point = candidate.profile->points[deployed.fit.point];
    const Running& running = all_running[option.candidate];
    const double fraction = static_cast<double>(member.share) / kWhole;
    const twin::RequestSizes& sizes = problem.uses[option.use].sizes;
    const double work = fraction * (demand.row->rate_per_s * sizes.prefill_ms * 1e-3 +
                                    demand.tokens_per_s * point.decode_per_token.value() * 1e-3 / point.batch);
    const double all_work = running.serving.utilization * deployed.fit.replicas;
    const double transport = option.transport_eur_per_hour * fraction;
    v1::PlannedSplit* split = planned->add_splits();
    split->set_deployment(candidate.id);
    split->set_fraction(fraction);
    if (demand.ways != UINT32_MAX) write_ways(problem, problem.diverse_legs[demand.ways][candidate.pool], split);
    const double quantile = demand.row->promise.quantile;
    split->set_ttft_ms(option.round_trip_us * 1e-3 + running.serving.ttft(sizes, quantile).value());
    split->set_tpot_ms(running.serving.tpot_at(sizes, quantile).value());
    split->set_round_trip_us(option.round_trip_us);
    split->set_cost_eur_per_hour((all_work > 0 ? running.eur_per_hour * work / all_work : 0) + transport);
    eur += transport;
  }
  return eur;
}

// Whether a demand is served by the same deployments in the same shares as before.
bool stands(const Problem& problem, const DemandRow& demand, const Placement& placement) {
  if (demand.before == nullptr || std::ssize(placement.members) != demand.before->splits_size()) return false;
  return std::ranges::all_of(placement.members, [&](const Member& member) {
    return std::ranges::any_of(demand.shares_before, [&](const DemandRow::Share& before) {
      return problem.options[member.option].candidate == before.candidate && member.share == before.share;
    });
  });
}

}  // namespace

v1::Plan written(Problem& problem, Search& search, bool is_mended) {
  v1::Plan plan;
  plan.set_base_offset(problem.snapshot.offset);
  const Costs costs = write_deployments(problem, search, &plan);
  std::vector<uint32_t> order(problem.demands.size());
  for (uint32_t d = 0; d < order.size(); ++d) order[d] = d;
  const auto id_of = [&](uint32_t d) -> std::string_view { return problem.demands[d].row->id; };
  if (!std::ranges::is_sorted(order, {}, id_of)) std::ranges::sort(order, {}, id_of);
  std::vector<uint8_t> as_before(order.size(), 0);
  for (uint32_t d = 0; d < as_before.size() && is_mended; ++d)
    as_before[d] = stands(problem, problem.demands[d], search.placement(d));
  std::vector<Shortlist> lists(order.size());
  for_each_on_two_threads(lists.size(), [&](size_t d) {
    if (as_before[d] == 0) lists[d] = shortlist(problem, search, static_cast<uint32_t>(d));
  });
  double eur = costs.eur_per_hour;
  for (const uint32_t d : order) {
    v1::DemandPlan* planned = plan.add_demands();
    eur += write_demand(problem, search, costs.running, d, planned);
    if (as_before[d] == 0) {
      explain(problem, search, d, std::move(lists[d]), planned);
    } else {  // so are its reasons
      const v1::DemandPlan& before = *problem.demands[d].before;
      planned->set_blocked_by(before.blocked_by());
      planned->set_reason(before.reason());
      *planned->mutable_alternatives() = before.alternatives();
    }
  }
  plan.set_moves(costs.moves);
  plan.set_cost_eur_per_hour(eur);
  return plan;
}

}  // namespace tandem::planner
