#include "planner/planner.h"

#include <algorithm>
#include <array>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <tuple>

#include "planner/alone.h"
#include "planner/bound.h"
#include "planner/explain.h"
#include "planner/master.h"
#include "planner/search.h"
#include "planner/sharing.h"

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
constexpr size_t kModelsSharing = 24;     // what they have, at most: of a nation the others are a tenth of its cost
constexpr size_t kOptionsEach = 24;       // of a demand, where not all are taken
constexpr size_t kOptionsOfModel = 16;    // deployments of its model that join them

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

  // As from nothing, with every move from the plan before paid; that plan, where nothing cheaper is found.
  void anew() {
    if (problem_.columns() > kOptionsInFull)
      add_options_before();
    else
      take_options();
    Search before(problem_, seed_, search_.iterations_max(), stop_);
    before.count(Energy::drawn);
    before.adopt();
    from_nothing();
    if (before.objective() <= search_.objective()) search_.set_state(before.state());
    tell("weighed against the plan before");
  }

  // Mends the plan until every case the policy names holds (restoration.h).
  void restore() {
    for (uint32_t round = 0; problem_.restoration.add_overfilled(problem_, planned_traffic(problem_, search_)) > 0;
         ++round) {
      search_.heed_rows();
      if (round < kRestorationRounds) place_again();
      tell("mended for failures");
    }
  }

 private:
  // A large grid, after its first plan. The climb of its bound costs more than the first improvements gain by it, and
  // ends higher where the plan is cheap.
  void model_by_model() {
    improve();
    share_out();
    bound_->climb(kRoundsOfLarge, search_.known(), stop_);
    tell("priced");
    prove_by_fleets();
    each_alone(0);
    build("built along better prices");
    improve();
    for (uint32_t pass = 0; pass < kPasses && !stop_.stop_requested() && !closed(); ++pass) {
      const double gap = search_.cost() - bound_->value();
      bound_->climb(kRoundsOfLarge, search_.known(), stop_);
      tell("priced further");
      share_out();
      each_alone(kStarts);
      prove_by_fleets();
      if (gap - (search_.cost() - bound_->value()) < kWorthPass * search_.cost()) break;
    }
  }

  // And takes what it meets on the way.
  void prove_by_fleets() {
    bound_->prove_by_fleets(search_.known(), stop_);
    tell("proven by fleets");
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
      if (search_.objective() < best_->objective) best_ = search_.state();
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
    if (search_.objective() < best_->objective) best_ = search_.state();
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

  // The models that are planned farthest above their bounds share anew all that they have and what is free.
  void share_out() {
    std::vector<uint32_t> models = above_bound();
    if (models.size() > kModelsSharing) models.resize(kModelsSharing);
    SharedOut shared = planner::share_out(problem_, *bound_, search_, models, iterations_, stop_, master_);
    iterations_apart_ += shared.iterations;
    replace(std::move(shared.demands), shared.shares);
    if (search_.objective() < best_->objective) best_ = search_.state();
    tell(shared.is_solved ? "shared out among models" : "found no plans of models that stand together");
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
    if (search_.objective() < best_->objective) best_ = search_.state();
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

  void tell(const char* doing) {
    if (progress_) progress_({search_.cost(), bound_ ? bound_->value() : 0, doing});
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
    if (problem_.columns() <= kOptionsInFull) return;
    take_if_better();
    if (stop_.stop_requested()) return;
    search_.count(Energy::full_batches);
    search_.construct_by_promise();
    search_.count(Energy::drawn);
    take_if_better();
    search_.set_state(*best_);
  }

  void take_if_better() {
    if (problem_.columns() > kOptionsInFull) find_room();
    if (search_.objective() < best_->objective) best_ = search_.state();
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
};

// What a deployment does, worked out once for all that share it.
struct Running {
  twin::Serving serving;
  double active_w = 0;  // above idle; idle energy is in the replica's own price
  double eur_per_hour = 0;
};

struct Costs {
  double eur_per_hour = 0;
  uint32_t moves = 0;
  std::vector<Running> running;  // by candidate
};

Costs write_deployments(const Problem& problem, const Search& search, v1::Plan* plan) {
  Costs costs;
  costs.running.resize(problem.candidates.size());
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
    const uint32_t replicas = deployed.fit.replicas;
    const twin::Serving serving = twin::serve(*candidate.profile, point, replicas, deployed.requirements.mix);
    const double power_w =
        twin::average_power(*candidate.profile, point, Watts(candidate.idle_w), replicas, deployed.requirements.mix)
            .value();
    const double active_w = std::max(0.0, power_w - replicas * candidate.idle_w);
    const double eur_per_hour = replicas * candidate.replica_eur_per_hour + active_w * candidate.eur_per_watt_hour;
    costs.running[c] = {serving, active_w, eur_per_hour};
    costs.eur_per_hour += eur_per_hour;
    v1::PlannedDeployment* row = plan->add_deployments();
    row->set_id(candidate.id);
    row->set_pool(problem.snapshot.pools[size_t{candidate.pool}].id);
    row->set_model(problem.snapshot.models[size_t{candidate.model}].id);
    row->set_profile(candidate.profile->id);
    row->set_tensor_parallel(candidate.accelerators);
    row->set_replicas(replicas);
    row->set_batch(point.batch);
    row->set_decode_ms_per_token(point.decode_per_token.value());
    row->set_utilization(serving.utilization);
    row->set_power_w(power_w);
    row->set_cost_eur_per_hour(eur_per_hour);
  }
  costs.eur_per_hour += costs.moves * problem.snapshot.policy.move_penalty.value();
  return costs;
}

void write_ways(const Problem& problem, const DiverseLeg& leg, v1::PlannedSplit* split) {
  const auto write = [&](const twin::Way& way, v1::PlannedWay* planned) {
    for (const grid::LinkIndex link : way.links) planned->add_links(problem.snapshot.links[link].id);
  };
  write(leg.ways.primary, split->mutable_primary());
  write(leg.ways.second, split->mutable_second());
}

// Returns transport and penalties.
double write_demand(const Problem& problem, const Search& search, const std::vector<Running>& all_running, uint32_t d,
                    v1::DemandPlan* planned) {
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
    const Running& running = all_running[option.candidate];
    const double fraction = static_cast<double>(member.share) / kWhole;
    const twin::RequestSizes& sizes = problem.uses[option.use].sizes;
    const double work = fraction * (demand.row->rate_per_s * sizes.prefill_ms * 1e-3 +
                                    demand.tokens_per_s * point.decode_per_token.value() * 1e-3 / point.batch);
    const double all_work = running.serving.utilization * deployed.fit.replicas;
    const double transport = option.transport_eur_per_hour * fraction;
    v1::PlannedSplit* split = planned->add_splits();
    split->set_deployment(candidate.id);
    split->set_fraction(fraction);
    if (demand.ways != UINT32_MAX) write_ways(problem, problem.diverse_legs[demand.ways][candidate.pool], split);
    const double quantile = demand.row->promise.quantile;
    split->set_ttft_ms(option.round_trip_us * 1e-3 + running.serving.ttft(sizes, quantile).value());
    split->set_tpot_ms(running.serving.tpot_at(sizes, quantile).value());
    split->set_round_trip_us(option.round_trip_us);
    split->set_cost_eur_per_hour((all_work > 0 ? running.eur_per_hour * work / all_work : 0) + transport);
    eur += transport;
  }
  return eur;
}

// Whether a demand is served by the same deployments in the same shares as before.
bool stands(const Problem& problem, const DemandRow& demand, const Placement& placement) {
  if (demand.before == nullptr || std::ssize(placement.members) != demand.before->splits_size()) return false;
  return std::ranges::all_of(placement.members, [&](const Member& member) {
    return std::ranges::any_of(demand.shares_before, [&](const DemandRow::Share& before) {
      return problem.options[member.option].candidate == before.candidate && member.share == before.share;
    });
  });
}

// The plan that was made, but for its name.
v1::Plan written(Problem& problem, Making& making) {
  Search& search = making.search();
  v1::Plan plan;
  plan.set_base_offset(problem.snapshot.offset);
  plan.set_work(making.iterations());
  const Costs costs = write_deployments(problem, search, &plan);
  std::vector<uint32_t> order(problem.demands.size());
  for (uint32_t d = 0; d < order.size(); ++d) order[d] = d;
  const auto id_of = [&](uint32_t d) -> std::string_view { return problem.demands[d].row->id; };
  if (!std::ranges::is_sorted(order, {}, id_of)) std::ranges::sort(order, {}, id_of);
  std::vector<uint8_t> as_before(order.size(), 0);
  for (uint32_t d = 0; d < as_before.size() && making.mended(); ++d)
    as_before[d] = stands(problem, problem.demands[d], search.placement(d));
  std::vector<Shortlist> lists(order.size());
  for_each_on_two_threads(lists.size(), [&](size_t d) {
    if (as_before[d] == 0) lists[d] = shortlist(problem, search, static_cast<uint32_t>(d));
  });
  double eur = costs.eur_per_hour;
  for (const uint32_t d : order) {
    v1::DemandPlan* planned = plan.add_demands();
    eur += write_demand(problem, search, costs.running, d, planned);
    if (as_before[d] == 0) {
      explain(problem, search, d, std::move(lists[d]), planned);
    } else {  // so are its reasons
      const v1::DemandPlan& before = *problem.demands[d].before;
      planned->set_blocked_by(before.blocked_by());
      planned->set_reason(before.reason());
      *planned->mutable_alternatives() = before.alternatives();
    }
  }
  plan.set_moves(costs.moves);
  plan.set_cost_eur_per_hour(eur);
  plan.set_bound_eur_per_hour(making.bound() ? std::min(eur, making.bound()->value()) : 0);
  return plan;
}

}  // namespace

std::optional<v1::Plan> Planner::make(const Wanted& wanted, const std::function<void(const Progress&)>& progress) {
  const v1::Plan* incumbent = wanted.incumbent;
  terrain_ = std::make_shared<const Terrain>(wanted.snapshot, terrain_.get());
  Problem problem(wanted.snapshot, terrain_, incumbent);
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
  if (!wanted.snapshot.policy.restoration.cases.empty()) making.restore();
  if (wanted.is_useless_when_stopped && wanted.stop.stop_requested()) return std::nullopt;

  v1::Plan plan = written(problem, making);
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
