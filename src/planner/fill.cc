#include "planner/fill.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "planner/problem.h"
#include "twin/twin.h"

namespace tandem::planner {
namespace {

constexpr auto kShares = static_cast<std::ptrdiff_t>(kUtilizationMax * kSharesPerWhole) + 1;
constexpr double kFarStepMs = 1e9;     // a full batch so far away that it bounds no drift
constexpr double kLenient = 1 + 1e-9;  // so that rounding says of nothing that it breaks a promise

}  // namespace

FillLimits::FillLimits() {
  for (const uint32_t replicas : kReplicaSteps)
    for (std::ptrdiff_t i = 0; i < kShares; ++i)
      waits_.push_back(twin::prefill_wait(replicas, static_cast<double>(i) / kSharesPerWhole));
}

double FillLimits::most(uint32_t step, double slack) const {
  CHECK(step < kReplicaSteps.size());
  const auto first = waits_.begin() + step * kShares, end = first + kShares;
  const auto beyond = std::upper_bound(first, end, slack);
  return beyond == end ? kUtilizationMax : static_cast<double>(beyond - first) / kSharesPerWhole;
}

TokenLimits::TokenLimits(const grid::Profile& profile, double replicas, double spread_ms) {
  // Of twin::token_time: what depends on the batch, for a share of nothing, and on the share.
  double batch = 0, step_ms = profile.points.front().decode_per_token.value(), held = 0;
  for (size_t p = 0; p < std::min(profile.points.size(), kPointsMax); ++p) {
    const grid::OperatingPoint& point = profile.points[p];
    const double wide = (point.batch - batch) / kBatchParts;
    const double rise_ms = (point.decode_per_token.value() - step_ms) / kBatchParts;
    for (uint32_t part = 0; part < kBatchParts && wide > 0; ++part) {
      const double low_ms = step_ms + part * rise_ms, low = batch + part * wide;
      held = std::max({held, low / low_ms, (low + wide) / (low_ms + rise_ms)});
      const twin::TokenTime time = twin::token_time({.replicas = replicas,
                                                     .share = 0,
                                                     .spread_ms = spread_ms,
                                                     .batch = low,
                                                     .step_ms = low_ms,
                                                     .slope_ms = rise_ms / wide,
                                                     .full_step_ms = kFarStepMs});
      batches_.push_back({std::min(low_ms, low_ms + rise_ms), std::max(low_ms, low_ms + rise_ms), held, time.variance,
                          rise_ms > 0 ? time.drift : 0});
    }
    batch = point.batch;
    step_ms = point.decode_per_token.value();
    end_.push_back(batches_.size());
    step_ms_.push_back(step_ms);
    work_ms_.push_back(step_ms / batch);
  }
  for (std::ptrdiff_t i = 0; i < kShares; ++i) {
    const double rest = 1 - static_cast<double>(i) / kSharesPerWhole;
    stretch_.push_back((1 - rest) * std::pow(rest, -1 - 2 / replicas));
  }
}

void TokenLimits::find(uint32_t p, const TokenPromise& promise, std::span<double> most) const {
  std::fill(most.begin(), most.end(), 0);
  const double deviations = std::max(0.0, -std::log1p(-promise.quantile) - 1);
  const auto kept = [&](size_t i, const Batch& at) {
    const double rest = 1 - static_cast<double>(i) / kSharesPerWhole;
    const double mean_ms = at.step_ms / rest, left_ms = promise.tpot_ms * kLenient - mean_ms;
    if (left_ms < 0) return false;
    const double room_ms = (step_ms_[p] - at.step_after_ms) / 2;
    const double drift = std::min(room_ms * room_ms, at.drift) / (rest * rest);
    const double variance = at.variance * stretch_[i] * promise.inverse_output + drift;
    return deviations * deviations * variance <= left_ms * left_ms;
  };
  // The more prefills, the smaller the batch: both go one way.
  size_t batch = end_[p];
  for (size_t i = 0; i < stretch_.size(); ++i) {
    while (batch > 0 && !kept(i, batches_[batch - 1])) --batch;
    if (batch == 0) return;
    const double share = std::min(kUtilizationMax, static_cast<double>(i + 1) / kSharesPerWhole);
    const double rest = 1 - static_cast<double>(i) / kSharesPerWhole;
    const double steps = std::min(batches_[batch - 1].held * rest, (kUtilizationMax - 1 + rest) / work_ms_[p]);
    most[0] = share;
    for (uint32_t q = 0; q <= p; ++q) most[1 + q] = std::max(most[1 + q], share + steps * work_ms_[q]);
    most[1 + p] = std::min(most[1 + p], kUtilizationMax);
  }
}

MixRange::MixRange(std::vector<One> all) {
  std::ranges::sort(all);
  if (!all.empty()) steps_max_ = all.back().steps;
  if (!all.empty() && std::isfinite(all.front().steps)) steps_min_ = all.front().steps;
  const auto chain = [&](double sign) {  // Andrew's monotone chain
    std::vector<One> hull;
    for (const auto& [steps, spread_ms] : all) {
      if (!std::isfinite(steps)) break;
      const One next{steps, sign * spread_ms};
      const auto above = [&](const One& before, const One& last) {  // the line on to the next
        return (last.spread_ms - before.spread_ms) * (next.steps - before.steps) >=
               (next.spread_ms - before.spread_ms) * (last.steps - before.steps);
      };
      while (hull.size() > 1 && above(hull[hull.size() - 2], hull.back())) hull.pop_back();
      if (!hull.empty() && hull.back().steps == steps) {
        hull.back().spread_ms = std::min(hull.back().spread_ms, next.spread_ms);
        continue;
      }
      hull.push_back(next);
    }
    return hull;
  };
  least_ = chain(1);
  most_ = chain(-1);
}

// Of a convex chain between two numbers of steps. What needs no prefills adds steps alone.
double MixRange::least(const std::vector<One>& chain, double from, double to) const {
  if (chain.empty()) return 0;
  if (!std::isfinite(steps_max_)) from = 0;
  const auto at = [&](double steps) {
    const auto next = std::ranges::lower_bound(chain, steps, {}, &One::steps);
    if (next == chain.begin()) return chain.front().spread_ms;
    if (next == chain.end()) return chain.back().spread_ms;
    const One& before = *(next - 1);
    return std::lerp(before.spread_ms, next->spread_ms, (steps - before.steps) / (next->steps - before.steps));
  };
  const One& lowest = std::ranges::min(chain, {}, &One::spread_ms);
  if (lowest.steps < from) return at(from);
  return lowest.steps > to ? at(to) : lowest.spread_ms;
}

MixLimits::MixLimits(const grid::Profile& profile, double replicas, const MixRange& range, double spread_mean_ms)
    : spread_mean_ms_(spread_mean_ms) {
  const size_t points = std::min(profile.points.size(), kPointsMax);
  for (size_t p = 0; p < points; ++p) {
    work_ms_ = profile.points[p].decode_per_token.value() / profile.points[p].batch;
    work_least_ms_ = std::min(work_least_ms_, work_ms_);
  }
  double batch = 0, step_ms = profile.points.front().decode_per_token.value();
  for (uint32_t p = 0; p < points; ++p) {
    const grid::OperatingPoint& point = profile.points[p];
    const double wide = (point.batch - batch) / kBatchParts;
    const double rise_ms = (point.decode_per_token.value() - step_ms) / kBatchParts;
    double full_ms = point.decode_per_token.value();  // the least of a batch that may be full
    for (size_t later = p; later < points; ++later)
      full_ms = std::min(full_ms, profile.points[later].decode_per_token.value());
    for (uint32_t part = 0; part < kBatchParts && wide > 0; ++part) {
      const double low = batch + part * wide, low_ms = step_ms + part * rise_ms, high_ms = low_ms + rise_ms;
      const double least_ms = std::min(low_ms, high_ms), most_ms = std::max(low_ms, high_ms);
      const twin::TokenTime time = twin::token_time({.replicas = replicas,
                                                     .share = 0,
                                                     .spread_ms = 1,
                                                     .batch = low,
                                                     .step_ms = least_ms,
                                                     .slope_ms = rise_ms / wide,
                                                     .full_step_ms = kFarStepMs});
      const double room_ms = std::max(0.0, full_ms - most_ms) / 2;
      const double drift = rise_ms > 0 ? std::min(room_ms * room_ms, time.drift) : 0;
      add_cells(range, {.point = p, .mean_ms = least_ms, .drift = drift, .variance = time.variance}, low / most_ms,
                (low + wide) / least_ms, replicas);
    }
    batch = point.batch;
    step_ms = point.decode_per_token.value();
  }
}

// Of one batch, for a share of nothing, those of all shares that some mix in the range has together with it.
void MixLimits::add_cells(const MixRange& range, const Cell& batch, double held_min, double held_max, double replicas) {
  for (std::ptrdiff_t i = 0; i < kShares; ++i) {
    const double low = static_cast<double>(i) / kSharesPerWhole, rest = 1 - low;
    const double high = std::min(kUtilizationMax, static_cast<double>(i + 1) / kSharesPerWhole);
    if (held_max * rest < range.steps_min() * low || held_min * (1 - high) > range.steps_max() * high) continue;
    const double from = held_min * (1 - high) / high;
    const double to = low > 0 ? held_max * rest / low : std::numeric_limits<double>::infinity();
    cells_.push_back(
        {.point = batch.point,
         .share = high,
         .steps = std::min({held_max * rest, range.steps_max() * high, (kUtilizationMax - low) / work_least_ms_}),
         .spread_least = low * range.spread_min_ms(from, to),
         .spread_most = high * range.spread_max_ms(from, to),
         .mean_ms = batch.mean_ms / rest,
         .drift = batch.drift / (rest * rest),
         .variance = batch.variance * std::pow(rest, -1 - 2 / replicas)});
  }
}

void MixLimits::find(const TokenPromise& promise, std::span<double> most) const {
  std::fill(most.begin(), most.end(), 0);
  const double deviations = std::max(0.0, -std::log1p(-promise.quantile) - 1);
  for (const Cell& at : cells_) {
    const double left_ms = promise.tpot_ms * kLenient - at.mean_ms;
    if (left_ms < 0) continue;
    double spread = at.spread_most;
    if (deviations > 0) {
      const double variance = left_ms * left_ms / (deviations * deviations) - at.drift;
      const double each = at.variance * promise.inverse_output;
      if (variance < each * at.spread_least) continue;
      if (variance < each * spread) spread = variance / each;
    }
    for (size_t k = 0; k < kDirections.size(); ++k) {
      double& value = most[at.point * kDirections.size() + k];
      value = std::max(value, at.share + kDirections[k].steps * at.steps * work_ms_ +
                                  kDirections[k].spread * spread / spread_mean_ms_);
    }
  }
  for (size_t i = kDirections.size(); i < most.size(); ++i) most[i] = std::max(most[i], most[i - kDirections.size()]);
}

}  // namespace tandem::planner
