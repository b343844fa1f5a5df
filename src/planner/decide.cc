// A few deployments of a plan decided anew: the move between the search and the program of few.h.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "base/check.h"
#include "planner/search.h"

namespace tandem::planner {
namespace {

constexpr double kImpossible = std::numeric_limits<double>::infinity();

// Shares of one demand as whole counts of kWhole, `amount` together at most: rounded down, and what that leaves to the
// largest remainders.
std::vector<uint32_t> counted(const std::vector<double>& shares, uint32_t amount) {
  std::vector<uint32_t> counts;
  std::vector<std::pair<double, size_t>> rest;
  double sum = 0;
  uint32_t counted = 0;
  for (size_t i = 0; i < shares.size(); ++i) {
    const double exact = shares[i] * kWhole;
    counts.push_back(std::min(static_cast<uint32_t>(exact), amount - counted));
    counted += counts.back();
    sum += exact;
    rest.emplace_back(counts.back() - exact, i);
  }
  std::sort(rest.begin(), rest.end());
  const uint32_t wanted = std::min(amount, static_cast<uint32_t>(sum + 0.5));
  for (size_t i = 0; i < rest.size() && counted < wanted; ++i, ++counted) ++counts[rest[i].second];
  return counts;
}

}  // namespace

// Takes every share out of a deployment, and leaves the other shares of its demands where they are.
void Search::clear(uint32_t c) {
  Deployed& deployed = deployed_[c];
  old_deployed_.emplace_back(c, deployed);
  for (const Member& member : deployed.members) {
    const Option& option = problem_.options[member.option];
    Placement& placement = placements_[option.demand];
    old_placements_.emplace_back(option.demand, placement);
    std::erase_if(placement.members, [&](const Member& m) { return m.option == member.option; });
    placement.unserved += member.share;
    add_arcs(option, -static_cast<double>(member.share));
    const double owed = penalty(option.demand, placement.unserved - member.share, placement.unserved);
    objective_ += (owed - option.transport_eur_per_hour) * member.share / kWhole;
  }
  deployed.members.clear();
  deployed.requirements = {};
  deployed.work = 0;
  set_fit(c, fit(c, {}));
}

void Search::put_all(uint32_t c, const std::vector<Member>& members, const Requirements& requirements, const Fit& fit) {
  Deployed& deployed = deployed_[c];
  old_deployed_.emplace_back(c, deployed);
  set_fit(c, fit);
  deployed.members.insert(deployed.members.end(), members.begin(), members.end());
  deployed.requirements = requirements;
  for (const Member& member : members) {
    const Option& option = problem_.options[member.option];
    Placement& placement = placements_[option.demand];
    old_placements_.emplace_back(option.demand, placement);
    CHECK(member.share > 0 && member.share <= placement.unserved);
    placement.members.push_back(member);
    placement.unserved -= member.share;
    deployed.work += option.replicas_in_fractions * member.share / kWhole;
    add_arcs(option, member.share);
    const double spared = penalty(option.demand, placement.unserved, placement.unserved + member.share);
    objective_ += (option.transport_eur_per_hour - spared) * member.share / kWhole;
  }
}

// The part of a mix that so many replicas at a point would hold. By halving: waits grow with work.
double Search::bearable(uint32_t c, const Requirements& requirements, uint32_t replicas, uint32_t point) const {
  const grid::OperatingPoint& at = problem_.candidates[c].profile->points[point];
  double holds = 0, fails = 1;
  for (int i = 0; i < 12; ++i) {
    const double middle = (holds + fails) / 2;
    const bool kept =
        keeps_promises(requirements, requirements.mix.scaled(middle), *problem_.candidates[c].profile, at, replicas);
    (kept ? holds : fails) = middle;
  }
  return holds;
}

// Puts what was decided into the empty deployments. False when it cannot be: what was put stays until rolled back.
bool Search::put_decided(const FewDeployments& few, const FewDecided& decided, FewJudged* judged) {
  std::vector<std::vector<Member>> members(few.candidates.size());
  std::map<uint32_t, std::vector<size_t>> splits_of;
  for (size_t i = 0; i < decided.splits.size(); ++i)
    splits_of[problem_.options[decided.splits[i].option].demand].push_back(i);
  for (const auto& [d, splits] : splits_of) {
    std::vector<double> shares;
    for (const size_t i : splits) shares.push_back(decided.splits[i].share);
    const std::vector<uint32_t> counts = counted(shares, placements_[d].unserved);
    for (size_t k = 0; k < splits.size(); ++k)
      if (counts[k] > 0)
        members[decided.splits[splits[k]].place].push_back({decided.splits[splits[k]].option, counts[k]});
  }
  for (uint32_t i = 0; i < members.size(); ++i) {
    if (members[i].empty()) continue;
    const uint32_t c = few.candidates[i];
    Requirements requirements;
    for (const Member& member : members[i]) requirements.add(problem_, problem_.options[member.option], member.share);
    const Fit found = fit(c, requirements);
    if (found.blocked != Gate::none || found.replicas > decided.replicas[i]) {
      judged->short_of = i;
      judged->bearable = bearable(c, requirements, decided.replicas[i], decided.points[i]);
    }
    if (found.blocked != Gate::none) return false;
    put_all(c, members[i], requirements, found);
  }
  return std::ranges::all_of(members, [&](const std::vector<Member>& of_one) { return links_hold(of_one); });
}

bool Search::decide_anew(std::vector<uint32_t> candidates, uint32_t nodes_max) {
  FewDeployments few;
  few.candidates = std::move(candidates);
  std::map<uint32_t, bool> demands;
  for (const uint32_t c : few.candidates) {
    for (const Member& member : deployed_[c].members) demands[problem_.options[member.option].demand] = true;
    for (const uint32_t o : problem_.options_of_candidate[c])
      if (placements_[problem_.options[o].demand].unserved > 0) demands[problem_.options[o].demand] = true;
  }
  const Mark mark = begin();
  for (const uint32_t c : few.candidates) clear(c);
  double outside = objective_;
  for (const auto& [d, in] : demands) {
    const double amount = static_cast<double>(placements_[d].unserved) / kWhole;
    const double each = penalty(d, 0, placements_[d].unserved);  // as of all: what is decided is weighed as it counts
    few.demands.push_back({d, amount, each});
    outside -= each * amount;
  }
  std::vector<double> kept(problem_.pool_spare.size()), kept_kw(problem_.site_kw.size());
  for (const uint32_t c : few.candidates) {
    const Candidate& at = problem_.candidates[c];
    outside -= deployed_[c].fit.eur_per_hour;
    kept[at.pool] += deployed_[c].fit.replicas * at.accelerators;
    kept_kw[at.site] += deployed_[c].fit.replicas * at.worst_kw;
  }
  few.accelerators = [&](uint32_t pool) {
    return static_cast<double>(problem_.pool_spare[pool]) - pool_used_[pool] + kept[pool];
  };
  few.kilowatts = [&](uint32_t site) { return problem_.site_kw[site] - site_kw_used_[site] + kept_kw[site]; };
  few.arc_gbps = [&](uint32_t arc) { return problem_.spare_gbps(arc) - arc_gbps_[arc]; };

  double best_eur = to_beat(mark) - outside;
  std::optional<FewDecided> best;
  FewProgram program(problem_, few);
  const auto judge = [&](const FewDecided& decided) {
    FewJudged judged;
    const Mark before = begin();
    judged.eur_per_hour = put_decided(few, decided, &judged) ? objective_ - outside : kImpossible;
    roll_back(before);
    if (judged.eur_per_hour < best_eur) {
      best_eur = judged.eur_per_hour;
      best = decided;
    }
    return judged;
  };
  program.solve(best_eur, nodes_max, judge, stop_);
  FewJudged judged;
  if (best) put_decided(few, *best, &judged);
  return keep_if(objective_ < to_beat(mark), mark);
}

}  // namespace tandem::planner
