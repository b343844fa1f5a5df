// A first plan of one model, its promises told apart. Problem: demands of K promises, each to be served by some
// profile; what shares a deployment must keep the strictest promise there. Method: promises in order of strictness are
// parted into ranges, by dynamic programming over what each range costs on its best profile with whole replicas,
// wherever those stand; then each range is put into pools, the cheapest for its work first. O(K² · profiles) fits.
// Fails where the best parting is of no ranges, or of demands cut in two: what follows improves it by moves.
#include <algorithm>
#include <limits>
#include <ranges>
#include <tuple>

#include "planner/search.h"

namespace tandem::planner {
namespace {

constexpr size_t kPromisesMax = 16;  // told apart: a model has a few, more would cost their square
constexpr size_t kPoolsTried = 12;   // of a profile for one part, those with the most room

}  // namespace

struct Search::Part {
  std::vector<uint32_t> demands;  // largest first
  uint32_t slot = 0;              // of the profile
};

// The demands of each promise, the strictest first.
std::vector<std::vector<uint32_t>> Search::by_promise() const {
  const auto strictness = [&](uint32_t d) {
    const grid::Promise& promise = problem_.demands[d].row->promise;
    return std::tuple(promise.tpot.value(), promise.ttft.value(), -promise.quantile);
  };
  std::vector<uint32_t> order;
  for (uint32_t d = 0; d < placements_.size(); ++d)
    if (!problem_.demands[d].options.empty()) order.push_back(d);
  std::ranges::stable_sort(order, {}, strictness);
  std::vector<std::vector<uint32_t>> classes;
  for (const uint32_t d : order) {
    const bool fresh = classes.empty() || strictness(classes.back().front()) != strictness(d);
    if (fresh && classes.size() < kPromisesMax) classes.emplace_back();
    classes.back().push_back(d);
  }
  return classes;
}

// By slot, the candidate that the most demands may be served by, and of such the one with the most room; UINT32_MAX
// where there is none.
std::vector<uint32_t> Search::typical_candidates() const {
  std::vector<uint32_t> typical;
  const auto rank = [&](uint32_t c) {
    return std::tuple(problem_.options_of_candidate[c].size(), problem_.candidates[c].replicas_max);
  };
  for (uint32_t c = 0; c < problem_.candidates.size(); ++c) {
    if (problem_.options_of_candidate[c].empty()) continue;
    const uint32_t slot = problem_.candidates[c].slot;
    if (typical.size() <= slot) typical.resize(slot + 1, UINT32_MAX);
    if (typical[slot] == UINT32_MAX || rank(c) > rank(typical[slot])) typical[slot] = c;
  }
  return typical;
}

std::vector<Search::Part> Search::part_by_promise() const {
  const std::vector<std::vector<uint32_t>> classes = by_promise();
  const std::vector<uint32_t> typical = typical_candidates();
  struct Best {
    double eur = std::numeric_limits<double>::infinity();
    size_t from = 0;
    uint32_t slot = 0;
  };
  std::vector<Best> best(classes.size() + 1);  // of the first classes, by how many they are
  best[0].eur = 0;
  for (size_t i = 0; i < classes.size(); ++i) {
    for (uint32_t slot = 0; slot < typical.size(); ++slot) {
      if (typical[slot] == UINT32_MAX) continue;
      Requirements requirements;
      double beside = 0;
      for (size_t j = i; j < classes.size(); ++j) {
        for (const uint32_t d : classes[j]) {
          if (const auto o = problem_.find_option(d, typical[slot])) {
            requirements.add(problem_, problem_.options[*o], kWhole);
            beside += problem_.options[*o].transport_eur_per_hour;
          } else {
            beside += penalty(d);
          }
        }
        constexpr uint32_t kAny = 1 << 16;  // replicas: pools' room is looked at when they are filled
        const Fit fit = fit_within(typical[slot], requirements, kAny, Gate::accelerators);
        if (fit.blocked != Gate::none) continue;
        const double eur = best[i].eur + fit.eur_per_hour + beside;
        if (eur < best[j + 1].eur) best[j + 1] = {eur, i, slot};
      }
    }
  }
  std::vector<Part> parts;
  for (size_t end = classes.size(); end > 0 && best[end].eur < std::numeric_limits<double>::infinity();
       end = best[end].from) {
    Part part{{}, best[end].slot};
    for (size_t i = best[end].from; i < end; ++i)
      part.demands.insert(part.demands.end(), classes[i].begin(), classes[i].end());
    sort_largest_first(part.demands);
    parts.push_back(std::move(part));
  }
  std::ranges::reverse(parts);
  return parts;
}

// As many of the demands as one more pool of the part's profile takes, where they cost least for the work they are;
// they leave the list. False where none takes any.
bool Search::join_most(const Part& part, std::vector<uint32_t>& demands) {
  std::vector<uint32_t> pools;
  for (uint32_t c = 0; c < deployed_.size(); ++c)
    if (problem_.candidates[c].slot == part.slot && deployed_[c].members.empty() &&
        !problem_.options_of_candidate[c].empty())
      pools.push_back(c);
  const auto room = [&](uint32_t c) {
    return accelerators_free(problem_.candidates[c].pool) / problem_.candidates[c].accelerators;
  };
  std::ranges::stable_sort(pools, std::greater(), room);
  if (pools.size() > kPoolsTried) pools.resize(kPoolsTried);
  double least = std::numeric_limits<double>::infinity();
  uint32_t best = UINT32_MAX;
  std::vector<Member> best_members;
  for (const uint32_t c : pools) {
    std::vector<Member> members;
    for (const uint32_t d : demands)
      if (const auto o = problem_.find_option(d, c)) members.push_back({*o, kWhole});
    const auto fit_of = [&](size_t count) {
      Requirements requirements = deployed_[c].requirements;
      for (size_t i = 0; i < count; ++i) requirements.add(problem_, problem_.options[members[i].option], kWhole);
      return fit(c, requirements);
    };
    const auto counts = std::views::iota(size_t{1}, members.size() + 1);
    const size_t fits =
        *std::ranges::partition_point(counts, [&](size_t n) { return fit_of(n).blocked == Gate::none; }) - 1;
    if (fits == 0) continue;
    members.resize(fits);
    double eur = fit_of(fits).eur_per_hour, work = 0;
    for (const Member& member : members) {
      eur += problem_.options[member.option].transport_eur_per_hour;
      work += problem_.options[member.option].replicas_in_fractions;
    }
    if (eur >= least * work) continue;
    least = eur / work;
    best = c;
    best_members = std::move(members);
  }
  const Mark mark = begin();
  if (best == UINT32_MAX || !join(best, best_members)) {
    roll_back(mark);
    return false;
  }
  std::erase_if(demands, [&](uint32_t d) { return placements_[d].unserved == 0; });
  return true;
}

void Search::construct_by_promise() {
  reset();
  for (const Part& part : part_by_promise()) {
    std::vector<uint32_t> demands = part.demands;
    while (!demands.empty() && join_most(part, demands)) {
    }
  }
  place_left_out();
}

}  // namespace tandem::planner
