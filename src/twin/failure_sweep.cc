#include "twin/failure_sweep.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

#include "base/check.h"
#include "base/random.h"

namespace tandem::twin {

namespace {

// Pairs come in tiles of first and second failures: what a tile reads of one destination stays in the first-level
// cache, its 64 rows of loads (250 KB for 245 links) in the second.
constexpr uint32_t kTileFirst = 8, kTileSecond = 8;
constexpr size_t kBlockOutcomes = 128;
constexpr double kKbpsPerGbps = 1e6;

// Draws `count` of the scenarios, without repetition.
std::vector<uint64_t> draw_scenarios(size_t failures, uint32_t at_once, uint64_t total, size_t count, uint64_t seed) {
  std::set<uint64_t> drawn;
  if (failures == 0) return {};
  Random random(seed);
  while (drawn.size() < std::min<uint64_t>(count, total)) {
    uint64_t a = random.below(failures), b = random.below(failures);
    if (at_once == 1) b = a;
    if (at_once == 2 && a == b) continue;
    if (a > b) std::swap(a, b);
    drawn.insert(a * failures + b);
  }
  return {drawn.begin(), drawn.end()};
}

}  // namespace

// One thread's scratch to follow failures in.
class FailureWorker {
 public:
  FailureWorker(SweepRun& run, const FailureStudy::State& state)
      : run_(run), state_(state), reroute_(state.mesh), judge_(state) {}

 protected:
  void mark(const Taken& taken, uint8_t level) {
    for (const uint32_t link : taken.links) reroute_.down[link] = level;
    for (const uint32_t node : taken.nodes) judge_.node_down[node] = level == 0 ? 0 : 1;
  }

  SweepRun& run_;
  const FailureStudy::State& state_;
  Reroute reroute_;
  PromiseJudge judge_;
};

// ---- One failure alone -------------------------------------------------------------------------------------------

struct WatchedParts {
  std::vector<uint8_t> links, nodes;  // whether a promise's traffic toward a destination meets it
};

struct SinglesShared {
  SingleFailures& result;
  bool for_pairs;
  std::vector<WatchedParts> watched;  // by destination; empty where there is no watch
  struct Found {
    std::vector<uint32_t> counts, node_counts;  // entries by destination
    std::vector<uint32_t> slots;
    std::vector<double> values;
    std::vector<NodeChange> nodes;
    std::vector<std::pair<uint32_t, uint32_t>> entangled;  // destination, failure
  };
  std::vector<Found>& found;  // by failure
};

class SinglesWorker : FailureWorker {
 public:
  SinglesWorker(SweepRun& run, const FailureStudy::State& state, const SinglesShared& shared)
      : FailureWorker(run, state), shared_(shared), here_(state.slots() + 1, 0) {}

  void work(size_t failure) {
    mark(state_.taken[failure], 2);
    for (size_t t = 0; t < state_.toward.size(); ++t) follow(failure, t);
    mark(state_.taken[failure], 0);
    SweepBlock nothing_yet;
    run_.take(nothing_yet);  // so that whoever watches may stop it
  }

 private:
  void follow(size_t failure, size_t t) {
    const Toward& to = state_.toward[t];
    const TowardView view = state_.view(to);
    touched_.clear();
    reroute_.follow(view, state_.taken[failure].links, to.negligible, here_.data(), state_.lost_slot(), touched_);
    links_.clear();
    const uint32_t broken = judge_watches(failure, t, view);
    shared_.result.promises_broken[failure] += broken;
    collect(failure);
    if (!shared_.for_pairs) return;
    const size_t row = shared_.result.row(t, failure);
    shared_.result.broken_here[row] = broken;
    note_sets(row);
    const size_t before = shared_.found[failure].nodes.size();
    reroute_.changes(view, shared_.found[failure].nodes);
    shared_.found[failure].node_counts.push_back(static_cast<uint32_t>(shared_.found[failure].nodes.size() - before));
    shared_.result.rerouted[row] = static_cast<uint16_t>(reroute_.moved().size() + reroute_.thinned().size());
    reroute_.links_of_moved(view, links_);
    for (const uint32_t link : links_)
      for (const uint32_t taker : state_.takers[link]) shared_.found[failure].entangled.emplace_back(t, taker);
  }

  uint32_t judge_watches(size_t failure, size_t t, const TowardView& view) {
    const WatchedParts& watched = shared_.watched[t];
    if (watched.links.empty()) return 0;
    const Taken& taken = state_.taken[failure];
    const bool seen =
        std::any_of(taken.links.begin(), taken.links.end(), [&](uint32_t link) { return watched.links[link] != 0; }) ||
        std::any_of(taken.nodes.begin(), taken.nodes.end(), [&](uint32_t node) { return watched.nodes[node] != 0; });
    if (!seen) return 0;
    if (shared_.for_pairs) shared_.result.moves_watch[shared_.result.row(t, failure)] = 1;
    return judge_.broken(state_.toward[t], view, reroute_, &links_);
  }

  // The slots' changes toward this destination, each once, ascending.
  void collect(size_t failure) {
    touched_.push_back(state_.lost_slot());
    std::sort(touched_.begin(), touched_.end());
    touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
    double* change = shared_.result.change.data() + shared_.result.width * failure;
    uint32_t kept = 0;
    for (const uint32_t slot : touched_) {
      const double value = std::exchange(here_[slot], 0.0);
      if (value == 0) continue;
      change[slot] += value;
      ++kept;
      if (!shared_.for_pairs) continue;
      shared_.found[failure].slots.push_back(slot);
      shared_.found[failure].values.push_back(value);
    }
    if (shared_.for_pairs) shared_.found[failure].counts.push_back(kept);
  }

  void note_sets(size_t row) {
    uint64_t* rerouted = shared_.result.sets.data() + 2 * shared_.result.node_words * row;
    uint64_t* looked_at = rerouted + shared_.result.node_words;
    const auto set = [](uint64_t* bits, uint32_t node) { bits[node >> 6] |= uint64_t{1} << (node & 63); };
    for (const auto nodes : {reroute_.moved(), reroute_.thinned()})
      for (const uint16_t node : nodes) {
        set(rerouted, node);
        set(looked_at, node);
      }
    for (const uint16_t node : reroute_.visited()) set(looked_at, node);
  }

  const SinglesShared& shared_;
  std::vector<double> here_;  // by slot: the change toward one destination
  std::vector<uint32_t> touched_, links_;
};

// ---- Two at once -------------------------------------------------------------------------------------------------

struct PairTile {
  uint32_t first = 0, first_end = 0;    // the first failures
  uint32_t second = 0, second_end = 0;  // the second failures; only those after the first make a pair
};

// Of a tile: one first failure with its seconds.
struct PairUnit {
  uint32_t first = 0, low = 0, high = 0;  // the second failures are [low, high)
  size_t rows = 0;                        // where their rows begin among the tile's
};

struct PairsShared {
  const SingleFailures& singles;
  const std::vector<PairTile>& tiles;
};

class PairsWorker : FailureWorker {
 public:
  PairsWorker(SweepRun& run, const FailureStudy::State& state, const PairsShared& shared)
      : FailureWorker(run, state),
        shared_(shared),
        singles_(shared.singles),
        together_(kTileFirst * kTileSecond * shared.singles.width, 0),
        broken_(kTileFirst * kTileSecond, 0),
        loads_(shared.singles.width, 0),
        changed_(state.mesh.nodes(), Changed::nothing) {
    block_.stress.resize(state.slots());
  }

  void work(size_t index) {
    const PairTile& tile = shared_.tiles[index];
    units_.clear();
    for (uint32_t first = tile.first; first < tile.first_end; ++first)
      if (const uint32_t low = std::max(tile.second, first + 1); low < tile.second_end)
        units_.push_back({first, low, tile.second_end, (first - tile.first) * size_t{kTileSecond}});
    for (size_t t = 0; t < state_.toward.size(); ++t) {
      distance_ = state_.toward[t].distance;
      flow_ = state_.toward[t].flow;
      for (const PairUnit& unit : units_) follow(unit, t);
    }
    for (const PairUnit& unit : units_) finish(unit);
    run_.take(block_);
  }

 private:
  // The second failures that have to be followed on the state after the first, toward one destination.
  void find_entangled(const PairUnit& unit, size_t t) {
    picked_.clear();
    if (!singles_.superposable) {
      for (uint32_t second = unit.low; second < unit.high; ++second) picked_.push_back(second);
      return;
    }
    const size_t row = singles_.row(t, unit.first);
    const size_t words = singles_.node_words;
    const uint64_t* own = singles_.set(row);
    const uint64_t* entangled = singles_.entangled.data() + singles_.failure_words * row;
    const uint64_t* other = singles_.set(singles_.row(t, unit.low));
    for (uint32_t second = unit.low; second < unit.high; ++second, other += 2 * words) {
      uint64_t meet = (entangled[second >> 6] >> (second & 63)) & 1;
      if (words == 4)  // up to 256 nodes: nearly every operator's network; the loop is unrolled
        for (size_t w = 0; w < 4; ++w) meet |= (own[w] & other[4 + w]) | (own[4 + w] & other[w]);
      else
        for (size_t w = 0; w < words; ++w) meet |= (own[w] & other[words + w]) | (own[words + w] & other[w]);
      if (meet != 0) picked_.push_back(second);
    }
  }

  // Of two failures, the one that routes fewer nodes anew is followed on the state after the other.
  void follow(const PairUnit& unit, size_t t) {
    find_entangled(unit, t);
    if (picked_.empty()) return;
    if (singles_.superposable) fetch_ahead(t);
    const Toward& to = state_.toward[t];
    TowardView view = state_.view(to);
    const std::span<const NodeChange> after_first = changes_of_first(unit, t, view);
    view.distance = distance_.data();
    view.flow = flow_.data();
    view.changed = changed_.data();
    mark(state_.taken[unit.first], 1);
    lay(after_first);
    for (const uint32_t second : picked_)
      if (first_is_larger(unit, t, second)) follow_one(unit, t, second, second, view);
    lift(after_first, to);
    mark(state_.taken[unit.first], 0);
    for (const uint32_t second : picked_) {
      if (first_is_larger(unit, t, second)) continue;
      const std::span<const NodeChange> after_second = changes_of(singles_.row(t, second));
      mark(state_.taken[second], 1);
      lay(after_second);
      follow_one(unit, t, second, unit.first, view);
      lift(after_second, to);
      mark(state_.taken[second], 0);
    }
  }

  // What the picked are about to read: rows of some hundred bytes each, far apart.
  void fetch_ahead(size_t t) const {
    for (const uint32_t second : picked_) {
      const size_t row = singles_.row(t, second);
      const auto* nodes = reinterpret_cast<const char*>(singles_.nodes.data() + singles_.first_node[row]);
      for (size_t line = 0; line < 4; ++line) __builtin_prefetch(nodes + 64 * line);
      __builtin_prefetch(singles_.slots.data() + singles_.first[row]);
      __builtin_prefetch(singles_.values.data() + singles_.first[row]);
      __builtin_prefetch(singles_.values.data() + singles_.first[row] + 8);
    }
  }

  bool first_is_larger(const PairUnit& unit, size_t t, uint32_t second) const {
    return !singles_.superposable ||
           singles_.rerouted[singles_.row(t, unit.first)] >= singles_.rerouted[singles_.row(t, second)];
  }

  std::span<const NodeChange> changes_of(size_t row) const {
    return std::span(singles_.nodes)
        .subspan(singles_.first_node[row], singles_.first_node[row + 1] - singles_.first_node[row]);
  }

  std::span<const NodeChange> changes_of_first(const PairUnit& unit, size_t t, const TowardView& view) {
    if (singles_.superposable) return changes_of(singles_.row(t, unit.first));
    first_changes_.clear();
    mark(state_.taken[unit.first], 2);
    reroute_.follow(view, state_.taken[unit.first].links, state_.toward[t].negligible, loads_.data(),
                    state_.lost_slot());
    reroute_.changes(view, first_changes_);
    return first_changes_;
  }

  void lay(std::span<const NodeChange> changes) {
    double *distance = distance_.data(), *flow = flow_.data();
    Changed* changed = changed_.data();
    for (const NodeChange& change : changes) {
      distance[change.node] = change.distance;
      flow[change.node] = change.flow;
      changed[change.node] = change.what;
    }
  }
  void lift(std::span<const NodeChange> changes, const Toward& to) {
    double *distance = distance_.data(), *flow = flow_.data();
    const double *home_distance = to.distance.data(), *home_flow = to.flow.data();
    Changed* changed = changed_.data();
    for (const NodeChange& change : changes) {
      distance[change.node] = home_distance[change.node];
      flow[change.node] = home_flow[change.node];
      changed[change.node] = Changed::nothing;
    }
  }

  // One of the pair fails in a view where the other has. What it changed alone is taken back: the sum of both has it.
  void follow_one(const PairUnit& unit, size_t t, uint32_t second, uint32_t followed, const TowardView& view) {
    const Toward& to = state_.toward[t];
    const Taken& taken = state_.taken[followed];
    double* together = together_.data() + singles_.width * (unit.rows + second - unit.low);
    for (const uint32_t link : taken.links)
      if (reroute_.down[link] == 0) reroute_.down[link] = 2;
    reroute_.follow(view, taken.links, to.negligible, together, state_.lost_slot());
    if (!to.watches.empty()) judge_watches(unit, t, second, followed, view);
    for (const uint32_t link : taken.links)
      if (reroute_.down[link] == 2) reroute_.down[link] = 0;
    if (!singles_.superposable) return;
    const size_t row = singles_.row(t, followed);
    for (uint64_t i = singles_.first[row]; i < singles_.first[row + 1]; ++i)
      together[singles_.slots[i]] -= singles_.values[i];
  }

  void judge_watches(const PairUnit& unit, size_t t, uint32_t second, uint32_t followed, const TowardView& view) {
    const size_t row_first = singles_.row(t, unit.first), row_second = singles_.row(t, second);
    if (singles_.superposable && singles_.moves_watch[row_first] == 0 && singles_.moves_watch[row_second] == 0) return;
    std::vector<uint32_t> newly_down;
    for (const uint32_t node : state_.taken[followed].nodes)
      if (std::exchange(judge_.node_down[node], uint8_t{1}) == 0) newly_down.push_back(node);
    const uint32_t broken = judge_.broken(state_.toward[t], view, reroute_, nullptr);
    for (const uint32_t node : newly_down) judge_.node_down[node] = 0;
    broken_[unit.rows + second - unit.low] += broken;
    if (singles_.superposable)
      broken_[unit.rows + second - unit.low] -=
          static_cast<int64_t>(singles_.broken_here[row_first]) + singles_.broken_here[row_second];
  }

  void finish(const PairUnit& unit) {
    const double* first = singles_.change_of(unit.first);
    base_.resize(singles_.width);
    for (size_t i = 0; i < singles_.width; ++i) base_[i] = state_.gbps[i] + first[i];
    for (uint32_t second = unit.low; second < unit.high; ++second) {
      double* together = together_.data() + singles_.width * (unit.rows + second - unit.low);
      if (singles_.superposable) {
        const double* change = singles_.change_of(second);
        for (size_t i = 0; i < singles_.width; ++i) loads_[i] = base_[i] + change[i] + together[i];
      } else {
        for (size_t i = 0; i < singles_.width; ++i) loads_[i] = base_[i] + together[i];
      }
      std::fill_n(together, singles_.width, 0.0);
      int64_t broken = std::exchange(broken_[unit.rows + second - unit.low], 0);
      if (singles_.superposable) broken += singles_.promises_broken[unit.first] + singles_.promises_broken[second];
      run_.judge({unit.first, second}, loads_, state_.per_capacity, static_cast<uint32_t>(broken), block_);
    }
  }

  const PairsShared& shared_;
  const SingleFailures& singles_;
  std::vector<double> together_;  // by second failure: what differs from the sum of both alone
  std::vector<int64_t> broken_;   // likewise
  std::vector<double> base_, loads_;
  std::vector<PairUnit> units_;
  std::vector<uint32_t> picked_;
  std::vector<double> distance_, flow_;  // by node: toward one destination, after one of the failures
  std::vector<Changed> changed_;
  std::vector<NodeChange> first_changes_;
  SweepBlock block_;
};

// ---- The run -----------------------------------------------------------------------------------------------------

SweepRun::SweepRun(const FailureStudy::State& state, const SweepOptions& options, uint64_t total, uint32_t at_once,
                   std::stop_token stop)
    : state_(state), options_(options), total_(total), stop_(std::move(stop)) {
  kept_ids_ = draw_scenarios(state.failures.size(), at_once, total, options.verify, options.seed);
  sweep_.stress.resize(state.slots());
}

template <class Worker, class Shared>
void SweepRun::share(size_t units, const Shared& shared) {
  std::atomic<size_t> next = 0;
  const auto run = [&] {
    Worker worker(*this, state_, shared);
    for (size_t unit = next++; unit < units && !stop_.stop_requested(); unit = next++) worker.work(unit);
  };
  std::vector<std::jthread> others;
  for (unsigned i = 1; i < std::min<size_t>(options_.threads, units); ++i) others.emplace_back(run);
  run();
}

// What each watch depends on with everything up.
static std::vector<WatchedParts> watched_parts(const FailureStudy::State& state) {
  std::vector<WatchedParts> watched(state.toward.size());
  Reroute reroute(state.mesh);
  PromiseJudge judge(state);
  std::vector<uint32_t> links;
  for (size_t t = 0; t < state.toward.size(); ++t) {
    const Toward& to = state.toward[t];
    if (to.watches.empty()) continue;
    links.clear();
    CHECK(judge.broken(to, state.view(to), reroute, &links) == 0);
    watched[t].links.assign(state.mesh.links.size(), 0);
    watched[t].nodes.assign(state.mesh.nodes(), 0);
    for (const uint32_t link : links) watched[t].links[link] = 1;
    for (const uint32_t position : to.watches) {
      const PromiseWatch& watch = state.watches[position];
      for (const PromiseWatch::Part& part : watch.parts) watched[t].nodes[part.node.value] = 1;
      for (const grid::Anchor& anchor : state.snapshot.regions[watch.region].anchors)
        watched[t].nodes[anchor.node.value] = 1;
    }
  }
  return watched;
}

// Where the entries of each row begin, from how many each failure has by destination.
template <class Counts>
static std::vector<uint64_t> first_entries(const SingleFailures& singles, size_t destinations, const Counts& counts) {
  std::vector<uint64_t> first(destinations * singles.failures + 1, 0);
  for (size_t f = 0; f < singles.failures; ++f)
    for (size_t t = 0; t < destinations; ++t) first[singles.row(t, f) + 1] = counts(f)[t];
  for (size_t i = 1; i < first.size(); ++i) first[i] += first[i - 1];
  return first;
}

// The changes by destination, then failure, as pairs read them; and who must be followed with whom, both ways.
static void arrange(SingleFailures& singles, std::vector<SinglesShared::Found>& found, size_t destinations) {
  singles.first = first_entries(
      singles, destinations, [&](size_t f) -> auto& { return found[f].counts; });
  singles.first_node = first_entries(
      singles, destinations, [&](size_t f) -> auto& { return found[f].node_counts; });
  singles.slots.resize(singles.first.back());
  singles.values.resize(singles.first.back());
  singles.nodes.resize(singles.first_node.back());
  const auto entangle = [&](size_t t, size_t a, size_t b) {
    singles.entangled[singles.failure_words * singles.row(t, a) + (b >> 6)] |= uint64_t{1} << (b & 63);
  };
  for (size_t f = 0; f < singles.failures; ++f) {
    size_t next = 0, next_node = 0;
    for (size_t t = 0; t < destinations; ++t) {
      const uint32_t count = found[f].counts[t];
      std::copy_n(found[f].slots.begin() + static_cast<ptrdiff_t>(next), count,
                  singles.slots.begin() + static_cast<ptrdiff_t>(singles.first[singles.row(t, f)]));
      std::copy_n(found[f].values.begin() + static_cast<ptrdiff_t>(next), count,
                  singles.values.begin() + static_cast<ptrdiff_t>(singles.first[singles.row(t, f)]));
      next += count;
      std::copy_n(found[f].nodes.begin() + static_cast<ptrdiff_t>(next_node), found[f].node_counts[t],
                  singles.nodes.begin() + static_cast<ptrdiff_t>(singles.first_node[singles.row(t, f)]));
      next_node += found[f].node_counts[t];
    }
    for (const auto& [t, other] : found[f].entangled) {
      entangle(t, f, other);
      entangle(t, other, f);
    }
    found[f] = {};
  }
  for (size_t t = 0; t < destinations; ++t) {
    std::vector<size_t> movers;
    for (size_t f = 0; f < singles.failures; ++f)
      if (singles.moves_watch[singles.row(t, f)] != 0) movers.push_back(f);
    for (const size_t a : movers)
      for (const size_t b : movers) entangle(t, a, b);
  }
}

SingleFailures SweepRun::single_failures(bool for_pairs) {
  SingleFailures singles;
  singles.failures = state_.failures.size();
  singles.width = state_.slots() + 1;
  singles.change.assign(singles.failures * singles.width, 0);
  singles.promises_broken.assign(singles.failures, 0);
  singles.node_words = (state_.mesh.nodes() + 63) / 64;
  singles.failure_words = (singles.failures + 63) / 64;
  const size_t rows = state_.toward.size() * singles.failures;
  constexpr size_t kChangeBytes = 64 * 12 + 32 * sizeof(NodeChange);  // of a row: it touches some dozens of each
  singles.superposable =
      for_pairs && rows * (8 * (2 * singles.node_words + singles.failure_words) + kChangeBytes) <= options_.memory_max;
  if (singles.superposable) {
    singles.sets.assign(rows * 2 * singles.node_words, 0);
    singles.entangled.assign(rows * singles.failure_words, 0);
    singles.moves_watch.assign(rows, 0);
    singles.broken_here.assign(rows, 0);
    singles.rerouted.assign(rows, 0);
  }
  std::vector<SinglesShared::Found> found(singles.failures);
  const SinglesShared shared{singles, singles.superposable, watched_parts(state_), found};
  share<SinglesWorker>(singles.failures, shared);
  if (singles.superposable && !stop_.stop_requested()) arrange(singles, found, state_.toward.size());
  return singles;
}

void SweepRun::report_singles(const SingleFailures& singles) {
  SweepBlock block;
  block.stress.resize(state_.slots());
  std::vector<double> loads(singles.width), per_capacity = state_.per_capacity;
  for (uint32_t f = 0; f < singles.failures && !stop_.stop_requested(); ++f) {
    const double* change = singles.change_of(f);
    for (size_t i = 0; i < singles.width; ++i) loads[i] = state_.gbps[i] + change[i];
    const auto lower = [&](double left) {
      if (const auto link = state_.taken[f].lowered)
        for (const size_t slot : {2 * *link, 2 * *link + 1}) per_capacity[slot] = state_.per_capacity[slot] / left;
    };
    lower(state_.taken[f].left);
    judge({f, f}, loads, per_capacity, singles.promises_broken[f], block);
    lower(1);
    if (block.outcomes.size() >= kBlockOutcomes) take(block);
  }
  take(block);
}

void SweepRun::pairs(const SingleFailures& singles) {
  std::vector<PairTile> tiles;
  const auto failures = static_cast<uint32_t>(singles.failures);
  for (uint32_t first = 0; first < failures; first += kTileFirst)
    for (uint32_t second = first / kTileSecond * kTileSecond; second < failures; second += kTileSecond)
      tiles.push_back(
          {first, std::min(first + kTileFirst, failures), second, std::min(second + kTileSecond, failures)});
  share<PairsWorker>(tiles.size(), PairsShared{singles, tiles});
}

void SweepRun::judge(std::array<uint32_t, 2> failed, std::span<const double> loads,
                     std::span<const double> per_capacity, uint32_t promises_broken, SweepBlock& block) const {
  const size_t slots = state_.slots();
  double most[4] = {0, 0, 0, 0};  // four lanes, so that comparisons do not wait for each other
  size_t i = 0;
  for (; i + 4 <= slots; i += 4)
    for (size_t lane = 0; lane < 4; ++lane) {
      const double utilization = loads[i + lane] * per_capacity[i + lane];
      most[lane] = utilization > most[lane] ? utilization : most[lane];
    }
  for (; i < slots; ++i) most[0] = std::max(most[0], loads[i] * per_capacity[i]);
  FailureOutcome outcome;
  outcome.failed = failed;
  outcome.promises_broken = promises_broken;
  outcome.utilization_max = std::max({most[0], most[1], most[2], most[3]});
  outcome.lost_gbps = loads[state_.lost_slot()] > 1e-11 * state_.offered_gbps ? loads[state_.lost_slot()] : 0;
  if (outcome.utilization_max > 1) {
    for (size_t slot = 0; slot < slots; ++slot) {
      const double utilization = loads[slot] * per_capacity[slot];
      if (utilization <= 1) continue;
      LinkStress& stress = block.stress[slot];
      ++stress.overloaded;
      stress.utilization_max = std::max(stress.utilization_max, utilization);
      stress.excess_kbps_sum +=
          static_cast<uint64_t>(std::llround((loads[slot] - 1 / per_capacity[slot]) * kKbpsPerGbps));
    }
  }
  block.outcomes.push_back(outcome);
  const uint64_t id = failed[0] * uint64_t{state_.failures.size()} + failed[1];
  if (std::binary_search(kept_ids_.begin(), kept_ids_.end(), id))
    block.kept.push_back({outcome, {loads.begin(), loads.begin() + static_cast<ptrdiff_t>(slots)}});
}

void SweepRun::take(SweepBlock& block) {
  const std::lock_guard lock(mutex_);
  for (const FailureOutcome& outcome : block.outcomes) {
    sweep_.overloaded += outcome.utilization_max > 1 ? 1 : 0;
    sweep_.losing += outcome.lost_gbps > state_.undisturbed.lost_gbps ? 1 : 0;
    sweep_.breaking += outcome.promises_broken > 0 ? 1 : 0;
  }
  sweep_.scenarios += block.outcomes.size();
  if (options_.progress) options_.progress(block.outcomes, sweep_.scenarios, total_);
  for (size_t slot = 0; slot < block.stress.size(); ++slot) {
    LinkStress& all = sweep_.stress[slot];
    LinkStress& more = block.stress[slot];
    if (more.overloaded == 0) continue;
    all.overloaded += more.overloaded;
    all.utilization_max = std::max(all.utilization_max, more.utilization_max);
    all.excess_kbps_sum += more.excess_kbps_sum;
    more = {};
  }
  std::move(block.kept.begin(), block.kept.end(), std::back_inserter(sweep_.kept));
  const size_t best = std::min(options_.worst, block.outcomes.size());
  std::partial_sort(block.outcomes.begin(), block.outcomes.begin() + static_cast<ptrdiff_t>(best), block.outcomes.end(),
                    hurts_more);
  sweep_.worst.insert(sweep_.worst.end(), block.outcomes.begin(),
                      block.outcomes.begin() + static_cast<ptrdiff_t>(best));
  std::sort(sweep_.worst.begin(), sweep_.worst.end(), hurts_more);
  if (sweep_.worst.size() > options_.worst) sweep_.worst.resize(options_.worst);
  block.outcomes.clear();
  block.kept.clear();
}

Sweep SweepRun::finish() {
  sweep_.complete = sweep_.scenarios == total_;
  std::sort(sweep_.kept.begin(), sweep_.kept.end(),
            [](const KeptScenario& a, const KeptScenario& b) { return a.outcome.failed < b.outcome.failed; });
  return std::move(sweep_);
}

}  // namespace tandem::twin
