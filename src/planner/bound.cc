#include "planner/bound.h"

#include <algorithm>
#include <cmath>

namespace tandem::planner {
namespace {

// A demand at one operating point of a candidate.
struct Item {
  uint32_t demand;
  double gain;  // price − energy − transport, of the whole demand, > 0
  double work;  // replicas it fills
};

class Relaxation {
 public:
  explicit Relaxation(const Problem& problem) : problem_(problem), served_(problem.demands.size()) {}

  // L(v); `served()` then holds Σ_c x_d of the solution.
  double evaluate(const std::vector<double>& prices) {
    std::fill(served_.begin(), served_.end(), 0);
    double sum = 0;
    for (const double price : prices) sum += price;
    for (uint32_t c = 0; c < problem_.candidates.size(); ++c) sum += solve(c, prices);
    return sum;
  }
  const std::vector<double>& served() const { return served_; }

 private:
  double solve(uint32_t c, const std::vector<double>& prices) {
    const Candidate& candidate = problem_.candidates[c];
    double best = candidate.pinned * candidate.replica_eur_per_hour;
    best_items_.clear();
    if (!problem_.options_of_candidate[c].empty()) {
      for (size_t p = 0; p < std::min(candidate.profile->points.size(), kPointsMax); ++p) {
        collect(c, p, prices);
        if (items_.empty()) continue;
        const auto [value, capacity] = knapsack(candidate);
        if (value >= best) continue;
        best = value;
        best_items_.swap(items_);
        best_capacity_ = capacity;
      }
    }
    double left = best_capacity_;
    for (const Item& item : best_items_) {
      const double fraction = item.work > left ? left / item.work : 1;
      served_[item.demand] += fraction;
      left -= fraction * item.work;
      if (left <= 0) break;
    }
    return best;
  }

  void collect(uint32_t c, size_t p, const std::vector<double>& prices) {
    const Candidate& candidate = problem_.candidates[c];
    const grid::OperatingPoint& point = candidate.profile->points[p];
    const double decode = point.decode_per_token.value() * 1e-3 / point.batch;
    const double active = std::max(0.0, point.power.value() - candidate.idle_w) * candidate.eur_per_watt_hour;
    items_.clear();
    for (const uint32_t o : problem_.options_of_candidate[c]) {
      const Option& option = problem_.options[o];
      if ((option.points >> p & 1) == 0 || prices[option.demand] <= option.transport_eur_per_hour) continue;
      const DemandRow& demand = problem_.demands[option.demand];
      const double work = demand.row->rate_per_s * option.prefill_ms * 1e-3 + demand.tokens_per_s * decode;
      const double gain = prices[option.demand] - option.transport_eur_per_hour - work * active;
      if (gain > 0) items_.push_back({option.demand, gain, work});
    }
    std::sort(items_.begin(), items_.end(), [](const Item& a, const Item& b) {
      const double x = a.gain * b.work, y = b.gain * a.work;
      return x != y ? x > y : a.demand < b.demand;
    });
  }

  // min over integer n of n · replica − the gain of the items that fill n, and that n.
  std::pair<double, double> knapsack(const Candidate& candidate) const {
    const double pinned = candidate.pinned;
    const double most = std::max<double>(candidate.replicas_max, pinned);
    double n = std::max(1.0, pinned), filled = 0, gain = 0, best = 1e300, best_n = n;
    size_t i = 0;
    double part_gain = 0, part_work = 0;  // what is left of the item at the edge
    const auto fill = [&] {
      while (filled < n) {
        if (part_work <= 0) {
          if (i == items_.size()) return;
          part_gain = items_[i].gain;
          part_work = items_[i].work;
          if (++i; part_work <= 0) {
            gain += part_gain;
            continue;
          }
        }
        const double taken = std::min(part_work, n - filled);
        gain += part_gain * (taken / part_work);
        part_gain -= part_gain * (taken / part_work);
        part_work -= taken;
        filled += taken;
        if (part_work < 1e-12) part_work = 0;
      }
    };
    for (; n <= most; ++n) {
      const double before = gain;
      fill();
      const double value = n * candidate.replica_eur_per_hour - gain;
      if (value < best) best = value, best_n = n;
      if (gain - before <= candidate.replica_eur_per_hour && n > std::max(1.0, pinned)) break;  // concave: no better from here
      if (i == items_.size() && part_work <= 0) break;
    }
    return {best, best_n};
  }

  const Problem& problem_;
  std::vector<double> served_;
  std::vector<Item> items_, best_items_;
  double best_capacity_ = 0;
};

}  // namespace

double lower_bound(const Problem& problem, double upper_eur_per_hour, uint32_t rounds) {
  std::vector<double> prices(problem.demands.size());
  for (size_t d = 0; d < prices.size(); ++d) {
    const DemandRow& demand = problem.demands[d];
    prices[d] = demand.penalty_eur_per_hour;
    for (uint32_t o = demand.option_first; o < demand.option_end; ++o)
      prices[d] = std::min(prices[d], problem.options[o].fractional_eur_per_hour);
  }
  Relaxation relaxation(problem);
  double best = relaxation.evaluate(prices);
  double value = best, step = 1;
  uint32_t without_gain = 0;
  std::vector<double> best_prices = prices;
  for (uint32_t round = 1; round < rounds && best < upper_eur_per_hour; ++round) {
    double squares = 0;
    const std::vector<double>& served = relaxation.served();
    // The rejection that goes with a price at its cap takes up what is not served.
    const auto slope = [&](size_t d) {
      const double lacking = 1 - served[d];
      return lacking > 0 && prices[d] >= problem.demands[d].penalty_eur_per_hour ? 0 : lacking;
    };
    for (size_t d = 0; d < prices.size(); ++d) squares += slope(d) * slope(d);
    if (squares <= 0) break;  // every demand is served exactly: the relaxation is solved
    const double length = step * std::max(0.0, upper_eur_per_hour - value) / squares;
    for (size_t d = 0; d < prices.size(); ++d)
      prices[d] = std::clamp(prices[d] + length * slope(d), 0.0, problem.demands[d].penalty_eur_per_hour);
    value = relaxation.evaluate(prices);
    if (value > best) {
      best = value;
      best_prices = prices;
      without_gain = 0;
    } else if (++without_gain >= 4) {
      step /= 2;
      without_gain = 0;
      prices = best_prices;
      value = relaxation.evaluate(prices);
    }
  }
  // Sums of thousands of products carry a relative error far below this; the bound gives it away to stay below.
  return std::max(0.0, best - 1e-9 * std::abs(best));
}

}  // namespace tandem::planner
