#include "planner/certified_earnings.h"

#include <algorithm>
#include <cmath>

namespace tandem::planner::certified {
namespace {

constexpr int kShareSteps = 200;  // parts of a replica's time that are told apart
constexpr int kShareStepMax = static_cast<int>(kUtilizationMax * kShareSteps + 1e-9);

constexpr int kBatchParts = 32;  // between two points, likewise

// Of mixed measures: weights of decode steps and of spread.
constexpr std::pair<double, double> kMixedBy[] = {{1, 1},      {1, 0.5},    {1, 3},     {1, 0},   {1, 0.12},
                                                  {1, 0.25},   {0.5, 0.25}, {0.5, 0.5}, {0.5, 1}, {0.5, 3},
                                                  {0.2, 0.25}, {0.2, 1},    {0.2, 3}};

// The most that columns can earn with n replicas: fractions of them by gain per weight.
double packed(std::vector<std::pair<double, double>> columns, double n) {  // gain, weight
  std::sort(columns.begin(), columns.end(),
            [](const auto& a, const auto& b) { return a.first * b.second > b.first * a.second; });
  double left = n, gain = 0;
  for (const auto& [each, weighs] : columns) {
    const double fraction = weighs > left ? left / weighs : 1;
    gain += fraction * each;
    left -= fraction * weighs;
    if (left <= 0) break;
  }
  return gain;
}

// One of those in use is the strictest by a measure; what it allows by each measure holds for all, so of every choice
// of it the measure by which least is earned counts.
double most_earned_by(size_t strictest_by, const grid::Profile& profile, size_t p, const std::vector<Column>& columns,
                      double n) {
  std::vector<size_t> measures{p + 1, 0};
  for (size_t k = 0; k < std::size(kMixedBy); ++k) measures.push_back(p + 2 + k);
  std::set<double> limits;
  for (const Column& c : columns) limits.insert(c.most[strictest_by]);
  double most = 0;
  for (const double strictest : limits) {
    double least = kNone;
    for (const size_t measure : measures) {
      double limit = 0;
      for (const Column& c : columns)
        if (c.most[strictest_by] == strictest) limit = std::max(limit, c.most[measure]);
      std::vector<std::pair<double, double>> allowed;
      for (const Column& c : columns)
        if (c.most[strictest_by] >= strictest) allowed.emplace_back(c.gain, weight(profile, c, measure, p) / limit);
      least = std::min(least, packed(std::move(allowed), n));
    }
    most = std::max(most, least);
  }
  return most;
}

}  // namespace

double weight(const grid::Profile& profile, const Column& c, size_t measure, size_t point) {
  if (measure == 0) return c.prefill;
  const bool mixed = measure > point + 1;
  const grid::OperatingPoint& full =
      profile.points[mixed ? std::min(profile.points.size(), kPointsMax) - 1 : measure - 1];
  const auto [steps, spread] = mixed ? kMixedBy[measure - point - 2] : std::pair(1.0, 0.0);
  return c.prefill + steps * c.steps * full.decode_per_token.value() / full.batch + spread * c.prefill * c.spread;
}

double Shares::most(uint32_t replicas, double waits) {
  const auto [entry, fresh] = rows_.try_emplace(replicas);
  if (fresh)
    for (int step = 0; step <= kShareStepMax; ++step)
      entry->second.push_back(twin::prefill_wait(replicas, step / double{kShareSteps}));
  const std::vector<double>& row = entry->second;
  const auto beyond = std::find_if(row.begin(), row.end(), [&](double wait) { return wait > waits; });
  return beyond == row.end() ? kUtilizationMax : static_cast<double>(beyond - row.begin()) / kShareSteps;
}

std::vector<double> allowed_by_tokens(const grid::Profile& profile, size_t p, double n, double spread_ms,
                                      const std::array<double, 3>& promise) {
  const auto& [tpot_ms, quantile, inverse_output] = promise;
  const grid::OperatingPoint& at = profile.points[p];
  const double full_ms = at.decode_per_token.value();
  std::vector<std::array<double, 3>> batches;  // largest last: batch, its step, the slope there
  double batch = 0, step_ms = profile.points.front().decode_per_token.value();
  for (size_t i = 0; i <= p; ++i) {
    const double next = profile.points[i].batch, next_ms = profile.points[i].decode_per_token.value();
    for (int part = 0; part < kBatchParts && next > batch; ++part)
      batches.push_back({batch + (next - batch) / kBatchParts * part,
                         step_ms + (next_ms - step_ms) / kBatchParts * part, (next_ms - step_ms) / (next - batch)});
    batch = next;
    step_ms = next_ms;
  }
  batches.push_back({batch, step_ms, 0});
  std::vector<double> most(p + 2, 0.0);
  size_t last = batches.size() - 1;  // the batch is between this and the one before
  for (int i = 0; i <= kShareStepMax; ++i) {
    const double share = i / double{kShareSteps}, rest = 1 - share;
    const auto kept = [&] {
      const auto& [low, low_ms, slope] = batches[last - 1];
      const double high_ms = batches[last][1];
      // The room that is left beyond the larger batch, and the drift of the smaller one.
      const twin::TokenTime time = twin::token_time({n, share, share * spread_ms, low, std::min(low_ms, high_ms), slope,
                                                     full_ms - std::max(low_ms, high_ms) + std::min(low_ms, high_ms)});
      const double drift = slope > 0 ? time.drift : 0;
      return twin::quantile_of(time.mean_ms, time.variance * inverse_output + drift, quantile) <= tpot_ms;
    };
    while (last > 0 && !kept()) --last;
    if (last == 0) break;
    double held = 0;
    for (size_t b = 1; b <= last; ++b) held = std::max(held, batches[b][0] / batches[b][1]);
    most[0] = std::min(kUtilizationMax, (i + 1) / double{kShareSteps});
    const double steps = std::min(held * rest, (kUtilizationMax - share) * at.batch / full_ms);
    for (size_t q = 0; q <= p; ++q)
      most[1 + q] =
          std::max(most[1 + q], most[0] + steps * profile.points[q].decode_per_token.value() / profile.points[q].batch);
    most[1 + p] = std::min(most[1 + p], kUtilizationMax);
  }
  return most;
}

Spreads::Spreads(const Range& range, double n) {
  std::vector<std::pair<double, double>> points, negative;
  for (const Range::One& one : range.prefills) {
    const double spread = one.unevenness_ms + one.mean_ms / n;
    points.emplace_back(one.steps, spread);
    negative.emplace_back(one.steps, -spread);
  }
  below_ = wrapped(points);
  above_ = wrapped(negative);
  open_ = range.steps_max == kNone;
}

// From the fewest steps on, always to where it is steepest down from there.
Spreads::Edge Spreads::wrapped(const std::vector<std::pair<double, double>>& points) {
  Edge edge;
  if (points.empty()) return edge;
  edge.push_back(*std::min_element(points.begin(), points.end()));
  for (bool more = true; more;) {
    const auto [steps, spread] = edge.back();
    std::pair<double, double> next;
    double least = kNone;
    for (const auto& point : points) {
      if (point.first <= steps) continue;
      const double slope = (point.second - spread) / (point.first - steps);
      if (slope < least || (slope == least && point > next)) least = slope, next = point;
    }
    more = least < kNone;
    if (more) edge.push_back(next);
  }
  return edge;
}

double Spreads::least(const Edge& edge, double from, double to) {
  double least = kNone;
  const auto at = [&](double steps) {
    if (steps <= edge.front().first) return edge.front().second;
    for (size_t i = 1; i < edge.size(); ++i)
      if (steps <= edge[i].first) {
        const double part = (steps - edge[i - 1].first) / (edge[i].first - edge[i - 1].first);
        return edge[i - 1].second + part * (edge[i].second - edge[i - 1].second);
      }
    return edge.back().second;
  };
  for (const auto& [steps, spread] : edge)
    if (steps >= from && steps <= to) least = std::min(least, spread);
  return std::min({least, at(from), at(to)});
}

std::pair<double, double> Spreads::between(double from, double to) const {
  if (below_.empty()) return {0, 0};
  if (open_) from = 0;
  return {least(below_, from, to), -least(above_, from, to)};
}

std::vector<double> allowed_by_mix(const grid::Profile& profile, size_t p, double n, const Range& range,
                                   const Spreads& spreads, const std::array<double, 3>& promise) {
  const auto& [tpot_ms, quantile, inverse_output] = promise;
  const size_t points = std::min(profile.points.size(), kPointsMax);
  const grid::OperatingPoint& last = profile.points[points - 1];
  double least_ms = kNone;  // that a decode step takes of a full batch, at any point
  for (size_t q = 0; q < points; ++q)
    least_ms = std::min(least_ms, profile.points[q].decode_per_token.value() / profile.points[q].batch);
  std::vector<double> most(std::size(kMixedBy), 0.0);
  double batch = 0, step_ms = profile.points.front().decode_per_token.value();
  for (size_t q = 0; q <= p; ++q) {
    const double next = profile.points[q].batch, next_ms = profile.points[q].decode_per_token.value();
    double full_ms = kNone;
    for (size_t later = q; later < points; ++later)
      full_ms = std::min(full_ms, profile.points[later].decode_per_token.value());
    for (int part = 0; part < kBatchParts && next > batch; ++part) {
      const double low = batch + (next - batch) / kBatchParts * part,
                   high = batch + (next - batch) / kBatchParts * (part + 1);
      const double at_low = step_ms + (next_ms - step_ms) / kBatchParts * part;
      const double at_high = step_ms + (next_ms - step_ms) / kBatchParts * (part + 1);
      const double fast = std::min(at_low, at_high), slow = std::max(at_low, at_high);
      const double slope = (next_ms - step_ms) / (next - batch);
      for (int i = 0; i <= kShareStepMax; ++i) {
        const double from = i / double{kShareSteps}, to = std::min(kUtilizationMax, (i + 1) / double{kShareSteps});
        const bool in_range = range.prefills.empty() || (high / fast * (1 - from) >= range.steps_min * from &&
                                                         low / slow * (1 - to) <= range.steps_max * to);
        const double mean_ms = fast / (1 - from);
        if (!in_range || mean_ms > tpot_ms) continue;
        const twin::TokenTime time =
            twin::token_time({n, from, 1, low, fast, slope, fast + std::max(0.0, full_ms - slow)});
        const auto [spread_min, spread_max] =
            spreads.between(low / slow * (1 - to) / to, from > 0 ? high / fast * (1 - from) / from : kNone);
        double spread = spread_max * to;
        if (const double deviations = -std::log(1 - quantile) - 1; deviations > 0) {
          const double variance = std::pow((tpot_ms - mean_ms) / deviations, 2) - (slope > 0 ? time.drift : 0);
          const double each = time.variance * inverse_output;
          if (each * spread_min * from > variance) continue;
          if (each * spread > variance) spread = variance / each;
        }
        const double steps = std::min({high / fast * (1 - from), range.prefills.empty() ? kNone : range.steps_max * to,
                                       (kUtilizationMax - from) / least_ms});
        for (size_t k = 0; k < most.size(); ++k)
          most[k] = std::max(most[k], to + kMixedBy[k].first * steps * last.decode_per_token.value() / last.batch +
                                          kMixedBy[k].second * spread / range.mean_spread(n));
      }
    }
    batch = next;
    step_ms = next_ms;
  }
  return most;
}

// Strictest by time per token, and by time to the first.
double most_earned(const grid::Profile& profile, size_t p, const std::vector<Column>& columns, double n) {
  return std::min(most_earned_by(p + 2, profile, p, columns, n), most_earned_by(0, profile, p, columns, n));
}

}  // namespace tandem::planner::certified
