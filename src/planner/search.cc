#include "planner/search.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace tandem::planner {
namespace {

constexpr uint32_t kNobody = UINT32_MAX;
// Below these a gain is rounding: of a sum, and of sums of that size.
constexpr double kGainMin = 1e-6;  // €/h
constexpr double kGainMinRelative = 1e-11;

}  // namespace

bool Search::may_go_on() {
  if (iterations_ >= iterations_max_ || stop_.stop_requested()) return false;
  ++iterations_;
  return true;
}

// A plan that follows another one is not turned over for small change: each move must earn a tenth of what moving one
// replica costs.
double Search::gain_min() const {
  const double rounding = kGainMin + kGainMinRelative * std::abs(objective_);
  return warm_ ? std::max(rounding, 0.1 * problem_.snapshot.policy.move_penalty.value()) : rounding;
}

bool Search::keep_if_better(const Mark& mark, double gain) {
  if (objective_ < mark.objective - gain) {
    commit();
    return true;
  }
  roll_back(mark);
  return false;
}

// ---- Placing ------------------------------------------------------------------------------------------------------

// Strict priorities first, then the demands with the fewest choices, then the largest.
std::vector<uint32_t> Search::placing_order() const {
  std::vector<uint32_t> order(problem_.demands.size());
  for (uint32_t d = 0; d < order.size(); ++d) order[d] = d;
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const DemandRow &x = problem_.demands[a], &y = problem_.demands[b];
    if (x.row->priority != y.row->priority) return x.row->priority > y.row->priority;
    const uint32_t x_options = x.option_end - x.option_first, y_options = y.option_end - y.option_first;
    if (x_options != y_options) return x_options < y_options;
    if (x.tokens_per_s != y.tokens_per_s) return x.tokens_per_s > y.tokens_per_s;
    return a < b;
  });
  return order;
}

void Search::place_all(std::vector<uint32_t> demands, uint32_t forbidden) {
  std::sort(demands.begin(), demands.end(), [&](uint32_t a, uint32_t b) {
    const DemandRow &x = problem_.demands[a], &y = problem_.demands[b];
    if (x.row->priority != y.row->priority) return x.row->priority > y.row->priority;
    if (x.tokens_per_s != y.tokens_per_s) return x.tokens_per_s > y.tokens_per_s;
    return a < b;
  });
  for (const uint32_t d : demands) place(d, 1, forbidden);
}

// Puts what is unserved of a demand where it adds least; in parts where it does not fit whole; leaves what no option can
// take, or what rejecting costs less.
//
// `opening_weight` is how much of a new replica counts against the first demand on it: at 1 all, at 0 only the fraction
// that this demand uses, as if others were sure to follow.
void Search::place(uint32_t demand, double opening_weight, uint32_t forbidden) {
  const DemandRow& row = problem_.demands[demand];
  const uint32_t share = placements_[demand].unserved;
  if (share == 0 || row.penalty_eur_per_hour <= 0) return;
  const double part = static_cast<double>(share) / kWhole;
  double best_score = penalty(demand) * part;
  uint32_t best = kNobody;
  Quote best_quote;
  bool any_fits = false;
  for (uint32_t o = row.option_first; o < row.option_end; ++o) {
    const Option& option = problem_.options[o];
    if (option.candidate == forbidden || (blink_ > 0 && random_.chance(blink_))) continue;
    const double fractional = option.fractional_eur_per_hour * part;
    const bool alone = deployed_[option.candidate].fit.replicas == 0 && problem_.candidates[option.candidate].incumbent == 0;
    const double added_min = alone ? (share == kWhole ? option.alone_eur_per_hour : problem_.candidates[option.candidate].replica_eur_per_hour)
                                   : option.transport_eur_per_hour * part;
    const double weight = alone ? opening_weight : 1;
    if (any_fits && weight * added_min + (1 - weight) * fractional >= best_score) continue;
    const Quote offer = quote(o, share);
    if (offer.fit.blocked != Gate::none) continue;
    any_fits = true;
    const double score = weight * offer.added_eur_per_hour + (1 - weight) * fractional;
    if (score >= best_score) continue;
    best_score = score;
    best = o;
    best_quote = offer;
  }
  if (best != kNobody) return put(best, share, best_quote.fit);
  if (any_fits) return;  // rejecting is cheaper
  while (placements_[demand].unserved > 0 && place_part(demand, opening_weight, forbidden)) {
  }
}

// Places the part of a demand that is cheapest for its size; false when no option takes any, or none is worth it.
bool Search::place_part(uint32_t demand, double opening_weight, uint32_t forbidden) {
  const DemandRow& row = problem_.demands[demand];
  double best_score = penalty(demand) / kWhole;  // a 1024th
  uint32_t best = kNobody, best_share = 0;
  Fit best_fit;
  for (uint32_t o = row.option_first; o < row.option_end; ++o) {
    const Option& option = problem_.options[o];
    if (option.candidate == forbidden) continue;
    uint32_t fits = 0, fails = links_allow(option, placements_[demand].unserved) + 1;
    Quote offer;
    while (fails - fits > 1) {
      const uint32_t middle = fits + (fails - fits) / 2;
      const Quote trial = quote(o, middle);
      (trial.fit.blocked == Gate::none ? fits : fails) = middle;
      if (fits == middle) offer = trial;
    }
    if (fits == 0) continue;
    const bool alone = deployed_[option.candidate].fit.replicas == 0;
    const double weight = alone ? opening_weight : 1;
    const double score = weight * offer.added_eur_per_hour / fits + (1 - weight) * option.fractional_eur_per_hour / kWhole;
    if (score >= best_score) continue;
    best_score = score;
    best = o;
    best_share = fits;
    best_fit = offer.fit;
  }
  if (best == kNobody) return false;
  put(best, best_share, best_fit);
  return true;
}

void Search::construct(double opening_weight) {
  reset();
  for (const uint32_t d : placing_order()) place(d, opening_weight, kNobody);
  commit();
}

void Search::adopt(const v1::Plan& incumbent) {
  warm_ = true;
  reset();
  std::vector<const v1::DemandPlan*> planned(problem_.demands.size(), nullptr);
  for (const v1::DemandPlan& demand : incumbent.demands())
    if (const auto d = problem_.snapshot.demands.find(demand.demand()); d.valid()) planned[d.value] = &demand;
  const std::vector<uint32_t> order = placing_order();
  for (const uint32_t d : order) {
    if (planned[d] == nullptr) continue;
    for (const v1::PlannedSplit& split : planned[d]->splits()) {
      const auto c = problem_.find_candidate(split.deployment());
      if (!c || !(split.fraction() > 0)) continue;
      const double wanted = std::min(split.fraction(), 1.0) * kWhole;
      const uint32_t share = std::min(static_cast<uint32_t>(wanted + 0.5), placements_[d].unserved);
      for (const uint32_t o : problem_.options_of_candidate[*c]) {
        if (problem_.options[o].demand != d || share == 0) continue;
        if (const Quote offer = quote(o, share); offer.fit.blocked == Gate::none) put(o, share, offer.fit);
        break;
      }
    }
  }
  for (const uint32_t d : order) place(d, 1, kNobody);
  commit();
}

// ---- Improving ----------------------------------------------------------------------------------------------------

bool Search::relocate_all() {
  bool improved = false;
  for (uint32_t d = 0; d < placements_.size(); ++d) {
    if (problem_.demands[d].option_first == problem_.demands[d].option_end) continue;
    if (!may_go_on()) break;
    const Mark mark = begin();
    if (take_out(d)) place(d, 1, kNobody);
    improved |= keep_if_better(mark, gain_min());
  }
  return improved;
}

// Fills what running replicas have left with parts of a demand, then places the rest whole.
void Search::spread(uint32_t demand) {
  const DemandRow& row = problem_.demands[demand];
  for (uint32_t o = row.option_first; o < row.option_end && placements_[demand].unserved > 0; ++o) {
    const uint32_t running = deployed_[problem_.options[o].candidate].fit.replicas;
    if (running == 0) continue;
    uint32_t fits = 0, fails = links_allow(problem_.options[o], placements_[demand].unserved) + 1;
    Fit best;
    while (fails - fits > 1) {
      const uint32_t middle = fits + (fails - fits) / 2;
      const Quote offer = quote(o, middle);
      const bool free = offer.fit.blocked == Gate::none && offer.fit.replicas <= running;
      (free ? fits : fails) = middle;
      if (free) best = offer.fit;
    }
    // Less than a sixteenth is not worth another site.
    if (fits >= kWhole / 16) put(o, fits, best);
  }
  place(demand, 1, kNobody);
}

bool Search::spread_all() {
  bool improved = false;
  for (uint32_t d = 0; d < placements_.size(); ++d) {
    if (problem_.demands[d].option_end - problem_.demands[d].option_first < 2) continue;
    if (!may_go_on()) break;
    const Mark mark = begin();
    if (take_out(d)) spread(d);
    improved |= keep_if_better(mark, gain_min());
  }
  return improved;
}

bool Search::close_all() {
  bool improved = false;
  for (uint32_t c = 0; c < deployed_.size(); ++c) {
    if (deployed_[c].members.empty()) continue;
    if (!may_go_on()) break;
    const Mark mark = begin();
    std::vector<uint32_t> homeless;
    for (const Member& member : deployed_[c].members) homeless.push_back(problem_.options[member.option].demand);
    if (!empty(c)) {
      roll_back(mark);
      continue;
    }
    place_all(std::move(homeless), c);
    improved |= keep_if_better(mark, gain_min());
  }
  return improved;
}

// Opens a deployment and moves to it whatever of its model is worth moving, the demands that save most first.
bool Search::open(uint32_t c) {
  struct Mover {
    uint32_t option;
    double saving;
  };
  std::vector<Mover> movers;
  for (const uint32_t o : problem_.options_of_candidate[c]) {
    const Option& option = problem_.options[o];
    const Placement& placement = placements_[option.demand];
    double paid = penalty(option.demand) * placement.unserved / kWhole;
    for (const Member& member : placement.members)
      paid += problem_.options[member.option].fractional_eur_per_hour * member.share / kWhole;
    // What stands alone in its deployment saves a whole replica by leaving.
    for (const Member& member : placement.members)
      if (const Deployed& from = deployed_[problem_.options[member.option].candidate]; from.members.size() == 1)
        paid += from.fit.eur_per_hour;
    movers.push_back({o, paid - option.fractional_eur_per_hour});
  }
  std::stable_sort(movers.begin(), movers.end(), [](const Mover& a, const Mover& b) { return a.saving > b.saving; });
  const Mark mark = begin();
  double best = mark.objective - gain_min();
  Mark best_mark = mark;
  size_t since_best = 0;
  constexpr size_t kPatience = 12;  // movers without a new best before the rest is not tried
  for (const Mover& mover : movers) {
    const uint32_t d = problem_.options[mover.option].demand;
    const Mark before = begin();
    bool moved = take_out(d);
    if (moved) {
      const Quote offer = quote(mover.option, kWhole);
      moved = offer.fit.blocked == Gate::none;
      if (moved) put(mover.option, kWhole, offer.fit);
    }
    if (!moved) {
      roll_back(before);
      continue;
    }
    if (objective_ < best) {
      best = objective_;
      best_mark = begin();
      since_best = 0;
    } else if (++since_best > kPatience) {
      break;
    }
  }
  roll_back(best_mark);
  return keep_if_better(mark, gain_min());
}

bool Search::open_all() {
  bool improved = false;
  for (uint32_t c = 0; c < deployed_.size(); ++c) {
    if (problem_.options_of_candidate[c].empty()) continue;
    if (!may_go_on()) break;
    improved |= open(c);
  }
  return improved;
}

// Empties a few deployments that compete for the same demands or resources and places what was on them anew, in random
// order.
bool Search::ruin_and_recreate() {
  std::vector<uint32_t> open;
  for (uint32_t c = 0; c < deployed_.size(); ++c)
    if (!deployed_[c].members.empty()) open.push_back(c);
  if (open.empty()) return false;
  const uint32_t centre = open[random_.below(open.size())];
  const Candidate& at = problem_.candidates[centre];
  std::vector<uint32_t> related;
  const bool by_model = random_.chance(0.7);
  for (const uint32_t c : open) {
    const Candidate& other = problem_.candidates[c];
    if (c != centre && (by_model ? other.model == at.model : other.site == at.site)) related.push_back(c);
  }
  const Mark mark = begin();
  std::vector<uint32_t> homeless;
  const auto ruin = [&](uint32_t c) {
    for (const Member& member : deployed_[c].members) {
      const uint32_t d = problem_.options[member.option].demand;
      if (std::find(homeless.begin(), homeless.end(), d) == homeless.end()) homeless.push_back(d);
    }
    return empty(c);
  };
  bool sound = ruin(centre);
  for (uint64_t more = 1 + random_.below(3); sound && more > 0 && !related.empty(); --more) {
    const size_t i = random_.below(related.size());
    sound = ruin(related[i]);
    related.erase(related.begin() + static_cast<std::ptrdiff_t>(i));
  }
  // What was left out competes for the room again.
  for (uint32_t d = 0; sound && d < placements_.size(); ++d) {
    if (placements_[d].unserved == 0 || problem_.demands[d].option_first == problem_.demands[d].option_end) continue;
    if (std::find(homeless.begin(), homeless.end(), d) != homeless.end()) continue;
    homeless.push_back(d);
    sound = placements_[d].members.empty() || take_out(d);
  }
  if (!sound) {
    roll_back(mark);
    return false;
  }
  for (size_t i = homeless.size(); i > 1; --i) std::swap(homeless[i - 1], homeless[random_.below(i)]);
  std::stable_sort(homeless.begin(), homeless.end(), [&](uint32_t a, uint32_t b) {
    return problem_.demands[a].row->priority > problem_.demands[b].row->priority;
  });
  constexpr double kOpeningWeights[] = {1, 1, 0.5, 0.1};
  const double weight = kOpeningWeights[random_.below(std::size(kOpeningWeights))];
  blink_ = 0.02;  // so that the same ruin does not always end the same (Christiaens, Vanden Berghe, Transp. Sci. 54, 2020)
  for (const uint32_t d : homeless) place(d, weight, kNobody);
  blink_ = 0;
  return keep_if_better(mark, gain_min());
}

bool Search::something_left_out() const {
  for (uint32_t d = 0; d < placements_.size(); ++d)
    if (placements_[d].unserved > 0 && problem_.demands[d].option_first < problem_.demands[d].option_end) return true;
  return false;
}

void Search::improve() {
  bool improved = true;
  while (improved && !stop_.stop_requested() && iterations_ < iterations_max_) {
    improved = close_all();
    improved |= relocate_all();
    improved |= open_all();
    improved |= spread_all();
  }
  // A plan in service is mended, not searched for anew, unless that leaves out what might yet be served.
  if (warm_ && !something_left_out()) return;
  // Gives up where nothing better has been found for a while, so that a larger limit costs nothing on a small grid.
  constexpr uint32_t kPatience = 100;
  for (uint32_t since_best = 0; since_best < kPatience && may_go_on();) since_best = ruin_and_recreate() ? 0 : since_best + 1;
}

}  // namespace tandem::planner
