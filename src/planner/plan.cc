#include "planner/planner.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "planner/bound.h"
#include "planner/explain.h"
#include "planner/search.h"

namespace tandem::planner {
namespace {

constexpr uint32_t kBoundRounds = 40;  // further ones gain less than 0.2 % on the example

// How much of a new replica counts against the first demand on it, from all to a tenth: which serves best depends on how
// demands share, so each is tried and the cheapest kept.
constexpr double kOpeningWeights[] = {1, 0.5, 0.1};

void search_plan(Search& search, const v1::Plan* incumbent) {
  if (incumbent != nullptr) {
    search.adopt(*incumbent);
  } else {
    double best_weight = kOpeningWeights[0], best = 0;
    for (const double weight : kOpeningWeights) {
      search.construct(weight);
      if (weight == kOpeningWeights[0] || search.objective() < best) {
        best = search.objective();
        best_weight = weight;
      }
    }
    if (best_weight != std::end(kOpeningWeights)[-1]) search.construct(best_weight);
  }
  search.improve();
}

struct Costs {
  double eur_per_hour = 0;
  uint32_t moves = 0;
};

Costs write_deployments(const Problem& problem, const Search& search, v1::Plan* plan) {
  Costs costs;
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
    const twin::Serving serving = twin::serve(point, deployed.fit.replicas, deployed.requirements.mix);
    v1::PlannedDeployment* row = plan->add_deployments();
    row->set_id(candidate.id);
    row->set_pool(problem.snapshot.pools[size_t{candidate.pool}].id);
    row->set_model(problem.snapshot.models[size_t{candidate.model}].id);
    row->set_profile(candidate.profile->id);
    row->set_tensor_parallel(candidate.accelerators);
    row->set_replicas(deployed.fit.replicas);
    row->set_batch(point.batch);
    row->set_decode_ms_per_token(point.decode_per_token.value());
    row->set_utilization(serving.utilization);
    row->set_power_w(search.power_w(c));
    // Power above idle; idle energy is in the replica's own price.
    const double active_w = row->power_w() - deployed.fit.replicas * candidate.idle_w;
    row->set_cost_eur_per_hour(deployed.fit.replicas * candidate.replica_eur_per_hour +
                               std::max(0.0, active_w) * candidate.eur_per_watt_hour);
    costs.eur_per_hour += row->cost_eur_per_hour();
  }
  costs.eur_per_hour += costs.moves * problem.snapshot.policy.move_penalty.value();
  return costs;
}

// Returns transport and penalties.
double write_demand(const Problem& problem, const Search& search, uint32_t d, v1::DemandPlan* planned) {
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
    const twin::Serving serving = twin::serve(point, deployed.fit.replicas, deployed.requirements.mix);
    const double fraction = static_cast<double>(member.share) / kWhole;
    const double work = fraction * (demand.row->rate_per_s * option.prefill_ms * 1e-3 +
                                    demand.tokens_per_s * point.decode_per_token.value() * 1e-3 / point.batch);
    const double all_work = serving.utilization * deployed.fit.replicas;
    const double active_w = search.power_w(option.candidate) - deployed.fit.replicas * candidate.idle_w;
    const double deployment_eur = deployed.fit.replicas * candidate.replica_eur_per_hour + active_w * candidate.eur_per_watt_hour;
    const double transport = option.transport_eur_per_hour * fraction;
    v1::PlannedSplit* split = planned->add_splits();
    split->set_deployment(candidate.id);
    split->set_fraction(fraction);
    split->set_ttft_ms(option.round_trip_us * 1e-3 + option.prefill_ms + serving.wait(demand.row->promise.quantile).value());
    split->set_tpot_ms(serving.tpot.value());
    split->set_round_trip_us(option.round_trip_us);
    split->set_cost_eur_per_hour((all_work > 0 ? deployment_eur * work / all_work : 0) + transport);
    eur += transport;
  }
  return eur;
}

}  // namespace

v1::Plan plan(const grid::Snapshot& snapshot, const v1::Plan* incumbent, std::string plan_id, uint64_t seed,
              WorkLimit limit, std::stop_token stop) {
  Problem problem(snapshot, incumbent);
  Search search(problem, seed, limit.iterations, stop);
  search_plan(search, incumbent);

  v1::Plan plan;
  plan.set_id(std::move(plan_id));
  plan.set_base_offset(snapshot.offset);
  plan.set_seed(seed);
  plan.set_work(search.iterations());
  const Costs costs = write_deployments(problem, search, &plan);
  std::vector<uint32_t> order(problem.demands.size());
  for (uint32_t d = 0; d < order.size(); ++d) order[d] = d;
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return problem.demands[a].row->id < problem.demands[b].row->id; });
  double eur = costs.eur_per_hour;
  for (const uint32_t d : order) {
    v1::DemandPlan* planned = plan.add_demands();
    eur += write_demand(problem, search, d, planned);
    explain(problem, search, d, planned);
  }
  plan.set_moves(costs.moves);
  plan.set_cost_eur_per_hour(eur);
  plan.set_bound_eur_per_hour(std::min(eur, lower_bound(problem, eur, kBoundRounds)));
  return plan;
}

twin::Assignment assignment_of(const grid::Snapshot& snapshot, const v1::Plan& plan) {
  std::map<std::string_view, grid::PoolIndex> pools;
  for (const v1::PlannedDeployment& deployment : plan.deployments())
    if (const auto pool = snapshot.pools.find(deployment.pool()); pool.valid()) pools[deployment.id()] = pool;
  twin::Assignment assignment;
  for (const v1::DemandPlan& planned : plan.demands()) {
    const grid::DemandIndex demand = snapshot.demands.find(planned.demand());
    if (!demand.valid()) continue;
    for (const v1::PlannedSplit& split : planned.splits())
      if (const auto pool = pools.find(split.deployment()); pool != pools.end())
        assignment.shares.push_back({demand, pool->second, split.fraction()});
  }
  return assignment;
}

}  // namespace tandem::planner
