// A solution as people's scripts and checkers read it: labels, not positions.
#include "base/json.h"
#include "te/te.h"

namespace tandem::te {

Json arc_to_json(const Problem& problem, uint32_t arc) {
  const Arc& a = problem.arcs[arc];
  return Json::Object{{"link", a.label}, {"from", problem.nodes[a.from]}, {"to", problem.nodes[a.to]}};
}

namespace {

// The traffic that no file states: what demands under a plan add up to.
Json planned_to_json(const Problem& problem) {
  Json::Array rows;
  const auto row = [&](const Demand& demand) {
    Json::Object made{{"demand", demand.label},
                      {"from", problem.nodes[demand.from]},
                      {"to", problem.nodes[demand.to]},
                      {"rate_gbps", demand.rate_gbps}};
    if (!demand.flex_algo.empty()) made["flex_algo"] = demand.flex_algo;
    if (demand.fixed) made["fixed"] = true;
    return made;
  };
  for (const Demand& demand : problem.demands)
    if (demand.planned) rows.push_back(row(demand));
  for (const Steered& steered : problem.steered) {
    Json::Object made = row(steered.demand);
    Json::Array links;
    for (const uint32_t arc : steered.primary) links.push_back(problem.arcs[arc].label);
    made["links"] = std::move(links);
    rows.push_back(std::move(made));
  }
  return rows;
}

}  // namespace

Json policies_to_json(const Problem& problem, std::span<const Policy> policies) {
  Json::Array rows;
  for (const Policy& policy : policies) {
    Json::Array segments;
    for (const uint32_t segment : policy.segments)
      segments.push_back(problem.names_link(segment) ? arc_to_json(problem, problem.link_of(segment))
                                                     : Json(problem.nodes[segment]));
    Json::Object row{{"demand", problem.demands[policy.demand].label},
                     {"segments", std::move(segments)},
                     {"fraction", policy.fraction}};
    if (const std::string& algo = problem.demands[policy.demand].flex_algo; !algo.empty()) row["flex_algo"] = algo;
    rows.push_back(std::move(row));
  }
  return rows;
}

Json blocked_to_json(const Problem& problem) {
  Json::Array rows;
  for (const Blocked& blocked : problem.blocked) {
    rows.push_back(Json::Object{{"demand", blocked.demand},
                                {"rate_gbps", blocked.rate_gbps},
                                {"reason", blocked.reason},
                                {"relaxation", blocked.relaxation}});
  }
  return rows;
}

Json to_json(const Problem& problem, const Solution& solution) {
  Json::Array prices;
  for (uint32_t a = 0; a < problem.arcs.size(); ++a) {
    if (solution.prices[a] == 0 || problem.row(a) != a) continue;
    Json::Object row = arc_to_json(problem, a).object();
    row["price"] = solution.prices[a];
    prices.push_back(std::move(row));
  }
  uint64_t steered = 0;
  for (size_t i = 0; i < solution.policies.size(); ++i)
    steered += i == 0 || solution.policies[i].demand != solution.policies[i - 1].demand;
  return Json::Object{
      {"mlu", solution.mlu},
      {"mlu_before", solution.mlu_before},
      {"bound", solution.bound},
      {"segment_bound", solution.segment_bound},
      {"gap", solution.gap()},
      {"fixed_demands", static_cast<int64_t>(problem.fixed_demands())},
      {"policies", policies_to_json(problem, solution.policies)},
      {"demands", static_cast<int64_t>(problem.demands.size())},
      {"planned", planned_to_json(problem)},
      {"steered_demands", steered},
      {"blocked", blocked_to_json(problem)},
      {"certificate",
       Json::Object{
           {"prices", std::move(prices)},
           {"proves",
            "bound = sum over demands of rate × shortest distance by these prices (0 where none is listed; of a flex "
            "algorithm's demands over its own links; along its links for what has any, along its plain paths for what "
            "is "
            "fixed), over the sum over links and "
            "directions of capacity × price"}}},
      {"pivots", solution.pivots},
      {"stopped", solution.stopped}};
}

Json repair_to_json(const Survivors& survivors, uint32_t arc, const Repair& repair) {
  Json::Object row = arc_to_json(survivors.problem, arc).object();
  row["mlu_failed"] = repair.mlu_failed;
  row["mlu"] = repair.mlu;
  row["changed_demands"] = repair.changed;
  row["changes"] = policies_to_json(survivors.problem, repair.changes);
  row["cut_off_demands"] = static_cast<int64_t>(survivors.problem.blocked.size());
  return row;
}

}  // namespace tandem::te
