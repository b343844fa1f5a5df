#include "planner/bound.h"

#include <algorithm>
#include <cmath>

namespace tandem::planner {
namespace {

// All of a demand at one operating point of a candidate.
struct Column {
  uint32_t demand;
  double eur_per_hour;  // energy above idle and transport
  double work;          // replicas it fills
};

struct Item {
  uint32_t demand;
  double gain;          // > 0
  double work;
};

struct Prices {
  std::vector<double> demand;    // v
  std::vector<double> pool;      // λ, per accelerator
  std::vector<double> site;      // μ, per kW
};

class Relaxation {
 public:
  explicit Relaxation(const Problem& problem) : problem_(problem) {
    for (uint32_t c = 0; c < problem.candidates.size(); ++c) {
      first_point_.push_back(static_cast<uint32_t>(first_column_.size()));
      const Candidate& candidate = problem.candidates[c];
      for (size_t p = 0; p < std::min(candidate.profile->points.size(), kPointsMax); ++p) add_columns(c, p);
    }
    first_point_.push_back(static_cast<uint32_t>(first_column_.size()));
    first_column_.push_back(static_cast<uint32_t>(columns_.size()));
  }

  std::vector<double> served, accelerators, kilowatts;  // by demand, pool, site: the solution of the last evaluation

  double evaluate(const Prices& prices) {
    served.assign(problem_.demands.size(), 0);
    accelerators.assign(problem_.pool_spare.size(), 0);
    kilowatts.assign(problem_.site_kw.size(), 0);
    double sum = 0;
    for (const double price : prices.demand) sum += price;
    for (size_t p = 0; p < prices.pool.size(); ++p) sum -= prices.pool[p] * problem_.pool_spare[p];
    for (size_t s = 0; s < prices.site.size(); ++s) sum -= prices.site[s] * problem_.site_kw[s];
    for (uint32_t c = 0; c < problem_.candidates.size(); ++c) sum += solve(c, prices);
    return sum;
  }

 private:
  void add_columns(uint32_t c, size_t p) {
    const Candidate& candidate = problem_.candidates[c];
    const grid::OperatingPoint& point = candidate.profile->points[p];
    const double decode = point.decode_per_token.value() * 1e-3 / point.batch;
    const double active = std::max(0.0, point.power.value() - candidate.idle_w) * candidate.eur_per_watt_hour;
    first_column_.push_back(static_cast<uint32_t>(columns_.size()));
    for (const uint32_t o : problem_.options_of_candidate[c]) {
      const Option& option = problem_.options[o];
      if ((option.points >> p & 1) == 0) continue;
      const DemandRow& demand = problem_.demands[option.demand];
      const double busy = demand.row->rate_per_s * option.prefill_ms * 1e-3 + demand.tokens_per_s * decode;
      columns_.push_back({option.demand, option.transport_eur_per_hour + busy * active, busy / kUtilizationMax});
    }
  }

  double solve(uint32_t c, const Prices& prices) {
    const Candidate& candidate = problem_.candidates[c];
    const double replica_eur = candidate.replica_eur_per_hour + prices.pool[candidate.pool] * candidate.accelerators +
                               prices.site[candidate.site] * candidate.worst_kw;
    double best = candidate.pinned * replica_eur;
    double replicas = candidate.pinned;
    best_items_.clear();
    for (uint32_t p = first_point_[c]; p < first_point_[c + 1]; ++p) {
      if (!collect(p, prices.demand, replica_eur)) continue;
      const auto [value, n] = knapsack(candidate, replica_eur);
      if (value >= best) continue;
      best = value;
      replicas = n;
      best_items_.swap(items_);
    }
    accelerators[candidate.pool] += replicas * candidate.accelerators;
    kilowatts[candidate.site] += replicas * candidate.worst_kw;
    double left = replicas;
    for (const Item& item : best_items_) {
      const double fraction = item.work > left ? left / item.work : 1;
      served[item.demand] += fraction;
      left -= fraction * item.work;
      if (left <= 0) break;
    }
    return best;
  }

  // The columns worth their price, by gain per work. False when all together are not worth one replica.
  bool collect(uint32_t p, const std::vector<double>& prices, double replica_eur) {
    items_.clear();
    double sum = 0;
    for (uint32_t i = first_column_[p]; i < first_column_[p + 1]; ++i) {
      const Column& column = columns_[i];
      const double gain = prices[column.demand] - column.eur_per_hour;
      if (gain <= 0) continue;
      items_.push_back({column.demand, gain, column.work});
      sum += gain;
    }
    if (sum <= replica_eur) return false;
    std::sort(items_.begin(), items_.end(), [](const Item& a, const Item& b) {
      const double x = a.gain * b.work, y = b.gain * a.work;
      return x != y ? x > y : a.demand < b.demand;
    });
    return true;
  }

  // min over integer n of n · replica − the gain of the items that fill n, and that n.
  std::pair<double, double> knapsack(const Candidate& candidate, double replica_eur) const {
    const double first = std::max(1u, candidate.pinned), most = std::max<double>(candidate.replicas_max, first);
    double best = 1e300, best_n = first, gain = 0, filled = 0;
    size_t i = 0;
    double taken_of_item = 0;  // fraction of items_[i] that is in
    for (double n = first; n <= most; ++n) {
      const double before = gain;
      while (i < items_.size() && filled < n) {
        const Item& item = items_[i];
        const double room = n - filled, whole = item.work * (1 - taken_of_item);
        if (whole <= room) {
          gain += item.gain * (1 - taken_of_item);
          filled += whole;
          taken_of_item = 0;
          ++i;
        } else {
          gain += item.gain * room / item.work;
          taken_of_item += room / item.work;
          filled = n;
        }
      }
      if (const double value = n * replica_eur - gain; value < best) best = value, best_n = n;
      if (i == items_.size() || (n > first && gain - before <= replica_eur)) break;  // concave: no better from here
    }
    return {best, best_n};
  }

  const Problem& problem_;
  std::vector<Column> columns_;
  std::vector<uint32_t> first_column_;  // by (candidate, point)
  std::vector<uint32_t> first_point_;   // by candidate, into first_column_
  std::vector<Item> items_, best_items_;
};

// The direction in which the bound rises, each component in units of its own price: that is what makes one step length
// suit prices of cents and of euros.
class Ascent {
 public:
  explicit Ascent(const Problem& problem) : problem_(problem), scale_(start()) {
    for (uint32_t c = 0; c < problem.candidates.size(); ++c) {
      const Candidate& candidate = problem.candidates[c];
      double& pool = scale_.pool[candidate.pool];
      pool = std::max(pool, candidate.replica_eur_per_hour / candidate.accelerators);
      if (candidate.worst_kw > 0)
        scale_.site[candidate.site] = std::max(scale_.site[candidate.site], candidate.replica_eur_per_hour / candidate.worst_kw);
    }
  }

  Prices start() const {
    Prices prices{std::vector<double>(problem_.demands.size()), std::vector<double>(problem_.pool_spare.size()),
                  std::vector<double>(problem_.site_kw.size())};
    for (size_t d = 0; d < prices.demand.size(); ++d) {
      const DemandRow& demand = problem_.demands[d];
      prices.demand[d] = demand.penalty_eur_per_hour;
      for (uint32_t o = demand.option_first; o < demand.option_end; ++o)
        prices.demand[d] = std::min(prices.demand[d], problem_.options[o].fractional_eur_per_hour);
    }
    return prices;
  }

  void step(const Relaxation& at, double missing_eur, Prices& prices) const {
    double squares = 0;
    each(at, prices, [&](double&, double slope, double scale, double) { squares += slope * scale * slope * scale; });
    if (squares <= 0) return;
    each(at, prices, [&](double& price, double slope, double scale, double most) {
      price = std::clamp(price + missing_eur / squares * scale * scale * slope, 0.0, most);
    });
  }

 private:
  template <class Do>
  void each(const Relaxation& at, Prices& prices, Do&& apply) const {
    for (size_t d = 0; d < prices.demand.size(); ++d) {
      const double lacking = 1 - at.served[d], most = problem_.demands[d].penalty_eur_per_hour;
      // At its cap the rejection that goes with it takes up what is not served.
      if (lacking < 0 || prices.demand[d] < most) apply(prices.demand[d], lacking, scale_.demand[d], most);
    }
    for (size_t p = 0; p < prices.pool.size(); ++p) {
      const double over = at.accelerators[p] - problem_.pool_spare[p];
      if (over > 0 || prices.pool[p] > 0) apply(prices.pool[p], over, scale_.pool[p], 1e12);
    }
    for (size_t s = 0; s < prices.site.size(); ++s) {
      const double over = at.kilowatts[s] - problem_.site_kw[s];
      if (over > 0 || prices.site[s] > 0) apply(prices.site[s], over, scale_.site[s], 1e12);
    }
  }

  const Problem& problem_;
  Prices scale_;
};

}  // namespace

double lower_bound(const Problem& problem, double upper_eur_per_hour, uint32_t rounds) {
  constexpr double kStepFirst = 0.25;  // of Polyak's; a whole step overshoots where prices start near their best
  constexpr uint32_t kPatience = 3;    // steps without gain before they are halved
  const Ascent ascent(problem);
  Relaxation relaxation(problem);
  Prices prices = ascent.start(), best_prices = prices;
  double value = relaxation.evaluate(prices), best = value, step = kStepFirst;
  uint32_t without_gain = 0;
  for (uint32_t round = 1; round < rounds && best < upper_eur_per_hour; ++round) {
    ascent.step(relaxation, step * std::max(0.0, upper_eur_per_hour - value), prices);
    value = relaxation.evaluate(prices);
    if (value > best) {
      best = value;
      best_prices = prices;
      without_gain = 0;
    } else if (++without_gain >= kPatience) {
      step /= 2;
      without_gain = 0;
      prices = best_prices;
      value = relaxation.evaluate(prices);
      ++round;
    }
  }
  // Sums of thousands of products carry a relative error far below this; the bound gives it away to stay below.
  return std::max(0.0, best - 1e-9 * std::abs(best));
}

}  // namespace tandem::planner
