#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "api/questions.h"
#include "api/views.h"
#include "planner/planner.h"
#include "planner/schedule.h"
#include "planner/whatif.h"
#include "te/te.h"

namespace tandem::api {

namespace {

constexpr int64_t kSearchDefaultMs = 20'000;
constexpr int64_t kSearchMaxMs = 60'000;
constexpr int64_t kChangesMax = 20;   // after a failure: each takes a step of its own, and a person carries them out
constexpr size_t kWaysMax = 200;      // steered demands whose links are listed, the largest
constexpr size_t kFullestLinks = 5;   // after a failure: what a person reads
constexpr double kPartLeast = 1e-6;   // of a policy's traffic: less is rounding
constexpr double kToleranceMax = 10;  // far above the level without any policy

constexpr std::array kMetricNames{"igp", "delay", "te"};

// Where policies lead, for a map: the links of the demand's plain paths, and of each list.
Json links_of_way(const te::Problem& problem, const te::Policy& policy) {
  const std::vector<double> parts = te::way_of(problem, policy);
  Json::Array links;
  for (uint32_t a = 0; a < parts.size(); ++a) {
    if (parts[a] < kPartLeast) continue;
    Json::Object row = te::arc_to_json(problem, a).object();
    row["part"] = parts[a];
    links.push_back(std::move(row));
  }
  return links;
}

Json ways_json(const te::Problem& problem, const std::vector<te::Policy>& policies) {
  std::map<uint32_t, std::vector<te::Policy>> lists;
  for (const te::Policy& policy : policies) lists[policy.demand].push_back(policy);
  std::vector<uint32_t> largest;
  for (const auto& [demand, of_demand] : lists) largest.push_back(demand);
  std::stable_sort(largest.begin(), largest.end(),
                   [&](uint32_t a, uint32_t b) { return problem.demands[a].rate_gbps > problem.demands[b].rate_gbps; });
  largest.resize(std::min(largest.size(), kWaysMax));
  Json::Array ways;
  for (const uint32_t index : largest) {
    const te::Demand& demand = problem.demands[index];
    const Json::Array written = te::policies_to_json(problem, lists[index]).array();
    Json::Array rows;
    for (size_t i = 0; i < written.size(); ++i) {
      Json::Object row = written[i].object();
      row["links"] = links_of_way(problem, lists[index][i]);
      rows.push_back(std::move(row));
    }
    ways.push_back(Json::Object{{"demand", demand.label},
                                {"from", problem.nodes[demand.from]},
                                {"to", problem.nodes[demand.to]},
                                {"rate_gbps", demand.rate_gbps},
                                {"flex_algo", demand.flex_algo},
                                {"planned", demand.planned},
                                {"plain", links_of_way(problem, {index, {}, 1})},
                                {"lists", std::move(rows)}});
  }
  return ways;
}

Json routers_json(const grid::Snapshot& grid) {
  Json::Array rows;
  for (const grid::Node& node : grid.nodes)
    rows.push_back(Json::Object{{"router", node.id}, {"site", grid.sites[node.site].id}});
  return rows;
}

// Every direction of a link.
Json loads_json(const te::Problem& problem, const std::vector<te::Policy>& policies) {
  const std::vector<double> before = te::loads_of(problem, {}), after = te::loads_of(problem, policies);
  Json::Array rows;
  for (uint32_t a = 0; a < problem.arcs.size(); ++a) {
    if (problem.row(a) != a) continue;
    Json::Object row = te::arc_to_json(problem, a).object();
    row["capacity_gbps"] = problem.arcs[a].capacity_gbps;
    row["before_gbps"] = before[a];
    row["after_gbps"] = after[a];
    rows.push_back(std::move(row));
  }
  return rows;
}

// The IGP's own paths first, then each flex algorithm of the grid: its rules, and what takes it.
Json planes_json(const grid::Snapshot& grid, const te::Problem& problem) {
  struct Traffic {
    int64_t demands = 0;
    double rate_gbps = 0;
  };
  std::map<std::string_view, Traffic> traffic;
  const auto count = [&](const te::Demand& demand) {
    Traffic& of = traffic[demand.flex_algo];
    ++of.demands;
    of.rate_gbps += demand.rate_gbps;
  };
  for (const te::Demand& demand : problem.demands) count(demand);
  for (const te::Steered& steered : problem.steered) count(steered.demand);
  const auto row = [&](const grid::FlexAlgo& algo, grid::FlexAlgoIndex index) {
    Json::Array links;
    for (size_t i = 0; i < grid.links.size(); ++i)
      if (twin::metric_in(grid, index, grid::LinkIndex(i))) links.push_back(grid.links[i].id);
    const Traffic& of = traffic[algo.id];
    return Json::Object{{"flex_algo", algo.id},
                        {"name", algo.name},
                        {"metric", kMetricNames.at(static_cast<size_t>(algo.metric))},
                        {"links", std::move(links)},
                        {"demands", of.demands},
                        {"rate_gbps", of.rate_gbps}};
  };
  Json::Array rows;
  rows.push_back(row({}, {}));
  for (size_t i = 0; i < grid.flex_algos.size(); ++i)
    rows.push_back(row(grid.flex_algos[grid::FlexAlgoIndex(i)], grid::FlexAlgoIndex(i)));
  return rows;
}

// The fullest links after a failure, before any change and with them.
Json fullest_json(const te::Survivors& survivors, const te::Repair& repair) {
  const te::Problem& problem = survivors.problem;
  const std::vector<double> failed = te::loads_of(problem, survivors.policies, survivors.down);
  const std::vector<double> mended =
      repair.changes.empty() ? failed : te::loads_of(problem, te::repaired(survivors, repair), survivors.down);
  const auto fill = [&](const std::vector<double>& loads, uint32_t a) {
    return loads[a] / problem.arcs[a].capacity_gbps;
  };
  std::vector<uint32_t> arcs;
  for (uint32_t a = 0; a < problem.arcs.size(); ++a)
    if (problem.row(a) == a && mended[a] > 0) arcs.push_back(a);
  const size_t count = std::min(arcs.size(), kFullestLinks);
  std::partial_sort(
      arcs.begin(), arcs.begin() + static_cast<ptrdiff_t>(count), arcs.end(),
      [&](uint32_t a, uint32_t b) { return std::pair(-fill(mended, a), a) < std::pair(-fill(mended, b), b); });
  Json::Array rows;
  for (size_t i = 0; i < count; ++i) {
    Json::Object row = te::arc_to_json(problem, arcs[i]).object();
    row["utilization_failed"] = fill(failed, arcs[i]);
    row["utilization"] = fill(mended, arcs[i]);
    rows.push_back(std::move(row));
  }
  return rows;
}

struct Engineering {
  te::Options search;
  bool failures = false;
  te::RepairOptions repair;
  Duration limit;  // of the search, and again of the failures
};

Result<Engineering> read_engineering(const Json& body) {
  Engineering asked;
  TANDEM_ASSIGN(const int64_t segments, read_whole(body, "segments_max", asked.search.segments_max, 2, 3));
  TANDEM_ASSIGN(asked.search.adjacency, read_flag(body, "adjacency", false));
  TANDEM_ASSIGN(const int64_t policies, read_whole(body, "policies_max", UINT32_MAX, 0, UINT32_MAX));
  TANDEM_ASSIGN(asked.search.tolerance, read_positive(body, "tolerance", asked.search.tolerance, kToleranceMax));
  TANDEM_ASSIGN(asked.failures, read_flag(body, "failures", false));
  TANDEM_ASSIGN(const int64_t changes, read_whole(body, "changes_max", asked.repair.changes_max, 0, kChangesMax));
  TANDEM_ASSIGN(const int64_t limit_ms, read_whole(body, "time_limit_ms", kSearchDefaultMs, 0, kSearchMaxMs));
  asked.search.segments_max = static_cast<uint32_t>(segments);
  asked.search.policies_max = static_cast<uint32_t>(policies);
  asked.repair.changes_max = static_cast<uint32_t>(changes);
  asked.limit = milliseconds(limit_ms);
  return asked;
}

Json fail_each(const Engineering& asked, const te::Problem& problem, const te::Solution& solution, DeskTask& task) {
  const std::vector<std::vector<uint32_t>> links = te::links_of(problem);
  const Duration end = task.clock.monotonic() + asked.limit;
  Json::Array each;
  for (const std::vector<uint32_t>& link : links) {
    if (task.left.stop_requested() || task.clock.monotonic() >= end) break;
    const te::Survivors survivors = te::survivors_of(problem, solution.policies, link);
    const te::Repair repair = te::repair(survivors, asked.repair);
    Json::Object row = te::repair_to_json(survivors, link.front(), repair).object();
    row["fullest"] = fullest_json(survivors, repair);
    each.push_back(std::move(row));
    task.tell([&] { return Json::Object{{"doing", "failures"}, {"done", each.size()}, {"all", links.size()}}; });
  }
  const bool complete = each.size() == links.size();
  return Json::Object{{"complete", complete}, {"links", static_cast<int64_t>(links.size())}, {"each", std::move(each)}};
}

Result<Json> engineer(const Published& published, const Engineering& asked, DeskTask& task) {
  const control::State& state = published.state;
  const v1::Plan& plan = *state.plan;
  const auto planned = planner::grid_of_plan(state.grid, &plan);
  const grid::Snapshot& grid = *planned;

  std::vector<Diagnostic> diagnostics;
  te::Problem problem =
      te::make_problem(grid, {planner::assignment_of(grid, plan), planner::slack_us(grid, plan)}, diagnostics);
  Json::Array warnings;
  for (const Diagnostic& diagnostic : diagnostics) {
    if (diagnostic.severity == Diagnostic::Severity::error)
      return fail(ErrorCode::too_large, fmt::format("{}: {}", diagnostic.message, diagnostic.fix));
    warnings.push_back(fmt::format("{}: {}", diagnostic.message, diagnostic.fix));
  }
  for (planner::RejectedTraffic& rejected : planner::rejected_traffic(grid, plan))
    problem.blocked.push_back({std::move(rejected.demand), rejected.rate_gbps, std::move(rejected.reason), {}});
  if (const size_t named = problem.nodes.size() + problem.arcs.size();
      asked.search.adjacency && named > te::kAdjacencyMax)
    return fail(ErrorCode::too_large,
                fmt::format("'adjacency' takes at most {} routers and directions of links, here are {}: leave it out",
                            te::kAdjacencyMax, named),
                "adjacency");

  te::Options search = asked.search;
  search.found = [&](double mlu) { task.tell([&] { return Json::Object{{"doing", "search"}, {"mlu", mlu}}; }); };
  const te::Solution solution = te::optimise_within_promises(problem, search, task.over);
  Json::Object answer = te::to_json(problem, solution).object();
  answer["offset"] = state.head.last();
  answer["hours"] = hours_json(plan);
  answer["complete"] = !solution.stopped;
  answer["warnings"] = std::move(warnings);
  answer["routers"] = routers_json(grid);
  answer["links"] = loads_json(problem, solution.policies);
  answer["planes"] = planes_json(grid, problem);
  answer["ways"] = ways_json(problem, solution.policies);
  if (asked.failures) {
    answer["failures"] = fail_each(asked, problem, solution, task);
    answer["complete"] = !solution.stopped && answer["failures"]["complete"].boolean();
  }
  return Json(std::move(answer));
}

}  // namespace

Result<DeskQuestion> read_te(const Call& call) {
  TANDEM_ASSIGN(const Json body, read_object(call.request, {"segments_max", "adjacency", "policies_max", "tolerance",
                                                            "failures", "changes_max", "time_limit_ms", "stream"}));
  TANDEM_ASSIGN(const Engineering asked, read_engineering(body));
  TANDEM_ASSIGN(const bool stream, read_flag(body, "stream", false));
  if (!call.published->state.plan)
    return fail(ErrorCode::unavailable,
                "no plan is accepted yet, so what the demands send is not known; try again in a moment");
  const auto work = [published = call.published, asked](DeskTask& task) { return engineer(*published, asked, task); };
  return DeskQuestion{work, asked.limit, stream};
}

}  // namespace tandem::api
