#include "planner/whatif.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "planner/planner.h"
#include "twin/resilience.h"

namespace tandem::planner {
namespace {

constexpr double kAddedStepGbps = 10;  // capacity is bought in steps of the smallest optic still sold for backbones
constexpr double kSpanKm = 80;         // a link costs at least one amplified span
constexpr size_t kUpgradesMax = 20;
constexpr size_t kFullestMax = 20;        // links of one scenario
constexpr double kWholeShare = 1 - 1e-9;  // sums of shares end in rounding
constexpr double kSharingWorkMax = 1e9;   // flows · directions of links: some seconds

double six_decimals(double value) { return value == 0 ? 0 : std::round(value * 1e6) / 1e6; }

Json direction_ends(const grid::Snapshot& snapshot, const grid::Link& link, size_t direction) {
  const std::string& a = snapshot.nodes[link.a].id;
  const std::string& b = snapshot.nodes[link.b].id;
  return Json::Object{{"from", direction == 0 ? a : b}, {"to", direction == 0 ? b : a}};
}

// The busiest direction of a link among loads by 2 · link + direction; null where nothing is carried.
Json busiest_link(const grid::Snapshot& snapshot, const std::vector<double>& gbps) {
  double most = 0;
  Json found;
  for (size_t slot = 0; slot < gbps.size(); ++slot) {
    const grid::Link& link = snapshot.links[slot / 2];
    const double utilization = gbps[slot] / (slot % 2 == 0 ? link.capacity_ab : link.capacity_ba).value();
    if (utilization <= most) continue;
    most = utilization;
    Json::Object row = direction_ends(snapshot, link, slot % 2).object();
    row["id"] = link.id;
    row["utilization"] = six_decimals(utilization);
    found = std::move(row);
  }
  return found;
}

// The links asked for most of their capacity, in either direction, the fullest first.
Json::Array fullest_links(const grid::Snapshot& snapshot, const std::vector<double>& gbps) {
  std::vector<std::pair<double, size_t>> all;
  for (size_t i = 0; i < snapshot.links.size(); ++i) {
    const grid::Link& link = snapshot.links[i];
    const double utilization =
        std::max(gbps[2 * i] / link.capacity_ab.value(), gbps[2 * i + 1] / link.capacity_ba.value());
    if (utilization > 0) all.emplace_back(-utilization, i);
  }
  const size_t shown = std::min(all.size(), kFullestMax);
  std::partial_sort(all.begin(), all.begin() + static_cast<ptrdiff_t>(shown), all.end());
  Json::Array rows;
  for (size_t i = 0; i < shown; ++i)
    rows.push_back(
        Json::Object{{"id", snapshot.links[all[i].second].id}, {"utilization", six_decimals(-all[i].first)}});
  return rows;
}

// What was up before and is not after, as far as it fits.
template <class Row>
Json::Array gone(const grid::Table<Row>& rows, const auto& usable_before, const auto& usable_after) {
  Json::Array ids;
  for (size_t i = 0; i < rows.size() && ids.size() < kNamedMax; ++i)
    if (usable_before(i) && !usable_after(i)) ids.push_back(rows[i].id);
  return ids;
}

Json::Array links_down(const grid::Snapshot& before, const grid::Snapshot& after) {
  return gone(
      before.links, [&](size_t i) { return before.usable(grid::LinkIndex(i)); },
      [&](size_t i) { return after.usable(grid::LinkIndex(i)); });
}

// A site is down when it is, or when the last of its nodes is.
Json::Array sites_down(const grid::Snapshot& before, const grid::Snapshot& after) {
  const auto lit = [](const grid::Snapshot& snapshot) {
    std::vector<uint8_t> sites(snapshot.sites.size(), 0);
    for (size_t i = 0; i < snapshot.nodes.size(); ++i)
      if (snapshot.usable(grid::NodeIndex(i))) sites[snapshot.nodes[i].site.value] = 1;
    return sites;
  };
  const std::vector<uint8_t> then = lit(before), now = lit(after);
  return gone(
      before.sites, [&](size_t i) { return then[i] != 0; }, [&](size_t i) { return now[i] != 0; });
}

// What stays broken when the shares of the plan have moved to what is left.
Json after_failover(const grid::Snapshot& before, const Verdict& verdict) {
  Json::Array broken;
  for (const Verdict::Broken& one : verdict.promises_broken)
    broken.push_back(Json::Object{{"demand", one.demand},
                                  {"tenant", one.tenant},
                                  {"region", one.region},
                                  {"model", one.model},
                                  {"rate_per_s", before.demands[before.demands.find(one.demand)].rate_per_s},
                                  {"reason", one.reason},
                                  {"fraction", six_decimals(one.fraction)}});
  return Json::Object{{"promises_broken", std::move(broken)},
                      {"cost_eur_per_hour_delta", six_decimals(verdict.cost_delta_eur_per_hour)}};
}

Json traffic_json(const twin::TrafficMatrix& matrix) {
  return Json::Object{{"formula", matrix.formula},
                      {"flows", static_cast<int64_t>(matrix.size())},
                      {"gbps", six_decimals(matrix.total().value())}};
}

Json::Array failed_ids(const grid::Snapshot& snapshot, std::span<const twin::Failure> failures,
                       const twin::FailureOutcome& outcome) {
  Json::Array ids{Json(failed_id(snapshot, failures[outcome.failed[0]]))};
  if (outcome.failed[0] != outcome.failed[1]) ids.push_back(Json(failed_id(snapshot, failures[outcome.failed[1]])));
  return ids;
}

// The sweep of one snapshot under one plan, as JSON.
class SweepReport {
 public:
  SweepReport(const grid::Snapshot& snapshot, const v1::Plan& plan, const FailureSweep& asked, const Clock& clock)
      : snapshot_(snapshot), plan_(plan), asked_(asked), clock_(clock) {}

  Result<Json> make(const std::function<void(const SweepProgress&)>& progress, std::stop_token stop) {
    const twin::TrafficMatrix matrix = chosen_traffic(snapshot_, plan_, asked_.traffic, asked_.fill);
    watched_ = watched_promises(snapshot_, plan_);
    std::vector<twin::PromiseWatch> watches;
    for (const WatchedPromise& one : watched_) watches.push_back(one.watch);
    TANDEM_ASSIGN(const twin::FailureStudy study,
                  twin::FailureStudy::make(snapshot_, matrix, std::move(watches), asked_.fail.kind));
    twin::SweepOptions options;
    options.worst = std::min(asked_.worst, kWorstMax);
    options.verify = std::min(asked_.verify, kVerifyMax);
    options.seed = asked_.seed;
    options.threads = asked_.threads;
    if (progress)
      options.progress = [&](std::span<const twin::FailureOutcome> outcomes, uint64_t done, uint64_t all) {
        progress({done, all, outcomes, study.failures()});
      };
    const Duration start = clock_.monotonic();
    const twin::Sweep sweep = study.run(asked_.fail.at_once, options, stop);
    seconds_ = (clock_.monotonic() - start).seconds();
    Json::Object report{
        {"failures", static_cast<int64_t>(study.failures().size())},
        {"scenarios", sweep.scenarios},
        {"complete", sweep.complete},
        {"seconds", seconds_},
        {"scenarios_per_s", seconds_ > 0 ? static_cast<double>(sweep.scenarios) / seconds_ : 0},
        {"threads", static_cast<int64_t>(asked_.threads)},
        {"offset", snapshot_.offset},
        {"traffic", traffic_json(matrix)},
        {"promises", static_cast<int64_t>(watched_.size())},
        {"undisturbed", Json::Object{{"utilization_max", six_decimals(study.undisturbed().utilization_max)},
                                     {"lost_gbps", six_decimals(study.undisturbed().lost_gbps)}}},
        {"overloading", sweep.overloaded},
        {"losing", sweep.losing},
        {"breaking", sweep.breaking},
        {"leaving", sweep.leaving},
        {"worst", worst(study, sweep)},
        {"upgrades", upgrades(sweep)},
    };
    if (asked_.verify > 0) report["verify"] = verify(study, sweep, matrix.total(), stop);
    return Json(std::move(report));
  }

 private:
  Json::Array demands_of(const std::vector<uint32_t>& promises) const {
    Json::Array rows;
    for (size_t i = 0; i < std::min(promises.size(), kNamedMax); ++i) {
      const grid::Demand& demand = snapshot_.demands[watched_[promises[i]].demand];
      rows.push_back(Json::Object{{"demand", demand.id},
                                  {"tenant", snapshot_.tenants[demand.tenant].id},
                                  {"region", snapshot_.regions[demand.region].id},
                                  {"model", snapshot_.models[demand.model].id},
                                  {"rate_per_s", demand.rate_per_s}});
    }
    return rows;
  }

  // Each of the worst, with its busiest link, and what becomes of the promises once the shares have moved.
  Json::Array worst(const twin::FailureStudy& study, const twin::Sweep& sweep) const {
    const Comparison comparison(snapshot_, plan_);
    Json::Array all;
    for (const twin::FailureOutcome& outcome : sweep.worst) {
      const twin::KeptScenario plain = study.plain(outcome.failed);
      const twin::Failure both[] = {study.failures()[outcome.failed[0]], study.failures()[outcome.failed[1]]};
      const size_t count = outcome.failed[0] == outcome.failed[1] ? 1 : 2;
      const grid::Snapshot after = with_failures(snapshot_, std::span(both).first(count));
      Json::Object row = outcome_json(snapshot_, study.failures(), outcome).object();
      row["broken_at_once"] = demands_of(plain.promises);
      row["left_residency"] = demands_of(plain.left);
      row["after_failover"] = after_failover(snapshot_, comparison.with(after));
      row["worst_link"] = busiest_link(after, plain.gbps);
      row["fullest_links"] = fullest_links(after, plain.gbps);
      row["links_down"] = links_down(snapshot_, after);
      row["sites_down"] = sites_down(snapshot_, after);
      all.push_back(std::move(row));
    }
    return all;
  }

  // Where added capacity removes most harm for its cost. Harm is what links are asked to carry beyond their capacity,
  // summed over all scenarios; it goes away whole where the capacity covers the worst of them, for routing follows
  // metrics, not capacity. Cost is taken as capacity × length, of at least one span: optics and amplifiers, not
  // digging.
  Json::Array upgrades(const twin::Sweep& sweep) const {
    struct Upgrade {
      double harm_per_cost = 0;
      size_t slot = 0;
      double add_gbps = 0, gbps_km = 0;
    };
    std::vector<Upgrade> all;
    double harm_kbps = 0;
    for (size_t slot = 0; slot < sweep.stress.size(); ++slot) {
      const twin::LinkStress& stress = sweep.stress[slot];
      if (stress.overloaded == 0) continue;
      harm_kbps += static_cast<double>(stress.excess_kbps_sum);
      const grid::Link& link = snapshot_.links[slot / 2];
      const double capacity = (slot % 2 == 0 ? link.capacity_ab : link.capacity_ba).value();
      Upgrade upgrade;
      upgrade.slot = slot;
      upgrade.add_gbps = kAddedStepGbps * std::ceil(capacity * (stress.utilization_max - 1) / kAddedStepGbps);
      upgrade.gbps_km = upgrade.add_gbps * std::max(kSpanKm, link.length.value());
      upgrade.harm_per_cost = static_cast<double>(stress.excess_kbps_sum) * 1e-6 / upgrade.gbps_km;
      all.push_back(upgrade);
    }
    std::sort(all.begin(), all.end(), [](const Upgrade& a, const Upgrade& b) {
      return a.harm_per_cost != b.harm_per_cost ? a.harm_per_cost > b.harm_per_cost : a.slot < b.slot;
    });
    Json::Array rows;
    for (size_t i = 0; i < std::min(all.size(), kUpgradesMax); ++i) {
      const twin::LinkStress& stress = sweep.stress[all[i].slot];
      const grid::Link& link = snapshot_.links[all[i].slot / 2];
      Json::Object row = direction_ends(snapshot_, link, all[i].slot % 2).object();
      row["link"] = link.id;
      row["capacity_gbps"] = (all[i].slot % 2 == 0 ? link.capacity_ab : link.capacity_ba).value();
      row["length_km"] = link.length.value();
      row["harm_share"] = six_decimals(static_cast<double>(stress.excess_kbps_sum) / std::max(1.0, harm_kbps));
      row["overloaded_in"] = stress.overloaded;
      row["utilization_max"] = six_decimals(stress.utilization_max);
      row["excess_gbps_mean"] =
          six_decimals(static_cast<double>(stress.excess_kbps_sum) * 1e-6 / static_cast<double>(stress.overloaded));
      row["add_gbps"] = all[i].add_gbps;
      row["gbps_km"] = six_decimals(all[i].gbps_km);
      row["harm_per_gbps_km"] = six_decimals(all[i].harm_per_cost);
      rows.push_back(std::move(row));
    }
    return rows;
  }

  Json verify(const twin::FailureStudy& study, const twin::Sweep& sweep, Gbps total, std::stop_token stop) const {
    uint64_t checked = 0, differences = 0;
    Json::Array first;
    const Duration start = clock_.monotonic();
    for (const twin::KeptScenario& kept : sweep.kept) {
      if (stop.stop_requested()) break;
      const std::string what = difference(snapshot_, kept, study.plain(kept.outcome.failed), total);
      ++checked;
      if (what.empty()) continue;
      if (++differences <= 10)
        first.push_back(
            Json::Object{{"failed", failed_ids(snapshot_, study.failures(), kept.outcome)}, {"difference", what}});
    }
    const double seconds = (clock_.monotonic() - start).seconds();
    const double plain_per_s = seconds > 0 ? static_cast<double>(checked) / seconds : 0;
    const double swept_per_s = seconds_ > 0 ? static_cast<double>(sweep.scenarios) / seconds_ : 0;
    return Json::Object{{"checked", checked},
                        {"differences", differences},
                        {"first_differences", std::move(first)},
                        {"tolerance", "1e-9 of a link's load and 1e-11 of all traffic; promises exactly"},
                        {"plain_scenarios_per_s_per_thread", plain_per_s},
                        {"times_faster_per_thread", plain_per_s > 0 ? swept_per_s / asked_.threads / plain_per_s : 0}};
  }

  const grid::Snapshot& snapshot_;
  const v1::Plan& plan_;
  const FailureSweep& asked_;
  const Clock& clock_;
  std::vector<WatchedPromise> watched_;
  double seconds_ = 0;  // of the sweep
};

}  // namespace

Json outcome_json(const grid::Snapshot& snapshot, std::span<const twin::Failure> failures,
                  const twin::FailureOutcome& outcome) {
  return Json::Object{{"failed", failed_ids(snapshot, failures, outcome)},
                      {"residencies_left", static_cast<int64_t>(outcome.residencies_left)},
                      {"promises_broken", static_cast<int64_t>(outcome.promises_broken)},
                      {"utilization_max", six_decimals(outcome.utilization_max)},
                      {"lost_gbps", six_decimals(outcome.lost_gbps)}};
}

Result<TrafficChoice> parse_traffic_choice(std::string_view text) {
  constexpr std::string_view kNames[] = {"auto", "own", "gravity", "uniform"};
  for (size_t i = 0; i < std::size(kNames); ++i)
    if (text == kNames[i]) return static_cast<TrafficChoice>(i);
  return fail(ErrorCode::invalid_argument, fmt::format("no traffic '{}': auto, own, gravity or uniform", text),
              "traffic");
}

twin::TrafficMatrix chosen_traffic(const grid::Snapshot& snapshot, const v1::Plan& plan, TrafficChoice choice,
                                   double fill) {
  twin::TrafficMatrix own = own_traffic(snapshot, assignment_of(snapshot, plan));
  if (choice == TrafficChoice::automatic && !snapshot.traffic.empty()) choice = TrafficChoice::own;
  if (choice == TrafficChoice::own) return own;
  twin::TrafficMatrix matrix =
      choice == TrafficChoice::uniform ? twin::uniform_traffic(snapshot, fill) : twin::gravity_traffic(snapshot, fill);
  matrix.formula += fmt::format("; and {}", own.formula);
  matrix.flows.insert(matrix.flows.end(), own.flows.begin(), own.flows.end());
  matrix.steered = std::move(own.steered);
  return matrix;
}

namespace {

// The row with that id, else the only one with that name.
template <class Row>
Result<uint32_t> find_row(const grid::Table<Row>& rows, std::string_view kind, std::string_view wanted) {
  if (const auto found = rows.find(wanted); found.valid()) return found.value;
  std::vector<std::string> known;
  std::vector<uint32_t> named;
  for (uint32_t i = 0; i < rows.size(); ++i) {
    known.push_back(rows[size_t{i}].id);
    if constexpr (requires(const Row& row) { row.name; }) {
      const std::string& name = rows[size_t{i}].name;
      if (iequals(name, wanted)) named.push_back(i);
      if (!name.empty()) known.push_back(name);
    }
  }
  if (named.size() == 1) return named.front();
  const std::string quoted(wanted.substr(0, 64));
  if (named.size() > 1)
    return fail(ErrorCode::invalid_argument, fmt::format("{} {}s are called '{}'; name one by its id, such as '{}'",
                                                         named.size(), kind, quoted, rows[size_t{named.front()}].id));
  const auto meant = nearest(wanted, known);
  return fail(ErrorCode::not_found,
              fmt::format("no {} '{}'{}", kind, quoted, meant ? fmt::format("; did you mean '{}'?", *meant) : ""));
}

}  // namespace

Result<twin::Failure> find_failure(const grid::Snapshot& snapshot, std::string_view kind, std::string_view id) {
  const auto row = [&](twin::FailureKind one) -> Result<uint32_t> {
    switch (one) {
      case twin::FailureKind::link:
      case twin::FailureKind::member: return find_row(snapshot.links, "link", id);
      case twin::FailureKind::node: return find_row(snapshot.nodes, "node", id);
      case twin::FailureKind::shared_risk_group: return find_row(snapshot.shared_risk_groups, "shared-risk group", id);
      case twin::FailureKind::site: return find_row(snapshot.sites, "site", id);
    }
    return fail(ErrorCode::internal, "no such kind");
  };
  for (const auto one : {twin::FailureKind::link, twin::FailureKind::node, twin::FailureKind::shared_risk_group,
                         twin::FailureKind::site, twin::FailureKind::member}) {
    if (kind != twin::kind_name(one)) continue;
    TANDEM_ASSIGN(const uint32_t found, row(one));
    if (one == twin::FailureKind::member && snapshot.links[size_t{found}].members < 2)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("link '{}' is no bundle: its grid row has no 'members'; let the link itself fail",
                              snapshot.links[size_t{found}].id));
    return twin::Failure{one, found};
  }
  return fail(ErrorCode::invalid_argument,
              fmt::format("no kind '{}' that fails: link, node, shared_risk_group, site or member", kind), "kind");
}

namespace {

// What would be carried if all traffic gave way until every link had room: max-min fair shares of what is left.
Json shared_fairly(const grid::Snapshot& after, const twin::TrafficMatrix& matrix) {
  if (static_cast<double>(matrix.size()) * 2 * static_cast<double>(after.links.size()) > kSharingWorkMax)
    return nullptr;
  const twin::ElasticShares shares = share_elastic(after, matrix, std::vector<double>(2 * after.links.size(), 0));
  double carried = 0, least = 1;
  int64_t held_back = 0;
  const size_t flows = matrix.flows.size();
  for (size_t f = 0; f < matrix.size(); ++f) {
    const Gbps asked = f < flows ? matrix.flows[f].rate : matrix.steered[f - flows].rate;
    const double share = shares.rates[f].value() / asked.value();
    carried += shares.rates[f].value();
    if (share >= kWholeShare) continue;
    ++held_back;
    least = std::min(least, share);
  }
  return Json::Object{{"asked_gbps", six_decimals(matrix.total().value())},
                      {"carried_gbps", six_decimals(carried)},
                      {"flows_held_back", held_back},
                      {"least_share", six_decimals(least)}};
}

tl::unexpected<Error> nobody_waits() { return fail(ErrorCode::unavailable, "nobody waits for this what-if any more"); }

}  // namespace

Result<Json> fail_together(const grid::Snapshot& snapshot, const v1::Plan& plan, const Scenario& scenario,
                           const std::stop_token& stop) {
  constexpr uint32_t kRoundsMax = 1'000;  // more links than any operator would let trip one after the other
  const twin::TrafficMatrix matrix = chosen_traffic(snapshot, plan, scenario.traffic, scenario.fill);
  const grid::Snapshot after = with_failures(snapshot, scenario.failures);
  const auto phase = [&](const grid::Snapshot& at, const twin::PlainLoads& loads) {
    const Json link = busiest_link(at, loads.gbps);
    return Json(Json::Object{{"utilization_max", link["utilization"].number()},
                             {"worst_link", link},
                             {"lost_gbps", six_decimals(loads.lost.value())}});
  };
  twin::Networks before_networks(snapshot), after_networks(after);
  int64_t watched = 0, broken = 0;
  Json::Array left;
  for (const WatchedPromise& one : watched_promises(snapshot, plan)) {
    if (stop.stop_requested()) return nobody_waits();
    if (is_broken(snapshot, before_networks, one.watch)) continue;
    ++watched;
    broken += is_broken(after, after_networks, one.watch) ? 1 : 0;
    if (leaves_residency(snapshot, before_networks, after, after_networks, one.watch))
      left.push_back(snapshot.demands[one.demand].id);
  }
  Json::Array failed, rounds;
  for (const twin::Failure& failure : scenario.failures)
    failed.push_back(Json::Object{{"kind", twin::kind_name(failure.kind)}, {"id", failed_id(snapshot, failure)}});
  const twin::Cascade run = twin::cascade(snapshot, matrix, scenario.failures, scenario.trip, kRoundsMax, stop);
  if (stop.stop_requested()) return nobody_waits();
  for (const twin::Cascade::Round& round : run.rounds) {
    Json::Array tripped;
    for (const grid::LinkIndex link : round.tripped) tripped.push_back(snapshot.links[link].id);
    rounds.push_back(Json::Object{{"tripped", std::move(tripped)},
                                  {"utilization_max", six_decimals(round.utilization_max)},
                                  {"lost_gbps", six_decimals(round.lost.value())}});
  }
  return Json::Object{
      {"failed", std::move(failed)},
      {"offset", snapshot.offset},
      {"traffic", traffic_json(matrix)},
      {"promises", watched},
      {"promises_broken", broken},
      {"left_residency", std::move(left)},
      {"after_failover", after_failover(snapshot, compare(snapshot, plan, after))},
      {"undisturbed", phase(snapshot, plain_loads(snapshot, matrix))},
      {"repair", phase(after, repair_loads(snapshot, matrix, scenario.failures))},
      {"shared_fairly", shared_fairly(after, matrix)},
      {"converged", phase(after, plain_loads(after, matrix))},
      {"cascade", Json::Object{{"trip", scenario.trip}, {"settled", run.settled}, {"rounds", std::move(rounds)}}}};
}

Result<Json> sweep_failures(const grid::Snapshot& snapshot, const v1::Plan& plan, const FailureSweep& asked,
                            const Clock& clock, const std::function<void(const SweepProgress&)>& progress,
                            std::stop_token stop) {
  return SweepReport(snapshot, plan, asked, clock).make(progress, stop);
}

}  // namespace tandem::planner
