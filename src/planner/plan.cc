#include "planner/planner.h"

#include <algorithm>
#include <array>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <tuple>

#include "base/random.h"
#include "planner/alone.h"
#include "planner/bound.h"
#include "planner/master.h"
#include "planner/search.h"
#include "planner/sharing.h"
#include "planner/written.h"

namespace tandem::planner {
namespace {

constexpr uint32_t kRoundsFirst = 24;     // of the bound before a plan is built along its prices
constexpr uint32_t kRoundsBetween = 24;   // of the bound between stretches of search
constexpr uint32_t kRoundsOfLarge = 32;   // either, where a round takes a good part of a second
constexpr uint32_t kRoundsWarm = 12;      // after a plan before: its loss of tightness is worth the time to who waits
constexpr uint64_t kStretch = 400;        // ruins between them
constexpr uint64_t kRuinsWarm = 16;       // where a plan leaves out what the one before served: a network waits for it
constexpr uint64_t kRuinsRestored = 200;  // after what a failure would overfill was taken off
constexpr size_t kSearches = 4;           // from one plan at most, fewer of grids with more demands
constexpr size_t kDemandsApart = 1'000;   // than this by their number
constexpr double kWorthPlanning = 0.01;   // a model nearer to its bound is not planned again
constexpr uint32_t kStarts = 3;           // of a model, in each pass over them
constexpr uint32_t kPasses = 20;          // at most
constexpr double kWorthPass = 1e-3;       // a pass that gains less of the cost is the last
constexpr size_t kModelsSharing = 24;     // what they have, at first: of a nation the others are a tenth of its cost
constexpr uint32_t kRoundsSharing = 6;    // of prices, and a plan of each model along them
constexpr size_t kModelsOfGroup = 8;      // few enough that all choices of their plans are tried
constexpr uint32_t kRoundsOfGroup = 3;
constexpr uint32_t kTurnsOfGroups = 4;  // at most
constexpr double kWorthTurn = 1e-4;     // a turn that gains less of the cost is the last
constexpr uint32_t kRoundsBeside = 8;   // of the bound, beside the first improvements
constexpr size_t kOptionsEach = 24;     // of a demand, where not all are taken
constexpr size_t kOptionsOfModel = 16;  // deployments of its model that join them

// Up to here a grid is decided as one program, with that many of its nodes.
constexpr size_t kDemandsAtOnce = 24, kDeploymentsAtOnce = 14;
constexpr uint32_t kNodesAtOnce = 1'000;
constexpr uint32_t kNodesScarce = 200;  // of the program of scarce pools

// How much of a new replica counts against the first demand on it, from all to a tenth, and whether the relaxation says
// where it counts less: which serves best depends on how demands share, so each is tried and the cheapest kept.
constexpr std::pair<double, bool> kConstructions[] = {{1, true}, {1, false}, {0.5, false}, {0.1, false}};

// What is planned: the parts that work on one problem, in turns.
class Making {
 public:
  Making(Problem& problem, uint64_t seed, uint64_t iterations, const std::stop_token& stop,
         const std::function<void(const Progress&)>& progress)
      : problem_(problem),
        iterations_(iterations),
        stop_(stop),
        progress_(progress),
        seed_(seed),
        search_(problem, seed, iterations * std::max<uint64_t>(1, problem.demands.size() / 1000), stop) {}

  Search& search() { return search_; }
  uint64_t iterations() const { return search_.iterations() + iterations_apart_; }
  // Empty when none was proven.
  const std::optional<Bound>& bound() const { return bound_; }

  void from_nothing() {
    bound_.emplace(problem_);
    build("built along prices");
    decide_scarce();
    if (problem_.columns() > kOptionsInFull) return model_by_model();
    bound_->climb(kRoundsFirst, search_.known(), stop_);
    tell("priced");
    build("built along better prices");
    improve();
    decide_whole();
    search_apart();
    bool done = false;
    while (!done && !stop_.stop_requested() && !closed()) {
      done = search_.improve_further(kStretch);
      const double before = bound_->value();
      bound_->climb(kRoundsBetween, search_.known(), stop_);
      tell("improved further");
      const double cost = search_.cost();
      each_alone(kStarts);
      if (search_.cost() < cost * (1 - kWorthPass)) done = false;
      if (done && bound_->value() > before * (1 + 1e-3)) done = false;
      if (search_.at_limit()) break;
    }
    prove_by_fleets();
  }

  // A first plan at once, or the one before mended.
  void draft(bool from_before) {
    if (from_before) return mend();
    bound_.emplace(problem_);
    build("built along prices");
    decide_scarce();
  }

  // Whether the plan before was only mended where it was torn.
  bool mended() const { return mended_; }

  // `learnt` are prices of a plan before; taken where they are of a grid of this shape.
  void from_incumbent(const Prices& learnt) {
    if (problem_.columns() > kOptionsInFull) return mend();
    take_options();
    search_.count(Energy::drawn);
    search_.adopt();
    search_.improve();
    search_.improve_further(kRuinsWarm);
    const bool fits =
        learnt.demand.size() == problem_.demands.size() && learnt.pool.size() == problem_.pool_spare.size() &&
        learnt.site.size() == problem_.site_kw.size() && learnt.arc.size() == problem_.arc_spare_gbps.size();
    if (fits) {  // they are nearly as good as new ones, and at hand
      bound_.emplace(problem_, learnt);
    } else {
      bound_.emplace(problem_);
      bound_->climb(kRoundsWarm, search_.known(), stop_);
    }
    tell("mended");
  }

  // As from nothing, with every move from the plan before paid. What it is to beat is that plan as it stands.
  void anew() {
    if (problem_.columns() > kOptionsInFull)
      add_options_before();
    else
      take_options();
    Search before(problem_, seed_, search_.iterations_max(), stop_);
    before.count(Energy::drawn);
    before.adopt();
    to_beat_ = before.state();
    from_nothing();
  }

  // Mends the plan until every case the policy names holds (restoration.h).
  void restore() {
    if (problem_.snapshot.policy.restoration.cases.empty()) return;
    for (uint32_t round = 0; problem_.restoration.add_overfilled(problem_, planned_traffic(problem_, search_)) > 0;
         ++round) {
      search_.heed_rows();
      if (round < kRestorationRounds) place_again();
      tell("mended for failures");
    }
  }

  // Last, of a plan made anew: the plan before, mended by the same, unless the new one is better as the search counts
  // and no dearer. That differs where a demand finds room by turning away others of lower priority that pay more: a
  // mend after a change may do so, a search that nobody asked for may not.
  void weigh_against_before() {
    if (!to_beat_) return;
    Search::State found = search_.state();
    const auto take = [&](Search::State state) {
      search_.set_state(std::move(state));
      if (!problem_.restoration.rows().empty()) search_.heed_rows();  // found for the other
    };
    take(std::move(*to_beat_));
    if (!problem_.restoration.rows().empty()) search_.place_left_out();
    restore();
    Search::State before = search_.state();
    const double cost = search_.cost();
    take(std::move(found));
    if (search_.objective() >= before.objective || search_.cost() > cost) search_.set_state(std::move(before));
    tell("weighed against the plan before");
  }

 private:
  // A large grid, after its first plan: the models share what they have, all of the larger ones and then in groups, and
  // are planned each by itself; the bound climbs in between. Where either leaves a thread idle, both go on at once.
  void model_by_model() {
    const Known built = search_.known();
    for_each_on_two_threads(2, [&](size_t k) {
      if (k == 0)
        search_.improve_in_turns();
      else
        bound_->climb(kRoundsBeside, built, stop_);
    });
    keep_best();
    tell("improved, and priced");
    std::vector<uint32_t> models = above_bound();
    if (models.size() > kModelsSharing) models.resize(kModelsSharing);
    Sharing sharing(problem_, *bound_, iterations_, stop_, master_);
    share_out(sharing, models, {kRoundsSharing, true}, bound_->value());
    climb_and_tell(kRoundsOfLarge - kRoundsBeside);
    steer();
    take_options();
    share_and_prove(1);
    each_alone(0);
    for (uint32_t pass = 0; pass < kPasses && !stop_.stop_requested() && !closed(); ++pass) {
      const double gap = search_.cost() - bound_->value();
      climb_and_tell(kRoundsOfLarge);
      share_and_prove(kTurnsOfGroups);
      each_alone(kStarts);
      if (gap - (search_.cost() - bound_->value()) < kWorthPass * search_.cost()) break;
    }
  }

  void climb_and_tell(uint32_t rounds) {
    bound_->climb(rounds, search_.known(), stop_);
    tell("priced further");
  }

  void share_and_prove(uint32_t turns) {
    const std::vector<uint32_t> models = above_bound();
    const Known known = search_.known();
    const double bound = bound_->value();
    for_each_on_two_threads(2, [&](size_t k) {
      if (k == 0)
        share_in_groups(models, turns, bound);
      else
        bound_->prove_by_fleets(known, stop_);
    });
    tell("proven by fleets");
    take_met();
  }

  // Models in groups that are drawn anew each turn, while a turn gains. The bound is told as it is proven so far: it
  // may be changing.
  void share_in_groups(std::vector<uint32_t> models, uint32_t turns, double bound) {
    Random random(seed_++);
    Sharing sharing(problem_, *bound_, iterations_, stop_, master_);
    for (uint32_t turn = 0; turn < turns; ++turn) {
      const double before = search_.objective();
      for (size_t i = models.size(); i > 1; --i) std::swap(models[i - 1], models[random.below(i)]);
      for (size_t i = 0; i < models.size() && !stop_.stop_requested(); i += kModelsOfGroup) {
        const size_t count = std::min(kModelsOfGroup, models.size() - i);
        share_out(sharing, std::span(models).subspan(i, count), {kRoundsOfGroup, false}, bound);
      }
      if (search_.objective() > before * (1 - kWorthTurn)) return;
    }
  }

  void share_out(Sharing& sharing, std::span<const uint32_t> models, Sharing::Effort effort, double bound) {
    SharedOut shared = sharing.share(search_, models, effort);
    iterations_apart_ += shared.iterations;
    replace(std::move(shared.demands), shared.shares);
    keep_best();
    tell(shared.is_solved ? "shared out among models" : "found no plans of models that stand together", bound);
  }

  void keep_best() {
    if (search_.objective() < best_->objective) best_ = search_.state();
  }

  // And takes what it meets on the way.
  void prove_by_fleets() {
    bound_->prove_by_fleets(search_.known(), stop_);
    tell("proven by fleets");
    take_met();
  }

  void take_met() {
    for (uint32_t m = 0; m < problem_.candidates_of_model.size(); ++m)
      if (!bound_->met(m).empty()) replace(problem_.demands_of(m), bound_->met(m));
    if (search_.objective() >= best_->objective) return;
    best_ = search_.state();
    tell("took cheaper fleets");
  }

  // Where demands find no room, all pools that they may use are decided together, and priced by what that says.
  void decide_scarce() {
    std::vector<uint32_t> pools, homeless;
    std::vector<uint8_t> in(problem_.pool_spare.size(), 0);
    const auto each_pool = [&](uint32_t d, const auto& look) {
      for (const uint32_t c : problem_.candidates_of_model[problem_.demands[d].row->model.value])
        if (problem_.passes(d, c)) look(problem_.candidates[c].pool);
    };
    for (uint32_t d = 0; d < problem_.demands.size(); ++d)
      if (search_.placement(d).unserved > 0) each_pool(d, [&](uint32_t pool) { in[pool] = 1; });
    for (uint32_t p = 0; p < in.size(); ++p)
      if (in[p] != 0) pools.push_back(p);
    if (pools.empty() || stop_.stop_requested()) return;
    std::vector<ScarcePools::Demand> priced, counted;
    for (uint32_t d = 0; d < problem_.demands.size(); ++d) {
      bool beside = false;
      each_pool(d, [&](uint32_t pool) { beside |= in[pool] == 0; });
      const double most = beside ? bound_->prices().demand[d] : problem_.demands[d].penalty_eur_per_hour;
      priced.push_back({d, most});
      counted.push_back({d, beside ? most : search_.rejection_eur_per_hour(d)});
      const bool there = std::ranges::any_of(search_.placement(d).members, [&](const Member& member) {
        return in[problem_.candidates[problem_.options[member.option].candidate].pool] != 0;
      });
      if (there || search_.placement(d).unserved > 0) homeless.push_back(d);
    }
    if (ScarcePools worth(problem_, pools, priced); worth.solve(stop_)) {
      bound_->try_prices(pools, worth.pool_prices(), worth.demand_prices());
      steer();
    }
    tell("priced where room is scarce");
    if (ScarcePools decided(problem_, pools, counted); decided.solve(stop_)) {
      std::vector<uint8_t> out(problem_.demands.size(), 0);
      for (const uint32_t d : homeless) out[d] = 1;
      std::vector<ServedShare> shares;
      for (const auto& [d, c] : decided.decide(kNodesScarce, stop_)) {
        if (out[d] == 0) continue;
        if (problem_.add_option(d, c)) bound_->set_fractions(problem_.options.back());
        shares.push_back({d, c, kWhole});
      }
      search_.replace(std::move(homeless), shares);
      keep_best();
    }
    tell("decided where room is scarce");
  }

  void place_again() {
    if (problem_.columns() > kOptionsInFull)
      find_room();
    else
      search_.place_left_out();
    if (mended_) return;
    search_.improve();
    search_.improve_further(kRuinsRestored);
  }

  // Of a large grid only what a change tore is placed anew, among the best options of those demands: what stands is not
  // weighed again. No bound is proven in that time.
  void mend() {
    mended_ = true;
    add_options_before();
    search_.count(Energy::drawn);
    search_.adopt();
    find_room();
    tell("mended");
  }

  void add_options_before() {
    for (uint32_t d = 0; d < problem_.demands.size(); ++d)
      for (const DemandRow::Share& share : problem_.demands[d].shares_before) problem_.add_option(d, share.candidate);
  }

  // Options for a demand that lost its place: what runs already and has its model first, then what costs least in
  // fractions.
  void add_cheapest(uint32_t d) {
    std::vector<std::tuple<bool, double, uint32_t>> ranked;
    Option option;
    for (const uint32_t c : problem_.candidates_of_model[problem_.demands[d].row->model.value]) {
      const Candidate& candidate = problem_.candidates[c];
      const bool runs = search_.deployed(c).fit.replicas > 0;
      if (!runs && search_.accelerators_free(candidate.pool) < candidate.accelerators) continue;
      if (problem_.passes(d, c) && problem_.judge(d, c, &option).gate == Gate::none)
        ranked.emplace_back(!runs, option.fractional_eur_per_hour, c);
    }
    const size_t most = std::min(ranked.size(), kOptionsEach + kOptionsOfModel);
    std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(most), ranked.end());
    for (size_t i = 0; i < most; ++i) problem_.add_option(d, std::get<2>(ranked[i]));
  }

  // A problem so small that all of it can be decided at once.
  void decide_whole() {
    if (problem_.demands.size() > kDemandsAtOnce || problem_.columns() > kOptionsInFull) return;
    std::vector<uint32_t> usable;
    for (uint32_t c = 0; c < problem_.candidates.size(); ++c)
      if (!problem_.options_of_candidate[c].empty()) usable.push_back(c);
    if (usable.empty() || usable.size() > kDeploymentsAtOnce) return;
    search_.decide_anew(std::move(usable), kNodesAtOnce);
    tell("decided as a whole");
  }

  void build(const char* doing) {
    steer();
    take_options();
    construct();
    tell(doing);
  }

  void improve() {
    search_.improve_in_turns();
    keep_best();
    tell("improved");
  }

  // From the plan so far several times, with other draws each: which of many plans near by a search ends at is
  // chance. As if batches were full, then as they are.
  void search_apart() {
    const size_t searches =
        std::clamp<size_t>(kDemandsApart / std::max<size_t>(1, problem_.demands.size()), 2, kSearches);
    const Search::State from = search_.state();
    std::vector<std::pair<Search::State, uint64_t>> found(searches);
    for_each_on_two_threads(searches, [&](size_t k) {
      Search search(problem_, seed_ + k, search_.iterations_max(), stop_);
      search.set_state(from);
      search.count(Energy::full_batches);
      search.improve_further(search_.iterations_max());
      search.count(Energy::drawn);
      search.improve();
      search.improve_further(search_.iterations_max());
      found[k] = {search.state(), search.iterations()};
    });
    seed_ += searches;
    for (auto& [state, iterations] : found) {
      iterations_apart_ += iterations;
      if (state.objective < search_.objective()) search_.set_state(std::move(state));
    }
    best_ = search_.state();
    tell("searched apart");
  }

  // The models that are worth planning again, those first that are planned farthest above their bounds.
  std::vector<uint32_t> above_bound() const {
    const Known known = search_.known();
    std::vector<double> spent(problem_.candidates_of_model.size(), 0);
    for (uint32_t d = 0; d < problem_.demands.size(); ++d)
      spent[problem_.demands[d].row->model.value] += known.eur_of_demand[d];
    const auto above = [&](uint32_t m) { return spent[m] - bound_->value_of_model(m); };
    std::vector<uint32_t> models;
    for (uint32_t m = 0; m < spent.size(); ++m)
      if (above(m) > kWorthPlanning * spent[m]) models.push_back(m);
    std::ranges::stable_sort(models, std::greater(), above);
    return models;
  }

  // Each model anew by itself, two at a time in what all others leave, those first that are planned farthest above
  // their bound. Where both took the same, what is worth less than it was planned at has another turn after all others.
  void each_alone(uint32_t starts) {
    std::vector<uint32_t> models = above_bound();
    const size_t first_turns = models.size();
    for (size_t i = 0; i < models.size() && !stop_.stop_requested(); i += 2) {
      const size_t both = std::min<size_t>(2, models.size() - i);
      std::array<PlannedAlone, 2> planned;
      for_each_on_two_threads(both, [&](size_t k) {
        const uint32_t m = models[i + k];
        planned[k] =
            plan_alone(problem_, *bound_, m, search_.spare_beside({&m, 1}), seed_ + k, starts, iterations_, stop_);
      });
      seed_ += both;
      for (size_t k = 0; k < both; ++k)
        if (!take_planned(models[i + k], planned[k]) && i + k < first_turns) models.push_back(models[i + k]);
      tell("planned a model alone");
    }
    keep_best();
  }

  // False where it gains less than was planned.
  bool take_planned(uint32_t model, const PlannedAlone& planned) {
    iterations_apart_ += planned.iterations;
    const double before = search_.objective(), hoped = search_.spent_on(model) - planned.eur_per_hour;
    replace(problem_.demands_of(model), planned.shares);
    return hoped - (before - search_.objective()) <= kWorthPass * planned.eur_per_hour;
  }

  // Where that is better.
  void replace(std::vector<uint32_t> demands, const std::vector<ServedShare>& shares) {
    for (const ServedShare& share : shares)
      if (problem_.add_option(share.demand, share.candidate)) bound_->set_fractions(problem_.options.back());
    search_.replace(std::move(demands), shares);
  }

  bool closed() const { return search_.cost() <= bound_->value() * (1 + 1e-6); }

  void tell(const char* doing) { tell(doing, bound_ ? bound_->value() : 0); }
  void tell(const char* doing, double bound) {
    if (progress_) progress_({search_.cost(), bound, doing});
  }

  void take_options() {
    if (problem_.columns() > kOptionsInFull) {
      const auto best = bound_->best_candidates(kOptionsEach, kOptionsOfModel);
      for (uint32_t d = 0; d < best.size(); ++d)
        for (const uint32_t c : best[d]) problem_.add_option(d, c);
    } else if (problem_.options.empty()) {
      problem_.add_all_options();
    }
    // As each deployment holds work. Where all options are searched, that keeps demands off deployments which they
    // would fill together: there, work counts as full replicas hold it.
    if (bound_ && problem_.columns() > kOptionsInFull)
      for (Option& option : problem_.options) bound_->set_fractions(option);
  }

  // Prices of accelerators and power stand for what a replica keeps others from.
  void steer() {
    const Prices& prices = bound_->prices();
    for (uint32_t c = 0; c < problem_.candidates.size(); ++c) {
      Candidate& candidate = problem_.candidates[c];
      candidate.guide_eur_per_hour =
          prices.pool[candidate.pool] * candidate.accelerators + prices.site[candidate.site] * candidate.worst_kw;
      candidate.doubt = std::max(0.02, 1 - static_cast<double>(bound_->expected()[c]));
    }
  }

  void construct() {
    if (problem_.columns() > kOptionsInFull) {
      search_.count(Energy::full_batches);
      search_.construct_by_promise();
      search_.count(Energy::drawn);
      find_room();
      best_ = search_.state();
      return;
    }
    std::array<std::optional<Search::State>, std::size(kConstructions)> built;
    for_each_on_two_threads(built.size(), [&](size_t k) {
      if ((k > 0 || best_) && stop_.stop_requested()) return;
      Search search(problem_, seed_, search_.iterations_max(), stop_);
      search.construct(kConstructions[k].first, kConstructions[k].second);
      search.count(Energy::drawn);
      built[k] = search.state();
    });
    for (auto& state : built)
      if (state && (!best_ || state->objective < best_->objective)) best_ = std::move(*state);
    search_.set_state(*best_);
  }

  // The best options of all are the same few for many demands: what found no room there is given those that have some,
  // and what finds none there either all that pass.
  void find_room() {
    const auto for_left_out = [&](const auto& add) {
      for (uint32_t d = 0; d < problem_.demands.size(); ++d)
        if (search_.placement(d).unserved > 0) add(d);
      search_.place_left_out();
    };
    for_left_out([&](uint32_t d) { add_cheapest(d); });
    for_left_out([&](uint32_t d) {
      for (const uint32_t c : problem_.candidates_of_model[problem_.demands[d].row->model.value])
        problem_.add_option(d, c);
    });
  }

  Problem& problem_;
  uint64_t iterations_, iterations_apart_ = 0;
  const std::stop_token& stop_;
  const std::function<void(const Progress&)>& progress_;
  uint64_t seed_;
  std::optional<Bound> bound_;
  Search search_;
  Master master_;  // of all plans of models met
  bool mended_ = false;
  std::optional<Search::State> best_;
  std::optional<Search::State> to_beat_;  // of a plan made anew
};

}  // namespace

std::optional<v1::Plan> Planner::make(const Wanted& wanted, const std::function<void(const Progress&)>& progress) {
  const v1::Plan* incumbent = wanted.incumbent;
  terrain_ = std::make_shared<const Terrain>(wanted.snapshot, terrain_.get());
  Problem problem(wanted.snapshot, terrain_, incumbent);
  if (!limits_) limits_ = problem.limits;
  problem.limits = limits_;
  Making making(problem, wanted.seed, wanted.limit.iterations, wanted.stop, progress);
  const bool is_draft = wanted.limit.iterations == 0;
  const bool has_whole = incumbent != nullptr && !incumbent->draft();
  if (is_draft)
    making.draft(incumbent != nullptr);
  else if (!has_whole)  // what follows a draft is not made from it, but pays its moves
    making.from_nothing();
  else if (wanted.limit.anew)
    making.anew();
  else
    making.from_incumbent(prices_);
  making.restore();
  making.weigh_against_before();
  if (wanted.is_useless_when_stopped && wanted.stop.stop_requested()) return std::nullopt;

  v1::Plan plan = written(problem, making.search(), making.mended());
  plan.set_work(making.iterations());
  if (making.bound()) plan.set_bound_eur_per_hour(std::min(plan.cost_eur_per_hour(), making.bound()->value()));
  plan.set_seed(wanted.seed);
  plan.set_draft(is_draft);
  plan.set_mended(has_whole && !is_draft && !wanted.limit.anew);
  prices_ = making.bound() ? making.bound()->prices() : Prices{};
  return plan;
}

v1::Plan Planner::plan(const grid::Snapshot& snapshot, const v1::Plan* incumbent, std::string plan_id, uint64_t seed,
                       WorkLimit limit, std::stop_token stop, const std::function<void(const Progress&)>& progress) {
  v1::Plan plan = *make({snapshot, incumbent, seed, limit, std::move(stop)}, progress);
  plan.set_id(std::move(plan_id));
  return plan;
}

std::optional<v1::Plan> Planner::plan_unless_stopped(const grid::Snapshot& snapshot, const v1::Plan* incumbent,
                                                     std::string plan_id, uint64_t seed, WorkLimit limit,
                                                     std::stop_token stop) {
  std::optional<v1::Plan> plan = make({snapshot, incumbent, seed, limit, std::move(stop), true}, {});
  if (plan) plan->set_id(std::move(plan_id));
  return plan;
}

v1::Plan plan(const grid::Snapshot& snapshot, const v1::Plan* incumbent, std::string plan_id, uint64_t seed,
              WorkLimit limit, std::stop_token stop) {
  return Planner().plan(snapshot, incumbent, std::move(plan_id), seed, limit, std::move(stop));
}

std::vector<grid::LinkIndex> links_of(const grid::Snapshot& snapshot, const v1::PlannedWay& way) {
  std::vector<grid::LinkIndex> links;
  for (const std::string& id : way.links())
    if (const auto link = snapshot.links.find(id); link.valid()) links.push_back(link);
  if (std::ssize(links) != way.links_size()) links.clear();
  return links;
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
        assignment.shares.push_back({demand, pool->second, split.fraction(), links_of(snapshot, split.primary()),
                                     links_of(snapshot, split.second())});
  }
  return assignment;
}

}  // namespace tandem::planner
