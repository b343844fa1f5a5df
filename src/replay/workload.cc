#include "replay/workload.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace tandem::replay {
namespace {

std::vector<double> rates_of(const grid::Snapshot& snapshot) {
  std::vector<double> rates;
  for (const grid::Demand& demand : snapshot.demands) rates.push_back(demand.rate_per_s);
  return rates;
}

uint32_t tokens(double wanted, uint32_t most) {
  return static_cast<uint32_t>(std::clamp(std::round(wanted), 1.0, static_cast<double>(most)));
}

}  // namespace

WeightedDraw::WeightedDraw(const std::vector<double>& weights) : columns_(weights.size()) {
  double sum = 0;
  for (const double weight : weights) sum += weight;
  CHECK(sum > 0);
  std::vector<double> scaled;
  std::vector<uint32_t> small, large;
  for (uint32_t i = 0; i < weights.size(); ++i) {
    scaled.push_back(weights[i] / sum * static_cast<double>(weights.size()));
    (scaled[i] < 1 ? small : large).push_back(i);
  }
  while (!small.empty() && !large.empty()) {
    const uint32_t lower = small.back(), upper = large.back();
    small.pop_back();
    columns_[lower] = {scaled[lower], upper};
    scaled[upper] -= 1 - scaled[lower];
    if (scaled[upper] < 1) {
      large.pop_back();
      small.push_back(upper);
    }
  }
  // What is left is 1 but for rounding; a weight of nothing among it would be drawn, so it gives way.
  const auto heaviest = static_cast<uint32_t>(std::max_element(weights.begin(), weights.end()) - weights.begin());
  for (const auto& rest : {small, large})
    for (const uint32_t i : rest) columns_[i] = {1, weights[i] > 0 ? i : heaviest};
  for (uint32_t i = 0; i < weights.size(); ++i)
    if (weights[i] <= 0) columns_[i].keep = 0;
}

Arrivals::Arrivals(const grid::Snapshot& snapshot, const Workload& workload, uint64_t seed)
    : workload_(workload), demands_(rates_of(snapshot)), times_(seed, 1), sizes_(seed, 2) {
  double rate_per_s = 0;
  for (const grid::Demand& demand : snapshot.demands) {
    rate_per_s += demand.rate_per_s * workload.rate_factor;
    const uint32_t context = std::max(2u, snapshot.models[demand.model].context_tokens);
    const auto output =
        static_cast<uint32_t>(std::min<double>(context - 1, std::max(context / 2.0, demand.output_tokens)));
    means_.push_back({demand.prompt_tokens, demand.output_tokens, context - output, output});
  }
  gap_ns_ = 1e9 / rate_per_s;
  end_ns_ = std::llround(workload.duration_s * 1e9);
  if (workload.trace == nullptr) return;
  const auto& requests = workload.trace->requests;
  const double count = static_cast<double>(requests.size());
  double prompts = 0, outputs = 0;
  for (const ingest::TraceRequest& request : requests) {
    prompts += request.prompt_tokens;
    outputs += request.output_tokens;
  }
  trace_prompt_mean_ = prompts / count;
  trace_output_mean_ = outputs / count;
  // One gap more than lies between its first and last request, so that it may begin anew.
  const double span_ns = static_cast<double>(requests.back().arrival.ns);
  trace_scale_ = span_ns > 0 ? gap_ns_ * (count - 1) / span_ns : 1;
  trace_length_ns_ = gap_ns_ * count;
}

void Arrivals::draw_sizes(Arrival& arrival) {
  const Mean& mean = means_[arrival.demand];
  const bool vary = workload_.sizes == Sizes::exponential;
  arrival.prompt_tokens = tokens(vary ? sizes_.exponential(mean.prompt) : mean.prompt, mean.prompt_max);
  arrival.output_tokens = tokens(vary ? sizes_.exponential(mean.output) : mean.output, mean.output_max);
}

void Arrivals::take_from_trace(Arrival& arrival) {
  const auto& requests = workload_.trace->requests;
  if (trace_position_ == requests.size()) {
    trace_position_ = 0;
    trace_start_ns_ += trace_length_ns_;
  }
  const ingest::TraceRequest& request = requests[trace_position_++];
  arrival.demand = demand_of(request, arrival.demand);
  arrival.prefix_blocks = request.prefix_blocks;
  at_ns_ = trace_start_ns_ + static_cast<double>(request.arrival.ns) * trace_scale_;
  const Mean& mean = means_[arrival.demand];
  arrival.prompt_tokens = tokens(mean.prompt * request.prompt_tokens / trace_prompt_mean_, mean.prompt_max);
  arrival.output_tokens = tokens(mean.output * request.output_tokens / trace_output_mean_, mean.output_max);
}

// A request most of whose prompt has been seen goes on with what it has begun: it is of the same demand.
uint32_t Arrivals::demand_of(const ingest::TraceRequest& request, uint32_t drawn) {
  const auto& blocks = request.prefix_blocks;
  if (blocks.empty()) return drawn;
  const auto known = demand_of_block_.find(blocks[blocks.size() / 2]);
  const uint32_t demand = known == demand_of_block_.end() ? drawn : known->second;
  for (const uint64_t block : blocks) demand_of_block_.try_emplace(block, demand);
  return demand;
}

bool Arrivals::next(Arrival& arrival) {
  if (made_++ == workload_.requests_max) return false;
  arrival.demand = demands_.draw(times_);
  arrival.prefix_blocks = {};
  if (workload_.trace != nullptr) {
    take_from_trace(arrival);
  } else {
    at_ns_ += times_.exponential(gap_ns_);
    draw_sizes(arrival);
  }
  arrival.at_ns = std::llround(at_ns_);
  return arrival.at_ns < end_ns_;
}

}  // namespace tandem::replay
