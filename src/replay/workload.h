// Who asks what, when.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "replay/replay.h"

namespace tandem::replay {

struct Arrival {
  int64_t at_ns = 0;
  uint32_t demand = 0;
  uint32_t prompt_tokens = 1, output_tokens = 1;
  std::span<const uint64_t> prefix_blocks;  // of the trace; empty: it says nothing of them
};

// Draws positions with given weights in constant time (A. Walker's alias method, in M. Vose's form, IEEE TSE 1991).
class WeightedDraw {
 public:
  explicit WeightedDraw(const std::vector<double>& weights);  // ≥ 0, their sum > 0
  uint32_t draw(Random& random) const {
    const double scaled = random.uniform() * static_cast<double>(columns_.size());
    const size_t column = std::min(static_cast<size_t>(scaled), columns_.size() - 1);
    return scaled - static_cast<double>(column) < columns_[column].keep ? static_cast<uint32_t>(column)
                                                                        : columns_[column].other;
  }

 private:
  struct Column {
    double keep = 1;
    uint32_t other = 0;
  };
  std::vector<Column> columns_;
};

// Arrivals in order of time; the same for every policy.
class Arrivals {
 public:
  Arrivals(const grid::Snapshot& snapshot, const Workload& workload, uint64_t seed);

  // False when there are no more.
  bool next(Arrival& arrival);

 private:
  struct Mean {
    double prompt = 1, output = 1;
    uint32_t prompt_max = 1, output_max = 1;  // of the model's context, half each at least
  };
  void draw_sizes(Arrival& arrival);
  void take_from_trace(Arrival& arrival);
  uint32_t demand_of(const ingest::TraceRequest& request, uint32_t drawn);

  const Workload& workload_;
  std::vector<Mean> means_;  // by demand
  double gap_ns_ = 0;        // mean
  WeightedDraw demands_;
  Random times_, sizes_;
  double at_ns_ = 0;
  int64_t end_ns_ = 0;
  uint64_t made_ = 0;
  size_t trace_position_ = 0;
  double trace_scale_ = 1, trace_start_ns_ = 0, trace_length_ns_ = 0;
  double trace_prompt_mean_ = 1, trace_output_mean_ = 1;
  std::unordered_map<uint64_t, uint32_t> demand_of_block_;  // of those seen; looked up, never iterated
};

}  // namespace tandem::replay
