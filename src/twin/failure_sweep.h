// The two passes of a sweep: every failure alone, then every pair. Internal to the module.
#pragma once

#include <atomic>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "twin/failure_state.h"

namespace tandem::twin {

// Of several destinations, or what pairs differ by from both alone.
struct JudgedSum {
  int64_t broken = 0, left = 0;
  void add(const Judged& judged, int64_t times) {
    broken += times * judged.broken;
    left += times * judged.left;
  }
  friend JudgedSum operator+(const JudgedSum& a, const JudgedSum& b) { return {a.broken + b.broken, a.left + b.left}; }
};

// What one failure changes alone, and, where pairs follow, what it touches toward each destination.
struct SingleFailures {
  size_t failures = 0;
  size_t width = 0;               // slots, then what is lost
  std::vector<double> change;     // by failure, `width` each
  std::vector<JudgedSum> judged;  // by failure

  // For pairs, where it fits in memory.
  bool superposable = false;
  // Rows by destination, then failure.
  size_t failure_words = 0;
  std::vector<uint64_t> entangled;   // failures to be followed together with this one
  std::vector<uint8_t> moves_watch;  // a promise at the destination may see it
  std::vector<Judged> judged_here;   // promises at the destination
  std::vector<uint16_t> rerouted;    // how many nodes are routed anew
  // What one failure changes toward each destination.
  struct Alone {
    std::vector<uint32_t> first, first_node;  // by destination: where its entries begin; one more at the end
    std::vector<uint32_t> slots;
    std::vector<double> values;
    std::vector<NodeChange> nodes;                         // what it makes of them
    std::vector<std::pair<uint32_t, uint32_t>> entangled;  // destination, failure: whatever the nodes say

    std::span<const NodeChange> nodes_toward(size_t t) const {
      return {nodes.data() + first_node[t], nodes.data() + first_node[t + 1]};
    }
  };
  std::vector<Alone> alone;  // by failure

  size_t row(size_t toward, size_t failure) const { return toward * failures + failure; }
  uint64_t* entangled_with(size_t row) { return entangled.data() + failure_words * row; }
  const uint64_t* entangled_with(size_t row) const { return entangled.data() + failure_words * row; }
  const double* change_of(size_t failure) const { return change.data() + width * failure; }
};

// Outcomes of some scenarios, made by one thread.
struct SweepBlock {
  std::vector<FailureOutcome> outcomes;
  std::vector<KeptScenario> kept;
  std::vector<LinkStress> stress;  // by slot
};

// What the threads of a sweep share: the next unit of work, and where outcomes go.
class SweepRun {
 public:
  SweepRun(const FailureStudy::State& state, const SweepOptions& options, uint64_t total, uint32_t at_once,
           std::stop_token stop);

  SingleFailures single_failures(bool for_pairs);
  void report_singles(const SingleFailures& singles);
  void pairs(const SingleFailures& singles);
  Sweep finish();

 private:
  friend class SinglesWorker;
  friend class EntanglementWorker;
  friend class PairsWorker;

  // Calls `work(worker, unit)` for every unit below `units`, over the sweep's threads, each with a worker of its own.
  template <class Worker, class Shared>
  void share(size_t units, const Shared& shared);
  // Judges one scenario's loads and adds it to the block.
  void judge(std::array<uint32_t, 2> failed, std::span<const double> loads, std::span<const double> per_capacity,
             const JudgedSum& judged, SweepBlock& block) const;
  void take(SweepBlock& block);

  const FailureStudy::State& state_;
  const SweepOptions& options_;
  const uint64_t total_;
  std::stop_token stop_;
  std::vector<uint64_t> kept_ids_;  // ascending: first · failures + second
  std::mutex mutex_;                // guards sweep_
  Sweep sweep_;
};

}  // namespace tandem::twin
