// A solution as people's scripts and checkers read it: labels, not positions.
#include "base/json.h"
#include "te/te.h"

namespace tandem::te {
namespace {

Json arc_json(const Problem& problem, uint32_t arc) {
  const Arc& a = problem.arcs[arc];
  return Json::Object{{"link", a.label}, {"from", problem.nodes[a.from]}, {"to", problem.nodes[a.to]}};
}

}  // namespace

Json policies_to_json(const Problem& problem, std::span<const Policy> policies) {
  Json::Array rows;
  for (const Policy& policy : policies) {
    Json::Array segments;
    for (const uint32_t segment : policy.segments)
      segments.push_back(problem.names_link(segment) ? arc_json(problem, problem.link_of(segment))
                                                     : Json(problem.nodes[segment]));
    rows.push_back(Json::Object{{"demand", problem.demands[policy.demand].label},
                                {"segments", std::move(segments)},
                                {"fraction", policy.fraction}});
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
    if (solution.prices[a] == 0) continue;
    Json::Object row = arc_json(problem, a).object();
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
      {"policies", policies_to_json(problem, solution.policies)},
      {"demands", static_cast<int64_t>(problem.demands.size())},
      {"steered_demands", steered},
      {"blocked", blocked_to_json(problem)},
      {"certificate",
       Json::Object{
           {"prices", std::move(prices)},
           {"proves",
            "bound = sum over demands of rate × shortest distance by these prices (0 where none is listed), over "
            "the sum over links and directions of capacity × price"}}},
      {"pivots", solution.pivots},
      {"stopped", solution.stopped}};
}

}  // namespace tandem::te
