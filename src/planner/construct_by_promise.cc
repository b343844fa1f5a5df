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
  struct Way {
    double eur_per_hour = 0;
    uint32_t slot = 0;  // of the profile
    uint32_t accelerators = 0;
  };
  std::vector<uint32_t> demands;  // largest first
  uint32_t model = 0;
  std::vector<Way> ways;  // the cheapest first

  // What an accelerator of the cheapest way spares the part, against the next.
  double regret() const {
    if (ways.size() < 2) return std::numeric_limits<double>::infinity();
    return (ways[1].eur_per_hour - ways[0].eur_per_hour) / ways[0].accelerators;
  }
};

// The demands of each promise of a model, the strictest first.
std::vector<std::vector<uint32_t>> Search::by_promise(uint32_t model) const {
  const auto strictness = [&](uint32_t d) {
    const grid::Promise& promise = problem_.demands[d].row->promise;
    return std::tuple(promise.tpot.value(), promise.ttft.value(), -promise.quantile);
  };
  std::vector<uint32_t> order;
  for (uint32_t d = 0; d < placements_.size(); ++d)
    if (problem_.demands[d].row->model.value == model && !problem_.demands[d].options.empty()) order.push_back(d);
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
std::vector<uint32_t> Search::typical_candidates(uint32_t model) const {
  std::vector<uint32_t> typical;
  const auto rank = [&](uint32_t c) {
    return std::tuple(problem_.options_of_candidate[c].size(), problem_.candidates[c].replicas_max);
  };
  for (const uint32_t c : problem_.candidates_of_model[model]) {
    if (problem_.options_of_candidate[c].empty()) continue;
    const uint32_t slot = problem_.candidates[c].slot;
    if (typical.size() <= slot) typical.resize(slot + 1, UINT32_MAX);
    if (typical[slot] == UINT32_MAX || rank(c) > rank(typical[slot])) typical[slot] = c;
  }
  return typical;
}

std::vector<Search::Part> Search::part_by_promise(uint32_t model) const {
  const std::vector<std::vector<uint32_t>> classes = by_promise(model);
  const std::vector<uint32_t> typical = typical_candidates(model);
  const size_t count = classes.size();
  std::vector<std::vector<Part::Way>> ways(count * count);  // of the classes from the first to the second
  for (size_t i = 0; i < count; ++i) {
    for (uint32_t slot = 0; slot < typical.size(); ++slot) {
      if (typical[slot] == UINT32_MAX) continue;
      Requirements requirements;
      double beside = 0;
      for (size_t j = i; j < count; ++j) {
        for (const uint32_t d : classes[j]) {
          if (const auto o = problem_.find_option(d, typical[slot])) {
            requirements.add(problem_, problem_.options[*o], kWhole);
            beside += problem_.options[*o].transport_eur_per_hour;
          } else {
            beside += penalty(d, 0, kWhole);
          }
        }
        constexpr uint32_t kAny = 1 << 16;  // replicas: pools' room is looked at when they are filled
        const Fit fit = fit_within(typical[slot], requirements, kAny, Gate::accelerators);
        const uint32_t accelerators = problem_.candidates[typical[slot]].accelerators * fit.replicas;
        if (fit.blocked == Gate::none && accelerators > 0)
          ways[i * count + j].push_back({fit.eur_per_hour + beside, slot, accelerators});
      }
    }
  }
  struct Best {
    double eur_per_hour = std::numeric_limits<double>::infinity();
    size_t from = 0;
  };
  std::vector<Best> best(count + 1);  // of the first classes, by how many they are
  best[0].eur_per_hour = 0;
  for (size_t i = 0; i < count; ++i) {
    for (size_t j = i; j < count; ++j) {
      std::ranges::sort(ways[i * count + j], {}, &Part::Way::eur_per_hour);
      if (ways[i * count + j].empty()) continue;
      const double eur = best[i].eur_per_hour + ways[i * count + j].front().eur_per_hour;
      if (eur < best[j + 1].eur_per_hour) best[j + 1] = {eur, i};
    }
  }
  std::vector<Part> parts;
  for (size_t end = count; end > 0 && best[end].eur_per_hour < std::numeric_limits<double>::infinity();
       end = best[end].from) {
    Part part{{}, model, std::move(ways[best[end].from * count + end - 1])};
    for (size_t i = best[end].from; i < end; ++i)
      part.demands.insert(part.demands.end(), classes[i].begin(), classes[i].end());
    sort_largest_first(part.demands);
    parts.push_back(std::move(part));
  }
  return parts;
}

// As many of the demands as one more pool of a profile takes, where they cost least for the work they are;
// they leave the list. False where none takes any.
bool Search::join_most(uint32_t model, uint32_t slot, std::vector<uint32_t>& demands) {
  std::vector<uint32_t> pools;
  for (const uint32_t c : problem_.candidates_of_model[model])
    if (problem_.candidates[c].slot == slot && deployed_[c].members.empty() &&
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

// Whom the next best profile would cost most is placed first.
void Search::construct_by_promise() {
  reset();
  std::vector<Part> parts;
  for (uint32_t m = 0; m < problem_.candidates_of_model.size(); ++m)
    for (Part& part : part_by_promise(m)) parts.push_back(std::move(part));
  std::ranges::stable_sort(parts, std::greater(), &Part::regret);
  for (Part& part : parts)
    for (const Part::Way& way : part.ways)
      while (!part.demands.empty() && join_most(part.model, way.slot, part.demands)) {
      }
  place_left_out();
}

}  // namespace tandem::planner
