#include "planner/promise_limits.h"

#include <algorithm>
#include <span>
#include <utility>

#include "planner/problem.h"

namespace tandem::planner {

double replicas_of_step(size_t step) { return step < kReplicaSteps.size() ? kReplicaSteps[step] : kReplicasBeyond; }

PromiseLimits::PromiseLimits(PromisesAsked asked)
    : asked_(std::move(asked)),
      points_(std::min(asked_.profile.points.size(), kPointsMax)),
      by_tokens_(asked_.promises.size()),
      by_mix_(asked_.promises.size()) {
  const Prefills& prefills = asked_.prefills;
  const auto more = [](std::vector<double>& all, size_t count) {
    all.resize(all.size() + count);
    return std::span(all).last(count);
  };
  for (size_t step = 0; step <= asked_.last_step; ++step) {
    const double replicas = replicas_of_step(step);
    std::vector<MixRange::One> all;
    for (const Prefills::One& one : prefills.all) all.push_back({one.steps, one.spread_ms(replicas)});
    const MixRange range(std::move(all));
    const double mean_ms =
        prefills.time > 0 ? (prefills.time_unevenness_ms + prefills.time_mean_ms / replicas) / prefills.time : 1;
    spread_ms_.push_back(mean_ms);
    const TokenLimits limits(asked_.profile, replicas, range.spread_min_ms(0, std::numeric_limits<double>::infinity()));
    const MixLimits mixed(asked_.profile, replicas, range, mean_ms);
    for (size_t i = 0; i < asked_.promises.size(); ++i) {
      for (uint32_t p = 0; p < points_; ++p) limits.find(p, asked_.promises[i], more(by_tokens_[i], points_ + 1));
      mixed.find(asked_.promises[i], more(by_mix_[i], points_ * kDirections.size()));
    }
  }
}

const double* PromiseLimits::by_tokens(size_t promise, size_t step, uint32_t point) const {
  return by_tokens_[promise].data() + (step * points_ + point) * (points_ + 1);
}

const double* PromiseLimits::by_mix(size_t promise, size_t step, uint32_t point) const {
  return by_mix_[promise].data() + (step * points_ + point) * kDirections.size();
}

std::shared_ptr<const PromiseLimits> KeptLimits::of(size_t profile, PromisesAsked asked) {
  std::shared_ptr<const PromiseLimits> limits;
  {
    const std::lock_guard lock(mutex_);
    if (profile >= last_.size()) last_.resize(profile + 1);
    limits = last_[profile];
  }
  if (limits && limits->asked() == asked) return limits;
  limits = std::make_shared<const PromiseLimits>(std::move(asked));
  const std::lock_guard lock(mutex_);
  if (profile < last_.size()) last_[profile] = limits;
  return limits;
}

void KeptLimits::trim(size_t profiles) {
  const std::lock_guard lock(mutex_);
  if (last_.size() > profiles) last_.resize(profiles);
}

}  // namespace tandem::planner
