#include "planner/search.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <tuple>

#include "base/check.h"

namespace tandem::planner {
namespace {

constexpr uint32_t kNobody = UINT32_MAX;
// Below these a gain is rounding: of a sum, and of sums of that size.
constexpr double kGainMin = 1e-6;  // €/h
constexpr double kGainMinRelative = 1e-11;
constexpr double kWithAPool = 0.7;  // of the times that a model is placed anew

// The largest share from `least` to `most` that is taken, to within kLeastPart: what is taken of any is of less too. 0
// where none is.
template <class Takes>
uint32_t largest_share(uint32_t most, uint32_t least, const Takes& takes) {
  if (most < least || !takes(least)) return 0;
  if (most == least || takes(most)) return most;
  uint32_t fits = least, fails = most;
  while (fails - fits > kLeastPart) {
    const uint32_t middle = fits + (fails - fits) / 2;
    (takes(middle) ? fits : fails) = middle;
  }
  return fits;
}

}  // namespace

bool Search::may_go_on() {
  if (iterations_ >= iterations_max_ || stop_.stop_requested()) return false;
  ++iterations_;
  return true;
}

// A plan that follows another one is not turned over for small change: each move must earn a tenth of what moving one
// replica costs.
double Search::to_beat(const Mark& mark) const {
  const double rounding = kGainMin + kGainMinRelative * std::abs(mark.objective);
  const double gain_min = warm_ ? std::max(rounding, 0.1 * problem_.snapshot.policy.move_penalty.value()) : rounding;
  return mark.objective - gain_min;
}

bool Search::keep_if(bool better, const Mark& mark) {
  if (better)
    commit();
  else
    roll_back(mark);
  return better;
}

// ---- Placing ------------------------------------------------------------------------------------------------------

// Strict priorities first, then the demands with the fewest choices, then the largest.
std::vector<uint32_t> Search::left_out_in_order() const {
  std::vector<uint32_t> order;
  for (uint32_t d = 0; d < placements_.size(); ++d)
    if (placements_[d].unserved > 0) order.push_back(d);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const DemandRow &x = problem_.demands[a], &y = problem_.demands[b];
    if (x.row->priority != y.row->priority) return x.row->priority > y.row->priority;
    const size_t x_options = x.options.size(), y_options = y.options.size();
    if (x_options != y_options) return x_options < y_options;
    if (x.tokens_per_s != y.tokens_per_s) return x.tokens_per_s > y.tokens_per_s;
    return a < b;
  });
  return order;
}

// Strict priorities first, then the largest.
void Search::sort_largest_first(std::vector<uint32_t>& demands) const {
  std::sort(demands.begin(), demands.end(), [&](uint32_t a, uint32_t b) {
    const DemandRow &x = problem_.demands[a], &y = problem_.demands[b];
    if (x.row->priority != y.row->priority) return x.row->priority > y.row->priority;
    if (x.tokens_per_s != y.tokens_per_s) return x.tokens_per_s > y.tokens_per_s;
    return a < b;
  });
}

// Places what is unserved of those demands, in that order. False as soon as the objective cannot end below what it
// must: what is still to be placed spares its penalty at most.
bool Search::place_all(std::span<const uint32_t> demands, double opening_weight, uint32_t forbidden, double below) {
  double spared_max = 0;
  for (const uint32_t d : demands) spared_max += owed(d);
  for (const uint32_t d : demands) {
    if (objective_ - spared_max >= below) return false;
    spared_max -= owed(d);
    place(d, opening_weight, forbidden);
  }
  return objective_ < below;
}

// Puts what is unserved of a demand where it adds least; in parts where it does not fit whole; leaves what no option
// can take, or what rejecting costs less.
//
// `opening_weight` is how much of a new replica counts against the first demand on it: at 1 all, at 0 only the fraction
// that this demand uses, as if others were sure to follow.
void Search::place(uint32_t demand, double opening_weight, uint32_t forbidden) {
  const DemandRow& row = problem_.demands[demand];
  const uint32_t share = placements_[demand].unserved;
  if (share == 0 || row.penalty_eur_per_hour <= 0) return;
  const double part = static_cast<double>(share) / kWhole;
  double best_score = penalty(demand, 0, share) * part;
  uint32_t best = kNobody;
  Quote best_quote;
  bool any_fits = false;
  for (const uint32_t o : row.options) {
    const Option& option = problem_.options[o];
    if (option.candidate == forbidden || (blink_ > 0 && random_.chance(blink_))) continue;
    const double fractional = option.fractional_eur_per_hour * part;
    const bool alone =
        deployed_[option.candidate].fit.replicas == 0 && problem_.candidates[option.candidate].incumbent == 0;
    const double added_min = alone ? (share == kWhole ? option.alone_eur_per_hour
                                                      : problem_.candidates[option.candidate].replica_eur_per_hour)
                                   : option.transport_eur_per_hour * part;
    const double weight = alone ? opening_weight_at(option.candidate, opening_weight) : 1;
    if (any_fits && weight * added_min + (1 - weight) * fractional >= best_score) continue;
    const Quote offer = quote(o, share);
    if (offer.fit.blocked != Gate::none) continue;
    any_fits = true;
    const double started = static_cast<double>(offer.fit.replicas) - deployed_[option.candidate].fit.replicas;
    const double guide = problem_.candidates[option.candidate].guide_eur_per_hour *
                         (weight * started + (1 - weight) * part * option.replicas_in_fractions);
    const double score = weight * offer.added_eur_per_hour + (1 - weight) * fractional + guide;
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

// Places the part of a demand that is cheapest for its size; false when no option takes any, or none is worth it. How
// much an option takes is dear to find: those that promise most are asked first, and the others only where they might
// do better.
bool Search::place_part(uint32_t demand, double opening_weight, uint32_t forbidden) {
  // What was served before counts more, and first.
  const uint32_t unserved = placements_[demand].unserved, before = problem_.demands[demand].served_before;
  const uint32_t wanted = unserved + before > kWhole ? unserved + before - kWhole : unserved;
  const auto runs = [&](const Option& option) { return deployed_[option.candidate].fit.replicas > 0; };
  std::vector<std::pair<double, uint32_t>> by_least;  // €/h for each of kWhole at about the least, option
  for (const uint32_t o : problem_.demands[demand].options) {
    const Option& option = problem_.options[o];
    if (option.candidate == forbidden) continue;
    const double replicas_eur =
        option.replicas_in_fractions * problem_.candidates[option.candidate].replica_eur_per_hour;
    by_least.emplace_back((option.fractional_eur_per_hour - (runs(option) ? replicas_eur : 0)) / kWhole, o);
  }
  std::ranges::sort(by_least);
  double best_score = penalty(demand, unserved - wanted, unserved) / kWhole;
  uint32_t best = kNobody, best_share = 0;
  Fit best_fit;
  for (const auto& [least, o] : by_least) {
    if (least >= best_score) break;
    const Option& option = problem_.options[o];
    Quote offer;
    const uint32_t fits = largest_share(links_allow(option, wanted), std::min(kLeastPart, wanted), [&](uint32_t n) {
      const Quote trial = quote(o, n);
      if (trial.fit.blocked != Gate::none) return false;
      offer = trial;
      return true;
    });
    if (fits == 0) continue;
    const double weight = runs(option) ? 1 : opening_weight_at(option.candidate, opening_weight);
    const double score =
        weight * offer.added_eur_per_hour / fits + (1 - weight) * option.fractional_eur_per_hour / kWhole;
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

double Search::opening_weight_at(uint32_t c, double opening_weight) const {
  return heeds_doubts_ ? opening_weight * problem_.candidates[c].doubt : opening_weight;
}

void Search::construct(double opening_weight, bool heed_doubts) {
  reset();
  heeds_doubts_ = heed_doubts;
  for (const uint32_t d : left_out_in_order()) place(d, opening_weight, kNobody);
  heeds_doubts_ = false;
  commit();
}

void Search::construct_at_random() {
  reset();
  std::vector<uint32_t> all(placements_.size());
  std::iota(all.begin(), all.end(), 0u);
  place_at_random(all, std::numeric_limits<double>::infinity());
  commit();
}

// Deployments as they were planned, each at once; those that no longer stand as a whole, one share after the other.
void Search::adopt() {
  warm_ = true;
  std::vector<std::vector<Member>> members(deployed_.size());
  for (uint32_t d = 0; d < placements_.size(); ++d)
    for (const DemandRow::Share& share : problem_.demands[d].shares_before)
      if (const auto o = problem_.find_option(d, share.candidate))
        members[share.candidate].push_back({*o, share.share});
  std::vector<Member> torn;
  for (uint32_t c = 0; c < members.size(); ++c)
    if (!members[c].empty() && !put_back(c, members[c])) torn.insert(torn.end(), members[c].begin(), members[c].end());
  for (const Member& member : torn)
    if (const Quote offer = quote(member.option, member.share); offer.fit.blocked == Gate::none)
      put(member.option, member.share, offer.fit);
  place_left_out();
}

// All of those shares, or nothing of them where the deployment does not hold them.
bool Search::put_back(uint32_t c, const std::vector<Member>& members) {
  const Mark mark = begin();
  const bool holds = join(c, members);
  if (!holds) roll_back(mark);
  return holds;
}

// ---- Improving ----------------------------------------------------------------------------------------------------

bool Search::relocate_all() {
  bool improved = false;
  for (uint32_t d = 0; d < placements_.size(); ++d) {
    if (problem_.demands[d].options.empty()) continue;
    if (!may_go_on()) break;
    const Mark mark = begin();
    if (take_out(d)) place(d, 1, kNobody);
    improved |= keep_if(objective_ < to_beat(mark), mark);
  }
  return improved;
}

// Fills what running replicas have left with parts of a demand, then places the rest whole.
void Search::spread(uint32_t demand) {
  const DemandRow& row = problem_.demands[demand];
  for (const uint32_t o : row.options) {
    if (placements_[demand].unserved == 0) break;
    const uint32_t running = deployed_[problem_.options[o].candidate].fit.replicas;
    if (running == 0) continue;
    Fit best;
    constexpr uint32_t kWorthASite = kWhole / 16;
    const uint32_t most = links_allow(problem_.options[o], placements_[demand].unserved);
    const uint32_t fits = largest_share(most, kWorthASite, [&](uint32_t n) {
      const Quote offer = quote(o, n);
      if (offer.fit.blocked != Gate::none || offer.fit.replicas > running) return false;
      best = offer.fit;
      return true;
    });
    if (fits > 0) put(o, fits, best);
  }
  place(demand, 1, kNobody);
}

bool Search::spread_all() {
  bool improved = false;
  for (uint32_t d = 0; d < placements_.size(); ++d) {
    if (problem_.demands[d].options.size() < 2) continue;
    if (!may_go_on()) break;
    const Mark mark = begin();
    if (take_out(d)) spread(d);
    improved |= keep_if(objective_ < to_beat(mark), mark);
  }
  return improved;
}

bool Search::close_all() {
  bool improved = false;
  for (uint32_t c = 0; c < deployed_.size(); ++c) {
    if (deployed_[c].members.empty()) continue;
    if (!may_go_on()) break;
    const Mark mark = begin();
    std::vector<uint32_t> homeless = demands_on(c);
    sort_largest_first(homeless);
    improved |= keep_if(take_out(homeless) && place_all(homeless, 1, c, to_beat(mark)), mark);
  }
  return improved;
}

// What of one deployment could be served by another, and about what that would save.
Search::Joining Search::joining(uint32_t from, uint32_t to, std::vector<uint32_t>& shares) const {
  Joining joining{.members = {}, .requirements = deployed_[to].requirements, .fit = {}};
  double work = 0, transport = 0;
  for (const uint32_t o : problem_.options_of_candidate[to]) {
    const Option& option = problem_.options[o];
    const uint32_t share = shares[option.demand];
    if (share == 0) continue;
    joining.members.push_back({o, share});
    joining.requirements.add(problem_, option, share);
    transport += option.transport_eur_per_hour * share / kWhole;
    const Option& left = problem_.options[*problem_.find_option(option.demand, from)];
    work += left.replicas_in_fractions * share / kWhole;
    transport -= left.transport_eur_per_hour * share / kWhole;
  }
  if (joining.members.empty()) return joining;
  joining.fit = fit(to, joining.requirements);
  if (joining.fit.blocked != Gate::none) return joining;
  const Deployed& now = deployed_[from];
  const double part = joining.members.size() == now.members.size() ? 1 : std::min(1.0, work / now.work);
  joining.gain_eur_per_hour =
      part * now.fit.eur_per_hour + deployed_[to].fit.eur_per_hour - joining.fit.eur_per_hour - transport;
  return joining;
}

// Moves what a deployment serves to another one that may not run yet, all at once: no demand by itself would pay for
// the first replica there. What cannot follow is placed elsewhere.
bool Search::merge(uint32_t from) {
  std::vector<uint32_t> shares(placements_.size(), 0);
  for (const Member& member : deployed_[from].members) shares[problem_.options[member.option].demand] = member.share;
  uint32_t to = kNobody;
  Joining best;
  for (const uint32_t c : problem_.candidates_of_model[problem_.candidates[from].model]) {
    if (c == from || problem_.options_of_candidate[c].empty()) continue;
    Joining trial = joining(from, c, shares);
    if (trial.gain_eur_per_hour <= std::max(0.0, best.gain_eur_per_hour)) continue;
    best = std::move(trial);
    to = c;
  }
  if (to == kNobody) return false;
  const Mark mark = begin();
  std::vector<uint32_t> homeless = demands_on(from);
  if (!take_out(homeless)) return keep_if(false, mark);
  if (!join(to, best.members)) return keep_if(false, mark);
  sort_largest_first(homeless);
  return keep_if(place_all(homeless, 1, from, to_beat(mark)), mark);
}

bool Search::merge_all() {
  bool improved = false;
  for (uint32_t c = 0; c < deployed_.size(); ++c) {
    if (deployed_[c].members.empty()) continue;
    if (!may_go_on()) break;
    improved |= merge(c);
  }
  return improved;
}

// What a demand pays where it is, each deployment's cost in proportion to its work there; `but`: what is there left
// out.
double Search::paid(uint32_t demand, uint32_t but) const {
  double paid = owed(demand);
  for (const Member& member : placements_[demand].members) {
    const Option& from = problem_.options[member.option];
    if (from.candidate == but) continue;
    const Deployed& deployed = deployed_[from.candidate];
    const double part = static_cast<double>(member.share) / kWhole;
    paid += part * (from.transport_eur_per_hour +
                    (deployed.work > 0 ? from.replicas_in_fractions / deployed.work : 0) * deployed.fit.eur_per_hour);
  }
  return paid;
}

// Starts more replicas of a deployment and moves to it, all at once, whatever of its model saves most there for the
// work it is; as many as their number promises to hold, then fewer.
bool Search::open(uint32_t c) {
  struct Mover {
    uint32_t option;
    double saving, work;
  };
  std::vector<Mover> movers;
  const double replica = problem_.candidates[c].replica_eur_per_hour;
  for (const uint32_t o : problem_.options_of_candidate[c]) {
    const Option& option = problem_.options[o];
    const bool here = std::ranges::any_of(placements_[option.demand].members, [&](const Member& member) {
      return problem_.options[member.option].candidate == c;
    });
    const double work = option.replicas_in_fractions;
    const double saving = paid(option.demand, kNobody) - (option.fractional_eur_per_hour - work * replica);
    if (!here && saving > 0) movers.push_back({o, saving, work});
  }
  std::ranges::stable_sort(movers,
                           [](const Mover& a, const Mover& b) { return a.saving * b.work > b.saving * a.work; });
  const double room = std::max(0.0, deployed_[c].fit.replicas - deployed_[c].work);
  const uint32_t free = accelerators_free(problem_.candidates[c].pool) / problem_.candidates[c].accelerators;
  for (const uint32_t more : {1u, 2u, 4u, 8u, 16u}) {
    if (more > free) break;
    for (const double filled : {1.0, 0.7}) {
      double work = 0, saved = 0;
      size_t count = 0;
      while (count < movers.size() && work + movers[count].work <= filled * (more + room)) {
        work += movers[count].work;
        saved += movers[count++].saving;
      }
      if (count == 0 || saved <= more * replica) continue;
      std::vector<uint32_t> demands;
      std::vector<Member> members;
      for (size_t i = 0; i < count; ++i) {
        demands.push_back(problem_.options[movers[i].option].demand);
        members.push_back({movers[i].option, kWhole});
      }
      const Mark mark = begin();
      if (keep_if(take_out(demands) && join(c, members) && objective_ < to_beat(mark), mark)) return true;
    }
  }
  return false;
}

// Puts those shares on a deployment beside what it serves; false, and something in between, where that cannot be.
bool Search::join(uint32_t c, const std::vector<Member>& members) {
  Requirements requirements = deployed_[c].requirements;
  for (const Member& member : members) requirements.add(problem_, problem_.options[member.option], member.share);
  const Fit found = fit(c, requirements);
  if (found.blocked != Gate::none) return false;
  put_all(c, members, requirements, found);
  return links_hold(members);
}

std::vector<double> Search::Spare::all() const {
  std::vector<double> all(accelerators.begin(), accelerators.end());
  for (const double kw : kilowatts) all.push_back(std::max(0.0, kw));  // less where the radio's part is over the limit
  return all;
}

std::vector<Search::Taken> Search::taken_by(uint32_t model) const {
  std::map<uint32_t, double> amounts;
  for (const uint32_t c : problem_.candidates_of_model[model]) {
    const Candidate& candidate = problem_.candidates[c];
    const uint32_t replicas = deployed_[c].fit.replicas, site = problem_.resource_of_site(candidate.site);
    if (replicas == 0) continue;
    amounts[candidate.pool] += replicas * candidate.accelerators;
    if (candidate.worst_kw > 0) amounts[site] += replicas * candidate.worst_kw;
  }
  std::vector<Taken> taken;
  for (const auto& [resource, amount] : amounts) taken.push_back({resource, amount});
  return taken;
}

Search::Spare Search::spare_beside(std::span<const uint32_t> models) const {
  Spare spare{problem_.pool_spare, problem_.site_kw, problem_.arc_spare_gbps};
  for (size_t p = 0; p < pool_used_.size(); ++p) spare.accelerators[p] -= pool_used_[p];
  for (size_t i = 0; i < site_kw_used_.size(); ++i) spare.kilowatts[i] -= site_kw_used_[i];
  for (size_t a = 0; a < spare.arc_gbps.size(); ++a) spare.arc_gbps[a] -= arc_gbps_[a];  // rows of restoration aside
  for (const uint32_t model : models) {
    for (const uint32_t c : problem_.candidates_of_model[model]) {
      const Candidate& candidate = problem_.candidates[c];
      spare.accelerators[candidate.pool] += deployed_[c].fit.replicas * candidate.accelerators;
      spare.kilowatts[candidate.site] += deployed_[c].fit.replicas * candidate.worst_kw;
      for (const Member& member : deployed_[c].members) {
        const DemandRow& demand = problem_.demands[problem_.options[member.option].demand];
        for (const ArcUse& use : problem_.base_arc_uses(demand, candidate.pool))
          spare.arc_gbps[use.arc] += (demand.up_gbps * use.up + demand.back_gbps * use.back) * member.share / kWhole;
      }
    }
  }
  return spare;
}

double Search::spent_on(uint32_t model) const {
  double eur = 0;
  for (const uint32_t c : problem_.candidates_of_model[model]) {
    eur += deployed_[c].fit.eur_per_hour;
    for (const Member& member : deployed_[c].members)
      eur += problem_.options[member.option].transport_eur_per_hour * member.share / kWhole;
  }
  for (const uint32_t d : problem_.demands_of(model)) eur += owed(d);
  return eur;
}

bool Search::replace(std::vector<uint32_t> demands, const std::vector<ServedShare>& shares) {
  const Mark mark = begin();
  if (!take_out(demands)) return keep_if(false, mark);
  std::map<uint32_t, std::vector<Member>> members;
  for (const ServedShare& share : shares)
    if (const auto option = problem_.find_option(share.demand, share.candidate))
      members[share.candidate].push_back({*option, share.share});
  for (const auto& [c, of_one] : members) put_back(c, of_one);
  sort_largest_first(demands);
  const bool better = keep_if(place_all(demands, 1, kNobody, to_beat(mark)), mark);
  if (better) since_best_ = 0;
  return better;
}

// Whether the demands that could move would save at least a replica, if each left with its share of what it is served
// by.
bool Search::worth_opening(uint32_t c) const {
  if (problem_.options_of_candidate[c].empty()) return false;
  double saved = 0;
  for (const uint32_t o : problem_.options_of_candidate[c]) {
    const Option& option = problem_.options[o];
    const double running =
        option.fractional_eur_per_hour - option.replicas_in_fractions * problem_.candidates[c].replica_eur_per_hour;
    saved += std::max(0.0, paid(option.demand, c) - running);
  }
  const uint32_t started = deployed_[c].fit.replicas == 0 ? 1 : 0;
  return saved > started * problem_.candidates[c].replica_eur_per_hour;
}

bool Search::open_all() {
  bool improved = false;
  for (uint32_t c = 0; c < deployed_.size(); ++c) {
    if (!worth_opening(c)) continue;
    if (!may_go_on()) break;
    improved |= open(c);
  }
  return improved;
}

// Takes from each deployment the least demands that one replica fewer could do without, and places them elsewhere.
bool Search::shrink_all() {
  bool improved = false;
  std::vector<std::pair<double, uint32_t>> by_work;
  for (uint32_t c = 0; c < deployed_.size(); ++c) {
    if (deployed_[c].members.size() < 2) continue;
    if (!may_go_on()) break;
    const uint32_t replicas = deployed_[c].fit.replicas;
    by_work.clear();
    for (const Member& member : deployed_[c].members) {
      const Option& option = problem_.options[member.option];
      by_work.emplace_back(option.replicas_in_fractions * member.share, option.demand);
    }
    std::sort(by_work.begin(), by_work.end());
    const Mark mark = begin();
    std::vector<uint32_t> homeless;
    bool sound = true;
    constexpr size_t kMost = 8;
    for (const auto& [work, d] : by_work) {
      if (homeless.size() == kMost || deployed_[c].fit.replicas < replicas) break;
      if (!homeless.empty() && homeless.back() == d) continue;
      homeless.push_back(d);
      if (sound = take_out(d); !sound) break;
    }
    if (!sound || deployed_[c].fit.replicas >= replicas || deployed_[c].members.empty()) {
      roll_back(mark);
      continue;
    }
    sort_largest_first(homeless);
    improved |= keep_if(place_all(homeless, 1, c, to_beat(mark)), mark);
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
  std::vector<uint32_t> homeless = demands_on(centre);
  for (uint64_t more = 1 + random_.below(3); more > 0 && !related.empty(); --more) {
    const size_t i = random_.below(related.size());
    for (const uint32_t d : demands_on(related[i])) homeless.push_back(d);
    related.erase(related.begin() + static_cast<std::ptrdiff_t>(i));
  }
  // What was left out competes for the room again.
  for (uint32_t d = 0; d < placements_.size(); ++d)
    if (placements_[d].unserved > 0 && !problem_.demands[d].options.empty()) homeless.push_back(d);
  std::ranges::sort(homeless);
  homeless.erase(std::ranges::unique(homeless).begin(), homeless.end());
  const Mark mark = begin();
  if (!take_out(homeless)) return keep_if(false, mark);
  for (size_t i = homeless.size(); i > 1; --i) std::swap(homeless[i - 1], homeless[random_.below(i)]);
  std::stable_sort(homeless.begin(), homeless.end(), [&](uint32_t a, uint32_t b) {
    return problem_.demands[a].row->priority > problem_.demands[b].row->priority;
  });
  constexpr double kOpeningWeights[] = {1, 1, 0.5, 0.1};
  const double weight = kOpeningWeights[random_.below(std::size(kOpeningWeights))];
  blink_ =
      0.02;  // so that the same ruin does not always end the same (Christiaens, Vanden Berghe, Transp. Sci. 54, 2020)
  const bool better = place_all(homeless, weight, kNobody, to_beat(mark));
  blink_ = 0;
  return keep_if(better, mark);
}

// Places those demands hasty ones first or patient ones, large ones or in any order, for which of them share
// deployments is what decides how full those may be. As place_all.
bool Search::place_at_random(std::vector<uint32_t>& demands, double below) {
  for (size_t i = demands.size(); i > 1; --i) std::swap(demands[i - 1], demands[random_.below(i)]);
  const uint64_t order = random_.below(6);
  const auto turn = [&](uint32_t d) -> std::tuple<uint32_t, double, double> {
    const grid::Demand& row = *problem_.demands[d].row;
    const double ttft_ms = row.promise.ttft.value(), tpot_ms = row.promise.tpot.value();
    const uint32_t last = UINT32_MAX - row.priority;
    switch (order) {
      case 0: return {last, tpot_ms, ttft_ms};
      case 1: return {last, ttft_ms, 0};
      case 2: return {last, -ttft_ms, 0};
      case 3: return {last, -tpot_ms, 0};
      case 4: return {last, -row.rate_per_s, 0};
      default: return {last, 0, 0};
    }
  };
  std::ranges::stable_sort(demands, {}, turn);
  constexpr double kOpeningWeights[] = {1, 0.5, 0.2, 0.1, 0.02};
  const double weight = kOpeningWeights[random_.below(std::size(kOpeningWeights))];
  blink_ = 0.01;
  const bool better = place_all(demands, weight, kNobody, below);
  blink_ = 0;
  return better;
}

// Takes all demands of one model out, mostly with what others have in a pool that it could use, and places them anew:
// what serves one model well may be worth more to another, which no move of either alone can tell.
bool Search::rebuild_model() {
  const uint32_t d0 = static_cast<uint32_t>(random_.below(placements_.size()));
  const uint32_t model = problem_.demands[d0].row->model.value;
  std::vector<uint8_t> out(placements_.size(), 0);
  for (uint32_t d = 0; d < placements_.size(); ++d)
    out[d] = problem_.demands[d].row->model.value == model || placements_[d].unserved > 0;
  const std::vector<uint32_t>& options = problem_.demands[d0].options;
  if (!options.empty() && random_.chance(kWithAPool)) {
    const uint32_t pool = problem_.candidates[problem_.options[options[random_.below(options.size())]].candidate].pool;
    for (uint32_t c = 0; c < deployed_.size(); ++c)
      if (problem_.candidates[c].pool == pool)
        for (const uint32_t d : demands_on(c)) out[d] = 1;
  }
  std::vector<uint32_t> homeless;
  for (uint32_t d = 0; d < placements_.size(); ++d)
    if (out[d] != 0 && !problem_.demands[d].options.empty()) homeless.push_back(d);
  const Mark mark = begin();
  if (!take_out(homeless)) return keep_if(false, mark);
  return keep_if(place_at_random(homeless, to_beat(mark)), mark);
}

// Beyond what the plan before left out.
bool Search::more_left_out() const {
  for (uint32_t d = 0; d < placements_.size(); ++d) {
    const DemandRow& demand = problem_.demands[d];
    if (placements_[d].unserved > demand.rejected_before * kWhole + 0.5 && !demand.options.empty()) return true;
  }
  return false;
}

void Search::place_left_out() {
  for (const uint32_t d : left_out_in_order()) place(d, 1, kNobody);
  commit();
}

void Search::improve() {
  bool improved = true;
  while (improved && !stop_.stop_requested() && iterations_ < iterations_max_) {
    const double before = objective_;
    improved = merge_all();
    improved |= open_all();
    improved |= close_all();
    improved |= shrink_all();
    improved |= relocate_all();
    improved |= spread_all();
    // A sweep over a large grid that gains less is not worth another; nor is one where a network waits for the plan.
    improved &= !warm_ && objective_ < before - 1e-4 * std::abs(before);
  }
}

void Search::improve_in_turns() {
  for (const Energy energy : {Energy::full_batches, Energy::drawn}) {
    count(energy);
    improve();
  }
}

bool Search::improve_further(uint64_t iterations) {
  // A plan in service is mended, not searched for anew, unless that leaves out what was served and might yet be.
  if (warm_ && !more_left_out()) return true;
  // Gives up where nothing better has been found for a while, so that a larger limit costs nothing on a small grid;
  // later where there is somebody to place yet.
  const uint32_t patience = (300 + static_cast<uint32_t>(placements_.size() / 4)) * (more_left_out() ? 4 : 1);
  for (; iterations > 0 && since_best_ < patience; --iterations) {
    if (!may_go_on()) return false;
    const bool better = !placements_.empty() && random_.chance(0.25) ? rebuild_model() : ruin_and_recreate();
    since_best_ = better ? 0 : since_best_ + 1;
  }
  return since_best_ >= patience;
}

}  // namespace tandem::planner
