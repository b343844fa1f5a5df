// Days planned in periods: each plan sound for its hours, and moves traded for running cost as enumeration has it.
#include "planner/schedule.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "base/random.h"
#include "planner/certificate.h"
#include "planner/day.h"
#include "planner/keep.h"
#include "planner/problem.h"
#include "support/small_planning_grid.h"

namespace tandem::planner {
namespace {

using test_support::drawn_grid;
using DayRates = std::array<double, grid::kHoursOfDay>;

DayRates busy_between(uint32_t from, uint32_t to, double otherwise) {
  DayRates rates{};
  for (uint32_t hour = 0; hour < rates.size(); ++hour) rates[hour] = hour >= from && hour < to ? 1 : otherwise;
  return rates;
}

// The grid with that profile for the demands whose position passes.
template <class Follows>
grid::Snapshot with_day(grid::Snapshot s, const std::vector<DayRates>& profiles, const Follows& profile_of) {
  std::vector<grid::DayProfile> rows;
  for (const DayRates& rates : profiles) rows.push_back({fmt::format("day-{}", rows.size()), "", rates});
  s.day_profiles = grid::Table(std::move(rows));
  for (size_t d = 0; d < s.demands.size(); ++d) {
    grid::Demand demand = s.demands[d];
    demand.day_profile = grid::DayProfileIndex(profile_of(d));
    s.demands = s.demands.with(grid::DemandIndex(d), std::move(demand));
  }
  return s;
}

// A dear pool at the edge and a cheap one that keeps an accelerator for radio from 8 to 20 h.
const std::string kTwoPools = R"(
  edge-core 4ms 100G cost=0.001
  site edge DE price=0.3
  site core DE price=0.1
  region north edge access=2ms
  accelerator dear 80GB idle=100W peak=700W price=3
  accelerator cheap 80GB idle=100W peak=700W price=2
  pool near edge dear 2
  pool far core cheap 3 reserve=1
  model m 16GB
  profile m dear 8:12ms/450W 32:20ms/680W prefill=20000 overhead=5ms
  profile m cheap 8:12ms/450W 32:20ms/680W prefill=20000 overhead=5ms
  tenant acme DE
)";

TEST(GridOfHours, WithoutADayProfileAndReserveEveryHourIsTheGridItself) {
  const auto s = drawn_grid(
      "a-b 1ms 10G\nregion r a\naccelerator g 80GB\npool p b g 2\nmodel m 10GB\ntenant t *\n"
      "demand d t r m 3/s");
  EXPECT_EQ(grid_of_hours(s, {}), s);
  EXPECT_EQ(grid_of_hours(s, {7, 3}), s);
}

TEST(GridOfHours, TakesTheBusiestOfItsHoursByTheRegionsClock) {
  grid::Snapshot s = drawn_grid(kTwoPools + "demand d acme north m 10/s");
  DayRates rates{};
  for (size_t hour = 0; hour < rates.size(); ++hour) rates[hour] = static_cast<double>(hour) / 100;
  s = with_day(std::move(s), {rates}, [](size_t) { return 0; });
  const auto rate_at = [&](uint32_t from, uint32_t hours) {
    return grid_of_hours(s, {from, hours}).demands[size_t{0}].rate_per_s;
  };
  EXPECT_DOUBLE_EQ(rate_at(5, 1), 0.5);
  EXPECT_DOUBLE_EQ(rate_at(5, 3), 0.7);
  EXPECT_DOUBLE_EQ(rate_at(22, 6), 2.3) << "over midnight";
  grid::Region region = s.regions[size_t{0}];
  region.utc_offset_hour = 5.5;
  s.regions = s.regions.with(grid::RegionIndex(0), region);
  EXPECT_DOUBLE_EQ(rate_at(0, 1), 0.6) << "from 5:30 to 6:30";
  region.utc_offset_hour = -3;
  s.regions = s.regions.with(grid::RegionIndex(0), region);
  EXPECT_DOUBLE_EQ(rate_at(0, 1), 2.1);
}

TEST(GridOfHours, TurningADemandAwayCostsAsMuchAtEveryHour) {
  for (const double quiet : {0.0, 0.0004, 0.3, 1.0}) {
    SCOPED_TRACE(quiet);
    const grid::Snapshot s = with_day(drawn_grid(kTwoPools + "demand d acme north m 10/s"),
                                      {busy_between(8, 20, quiet)}, [](size_t) { return 0; });
    const grid::Snapshot night = grid_of_hours(s, {20, 12});
    const grid::Demand& demand = night.demands[size_t{0}];
    EXPECT_DOUBLE_EQ(demand.rate_per_s, 10 * std::max(quiet, 0.01));
    EXPECT_DOUBLE_EQ(rejection_eur_per_hour(night, demand), rejection_eur_per_hour(s, s.demands[size_t{0}]));
    EXPECT_FALSE(varies_over_day(night));
  }
}

TEST(GridOfHours, ADemandThatIsExpectedAtNoHourIsPlannedForAHundredth) {
  const grid::Snapshot s =
      with_day(drawn_grid(kTwoPools + "demand d acme north m 10/s"), {DayRates{}}, [](size_t) { return 0; });
  for (const DayPeriod& period : {DayPeriod{}, DayPeriod{7, 3}}) {
    const grid::Snapshot at = grid_of_hours(s, period);
    const grid::Demand& demand = at.demands[size_t{0}];
    EXPECT_DOUBLE_EQ(demand.rate_per_s, 0.1);
    EXPECT_DOUBLE_EQ(rejection_eur_per_hour(at, demand), 0.1 * 3600 * s.policy.rejection_penalty.value());
  }
}

TEST(GridOfHours, TakesTheLargestReserveOfItsHours) {
  grid::Snapshot s = drawn_grid(kTwoPools + "demand d acme north m 10/s");
  grid::Pool pool = s.pools[size_t{1}];
  pool.radio_reserve = {{22, 2, 1}, {1.5, 3.25, 2}};
  s.pools = s.pools.with(grid::PoolIndex(1), pool);
  const auto kept = [&](uint32_t from, uint32_t hours) {
    const grid::Snapshot at = grid_of_hours(s, {from, hours});
    const auto& reserve = at.pools[size_t{1}].radio_reserve;
    return reserve.empty() ? 0 : reserve[0].accelerators;
  };
  EXPECT_EQ(kept(21, 1), 0u);
  EXPECT_EQ(kept(22, 1), 1u);
  EXPECT_EQ(kept(0, 1), 1u);
  EXPECT_EQ(kept(1, 1), 3u) << "both keep some from 1:30 to 2:00";
  EXPECT_EQ(kept(2, 1), 2u);
  EXPECT_EQ(kept(3, 1), 2u);
  EXPECT_EQ(kept(4, 18), 0u);
  EXPECT_EQ(kept(4, 24), 3u);
}

TEST(CutDay, CutsWhereDemandAndReserveChange) {
  const auto s = drawn_grid(kTwoPools + "demand d acme north m 10/s");
  const DayWorth worth{{100}, {0, 0}};
  using testing::ElementsAre;
  EXPECT_THAT(cut_day(s, worth, 6), ElementsAre(DayPeriod{0, 24})) << "a reserve that is worth nothing cuts nothing";
  EXPECT_THAT(cut_day(s, {{100}, {0, 1}}, 6), ElementsAre(DayPeriod{8, 12}, DayPeriod{20, 12}));
  const auto day = with_day(s, {busy_between(6, 9, 0.25)}, [](size_t) { return 0; });
  EXPECT_THAT(cut_day(day, worth, 6), ElementsAre(DayPeriod{6, 3}, DayPeriod{9, 21}));
  EXPECT_THAT(cut_day(day, worth, 1), ElementsAre(DayPeriod{0, 24}));
  DayRates rising{};
  for (size_t hour = 0; hour < rising.size(); ++hour) rising[hour] = static_cast<double>(hour) / 23;
  const auto slow = with_day(s, {rising}, [](size_t) { return 0; });
  EXPECT_EQ(cut_day(slow, worth, 5).size(), 5u);
  EXPECT_EQ(cut_day(slow, worth, 24).size(), 24u);
}

// Every plan that sends each demand whole to one of two pools, or rejects it, with any number of replicas at any point,
// as long as violations() finds nothing: with its cost.
struct Enumerated {
  double eur_per_hour = 0;
  std::array<uint32_t, 2> replicas{};
};

class DayEnumeration {
 public:
  explicit DayEnumeration(const grid::Snapshot& s) : s_(s), sent_(s.demands.size(), 0) { send(0); }
  std::vector<Enumerated> plans;

 private:
  void send(size_t demand) {
    if (demand == sent_.size()) return replicate(0);
    for (sent_[demand] = 0; sent_[demand] <= 2; ++sent_[demand]) send(demand + 1);
  }
  void replicate(size_t pool) {
    if (pool == 2) return evaluate();
    for (replicas_[pool] = 0; replicas_[pool] <= s_.pools[pool].count; ++replicas_[pool]) {
      batch_[pool] = 8;
      replicate(pool + 1);
      if (replicas_[pool] == 0) continue;
      batch_[pool] = 32;
      replicate(pool + 1);
    }
  }
  void evaluate() {
    v1::Plan plan;
    const auto id = [&](size_t pool) { return deployment_id("m", s_.pools[pool].id, 1); };
    for (size_t pool = 0; pool < 2; ++pool) {
      if (replicas_[pool] == 0) continue;
      v1::PlannedDeployment* row = plan.add_deployments();
      row->set_id(id(pool));
      row->set_pool(s_.pools[pool].id);
      row->set_model("m");
      row->set_profile(fmt::format("m-{}-tp1", s_.accelerators[s_.pools[pool].accelerator].id));
      row->set_tensor_parallel(1);
      row->set_replicas(replicas_[pool]);
      row->set_batch(batch_[pool]);
    }
    for (size_t d = 0; d < sent_.size(); ++d) {
      v1::DemandPlan* planned = plan.add_demands();
      planned->set_demand(s_.demands[d].id);
      planned->set_rejected(sent_[d] == 2 ? 1 : 0);
      if (sent_[d] == 2) planned->set_blocked_by("cost");
      if (sent_[d] == 2) continue;
      if (replicas_[sent_[d]] == 0) return;
      v1::PlannedSplit* split = planned->add_splits();
      split->set_deployment(id(sent_[d]));
      split->set_fraction(1);
    }
    if (!violations(s_, plan).empty()) return;
    plans.push_back({cost_of(s_, plan), replicas_});
  }

  const grid::Snapshot& s_;
  std::vector<size_t> sent_;  // by demand: a pool, or 2 for none
  std::array<uint32_t, 2> replicas_{}, batch_{};
};

// The cheapest of each number of replicas is all that a day may take.
std::vector<Enumerated> cheapest_each(const std::vector<Enumerated>& plans) {
  std::map<std::array<uint32_t, 2>, double> best;
  for (const Enumerated& plan : plans) {
    const auto [entry, fresh] = best.try_emplace(plan.replicas, plan.eur_per_hour);
    if (!fresh) entry->second = std::min(entry->second, plan.eur_per_hour);
  }
  std::vector<Enumerated> kept;
  for (const auto& [replicas, eur] : best) kept.push_back({eur, replicas});
  return kept;
}

double best_day(const grid::Snapshot& s, const std::vector<DayPeriod>& periods) {
  CHECK(periods.size() == 2);
  std::vector<std::vector<Enumerated>> plans;
  for (const DayPeriod& period : periods) {
    const grid::Snapshot grid = grid_of_hours(s, period);
    plans.push_back(cheapest_each(DayEnumeration(grid).plans));
  }
  double best = std::numeric_limits<double>::infinity();
  for (const Enumerated& a : plans[0])
    for (const Enumerated& b : plans[1]) {
      double moves = 0;
      for (size_t pool = 0; pool < 2; ++pool)
        moves += std::abs(static_cast<double>(a.replicas[pool]) - static_cast<double>(b.replicas[pool]));
      best = std::min(best, periods[0].hours * a.eur_per_hour + periods[1].hours * b.eur_per_hour +
                                2 * moves * s.policy.move_penalty.value());
    }
  return best;
}

std::vector<DayPeriod> periods_of(const Schedule& made) {
  std::vector<DayPeriod> periods;
  for (const PlannedPeriod& planned : made.periods) periods.push_back(planned.period);
  return periods;
}

void expect_sound_day(const grid::Snapshot& s, const Schedule& made) {
  uint32_t hours = 0, moves = 0;
  for (size_t p = 0; p < made.periods.size(); ++p) {
    const PlannedPeriod& planned = made.periods[p];
    const PlannedPeriod& before = made.periods[(p + made.periods.size() - 1) % made.periods.size()];
    const grid::Snapshot grid = grid_of_hours(s, planned.period);
    EXPECT_THAT(violations(grid, planned.plan), testing::IsEmpty());
    EXPECT_NEAR(cost_of(grid, planned.plan), planned.plan.cost_eur_per_hour(), 1e-6);
    EXPECT_EQ(planned.moves, moves_between(before.plan, planned.plan));
    hours += planned.period.hours;
    moves += planned.moves;
  }
  EXPECT_EQ(hours, 24u);
  EXPECT_EQ(moves, made.day.moves);
  EXPECT_LE(made.bound_eur, made.day.eur);
  EXPECT_LE(made.day.eur, made.kept_all_day.eur * (1 + 1e-9));
  EXPECT_LE(made.day.eur, made.peak_all_day.eur * (1 + 1e-9));
  EXPECT_LE(made.day.eur, made.ignoring_moves.eur * (1 + 1e-9));
  const auto document = parse_json(to_json(schedule_to_json(made, s)));
  ASSERT_TRUE(document.has_value());
  const auto checked = check_schedule(*document, s);
  ASSERT_TRUE(checked.has_value());
  EXPECT_THAT(checked->faults, testing::IsEmpty());
  for (const Json& period : (*document)["periods"].array()) {
    int64_t replicas = 0;
    for (const Json& deployment : period["deployments"].array()) replicas += deployment["replicas"].integer();
    EXPECT_EQ(period["replicas"].integer(), replicas);
    EXPECT_EQ(period["demands_missed"].integer(), static_cast<int64_t>(period["missed"].array().size()));
    EXPECT_EQ(period["cost_eur_per_hour"], period["plan"]["cost_eur_per_hour"]);
  }
}

TEST(Schedule, WhereNothingVariesItIsThePlan) {
  auto s = drawn_grid(kTwoPools + "demand d acme north m 10/s in=500 out=200");
  grid::Pool pool = s.pools[size_t{1}];
  pool.radio_reserve.clear();
  s.pools = s.pools.with(grid::PoolIndex(1), pool);
  const Schedule made = schedule(s, {}, {});
  ASSERT_EQ(made.periods.size(), 1u);
  const v1::Plan p = plan(s, nullptr, "p", 1, {}, {});
  EXPECT_NEAR(made.day.eur, 24 * p.cost_eur_per_hour(), 1e-9);
  EXPECT_EQ(made.day.moves, 0u);
  expect_sound_day(s, made);
}

// Three demands need three replicas by day and one by night: what a move costs says whether those in between run idle.
TEST(ScheduleSoak, KeepsReplicasThroughTheNightWhereMovesCostMoreThanThey) {
  uint32_t moves_before = UINT32_MAX;
  for (const double move_eur : {0.0, 0.5, 5.0, 12.0, 20.0, 40.0, 100.0}) {
    SCOPED_TRACE(move_eur);
    const auto s = with_day(drawn_grid(fmt::format("{}demand a acme north m 5/s in=500 out=200\n"
                                                   "demand b acme north m 5/s in=500 out=200\n"
                                                   "demand c acme north m 5/s in=500 out=200\npolicy move={}",
                                                   kTwoPools, move_eur)),
                            {busy_between(8, 20, 0.15)}, [](size_t) { return 0; });
    const Schedule made = schedule(s, {}, {});
    ASSERT_EQ(made.periods.size(), 2u);
    expect_sound_day(s, made);
    const double best = best_day(s, periods_of(made));
    EXPECT_LE(made.bound_eur, best * (1 + 1e-9));
    // Splits may find better. By night, that all go to one pool while the other idles is worth 0.4 %, and not sought.
    EXPECT_LE(made.day.eur, best * 1.005);
    EXPECT_GE(made.day.eur, best * 0.97);
    EXPECT_LE(made.day.moves, moves_before) << "dearer moves, and more of them";
    moves_before = made.day.moves;
    if (move_eur == 0) {
      EXPECT_GT(made.day.moves, 0u);
    }
    if (move_eur == 100) {
      EXPECT_EQ(made.day.moves, 0u);
    }
  }
}

grid::Snapshot office_grid() {
  return with_day(drawn_grid(kTwoPools + "demand d acme north m 15/s in=500 out=200"), {busy_between(8, 20, 0.15)},
                  [](size_t) { return 0; });
}

// Nobody asks, or so few that a replica costs more than telling them no, or a demand shares what another has to spare
// in the busy hours only.
TEST(Schedule, WhatTheBusiestHoursServeEveryPeriodServes) {
  for (const double quiet : {0.0, 0.0004, 0.05}) {
    SCOPED_TRACE(quiet);
    const grid::Snapshot s = with_day(drawn_grid(kTwoPools + "demand d acme north m 10/s\n"
                                                             "demand e acme north m 0.002/s ttft=200ms\n"),
                                      {busy_between(8, 20, quiet)}, [](size_t) { return 0; });
    ScheduleOptions options;
    options.periods_max = 6;
    const Schedule made = schedule(s, options, {});
    expect_sound_day(s, made);
    EXPECT_GT(made.periods.size(), 1u);
    for (const PlannedPeriod& planned : made.periods) {
      ASSERT_EQ(planned.plan.demands_size(), 2);
      for (const v1::DemandPlan& row : planned.plan.demands()) {
        EXPECT_EQ(row.rejected(), 0) << row.demand() << " from " << planned.period.from_hour << " h";
        EXPECT_GT(row.splits_size(), 0);
      }
    }
  }
}

// Nobody is expected at any hour, or nothing at all is asked: what divides by a rate or a price finds one.
TEST(Schedule, OfDemandsThatNobodyUsesIsSound) {
  const grid::Snapshot s = with_day(drawn_grid(kTwoPools + "demand d acme north m 15/s in=500 out=200\n"
                                                           "demand e acme north m 5/s in=500 out=200\n"
                                                           "demand f acme north m 0/s in=500 out=200\n"),
                                    {busy_between(8, 20, 0.15), DayRates{}}, [](size_t d) { return d == 1 ? 1 : 0; });
  const Schedule made = schedule(s, {}, {});
  ASSERT_EQ(made.periods.size(), 2u);
  expect_sound_day(s, made);
  EXPECT_TRUE(std::isfinite(made.day.eur));
  for (const PlannedPeriod& planned : made.periods) {
    ASSERT_EQ(planned.plan.demands_size(), 3);
    EXPECT_EQ(planned.plan.demands(1).rejected(), 0);
    EXPECT_GT(planned.plan.demands(1).splits_size(), 0);
  }
}

// Half of a pool was lost and mended for, and is back: of these hours the plan that runs is what the day is compared
// with, and not the one that the schedule had for them.
TEST(Schedule, OffersThePlanInForceForItsHours) {
  const std::string two_alike = R"(
    a-b 1ms 100G
    a-c 1ms 100G
    site a DE
    site b DE
    site c DE
    region north a access=2ms
    accelerator gpu 80GB idle=100W peak=700W price=3
    pool one b gpu 8
    pool two c gpu 8
    model m 16GB
    profile m gpu 8:12ms/450W 32:20ms/680W prefill=20000 overhead=5ms
    tenant acme DE
    demand d acme north m 30/s in=500 out=200
  )";
  const auto day_of = [](const std::string& drawn) {
    return with_day(drawn_grid(drawn), {busy_between(8, 20, 0.15)}, [](size_t) { return 0; });
  };
  const grid::Snapshot s = day_of(two_alike);
  ScheduleOptions options{.periods_max = 2, .seed = 1, .limit = {300}};
  const v1::Schedule standing = to_message(schedule(s, options, {}), "plan-1", 0);
  ASSERT_EQ(standing.periods_size(), 2);
  ASSERT_EQ(period_of(standing.periods(0).plan().hours()), (DayPeriod{8, 12}));
  const v1::Plan& day = standing.periods(0).plan();
  const std::string most = std::ranges::max(day.deployments(), {}, &v1::PlannedDeployment::replicas).pool();

  std::string lessened = two_alike;
  const std::string pool = most == "one" ? "pool one b gpu " : "pool two c gpu ";
  lessened.replace(lessened.find(pool), pool.size() + 1, pool + "1");
  v1::Plan in_force = plan(grid_of_hours(day_of(lessened), {8, 12}), &day, "plan-2", 1, {.iterations = 300}, {});
  *in_force.mutable_hours() = day.hours();
  ASSERT_GT(moves_between(day, in_force), 0u);
  ASSERT_THAT(violations(grid_of_hours(s, {8, 12}), in_force), testing::IsEmpty());

  options.plan = &in_force;
  options.schedule = &standing;
  const Schedule again = schedule(s, options, {});
  ASSERT_EQ(again.periods.size(), 2u);
  EXPECT_EQ(moves_between(in_force, again.periods[0].plan), 0u);
  for (const PlannedPeriod& planned : again.periods)
    EXPECT_THAT(violations(grid_of_hours(s, planned.period), planned.plan), testing::IsEmpty());
}

TEST(Schedule, SaysWhetherHoursDiffer) {
  grid::Snapshot s = drawn_grid(kTwoPools + "demand d acme north m 15/s");
  EXPECT_TRUE(varies_over_day(s)) << "the reserve of a pool";
  grid::Pool pool = s.pools[size_t{1}];
  pool.radio_reserve = {{0, 12, 1}, {12, 24, 1}};
  s.pools = s.pools.with(grid::PoolIndex(1), pool);
  EXPECT_FALSE(varies_over_day(s)) << "the same all day";
  DayRates level{};
  level.fill(0.5);
  EXPECT_FALSE(varies_over_day(with_day(s, {level}, [](size_t) { return 0; })));
  EXPECT_TRUE(varies_over_day(with_day(s, {level, busy_between(8, 9, 0.5)}, [](size_t) { return 1; })));
}

TEST(Schedule, StandsOnTheLogAsItWasMade) {
  const auto s = office_grid();
  const Schedule made = schedule(s, {}, {});
  ASSERT_EQ(made.periods.size(), 2u);
  const v1::Schedule message = to_message(made, "plan-7", 6);
  EXPECT_EQ(message.periods(0).plan().hours().from_hour(), made.periods[0].period.from_hour);
  EXPECT_GT(message.periods(0).lead_s(), 0) << "the weights of what the day adds are to be loaded";
  EXPECT_EQ(to_json(schedule_to_json(schedule_of(message), s, false)), to_json(schedule_to_json(made, s, false)));
}

TEST(Schedule, IsNotMadeWhereNobodyWaitsForIt) {
  const auto s = office_grid();
  std::stop_source stop;
  const auto made = schedule_unless_stopped(s, {}, stop.get_token());
  ASSERT_TRUE(made);
  EXPECT_EQ(to_json(schedule_to_json(*made, s)), to_json(schedule_to_json(schedule(s, {}, {}), s)));
  stop.request_stop();
  EXPECT_FALSE(schedule_unless_stopped(s, {}, stop.get_token()));
}

// Made again with other luck, or after the grid has changed a little: another day comes only where it pays its moves.
TEST(ScheduleSoak, WhatIsInForceIsNotLeftForNothing) {
  for (uint64_t seed = 0; seed < 25; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const grid::Snapshot plain = test_support::small_planning_grid(random, {5, 3, 5, 4, 60, 900, "ms", 11, 60, {}});
    const auto s = with_day(plain, {busy_between(8, 20, 0.2)}, [&](size_t) { return 0; });
    ScheduleOptions options{.periods_max = 4, .seed = seed, .limit = {300}};
    const Schedule before = schedule(s, options, {});
    const v1::Schedule standing = to_message(before, "plan-1", 0);
    const v1::Plan& in_force = standing.periods(0).plan();
    options.seed = seed + 1'000;
    options.plan = &in_force;
    options.schedule = &standing;
    const Schedule again = schedule(s, options, {});
    ASSERT_EQ(periods_of(again), periods_of(before));
    for (const PlannedPeriod& planned : again.periods)
      EXPECT_THAT(violations(grid_of_hours(s, planned.period), planned.plan), testing::IsEmpty());
    const double moves_eur = s.policy.move_penalty.value() * moves_between(in_force, again.periods[0].plan);
    EXPECT_LE(again.day.eur + moves_eur, before.day.eur * (1 + 1e-9) + 1e-6);
  }
}

TEST(WithReplicasOf, StartsWhatThereIsRoomForBesideWhatRuns) {
  const auto s = drawn_grid(kTwoPools + "demand d acme north m 15/s");
  const auto row = [](const char* pool, uint32_t replicas) {
    v1::PlannedDeployment deployment;
    deployment.set_id(std::string("m@") + pool);
    deployment.set_pool(pool);
    deployment.set_model("m");
    deployment.set_tensor_parallel(1);
    deployment.set_replicas(replicas);
    return deployment;
  };
  v1::Plan now, next;
  *now.add_deployments() = row("far", 1);
  *next.add_deployments() = row("far", 5);
  *next.add_deployments() = row("near", 1);
  const v1::Plan both = with_replicas_of(s, now, next);
  ASSERT_EQ(both.deployments_size(), 2);
  EXPECT_EQ(both.deployments(0).replicas(), 2u) << "one of three accelerators is the radio's";
  EXPECT_EQ(both.deployments(1).replicas(), 1u);
  const v1::Plan back = with_replicas_of(s, next, now);
  EXPECT_EQ(back.deployments(0).replicas(), 5u) << "what runs is not judged, and nothing is taken away";
  *next.mutable_deployments(1) = row("gone", 1);
  EXPECT_EQ(with_replicas_of(s, now, next).deployments_size(), 1);
}

TEST(Schedule, RefusesADayThatWasTouched) {
  const auto s = with_day(drawn_grid(kTwoPools + "demand d acme north m 15/s in=500 out=200"),
                          {busy_between(8, 20, 0.15)}, [](size_t) { return 0; });
  const Json document = schedule_to_json(schedule(s, {}, {}), s);
  const auto faults_of = [&](const char* key, const Json& value) {
    Json::Object touched = document.object();
    touched[key] = value;
    const auto checked = check_schedule(touched, s);
    return checked ? checked->faults.size() : 99;
  };
  EXPECT_EQ(faults_of("name", "x"), 0u);
  EXPECT_EQ(faults_of("cost_eur_per_day", 1.0), 1u);
  EXPECT_EQ(faults_of("bound_eur_per_day", 1e6), 1u);
  Json::Array periods = document["periods"].array();
  periods.pop_back();
  EXPECT_GE(faults_of("periods", periods), 2u) << "hours are missing, and cost";
  EXPECT_EQ(faults_of("periods", Json::Array{}), 99u);
  EXPECT_EQ(faults_of("periods", Json::Array{Json::Object{{"from_hour", 24}, {"hours", 1}}}), 99u);
  EXPECT_EQ(faults_of("periods", Json::Array{Json::Object{{"from_hour", 0}, {"hours", 1}}}), 99u);
}

TEST(ScheduleSoak, DaysOfRandomGridsAreSoundNearEnumerationAndTheSameAgain) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const grid::Snapshot plain = test_support::small_planning_grid(random, {5, 3, 5, 4, 60, 900, "ms", 11, 60, {}});
    std::vector<DayRates> profiles;
    for (int i = 0; i < 2; ++i) {
      DayRates rates{};
      for (double& rate : rates) rate = random.chance(0.3) ? random.uniform() : 0.2;
      rates[random.below(24)] = 1;
      profiles.push_back(rates);
    }
    const auto s = with_day(plain, profiles, [&](size_t d) { return d % 2; });
    ScheduleOptions options;
    options.periods_max = 1 + static_cast<uint32_t>(random.below(6));
    options.limit = {500};
    const Schedule made = schedule(s, options, {});
    EXPECT_LE(made.periods.size(), options.periods_max);
    expect_sound_day(s, made);
    if (seed < 10) {
      EXPECT_EQ(to_json(schedule_to_json(made, s)), to_json(schedule_to_json(schedule(s, options, {}), s)));
    }
  }
}

// Two pools, two demands with days of their own, any move penalty.
TEST(ScheduleSoak, TradesMovesNoWorseThanEveryPairOfPlans) {
  double worst = 1;
  for (uint64_t seed = 0; seed < 24; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const auto pick = [&](uint64_t low, uint64_t high) { return low + random.below(high - low + 1); };
    const uint64_t from = pick(0, 12);
    const auto s = with_day(
        drawn_grid(fmt::format("{}demand d acme north m {}/s in=500 out={}\ndemand e acme north m {}/s in={} out=100 "
                               "ttft={}ms\npolicy move={}",
                               kTwoPools, pick(2, 14), pick(50, 250), pick(1, 8), pick(100, 900), pick(300, 900),
                               pick(0, 30))),
        {busy_between(8, 20, random.uniform()), busy_between(static_cast<uint32_t>(from), 20, random.uniform())},
        [](size_t d) { return d; });
    ScheduleOptions options;
    options.periods_max = 2;
    const Schedule made = schedule(s, options, {});
    expect_sound_day(s, made);
    if (made.periods.size() != 2) continue;
    const double best = best_day(s, periods_of(made));
    EXPECT_LE(made.bound_eur, best * (1 + 1e-9));
    worst = std::max(worst, made.day.eur / best);
  }
  std::printf("worst day against the best pair of plans: %.4f\n", worst);
  EXPECT_LE(worst, 1.01);
}

}  // namespace
}  // namespace tandem::planner
