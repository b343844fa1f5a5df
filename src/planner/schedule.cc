#include "planner/schedule.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "planner/day.h"
#include "planner/keep.h"
#include "twin/cold_start.h"

namespace tandem::planner {
namespace {

constexpr int kSweepsMax = 6;          // each costs two plans a period; the third rarely gains anything
constexpr double kWorthASweep = 1e-4;  // of the day's cost
// What a spare accelerator is worth at least where to cut the day is decided, of its price: none is scarce where the
// plan of the busiest hours has room, and the reserve still says when there is more of it.
constexpr double kSpareWorth = 0.05;
constexpr double kNeverMove = 1e6;  // € a replica: no plan is worth one

// A plan for a period, its cost without moves.
using Offer = std::shared_ptr<const v1::Plan>;

struct OpenPeriod {
  DayPeriod period;
  grid::Snapshot grid;
  std::vector<Offer> offers;  // its own, that of the busiest hours kept, the grown one kept; others
  double bound = 0;           // €/h
  Prices prices;
  Offer chosen;
  Offer standing;  // of the schedule in force, mended; null where it has no such periods
};

class DayMaking {
 public:
  DayMaking(const grid::Snapshot& snapshot, const ScheduleOptions& options, std::stop_token stop,
            const std::function<void(const ScheduleProgress&)>& progress, bool is_useless_when_stopped)
      : snapshot_(snapshot),
        options_(options),
        stop_(std::move(stop)),
        progress_(progress),
        is_useless_when_stopped_(is_useless_when_stopped),
        move_penalty_eur_(snapshot.policy.move_penalty.value()) {}

  // Nothing where it was stopped and nobody waits for it.
  std::optional<Schedule> make() {
    busiest_grid_ = grid_of_hours(snapshot_, {});
    const bool holds_all_day = options_.plan != nullptr && !options_.plan->has_hours();
    busiest_ = make_plan(busiest_grid_, holds_all_day ? options_.plan : nullptr, "the busiest hours", true);
    busiest_price_ = planner_.prices();
    if (given_up()) return std::nullopt;
    open_periods();
    for (OpenPeriod& open : periods_)
      if (!given_up()) offer_first(open);
    if (!given_up()) offer_grown();
    offer_standing();
    if (given_up()) return std::nullopt;
    Schedule result;
    result.ignoring_moves = cost_of_day([](const OpenPeriod& open) { return open.offers[0]; });
    result.peak_all_day = cost_of_day([](const OpenPeriod& open) { return open.offers[1]; });
    result.kept_all_day = cost_of_day([](const OpenPeriod& open) { return open.offers[2]; });
    if (result.peak_all_day.eur < result.kept_all_day.eur) result.kept_all_day = result.peak_all_day;
    choose();
    sweep_until_settled();
    if (given_up()) return std::nullopt;
    stay_unless_it_pays();
    finish(result);
    return result;
  }

 private:
  bool given_up() const { return is_useless_when_stopped_ && stop_.stop_requested(); }

  // With what moves cost in `grid`; the plan's cost is then without them.
  Offer make_plan(const grid::Snapshot& grid, const v1::Plan* incumbent, std::string_view doing, bool anew = false) {
    const WorkLimit limit{.iterations = options_.limit.iterations, .anew = anew && incumbent != nullptr};
    std::optional<v1::Plan> made =
        is_useless_when_stopped_ ? planner_.plan_unless_stopped(grid, incumbent, "period", options_.seed, limit, stop_)
                                 : planner_.plan(grid, incumbent, "period", options_.seed, limit, stop_);
    if (!made) return std::make_shared<v1::Plan>();  // given up
    auto plan = std::make_shared<v1::Plan>(*std::move(made));
    plan->set_cost_eur_per_hour(plan->cost_eur_per_hour() - plan->moves() * grid.policy.move_penalty.value());
    plan->set_moves(0);
    if (progress_) progress_({doing, eur_per_day_});
    return plan;
  }

  void open_periods() {
    DayWorth worth{std::vector<double>(snapshot_.demands.size(), 0), {}};
    for (const v1::DemandPlan& planned : busiest_->demands()) {
      const auto d = snapshot_.demands.find(planned.demand());
      const double share = snapshot_.demands[d].rate_per_s;
      const double busiest = busiest_grid_.demands[d].rate_per_s;
      double eur = planned.rejected() * busiest * 3600 * snapshot_.policy.rejection_penalty.value();
      for (const v1::PlannedSplit& split : planned.splits()) eur += split.cost_eur_per_hour();
      if (busiest > 0) worth.demand[d.value] = eur * share / busiest;
    }
    for (size_t p = 0; p < snapshot_.pools.size(); ++p)
      worth.pool.push_back((p < busiest_price_.pool.size() ? busiest_price_.pool[p] : 0) +
                           kSpareWorth * snapshot_.accelerators[snapshot_.pools[p].accelerator].price.value());
    std::vector<DayPeriod> standing;
    if (options_.schedule != nullptr)
      for (const v1::ScheduledPeriod& period : options_.schedule->periods())
        standing.push_back(period_of(period.plan().hours()));
    for (const DayPeriod& period : cut_day(snapshot_, worth, options_.periods_max, standing)) {
      OpenPeriod open;
      open.period = period;
      open.grid = grid_of_hours(snapshot_, period);
      periods_.push_back(std::move(open));
    }
  }

  void offer_first(OpenPeriod& open) {
    // Of what runs in the busiest hours it knows only what is served then, and that is not given up for cost.
    grid::Snapshot free_moves = open.grid;
    free_moves.policy.move_penalty = Euros(0);
    const Offer own =
        periods_.size() == 1 ? busiest_ : make_plan(free_moves, busiest_.get(), "a period by itself", true);
    open.offers.push_back(own);
    open.bound = own->bound_eur_per_hour();
    open.prices = periods_.size() == 1 ? busiest_price_ : planner_.prices();
    open.offers.push_back(periods_.size() == 1 ? own : kept_all_day(open, *busiest_, "the busiest hours' deployments"));
  }

  static grid::Snapshot pinned_grid(const grid::Snapshot& grid, const v1::Plan& plan, double move_penalty_eur) {
    grid::Snapshot pinned = grid;
    std::vector<grid::Deployment> pins;
    for (const v1::PlannedDeployment& row : plan.deployments())
      pins.push_back({row.id(), pinned.pools.find(row.pool()), pinned.models.find(row.model()), row.tensor_parallel(),
                      row.replicas()});
    pinned.deployments = grid::Table(std::move(pins));
    pinned.policy.move_penalty = Euros(move_penalty_eur);
    return pinned;
  }

  // Those deployments, no replica more or less, with the splits that are then best.
  Offer kept_all_day(const OpenPeriod& open, const v1::Plan& deployed, std::string_view doing) {
    return make_plan(pinned_grid(open.grid, deployed, kNeverMove), &deployed, doing);
  }

  // Deployments that hardly move: those of the dearest period, and what each next one needs beside them, a replica more
  // weighed with what it costs for all of the day; moved only where the radio reserve takes their room, and as few of
  // each as every period can do with.
  void offer_grown() {
    if (periods_.size() == 1) return periods_[0].offers.push_back(periods_[0].offers[0]);
    std::vector<const OpenPeriod*> order;
    for (const OpenPeriod& open : periods_) order.push_back(&open);
    std::stable_sort(order.begin(), order.end(), [](const OpenPeriod* a, const OpenPeriod* b) {
      return a->offers[0]->cost_eur_per_hour() > b->offers[0]->cost_eur_per_hour();
    });
    v1::Plan grown = *order[0]->offers[0];
    for (size_t i = 1; i < order.size() && !given_up(); ++i) {
      double eur = 0, replicas = 0;
      for (const v1::PlannedDeployment& row : grown.deployments())
        eur += row.cost_eur_per_hour(), replicas += row.replicas();
      const double hours = order[i]->period.hours;
      const double elsewhere = replicas > 0 ? eur / replicas * (grid::kHoursOfDay - hours) / hours : 0;
      const Offer more =
          make_plan(pinned_grid(order[i]->grid, grown, elsewhere), &grown, "deployments for all periods");
      grown = most_of_both(grown, *more);
    }
    std::vector<Offer> kept;
    if (given_up()) return;
    for (const OpenPeriod& open : periods_)
      kept.push_back(make_plan(pinned_grid(open.grid, grown, 2 * move_penalty_eur_ / open.period.hours), &grown,
                               "deployments of all periods, kept"));
    if (given_up()) return;
    kept = settled(kept, kNeverMove);
    for (size_t p = 0; p < periods_.size(); ++p) periods_[p].offers.push_back(kept[p]);
  }

  // Where the schedule in force has the same periods, its plans, mended: of these hours the one that runs.
  void offer_standing() {
    if (options_.schedule == nullptr || given_up()) return;
    const auto& standing = options_.schedule->periods();
    const auto same = [](const v1::ScheduledPeriod& period, const OpenPeriod& open) {
      return period_of(period.plan().hours()) == open.period;
    };
    if (!std::equal(standing.begin(), standing.end(), periods_.begin(), periods_.end(), same)) return;
    for (size_t p = 0; p < periods_.size() && !given_up(); ++p) {
      OpenPeriod& open = periods_[p];
      grid::Snapshot grid = open.grid;
      grid.policy.move_penalty = Euros(kNeverMove);
      const bool is_now =
          options_.plan != nullptr && options_.plan->has_hours() && period_of(options_.plan->hours()) == open.period;
      const v1::Plan& plan = is_now ? *options_.plan : standing[static_cast<int>(p)].plan();
      open.standing = make_plan(grid, &plan, "what is in force, where it no longer stands");
      open.offers.push_back(open.standing);
    }
  }

  // Another day must be cheaper by what it costs to get there from the plan in force.
  void stay_unless_it_pays() {
    if (periods_[0].standing == nullptr || options_.plan == nullptr || !options_.plan->has_hours()) return;
    const auto now = std::find_if(periods_.begin(), periods_.end(), [&](const OpenPeriod& open) {
      return open.period == period_of(options_.plan->hours());
    });
    if (now == periods_.end()) return;
    const double stays_eur = cost_of_day([](const OpenPeriod& open) { return open.standing; }).eur +
                             move_penalty_eur_ * moves_between(*options_.plan, *now->standing);
    const double goes_eur = cost_of_day([](const OpenPeriod& open) { return open.chosen; }).eur +
                            move_penalty_eur_ * moves_between(*options_.plan, *now->chosen);
    if (goes_eur < stays_eur) return;
    for (OpenPeriod& open : periods_) open.chosen = open.standing;
  }

  // The second with the more replicas of the two of each deployment: a radio reserve may have left no room for all.
  static v1::Plan most_of_both(const v1::Plan& first, const v1::Plan& second) {
    std::map<std::string, v1::PlannedDeployment> rows;
    for (const v1::Plan* plan : {&first, &second})
      for (const v1::PlannedDeployment& row : plan->deployments())
        if (v1::PlannedDeployment& most = rows[row.id()]; row.replicas() >= most.replicas()) most = row;
    v1::Plan both = second;
    both.clear_deployments();
    for (auto& [id, row] : rows) *both.add_deployments() = std::move(row);
    return both;
  }

  OpenPeriod& after(size_t p) { return periods_[(p + 1) % periods_.size()]; }
  OpenPeriod& before(size_t p) { return periods_[(p + periods_.size() - 1) % periods_.size()]; }

  template <class PlanOf>
  DayCost cost_of_day(const PlanOf& plan_of) {
    DayCost day;
    for (size_t p = 0; p < periods_.size(); ++p) {
      const Offer plan = plan_of(periods_[p]);
      uint32_t replicas = 0;
      for (const v1::PlannedDeployment& row : plan->deployments()) replicas += row.replicas();
      day.replicas_max = std::max(day.replicas_max, replicas);
      day.eur += periods_[p].period.hours * plan->cost_eur_per_hour();
      day.energy_kwh += periods_[p].period.hours * power_kw(*plan);
      if (periods_.size() > 1) day.moves += moves_between(*plan_of(before(p)), *plan);
    }
    day.eur += day.moves * move_penalty_eur_;
    return day;
  }

  double power_kw(const v1::Plan& plan) const {
    double kilowatts = 0;
    for (const v1::PlannedDeployment& row : plan.deployments())
      kilowatts += row.power_w() * 1e-3 * snapshot_.sites[snapshot_.pools[snapshot_.pools.find(row.pool())].site].pue;
    return kilowatts;
  }

  // The cheapest cycle through one offer of each period; then the replicas over the day with its splits.
  void choose() {
    const size_t count = periods_.size();
    constexpr double kNoDay = std::numeric_limits<double>::infinity();
    std::vector<std::vector<std::vector<double>>> moved(count);  // by period, offer before it, its own offer
    for (size_t p = 0; p < count && count > 1; ++p)
      for (const Offer& from : before(p).offers) {
        moved[p].emplace_back();
        for (const Offer& to : periods_[p].offers)
          moved[p].back().push_back(move_penalty_eur_ * moves_between(*from, *to));
      }
    const auto running = [&](size_t p, size_t offer) {
      return periods_[p].period.hours * periods_[p].offers[offer]->cost_eur_per_hour();
    };
    double best = kNoDay;
    std::vector<size_t> taken;
    for (size_t first = 0; first < periods_[0].offers.size(); ++first) {
      std::vector<std::vector<size_t>> from(count);
      std::vector<double> cost(periods_[0].offers.size(), kNoDay);
      cost[first] = running(0, first);
      for (size_t p = 1; p < count; ++p) {
        std::vector<double> next(periods_[p].offers.size(), kNoDay);
        from[p].assign(next.size(), 0);
        for (size_t to = 0; to < next.size(); ++to)
          for (size_t at = 0; at < cost.size(); ++at)
            if (const double eur = cost[at] + moved[p][at][to] + running(p, to); eur < next[to])
              next[to] = eur, from[p][to] = at;
        cost = std::move(next);
      }
      for (size_t last = 0; last < cost.size(); ++last) {
        const double eur = cost[last] + (count > 1 ? moved[0][last][first] : 0);
        if (!(eur < best)) continue;
        best = eur;
        taken.assign(count, first);
        for (size_t p = count - 1, at = last; p > 0; at = from[p][at], --p) taken[p] = at;
      }
    }
    for (size_t p = 0; p < count; ++p) periods_[p].chosen = periods_[p].offers[taken[p]];
    settle_replicas();
    eur_per_day_ = cost_of_day([](const OpenPeriod& open) { return open.chosen; }).eur;
  }

  // The same splits, with the replicas over the day that are then best; as they were where a promise would not bear it.
  std::vector<Offer> settled(const std::vector<Offer>& offers, double move_penalty_eur) {
    std::vector<v1::Plan> plans;
    for (const Offer& offer : offers) plans.push_back(*offer);
    std::vector<KeptPeriod> day;
    for (size_t p = 0; p < periods_.size(); ++p)
      day.push_back({&periods_[p].grid, static_cast<double>(periods_[p].period.hours), &plans[p]});
    keep_replicas(day, move_penalty_eur);
    for (size_t p = 0; p < periods_.size(); ++p)
      if (!violations(periods_[p].grid, plans[p]).empty()) return offers;
    std::vector<Offer> result;
    for (v1::Plan& plan : plans) result.push_back(std::make_shared<const v1::Plan>(std::move(plan)));
    return result;
  }

  void settle_replicas() {
    std::vector<Offer> chosen;
    for (const OpenPeriod& open : periods_) chosen.push_back(open.chosen);
    chosen = settled(chosen, move_penalty_eur_);
    for (size_t p = 0; p < periods_.size(); ++p) {
      periods_[p].chosen = chosen[p];
      periods_[p].offers.push_back(chosen[p]);
    }
  }

  void sweep_until_settled() {
    if (periods_.size() == 1) return;
    for (int sweep = 0, idle = 0; sweep < kSweepsMax && idle < 2 && !stop_.stop_requested(); ++sweep) {
      const double eur_before = eur_per_day_;
      for (OpenPeriod& open : periods_) {  // what is not taken any more makes room
        open.offers.resize(3);
        open.offers.push_back(open.chosen);
      }
      // Between two neighbours alike a move is made twice a day: there and back.
      const double weight = periods_.size() == 2 || sweep % 2 == 1 ? 2 : 1;
      for (size_t p = 0; p < periods_.size(); ++p) {
        offer_from(periods_[p], *before(p).chosen, weight);
        if (periods_.size() > 2) offer_from(periods_[p], *after(p).chosen, weight);
      }
      if (given_up()) return;
      choose();
      idle = eur_per_day_ < eur_before * (1 - kWorthASweep) ? 0 : idle + 1;
    }
  }

  void offer_from(OpenPeriod& open, const v1::Plan& neighbour, double weight) {
    if (stop_.stop_requested()) return;
    grid::Snapshot grid = open.grid;
    grid.policy.move_penalty = Euros(move_penalty_eur_ * weight / open.period.hours);
    const Offer offer = make_plan(grid, &neighbour, "a period from its neighbour");
    open.offers.push_back(offer);
    if (offer->bound_eur_per_hour() <= open.bound) return;
    open.bound = offer->bound_eur_per_hour();
    open.prices = planner_.prices();
  }

  // Of the replicas that `next` adds. What cannot be told, since no weights reach the pool, asks for no time.
  static double longest_cold_start(const OpenPeriod& now, const OpenPeriod& next) {
    const twin::Forecast carried = twin::forecast(now.grid, assignment_of(now.grid, *now.chosen));
    const twin::ColdStarts starts(now.grid, carried);
    std::map<std::string_view, uint32_t> running;
    for (const v1::PlannedDeployment& row : now.chosen->deployments()) running[row.id()] = row.replicas();
    double longest_s = 0;
    for (const v1::PlannedDeployment& row : next.chosen->deployments()) {
      if (row.replicas() <= running[row.id()]) continue;
      const auto start = starts.of(now.grid.pools.find(row.pool()), now.grid.models.find(row.model()));
      if (start) longest_s = std::max(longest_s, start->ready_s());
    }
    return longest_s;
  }

  void finish(Schedule& result) {
    result.day = cost_of_day([](const OpenPeriod& open) { return open.chosen; });
    for (size_t p = 0; p < periods_.size(); ++p) {
      const OpenPeriod& open = periods_[p];
      PlannedPeriod planned{open.period, *open.chosen, open.prices, 0, power_kw(*open.chosen), 0};
      if (periods_.size() > 1) {
        planned.moves = moves_between(*before(p).chosen, planned.plan);
        planned.lead_s = longest_cold_start(before(p), open);
      }
      planned.plan.set_id("period-" + std::to_string(open.period.from_hour));
      planned.plan.set_bound_eur_per_hour(std::min(open.bound, planned.plan.cost_eur_per_hour()));
      result.bound_eur += open.period.hours * planned.plan.bound_eur_per_hour();
      result.periods.push_back(std::move(planned));
    }
  }

  const grid::Snapshot& snapshot_;
  const ScheduleOptions& options_;
  std::stop_token stop_;
  const std::function<void(const ScheduleProgress&)>& progress_;
  const bool is_useless_when_stopped_;
  double move_penalty_eur_;
  Planner planner_;
  grid::Snapshot busiest_grid_;
  Offer busiest_;
  Prices busiest_price_;
  std::vector<OpenPeriod> periods_;
  double eur_per_day_ = 0;
};

}  // namespace

Schedule schedule(const grid::Snapshot& snapshot, const ScheduleOptions& options, std::stop_token stop,
                  const std::function<void(const ScheduleProgress&)>& progress) {
  return *DayMaking(snapshot, options, std::move(stop), progress, false).make();
}

std::optional<Schedule> schedule_unless_stopped(const grid::Snapshot& snapshot, const ScheduleOptions& options,
                                                std::stop_token stop) {
  const std::function<void(const ScheduleProgress&)> untold;
  return DayMaking(snapshot, options, std::move(stop), untold, true).make();
}

namespace {

v1::ScheduledDay to_message(const DayCost& day) {
  v1::ScheduledDay message;
  message.set_eur(day.eur);
  message.set_moves(day.moves);
  message.set_energy_kwh(day.energy_kwh);
  message.set_replicas_max(day.replicas_max);
  return message;
}

DayCost day_of(const v1::ScheduledDay& message) {
  return {message.eur(), message.moves(), message.energy_kwh(), message.replicas_max()};
}

}  // namespace

v1::Schedule to_message(const Schedule& schedule, std::string id, uint64_t base_offset) {
  v1::Schedule message;
  message.set_id(std::move(id));
  message.set_base_offset(base_offset);
  for (const PlannedPeriod& planned : schedule.periods) {
    v1::ScheduledPeriod& period = *message.add_periods();
    *period.mutable_plan() = planned.plan;
    period.mutable_plan()->set_base_offset(base_offset);
    *period.mutable_plan()->mutable_hours() = to_message(planned.period);
    period.set_moves(planned.moves);
    period.set_power_kw(planned.power_kw);
    period.set_lead_s(planned.lead_s);
  }
  *message.mutable_day() = to_message(schedule.day);
  message.set_bound_eur_per_day(schedule.bound_eur);
  *message.mutable_peak_all_day() = to_message(schedule.peak_all_day);
  *message.mutable_kept_all_day() = to_message(schedule.kept_all_day);
  *message.mutable_ignoring_moves() = to_message(schedule.ignoring_moves);
  return message;
}

Schedule schedule_of(const v1::Schedule& message) {
  Schedule schedule;
  for (const v1::ScheduledPeriod& period : message.periods())
    schedule.periods.push_back(
        {period_of(period.plan().hours()), period.plan(), {}, period.moves(), period.power_kw(), period.lead_s()});
  schedule.day = day_of(message.day());
  schedule.bound_eur = message.bound_eur_per_day();
  schedule.peak_all_day = day_of(message.peak_all_day());
  schedule.kept_all_day = day_of(message.kept_all_day());
  schedule.ignoring_moves = day_of(message.ignoring_moves());
  return schedule;
}

}  // namespace tandem::planner
