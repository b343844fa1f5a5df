#include "replay/replay.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "replay/placement.h"
#include "replay/simulation.h"

namespace tandem::replay {
namespace {

constexpr std::array<std::pair<Policy, std::string_view>, 8> kNames{
    {{Policy::tandem, "tandem"},
     {Policy::nearest, "nearest"},
     {Policy::least_load, "least-load"},
     {Policy::round_robin, "round-robin"},
     {Policy::cheapest, "cheapest"},
     {Policy::prefix_hash, "prefix-hash"},
     {Policy::compute_then_network, "compute-then-network"},
     {Policy::centralise, "centralise"}}};

Result<void> check_options(const grid::Snapshot& snapshot, const Options& options) {
  const Workload& workload = options.workload;
  const auto positive = [](std::string_view what, double value, double most) -> Result<void> {
    if (std::isfinite(value) && value > 0 && value <= most) return {};
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} is {}: give more than 0, at most {:g}", what, value, most));
  };
  TANDEM_TRY(positive("the duration in seconds", workload.duration_s, 31'536'000));  // a year; keeps times in 64 bits
  TANDEM_TRY(positive("the rate factor", workload.rate_factor, 1e6));
  if (!(options.warm_up_s >= 0 && options.warm_up_s < workload.duration_s))
    return fail(ErrorCode::invalid_argument,
                fmt::format("a warm-up of {} s leaves nothing of a duration of {} s: give less of the one or more of "
                            "the other",
                            options.warm_up_s, workload.duration_s));
  if (workload.trace != nullptr && workload.trace->requests.empty())
    return fail(ErrorCode::invalid_argument, "the trace has no request");
  for (const grid::Demand& demand : snapshot.demands)
    if (demand.rate_per_s > 0) return {};
  return fail(ErrorCode::not_found, "no demand of the grid asks anything");
}

// Replicas started and stopped to come from one plan to another.
uint32_t moves_between(const v1::Plan& from, const v1::Plan& to) {
  std::map<std::string, int64_t> difference;
  const auto key = [](const v1::PlannedDeployment& row) {
    return row.model() + "@" + row.pool() + "/" + std::to_string(row.tensor_parallel());
  };
  for (const v1::PlannedDeployment& row : to.deployments()) difference[key(row)] += row.replicas();
  for (const v1::PlannedDeployment& row : from.deployments()) difference[key(row)] -= row.replicas();
  int64_t moves = 0;
  for (const auto& [deployment, replicas] : difference) moves += std::abs(replicas);
  return static_cast<uint32_t>(moves);
}

// Policies that share the joint plan's replicas need it made once.
bool uses_joint_plan(Policy policy) {
  return policy != Policy::nearest && policy != Policy::compute_then_network && policy != Policy::centralise;
}

}  // namespace

std::string_view to_string(Policy policy) {
  for (const auto& [named, name] : kNames)
    if (named == policy) return name;
  return "unknown";
}

std::optional<Policy> policy_named(std::string_view name) {
  for (const auto& [policy, its_name] : kNames)
    if (its_name == name) return policy;
  return std::nullopt;
}

std::vector<Policy> all_policies() {
  std::vector<Policy> policies;
  for (const auto& [policy, name] : kNames) policies.push_back(policy);
  return policies;
}

Result<Report> replay(const grid::Snapshot& snapshot, const v1::Plan& plan, const Options& options) {
  TANDEM_TRY(check_options(snapshot, options));
  TANDEM_ASSIGN(const std::unique_ptr<Simulation> simulation, Simulation::create(snapshot, plan, options));
  Report report = simulation->run();
  if (options.stop.stop_requested()) return fail(ErrorCode::unavailable, "the simulation was stopped");
  return report;
}

Result<Report> replay(const grid::Snapshot& snapshot, const Options& options) {
  TANDEM_ASSIGN(std::vector<Report> reports, compare(snapshot, options, {options.policy}));
  return std::move(reports.front());
}

Result<std::vector<Report>> compare(const grid::Snapshot& snapshot, const Options& options,
                                    const std::vector<Policy>& policies, const v1::Plan* joint) {
  TANDEM_TRY(check_options(snapshot, options));
  const auto made = [&](Policy policy) {
    if (options.progress) options.progress({policy, std::nullopt});
    return placement(snapshot, policy, options.seed, options.plan_work, options.stop);
  };
  const v1::Plan shared = joint != nullptr ? *joint : made(Policy::tandem);
  std::vector<Report> reports;
  for (const Policy policy : policies) {
    Options own = options;
    own.policy = policy;
    const v1::Plan plan = uses_joint_plan(policy) ? shared : made(policy);
    TANDEM_ASSIGN(Report report, replay(snapshot, plan, own));
    report.moves = moves_between(shared, plan);
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace tandem::replay
