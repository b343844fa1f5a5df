#include "planner/alone.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/check.h"

namespace tandem::planner {
namespace {

grid::Snapshot only_model(const Problem& whole, uint32_t model, const std::vector<uint32_t>& demands) {
  grid::Snapshot snapshot = whole.snapshot;
  std::vector<grid::Demand> rows;
  for (const uint32_t d : demands) rows.push_back(*whole.demands[d].row);
  snapshot.demands = grid::Table(std::move(rows));
  std::vector<grid::Profile> profiles;
  for (const uint32_t f : whole.profiles_of_model(model)) profiles.push_back(whole.snapshot.profiles[size_t{f}]);
  snapshot.profiles = grid::Table(std::move(profiles));
  return snapshot;
}

// The problem of one model in what the others leave; demands and candidates in the order of the whole's.
class Alone {
 public:
  Alone(const Problem& whole, std::vector<uint32_t> demands, uint32_t model, const Search::Spare& spare)
      : model_(model),
        demands_(std::move(demands)),
        candidates_(whole.candidates_of_model[model]),
        snapshot_(only_model(whole, model, demands_)),
        problem_(snapshot_, whole.terrain, nullptr) {
    CHECK(problem_.candidates.size() == candidates_.size());
    problem_.has_incumbent = whole.has_incumbent;
    problem_.pool_spare = spare.accelerators;
    problem_.site_kw = spare.kilowatts;
    problem_.arc_spare_gbps = spare.arc_gbps;
    for (uint32_t c = 0; c < problem_.candidates.size(); ++c) {
      Candidate& candidate = problem_.candidates[c];
      candidate.replicas_max = spare.accelerators[candidate.pool] / candidate.accelerators;
      candidate.servable =
          candidate.servable && candidate.replicas_max > 0 && candidate.worst_kw <= spare.kilowatts[candidate.site];
      candidate.pinned = std::min(candidate.pinned, candidate.replicas_max);
      candidate.guide_eur_per_hour = whole.candidates[candidates_[c]].guide_eur_per_hour;
      candidate.doubt = whole.candidates[candidates_[c]].doubt;
      candidate.incumbent = whole.candidates[candidates_[c]].incumbent;
    }
    for (size_t i = 0; i < demands_.size(); ++i) {
      problem_.demands[i].precedence = whole.demands[demands_[i]].precedence;
      problem_.demands[i].served_before = whole.demands[demands_[i]].served_before;
    }
  }

  Problem& problem() { return problem_; }

  void price(std::span<const double> prices) {
    for (Candidate& candidate : problem_.candidates)
      candidate.replica_eur_per_hour += prices[candidate.pool] * candidate.accelerators +
                                        prices[problem_.pool_spare.size() + candidate.site] * candidate.worst_kw;
  }

  // Those that the whole has.
  void add_options(const Problem& whole) {
    for (uint32_t i = 0; i < demands_.size(); ++i)
      for (const uint32_t o : whole.demands[demands_[i]].options)
        problem_.add_option(i, position(candidates_, whole.options[o].candidate));
  }

  // The option as the whole would have it.
  void set_fractions(const Problem& whole, const Bound& bound, Option& option) const {
    Option of_whole = option;
    of_whole.candidate = candidates_[option.candidate];
    of_whole.use = whole.demands[demands_[option.demand]].use_first + whole.candidates[of_whole.candidate].slot;
    bound.set_fractions(of_whole);
    option.fractional_eur_per_hour = of_whole.fractional_eur_per_hour;
    option.replicas_in_fractions = of_whole.replicas_in_fractions;
    const double price = problem_.candidates[option.candidate].replica_eur_per_hour -
                         whole.candidates[of_whole.candidate].replica_eur_per_hour;
    option.fractional_eur_per_hour += option.replicas_in_fractions * price;
  }

  // Shares of the whole's, as of this problem.
  std::vector<ServedShare> own(std::vector<ServedShare> shares) const {
    for (ServedShare& share : shares)
      share = {position(demands_, share.demand), position(candidates_, share.candidate), share.share};
    return shares;
  }

  PlannedAlone planned(const Search& search) const {
    PlannedAlone planned{{}, search.objective(), search.taken_by(model_), search.iterations()};
    for (uint32_t i = 0; i < demands_.size(); ++i)
      for (const Member& member : search.placement(i).members)
        planned.shares.push_back({demands_[i], candidates_[problem_.options[member.option].candidate], member.share});
    return planned;
  }

 private:
  static uint32_t position(const std::vector<uint32_t>& all, uint32_t one) {
    return static_cast<uint32_t>(std::ranges::lower_bound(all, one) - all.begin());
  }

  uint32_t model_;
  std::vector<uint32_t> demands_, candidates_;  // of the whole
  grid::Snapshot snapshot_;
  Problem problem_;
};

}  // namespace

PlannedAlone plan_alone(const Problem& whole, const Bound& bound, uint32_t model, const Search::Spare& spare,
                        uint64_t seed, uint32_t starts, uint64_t iterations, const std::stop_token& stop) {
  Alone alone(whole, whole.demands_of(model), model, spare);
  Problem& problem = alone.problem();
  problem.add_all_options();
  for (Option& option : problem.options) alone.set_fractions(whole, bound, option);
  const std::vector<ServedShare> met = alone.own(bound.met(model));
  const size_t plans = starts > 0 ? starts : 1;
  std::vector<uint32_t> all(problem.demands.size());
  std::iota(all.begin(), all.end(), 0u);
  Search search(problem, seed, iterations * plans, stop);
  std::optional<Search::State> best;
  for (size_t i = 0; i < plans && !(best && stop.stop_requested()); ++i) {
    search.count(Energy::full_batches);
    if (starts > 0)
      search.construct_at_random();
    else
      search.construct_by_promise();
    if (i == 0 && !met.empty()) {
      search.count(Energy::drawn);
      search.replace(all, met);
    }
    search.improve_in_turns();
    if (!best || search.objective() < best->objective) best = search.state();
  }
  search.set_state(*best);
  return alone.planned(search);
}

PlannedAlone plan_at_prices(const Problem& whole, const Bound& bound, uint32_t model, const Search::Spare& spare,
                            std::span<const double> prices, uint64_t iterations, const std::stop_token& stop) {
  Alone alone(whole, whole.demands_of(model), model, spare);
  alone.price(prices);
  alone.add_options(whole);
  for (Option& option : alone.problem().options) alone.set_fractions(whole, bound, option);
  constexpr uint64_t kSeed = 0;  // nothing is drawn
  Search search(alone.problem(), kSeed, iterations, stop);
  search.construct_by_promise();
  search.improve_in_turns();
  PlannedAlone planned = alone.planned(search);
  planned.eur_per_hour -= std::inner_product(prices.begin(), prices.end(), planned.takes.begin(), 0.0);
  return planned;
}

}  // namespace tandem::planner
