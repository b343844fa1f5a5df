#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/engine.h"

namespace tandem::runtime {
namespace {

// A minute for one step or one overhead, and one token a second: slower is a mistake in the file, and within these all
// times fit in 64 bits of nanoseconds.
constexpr double kStepMsMax = 60'000;
constexpr double kPrefillRateMin = 1;
// Where the KV cache takes no memory it bounds nothing; half the range, so that sums do not overflow.
constexpr uint64_t kKvUnbounded = UINT64_MAX / 2;

bool in_range(double value, double low, double high) { return std::isfinite(value) && value >= low && value <= high; }

tl::unexpected<Error> invalid(const grid::Profile& profile, std::string_view what) {
  return fail(ErrorCode::invalid_argument, fmt::format("profile '{}': {}", profile.id, what));
}

Result<void> check_points(const grid::Profile& profile) {
  uint32_t previous = 0;
  for (const grid::OperatingPoint& point : profile.points) {
    if (point.batch <= previous) return invalid(profile, "the batches of its points must ascend from 1 or more");
    if (point.batch > EngineProfile::kBatchMax)
      return invalid(profile, fmt::format("batch {} is over the limit of {}", point.batch, EngineProfile::kBatchMax));
    if (!in_range(point.decode_per_token.value(), 1e-6, kStepMsMax))
      return invalid(profile, fmt::format("decode time at batch {} must be over 0 and at most 60,000 ms", point.batch));
    if (!in_range(point.power.value(), 0, 1e9)) return invalid(profile, "power must be 0 W or more");
    previous = point.batch;
  }
  if (profile.points.empty()) return invalid(profile, "it has no operating points; at least one is needed");
  return {};
}

}  // namespace

Result<EngineProfile> EngineProfile::from(const grid::Model& model, const grid::Profile& profile, uint32_t batch_max) {
  TANDEM_TRY(check_points(profile));
  if (!in_range(profile.prefill_tokens_per_s, kPrefillRateMin, 1e12))
    return invalid(profile, "the prefill rate must be 1 token a second or more");
  if (!in_range(profile.prefill_overhead.value(), 0, kStepMsMax))
    return invalid(profile, "the prefill overhead must be between 0 and 60,000 ms");
  if (!in_range(profile.kv_memory.value(), 1e-9, 1e9)) return invalid(profile, "KV memory must be over 0");
  if (!in_range(model.kv_bytes_per_token, 0, 1e12))
    return fail(ErrorCode::invalid_argument, fmt::format("model '{}': KV bytes a token must be 0 or more", model.id));

  EngineProfile result;
  result.prefill_ns_per_token = 1e9 / profile.prefill_tokens_per_s;
  result.prefill_overhead_ns = std::llround(profile.prefill_overhead.value() * 1e6);
  const double fit = model.kv_bytes_per_token > 0 ? profile.kv_memory.value() * 1e9 / model.kv_bytes_per_token : 1e19;
  result.kv_tokens = fit >= 1e18 ? kKvUnbounded : static_cast<uint64_t>(fit);

  result.decode_ns.push_back(0);
  result.power_watts.push_back(0);
  const grid::OperatingPoint* below = &profile.points.front();
  for (const grid::OperatingPoint& point : profile.points) {
    result.prefill_watts = std::max(result.prefill_watts, point.power.value());
    if (point.batch > batch_max && &point != &profile.points.front()) continue;
    for (auto batch = static_cast<uint32_t>(result.decode_ns.size()); batch <= point.batch; ++batch) {
      const double weight = point.batch == below->batch || batch < below->batch
                                ? 0
                                : static_cast<double>(batch - below->batch) / (point.batch - below->batch);
      const double decode_ms = std::lerp(below->decode_per_token.value(), point.decode_per_token.value(), weight);
      result.decode_ns.push_back(std::max<int64_t>(1, std::llround(decode_ms * 1e6)));
      result.power_watts.push_back(std::lerp(below->power.value(), point.power.value(), weight));
    }
    below = &point;
  }
  return result;
}

}  // namespace tandem::runtime
