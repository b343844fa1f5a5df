#include "twin/failure_sweep.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <set>

#include "base/check.h"
#include "base/random.h"

namespace tandem::twin {

namespace {

// Pairs come in tiles of first and second failures, which read what each of these changes alone (some 250 KB of 245
// links toward 197 nodes) once: the larger the tile, the less is read for a pair, and the larger its rows of loads (1
// MB of 245 links). 16 × 16 was faster than 8 × 8 there; where rows are long, they would leave the caches.
constexpr uint32_t kTileSide = 16, kTileSideOfLongRows = 8;
constexpr size_t kLongRow = 2'048;  // slots
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
      : run_(run), state_(state), judge_(state), diversion_(state) {
    for (const Plane& plane : state.planes) reroutes_.emplace_back(plane.mesh);
  }

 protected:
  void mark(const Taken& taken, uint8_t level) {
    for (Reroute& reroute : reroutes_)
      for (const uint32_t link : taken.links) reroute.down[link] = level;
    for (const uint32_t node : taken.nodes) judge_.node_down[node] = level == 0 ? 0 : 1;
  }

  SweepRun& run_;
  const FailureStudy::State& state_;
  std::vector<Reroute> reroutes_;  // by plane
  PromiseJudge judge_;
  Diversion diversion_;
};

// ---- One failure alone -------------------------------------------------------------------------------------------

struct WatchedParts {
  std::vector<uint8_t> links, nodes;  // whether a promise's traffic toward a destination meets it
};

struct SinglesShared {
  SingleFailures& result;
  bool for_pairs;
  bool steered_later;                 // what is steered is added to each pair
  std::vector<WatchedParts> watched;  // by destination; empty where there is no watch
};

class SinglesWorker : FailureWorker {
 public:
  SinglesWorker(SweepRun& run, const FailureStudy::State& state, const SinglesShared& shared)
      : FailureWorker(run, state), shared_(shared), here_(state.slots() + 1, 0), touched_(state.slots() / 64 + 1, 0) {}

  void work(size_t failure) {
    alone_.first.assign(1, 0);
    alone_.first_node.assign(1, 0);
    alone_.slots.clear();
    alone_.values.clear();
    alone_.nodes.clear();
    alone_.entangled.clear();
    mark(state_.taken[failure], 2);
    for (size_t t = 0; t < state_.toward.size(); ++t) follow(failure, t);
    mark(state_.taken[failure], 0);
    if (shared_.for_pairs) shared_.result.alone[failure] = alone_;  // as large as it is, no larger
    const Taken* taken[] = {&state_.taken[failure]};
    if (!shared_.steered_later && !state_.steered.empty())
      diversion_.add(taken, reroutes_, shared_.result.change.data() + shared_.result.width * failure);
    SweepBlock nothing_yet;
    run_.take(nothing_yet);  // so that whoever watches may stop it
  }

 private:
  void follow(size_t failure, size_t t) {
    const Toward& to = state_.toward[t];
    const TowardView view = state_.view(to);
    Reroute& reroute = reroutes_[to.plane];
    reroute.follow(view, state_.taken[failure].links, to.negligible, here_.data(), state_.lost_slot(), touched_);
    links_.clear();
    const Judged judged = judge_watches(failure, t, view, reroute);
    shared_.result.judged[failure].add(judged, 1);
    collect(failure);
    if (!shared_.for_pairs) return;
    const size_t row = shared_.result.row(t, failure);
    shared_.result.judged_here[row] = judged;
    reroute.changes(view, alone_.nodes);
    alone_.first_node.push_back(static_cast<uint32_t>(alone_.nodes.size()));
    shared_.result.rerouted[row] = static_cast<uint16_t>(reroute.moved().size() + reroute.thinned().size());
    reroute.links_of_moved(view, links_);
    for (const uint32_t link : links_)
      for (const uint32_t taker : state_.takers[link]) alone_.entangled.emplace_back(t, taker);
  }

  Judged judge_watches(size_t failure, size_t t, const TowardView& view, const Reroute& reroute) {
    const WatchedParts& watched = shared_.watched[t];
    if (watched.links.empty()) return {};
    const Taken& taken = state_.taken[failure];
    const bool seen =
        std::any_of(taken.links.begin(), taken.links.end(), [&](uint32_t link) { return watched.links[link] != 0; }) ||
        std::any_of(taken.nodes.begin(), taken.nodes.end(), [&](uint32_t node) { return watched.nodes[node] != 0; });
    if (!seen) return {};
    if (shared_.for_pairs) shared_.result.moves_watch[shared_.result.row(t, failure)] = 1;
    return judge_.judge(state_.toward[t], view, reroute, &links_);
  }

  // The slots' changes toward this destination, each once, ascending.
  void collect(size_t failure) {
    touched_[state_.lost_slot() >> 6] |= uint64_t{1} << (state_.lost_slot() & 63);
    double* change = shared_.result.change.data() + shared_.result.width * failure;
    for (uint32_t word = 0; word < touched_.size(); ++word)
      for (uint64_t bits = std::exchange(touched_[word], 0); bits != 0; bits &= bits - 1) {
        const uint32_t slot = 64 * word + static_cast<uint32_t>(std::countr_zero(bits));
        const double value = std::exchange(here_[slot], 0.0);
        if (value == 0) continue;
        change[slot] += value;
        alone_.slots.push_back(slot);
        alone_.values.push_back(value);
      }
    alone_.first.push_back(static_cast<uint32_t>(alone_.slots.size()));
  }

  const SinglesShared& shared_;
  std::vector<double> here_;       // by slot: the change toward one destination
  std::vector<uint64_t> touched_;  // by slot, a bit each
  std::vector<uint32_t> links_;
  SingleFailures::Alone alone_;
};

// ---- Which failures have to do with each other ------------------------------------------------------------------

struct EntanglementShared {
  SingleFailures& singles;
};

// Toward one destination: two failures where one routes anew a node that the other looks at, or where one takes a link
// that the other moves traffic to. By the failures that touch each node, so that nobody compares every two of them.
class EntanglementWorker {
 public:
  EntanglementWorker(SweepRun&, const FailureStudy::State& state, const EntanglementShared& shared)
      : singles_(shared.singles), words_(singles_.failure_words), touching_(2 * words_ * state.nodes()) {}

  void work(size_t t) {
    std::fill(touching_.begin(), touching_.end(), 0);
    for (size_t f = 0; f < singles_.failures; ++f)
      for (const NodeChange& change : singles_.alone[f].nodes_toward(t)) {
        uint64_t* touching = &touching_[2 * words_ * change.node];
        set(touching, f);
        if (change.what != Changed::nothing) set(touching + words_, f);
      }
    for (size_t f = 0; f < singles_.failures; ++f) {
      uint64_t* row = singles_.entangled_with(singles_.row(t, f));
      for (const NodeChange& change : singles_.alone[f].nodes_toward(t)) {
        const uint64_t* touching = &touching_[2 * words_ * change.node];
        if (change.what == Changed::nothing) touching += words_;
        for (size_t w = 0; w < words_; ++w) row[w] |= touching[w];
      }
    }
    for (size_t f = 0; f < singles_.failures; ++f) {
      const auto& pairs = singles_.alone[f].entangled;
      auto pair = std::lower_bound(pairs.begin(), pairs.end(), std::pair<uint32_t, uint32_t>(t, 0),
                                   [](const auto& a, const auto& b) { return a.first < b.first; });
      for (; pair != pairs.end() && pair->first == t; ++pair) entangle(t, f, pair->second);
    }
    movers_.clear();
    for (size_t f = 0; f < singles_.failures; ++f)
      if (singles_.moves_watch[singles_.row(t, f)] != 0) movers_.push_back(f);
    for (const size_t a : movers_)
      for (const size_t b : movers_) entangle(t, a, b);
  }

 private:
  static void set(uint64_t* bits, size_t position) { bits[position >> 6] |= uint64_t{1} << (position & 63); }
  void entangle(size_t t, size_t a, size_t b) {
    set(singles_.entangled_with(singles_.row(t, a)), b);
    set(singles_.entangled_with(singles_.row(t, b)), a);
  }

  SingleFailures& singles_;
  size_t words_;
  std::vector<uint64_t> touching_;  // by node: the failures that look at it, then those that route it anew
  std::vector<size_t> movers_;
};

// ---- Two at once -------------------------------------------------------------------------------------------------

struct PairTile {
  uint32_t first = 0, first_end = 0;    // the first failures
  uint32_t second = 0, second_end = 0;  // the second failures; only those after the first make a pair
};

struct PairsShared {
  const SingleFailures& singles;
  const std::vector<PairTile>& tiles;
  uint32_t side;  // of a tile, at most
};

class PairsWorker : FailureWorker {
 public:
  PairsWorker(SweepRun& run, const FailureStudy::State& state, const PairsShared& shared)
      : FailureWorker(run, state),
        shared_(shared),
        singles_(shared.singles),
        together_(size_t{shared.side} * shared.side * shared.singles.width, 0),
        judged_(size_t{shared.side} * shared.side),
        loads_(shared.singles.width, 0),
        touched_(shared.singles.width / 64 + 1, 0) {
    block_.stress.resize(state.slots());
  }

  void work(size_t index) {
    tile_ = shared_.tiles[index];
    for (size_t t = 0; t < state_.toward.size(); ++t) {
      pick(t);
      if (picked_.empty()) continue;
      const Toward& to = state_.toward[t];
      routed_ = to.routed;
      TowardView view = state_.view(to);
      for (const Picked& picked : picked_) {
        if (picked.laid != laid_) {
          lift(to);
          lay(picked.laid, t);
          view.routed = routed_.data();
        }
        follow_one(picked, t, view);
      }
      lift(to);
    }
    for (uint32_t first = tile_.first; first < tile_.first_end; ++first)
      finish(first, std::max(tile_.second, first + 1), tile_.second_end);
    run_.take(block_);
  }

 private:
  static constexpr uint32_t kNothing = UINT32_MAX;

  // One of a pair is followed on the state after the other.
  struct Picked {
    uint32_t laid = 0, followed = 0;
    size_t pair = 0;  // position in the tile
  };

  size_t position(uint32_t first, uint32_t second) const {
    return size_t{first - tile_.first} * shared_.side + (second - tile_.second);
  }

  // The pairs of the tile that have to do with each other toward one destination, by what is laid down: the one that
  // routes more nodes anew.
  void pick(size_t t) {
    picked_.clear();
    for (uint32_t first = tile_.first; first < tile_.first_end; ++first) {
      const size_t row = singles_.row(t, first);
      for (uint32_t second = std::max(tile_.second, first + 1); second < tile_.second_end; ++second) {
        if (!singles_.superposable) {
          picked_.push_back({first, second, position(first, second)});
          continue;
        }
        if (((singles_.entangled_with(row)[second >> 6] >> (second & 63)) & 1) == 0) continue;
        const bool lay_first = singles_.rerouted[row] >= singles_.rerouted[singles_.row(t, second)];
        picked_.push_back({lay_first ? first : second, lay_first ? second : first, position(first, second)});
        fetch_ahead(picked_.back(), t);
      }
    }
    if (singles_.superposable)
      std::sort(picked_.begin(), picked_.end(),
                [](const Picked& a, const Picked& b) { return a.laid != b.laid ? a.laid < b.laid : a.pair < b.pair; });
  }

  // What the picked are about to read: rows of some hundred bytes each, far apart.
  void fetch_ahead(const Picked& picked, size_t t) const {
    const SingleFailures::Alone &laid = singles_.alone[picked.laid], &followed = singles_.alone[picked.followed];
    const auto* nodes = reinterpret_cast<const char*>(laid.nodes.data() + laid.first_node[t]);
    for (size_t line = 0; line < 4; ++line) __builtin_prefetch(nodes + 64 * line);
    __builtin_prefetch(followed.slots.data() + followed.first[t]);
    __builtin_prefetch(followed.values.data() + followed.first[t]);
    __builtin_prefetch(followed.values.data() + followed.first[t] + 8);
  }

  // The state after one failure, over that with everything up.
  void lay(uint32_t failure, size_t t) {
    laid_ = failure;
    if (singles_.superposable) {
      laid_changes_ = singles_.alone[failure].nodes_toward(t);
    } else {
      const Toward& to = state_.toward[t];
      const TowardView view = state_.view(to);
      first_changes_.clear();
      mark(state_.taken[failure], 2);
      Reroute& reroute = reroutes_[to.plane];
      reroute.follow(view, state_.taken[failure].links, to.negligible, loads_.data(), state_.lost_slot(), touched_);
      reroute.changes(view, first_changes_);
      laid_changes_ = first_changes_;
    }
    mark(state_.taken[failure], 1);
    const std::vector<uint16_t>& head = state_.mesh(state_.toward[t]).head;
    for (const NodeChange& change : laid_changes_) {
      routed_[change.node] = {change.distance, change.flow, change.hop_slot,
                              change.hop_slot < kNoHop ? head[change.hop_slot] : uint16_t{0}, change.what};
    }
  }

  void lift(const Toward& to) {
    if (laid_ == kNothing) return;
    mark(state_.taken[laid_], 0);
    for (const NodeChange& change : laid_changes_) routed_[change.node] = to.routed[change.node];
    laid_ = kNothing;
  }

  // One of the pair fails in a view where the other has. What it changed alone is taken back: the sum of both has it.
  void follow_one(const Picked& picked, size_t t, const TowardView& view) {
    const Toward& to = state_.toward[t];
    const Taken& taken = state_.taken[picked.followed];
    double* together = together_.data() + singles_.width * picked.pair;
    Reroute& reroute = reroutes_[to.plane];
    for (const uint32_t link : taken.links)
      if (reroute.down[link] == 0) reroute.down[link] = 2;
    reroute.follow(view, taken.links, to.negligible, together, state_.lost_slot());
    if (!to.watches.empty()) judge_watches(picked, t, view, reroute);
    for (const uint32_t link : taken.links)
      if (reroute.down[link] == 2) reroute.down[link] = 0;
    if (!singles_.superposable) return;
    const SingleFailures::Alone& alone = singles_.alone[picked.followed];
    for (uint32_t i = alone.first[t]; i < alone.first[t + 1]; ++i) together[alone.slots[i]] -= alone.values[i];
  }

  void judge_watches(const Picked& picked, size_t t, const TowardView& view, const Reroute& reroute) {
    const size_t laid = singles_.row(t, picked.laid), followed = singles_.row(t, picked.followed);
    if (singles_.superposable && singles_.moves_watch[laid] == 0 && singles_.moves_watch[followed] == 0) return;
    std::vector<uint32_t> newly_down;
    for (const uint32_t node : state_.taken[picked.followed].nodes)
      if (std::exchange(judge_.node_down[node], uint8_t{1}) == 0) newly_down.push_back(node);
    const Judged judged = judge_.judge(state_.toward[t], view, reroute, nullptr);
    for (const uint32_t node : newly_down) judge_.node_down[node] = 0;
    JudgedSum& sum = judged_[picked.pair];
    sum.add(judged, 1);
    if (!singles_.superposable) return;
    sum.add(singles_.judged_here[laid], -1);
    sum.add(singles_.judged_here[followed], -1);
  }

  void finish(uint32_t first, uint32_t low, uint32_t high) {
    if (low >= high) return;
    const double* change_of_first = singles_.change_of(first);
    base_.resize(singles_.width);
    for (size_t i = 0; i < singles_.width; ++i) base_[i] = state_.gbps[i] + change_of_first[i];
    for (uint32_t second = low; second < high; ++second) {
      double* together = together_.data() + singles_.width * position(first, second);
      if (singles_.superposable) {
        const double* change = singles_.change_of(second);
        for (size_t i = 0; i < singles_.width; ++i) loads_[i] = base_[i] + change[i] + together[i];
      } else {
        for (size_t i = 0; i < singles_.width; ++i) loads_[i] = base_[i] + together[i];
      }
      std::fill_n(together, singles_.width, 0.0);
      JudgedSum judged = std::exchange(judged_[position(first, second)], {});
      if (singles_.superposable) judged = judged + singles_.judged[first] + singles_.judged[second];
      const Taken* taken[] = {&state_.taken[first], &state_.taken[second]};
      if (!state_.steered.empty()) diversion_.add(taken, reroutes_, loads_.data());
      run_.judge({first, second}, loads_, state_.per_capacity, judged, block_);
    }
  }

  const PairsShared& shared_;
  const SingleFailures& singles_;
  std::vector<double> together_;   // by second failure: what differs from the sum of both alone
  std::vector<JudgedSum> judged_;  // likewise
  std::vector<double> base_, loads_;
  PairTile tile_;
  std::vector<Picked> picked_;
  uint32_t laid_ = kNothing;
  std::span<const NodeChange> laid_changes_;
  std::vector<uint64_t> touched_;
  std::vector<Routed> routed_;  // by node: toward one destination, after one of the failures
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
  std::vector<Reroute> reroutes;
  for (const Plane& plane : state.planes) reroutes.emplace_back(plane.mesh);
  PromiseJudge judge(state);
  std::vector<uint32_t> links;
  for (size_t t = 0; t < state.toward.size(); ++t) {
    const Toward& to = state.toward[t];
    if (to.watches.empty()) continue;
    links.clear();
    CHECK(judge.judge(to, state.view(to), reroutes[to.plane], &links).broken == 0);
    watched[t].links.assign(state.snapshot.links.size(), 0);
    watched[t].nodes.assign(state.nodes(), 0);
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

SingleFailures SweepRun::single_failures(bool for_pairs) {
  SingleFailures singles;
  singles.failures = state_.failures.size();
  singles.width = state_.slots() + 1;
  singles.change.assign(singles.failures * singles.width, 0);
  singles.judged.assign(singles.failures, {});
  singles.failure_words = (singles.failures + 63) / 64;
  const size_t rows = state_.toward.size() * singles.failures;
  constexpr size_t kChangeBytes =
      size_t{64} * 12 + 32 * sizeof(NodeChange);  // of a row: it touches some dozens of each
  singles.superposable = for_pairs && rows * (8 * singles.failure_words + kChangeBytes) <= options_.memory_max;
  if (singles.superposable) {
    singles.alone.resize(singles.failures);
    singles.entangled.assign(rows * singles.failure_words, 0);
    singles.moves_watch.assign(rows, 0);
    singles.judged_here.assign(rows, {});
    singles.rerouted.assign(rows, 0);
  }
  const SinglesShared shared{singles, singles.superposable, for_pairs, watched_parts(state_)};
  share<SinglesWorker>(singles.failures, shared);
  if (singles.superposable && !stop_.stop_requested())
    share<EntanglementWorker>(state_.toward.size(), EntanglementShared{singles});
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
    judge({f, f}, loads, per_capacity, singles.judged[f], block);
    lower(1);
    if (block.outcomes.size() >= kBlockOutcomes) take(block);
  }
  take(block);
}

void SweepRun::pairs(const SingleFailures& singles) {
  std::vector<PairTile> tiles;
  const auto failures = static_cast<uint32_t>(singles.failures);
  const uint32_t side = singles.width > kLongRow ? kTileSideOfLongRows : kTileSide;
  for (uint32_t first = 0; first < failures; first += side)
    for (uint32_t second = first; second < failures; second += side)
      tiles.push_back({first, std::min(first + side, failures), second, std::min(second + side, failures)});
  share<PairsWorker>(tiles.size(), PairsShared{singles, tiles, side});
}

void SweepRun::judge(std::array<uint32_t, 2> failed, std::span<const double> loads,
                     std::span<const double> per_capacity, const JudgedSum& judged, SweepBlock& block) const {
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
  outcome.residencies_left = static_cast<uint32_t>(judged.left);
  outcome.promises_broken = static_cast<uint32_t>(judged.broken);
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
    sweep_.leaving += outcome.residencies_left > 0 ? 1 : 0;
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
