#include "planner/alone.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/check.h"

namespace tandem::planner {
namespace {

constexpr std::pair<double, bool> kFirstPlans[] = {
    {1, true}, {0.5, false}, {0.1, false}};  // plan.cc's, but one: there are many models

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
      : demands_(std::move(demands)),
        candidates_(whole.candidates_of_model[model]),
        snapshot_(only_model(whole, model, demands_)),
        problem_(snapshot_, whole.terrain, nullptr) {
    CHECK(problem_.candidates.size() == candidates_.size());
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
    }
    for (size_t i = 0; i < demands_.size(); ++i) problem_.demands[i].precedence = whole.demands[demands_[i]].precedence;
  }

  Problem& problem() { return problem_; }

  // The option as the whole would have it.
  void set_fractions(const Problem& whole, const Bound& bound, Option& option) const {
    Option of_whole = option;
    of_whole.candidate = candidates_[option.candidate];
    of_whole.use = whole.demands[demands_[option.demand]].use_first + whole.candidates[of_whole.candidate].slot;
    bound.set_fractions(of_whole);
    option.fractional_eur_per_hour = of_whole.fractional_eur_per_hour;
    option.replicas_in_fractions = of_whole.replicas_in_fractions;
  }

  // Shares of the whole's, as of this problem.
  std::vector<ServedShare> own(std::vector<ServedShare> shares) const {
    const auto position = [](const std::vector<uint32_t>& all, uint32_t one) {
      return static_cast<uint32_t>(std::ranges::lower_bound(all, one) - all.begin());
    };
    for (ServedShare& share : shares)
      share = {position(demands_, share.demand), position(candidates_, share.candidate), share.share};
    return shares;
  }

  PlannedAlone planned(const Search& search) const {
    PlannedAlone planned{{}, search.objective(), search.iterations()};
    for (uint32_t i = 0; i < demands_.size(); ++i)
      for (const Member& member : search.placement(i).members)
        planned.shares.push_back({demands_[i], candidates_[problem_.options[member.option].candidate], member.share});
    return planned;
  }

 private:
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
  const size_t plans = starts > 0 ? starts : 1 + std::size(kFirstPlans);
  std::vector<uint32_t> all(problem.demands.size());
  std::iota(all.begin(), all.end(), 0u);
  Search search(problem, seed, iterations * plans, stop);
  std::optional<Search::State> best;
  for (size_t i = 0; i < plans && !(best && stop.stop_requested()); ++i) {
    search.count(Energy::full_batches);
    if (starts > 0)
      search.construct_at_random();
    else if (i == 0)
      search.construct_by_promise();
    else
      search.construct(kFirstPlans[i - 1].first, kFirstPlans[i - 1].second);
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

}  // namespace tandem::planner
