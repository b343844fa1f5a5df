#include "planner/alone.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

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

}  // namespace

// The problem of one model in what the others leave; demands and candidates in the order of the whole's.
class Alone {
 public:
  Alone(const Problem& whole, uint32_t model, const Search::Spare& spare)
      : whole_(whole),
        model_(model),
        demands_(whole.demands_of(model)),
        candidates_(whole.candidates_of_model[model]),
        snapshot_(only_model(whole, model, demands_)),
        problem_(snapshot_, whole.terrain, nullptr) {
    CHECK(problem_.candidates.size() == candidates_.size());
    problem_.has_incumbent = whole.has_incumbent;
    for (uint32_t c = 0; c < problem_.candidates.size(); ++c) {
      problem_.candidates[c].guide_eur_per_hour = whole.candidates[candidates_[c]].guide_eur_per_hour;
      problem_.candidates[c].doubt = whole.candidates[candidates_[c]].doubt;
      problem_.candidates[c].incumbent = whole.candidates[candidates_[c]].incumbent;
    }
    for (size_t i = 0; i < demands_.size(); ++i) {
      problem_.demands[i].precedence = whole.demands[demands_[i]].precedence;
      problem_.demands[i].served_before = whole.demands[demands_[i]].served_before;
    }
    leave(spare);
  }

  // From now on there is so much.
  void leave(const Search::Spare& spare) {
    problem_.pool_spare = spare.accelerators;
    problem_.site_kw = spare.kilowatts;
    problem_.arc_spare_gbps = spare.arc_gbps;
    for (uint32_t c = 0; c < problem_.candidates.size(); ++c) {
      Candidate& candidate = problem_.candidates[c];
      const Candidate& of_whole = whole_.candidates[candidates_[c]];
      candidate.replicas_max = spare.accelerators[candidate.pool] / candidate.accelerators;
      candidate.servable =
          of_whole.servable && candidate.replicas_max > 0 && candidate.worst_kw <= spare.kilowatts[candidate.site];
      candidate.pinned = std::min(of_whole.pinned, candidate.replicas_max);
    }
  }

  Problem& problem() { return problem_; }

  // Those that the whole has.
  void add_options() {
    for (uint32_t i = 0; i < demands_.size(); ++i)
      for (const uint32_t o : whole_.demands[demands_[i]].options)
        problem_.add_option(i, position(candidates_, whole_.options[o].candidate));
  }

  // Options as the whole would have them.
  void set_fractions(const Bound& bound) {
    for (Option& option : problem_.options) {
      Option of_whole = option;
      of_whole.candidate = candidates_[option.candidate];
      of_whole.use = whole_.demands[demands_[option.demand]].use_first + whole_.candidates[of_whole.candidate].slot;
      bound.set_fractions(of_whole);
      option.fractional_eur_per_hour = of_whole.fractional_eur_per_hour;
      option.replicas_in_fractions = of_whole.replicas_in_fractions;
    }
  }

  // From now on what a replica takes costs those prices, in place of those before.
  void price(std::span<const double> prices) {
    std::vector<double> more(problem_.candidates.size());  // €/h a replica
    priced_.resize(more.size(), 0);
    for (uint32_t c = 0; c < more.size(); ++c) {
      Candidate& candidate = problem_.candidates[c];
      const double price = prices[candidate.pool] * candidate.accelerators +
                           prices[problem_.resource_of_site(candidate.site)] * candidate.worst_kw;
      more[c] = price - std::exchange(priced_[c], price);
      candidate.replica_eur_per_hour += more[c];
      candidate.guide_eur_per_hour = 0;
    }
    for (Option& option : problem_.options) {
      option.fractional_eur_per_hour += option.replicas_in_fractions * more[option.candidate];
      option.alone_eur_per_hour += more[option.candidate];  // of one replica: at least
    }
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

  const Problem& whole_;
  uint32_t model_;
  std::vector<uint32_t> demands_, candidates_;  // of the whole
  grid::Snapshot snapshot_;
  Problem problem_;
  std::vector<double> priced_;  // by candidate, €/h a replica beside what it costs
};

double PlannedAlone::paid(std::span<const double> prices) const {
  double eur = 0;
  for (const auto& [resource, amount] : takes) eur += prices[resource] * amount;
  return eur;
}

PlannedAlone plan_alone(const Problem& whole, const Bound& bound, uint32_t model, const Search::Spare& spare,
                        uint64_t seed, uint32_t starts, uint64_t iterations, const std::stop_token& stop) {
  Alone alone(whole, model, spare);
  Problem& problem = alone.problem();
  problem.add_all_options();
  alone.set_fractions(bound);
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

AloneAtPrices::AloneAtPrices(const Problem& whole, const Bound& bound, uint32_t model)
    : alone_(
          std::make_unique<Alone>(whole, model, Search::Spare{whole.pool_spare, whole.site_kw, whole.arc_spare_gbps})) {
  alone_->add_options();
  alone_->set_fractions(bound);
}
AloneAtPrices::~AloneAtPrices() = default;

PlannedAlone AloneAtPrices::plan(const Search::Spare& spare, std::span<const double> prices, uint64_t iterations,
                                 const std::stop_token& stop) {
  alone_->leave(spare);
  alone_->price(prices);
  constexpr uint64_t kSeed = 0;  // nothing is drawn
  Search search(alone_->problem(), kSeed, iterations, stop);
  search.construct_by_promise();
  search.improve_in_turns();
  PlannedAlone planned = alone_->planned(search);
  planned.eur_per_hour -= planned.paid(prices);
  return planned;
}

}  // namespace tandem::planner
