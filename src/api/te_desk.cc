#include "api/te_desk.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <map>

#include "api/desk.h"
#include "api/desk_stream.h"
#include "planner/planner.h"
#include "planner/whatif.h"

namespace tandem::api {

namespace asio = boost::asio;

namespace {

constexpr int kSearchesHeldMax = 2;  // one runs; a third would wait longer than a caller does
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

}  // namespace

TeDesk::~TeDesk() {
  closing_.request_stop();
  thread_.join();
}

Result<TeDesk::Question> TeDesk::read_question(const Call& call) {
  TANDEM_ASSIGN(const Json body, read_object(call.request, {"segments_max", "adjacency", "policies_max", "tolerance",
                                                            "failures", "changes_max", "time_limit_ms", "stream"}));
  Question question;
  question.published = call.published;
  TANDEM_ASSIGN(const int64_t segments, read_whole(body, "segments_max", question.search.segments_max, 2, 3));
  TANDEM_ASSIGN(question.search.adjacency, read_flag(body, "adjacency", false));
  TANDEM_ASSIGN(const int64_t policies, read_whole(body, "policies_max", UINT32_MAX, 0, UINT32_MAX));
  TANDEM_ASSIGN(question.search.tolerance, read_positive(body, "tolerance", question.search.tolerance, kToleranceMax));
  TANDEM_ASSIGN(question.failures, read_flag(body, "failures", false));
  TANDEM_ASSIGN(const int64_t changes, read_whole(body, "changes_max", question.repair.changes_max, 0, kChangesMax));
  TANDEM_ASSIGN(const int64_t limit_ms, read_whole(body, "time_limit_ms", kSearchDefaultMs, 0, kSearchMaxMs));
  TANDEM_ASSIGN(question.stream, read_flag(body, "stream", false));
  question.search.segments_max = static_cast<uint32_t>(segments);
  question.search.policies_max = static_cast<uint32_t>(policies);
  question.repair.changes_max = static_cast<uint32_t>(changes);
  question.limit = milliseconds(limit_ms);
  if (!call.published->state.plan)
    return fail(ErrorCode::unavailable,
                "no plan is accepted yet, so what the demands send is not known; try again in a moment");
  return question;
}

Json TeDesk::fail_each(const Question& question, const te::Problem& problem, const te::Solution& solution,
                       const std::stop_token& left, const Tell& tell) const {
  const std::vector<std::vector<uint32_t>> links = te::links_of(problem);
  const Duration end = clock_.monotonic() + question.limit;
  Json::Array each;
  for (const std::vector<uint32_t>& link : links) {
    if (left.stop_requested() || closing_.stop_requested() || clock_.monotonic() >= end) break;
    const te::Survivors survivors = te::survivors_of(problem, solution.policies, link);
    const te::Repair repair = te::repair(survivors, question.repair);
    Json::Object row = te::repair_to_json(survivors, link.front(), repair).object();
    row["fullest"] = fullest_json(survivors, repair);
    each.push_back(std::move(row));
    if (tell)
      tell(Json::Object{{"doing", "failures"},
                        {"done", static_cast<int64_t>(each.size())},
                        {"all", static_cast<int64_t>(links.size())}});
  }
  const bool complete = each.size() == links.size();
  return Json::Object{{"complete", complete}, {"links", static_cast<int64_t>(links.size())}, {"each", std::move(each)}};
}

Result<Json> TeDesk::work(const Question& question, std::stop_source over, std::stop_token left,
                          const Tell& tell) const {
  const std::stop_callback close(closing_.get_token(), [&] { over.request_stop(); });
  const std::stop_callback leave(left, [&] { over.request_stop(); });
  const control::State& state = question.published->state;
  const grid::Snapshot& grid = *state.grid;
  const v1::Plan& plan = *state.plan;

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
      question.search.adjacency && named > te::kAdjacencyMax)
    return fail(ErrorCode::too_large,
                fmt::format("'adjacency' takes at most {} routers and directions of links, here are {}: leave it out",
                            te::kAdjacencyMax, named),
                "adjacency");

  te::Options search = question.search;
  if (tell) search.found = [&](double mlu) { tell(Json::Object{{"doing", "search"}, {"mlu", mlu}}); };
  const te::Solution solution = te::optimise_within_promises(problem, search, over.get_token());
  Json::Object answer = te::to_json(problem, solution).object();
  answer["offset"] = state.head.last();
  answer["complete"] = !solution.stopped;
  answer["warnings"] = std::move(warnings);
  answer["routers"] = routers_json(grid);
  answer["links"] = loads_json(problem, solution.policies);
  answer["planes"] = planes_json(grid, problem);
  answer["ways"] = ways_json(problem, solution.policies);
  if (question.failures) {
    answer["failures"] = fail_each(question, problem, solution, left, tell);
    answer["complete"] = !solution.stopped && answer["failures"]["complete"].boolean();
  }
  return Json(std::move(answer));
}

// The work goes on until it has ended, whoever leaves: it is told so, and uses what stands here.
asio::awaitable<void> TeDesk::answer_in_pieces(std::shared_ptr<const Question> question, http::ResponseWriter& writer) {
  const auto executor = co_await asio::this_coro::executor;
  const auto stream = std::make_shared<DeskStream>(executor);
  const std::stop_source over;
  asio::post(thread_, [this, stream, question, over, executor] {
    const auto timer = limited(executor, question->limit, over);
    Duration next;
    const auto tell = [&](const Json& progress) {
      const Duration now = clock_.monotonic();
      if (now < next) return;
      next = now + kToldEvery;
      stream->say_progress(progress);
    };
    stream->end(work(*question, over, stream->stop().get_token(), tell));
  });
  co_await DeskStream::send(stream, writer);
}

asio::awaitable<void> TeDesk::answer(const Call& call, http::ResponseWriter& writer) {
  const DeskPlace place(held_, kSearchesHeldMax);
  Result<Json> answer =
      fail(ErrorCode::resource_exhausted, "traffic engineering is asked for too often; try again in a minute");
  if (place.is_free()) {
    auto question = read_question(call);
    if (question && question->stream) {
      auto asked = std::make_shared<const Question>(std::move(*question));
      co_await answer_in_pieces(std::move(asked), writer);
      co_return;
    }
    if (question) {
      const auto executor = co_await asio::this_coro::executor;
      const std::stop_source over, left;
      writer.on_disconnect([left]() mutable { left.request_stop(); });
      answer = co_await run_aside(thread_, [&] {
        const auto timer = limited(executor, question->limit, over);
        return work(*question, over, left.get_token(), {});
      });
    } else {
      answer = tl::unexpected(question.error());
    }
  }
  co_await respond_result(std::move(answer), writer);
}

}  // namespace tandem::api
