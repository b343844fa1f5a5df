#include "planner/earnings.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "planner/fill.h"
#include "planner/problem.h"

namespace tandem::planner {
namespace {

constexpr size_t kRows = 5;
constexpr uint32_t kPivotsMax = 60;
constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr size_t kPromisesMax = 64;

using Row = std::array<double, kRows>;

double dot(const Row& a, const Row& b) {
  double sum = 0;
  for (size_t i = 0; i < kRows; ++i) sum += a[i] * b[i];
  return sum;
}

// max Σ c x − R n over 0 ≤ x ≤ 1, fewest ≤ n ≤ most, where Σ a x ≤ b n in each row. Columns: the x, then n, then what
// is left of each row.
class DualSimplex {
 public:
  std::vector<double> c;
  std::vector<Row> a;
  double fewest = 0, most = 0;
  using Basis = std::array<uint32_t, kRows>;

  explicit DualSimplex(size_t count) : c(count), a(count), at_(count) {}

  void set_replicas(double eur, const Row& each) {
    replica_eur_ = eur;
    each_ = each;
  }

  // Returns an upper bound; x() and n() are of the last basis.
  double solve(Basis& basis) {
    if (!start(basis)) {
      for (size_t i = 0; i < kRows; ++i) basis[i] = static_cast<uint32_t>(c.size() + 1 + i);
      start(basis);
    }
    for (uint32_t pivots = 0; pivots < kPivotsMax && pivot(basis); ++pivots) {
    }
    return value();
  }
  double x(size_t j) const { return at_[j]; }
  double n() const { return n_; }

 private:
  bool is_slack(uint32_t j) const { return j > c.size(); }
  Row column(uint32_t j) const {
    if (j < c.size()) return a[j];
    Row of{};
    if (j == c.size())
      for (size_t i = 0; i < kRows; ++i) of[i] = -each_[i];
    else
      of[j - c.size() - 1] = 1;
    return of;
  }
  double cost(uint32_t j) const { return j < c.size() ? c[j] : j == c.size() ? -replica_eur_ : 0; }
  double upper(uint32_t j) const { return j < c.size() ? 1 : j == c.size() ? most : kInfinite; }
  double lower(uint32_t j) const { return j == c.size() ? fewest : 0; }

  // The inverse of a basis, its prices, and every other column at the bound that these ask for. False where there is
  // none, or a price is less than nothing.
  bool start(const Basis& basis) {
    std::array<std::array<double, 2 * kRows>, kRows> m{};
    for (size_t k = 0; k < kRows; ++k) {
      const Row of = column(basis[k]);
      for (size_t i = 0; i < kRows; ++i) m[i][k] = of[i];
      m[k][kRows + k] = 1;
    }
    for (size_t k = 0; k < kRows; ++k) {
      size_t best = k;
      for (size_t i = k + 1; i < kRows; ++i)
        if (std::abs(m[i][k]) > std::abs(m[best][k])) best = i;
      if (std::abs(m[best][k]) < 1e-12) return false;
      std::swap(m[k], m[best]);
      const double by = 1 / m[k][k];
      for (double& value : m[k]) value *= by;
      for (size_t i = 0; i < kRows; ++i) {
        if (i == k || m[i][k] == 0) continue;
        const double times = m[i][k];
        for (size_t j = 0; j < 2 * kRows; ++j) m[i][j] -= times * m[k][j];
      }
    }
    for (size_t k = 0; k < kRows; ++k)
      for (size_t i = 0; i < kRows; ++i) inverse_[k][i] = m[k][kRows + i];
    basic_.assign(c.size() + 1 + kRows, 0);
    for (const uint32_t j : basis) basic_[j] = 1;
    price(basis);
    for (size_t i = 0; i < kRows; ++i)
      if (basic_[c.size() + 1 + i] == 0 && y_[i] < -1e-9) return false;
    for (uint32_t j = 0; j < c.size(); ++j) at_[j] = basic_[j] == 0 && worth(j) > 0 ? 1 : 0;
    n_ = basic_[c.size()] == 0 && worth(static_cast<uint32_t>(c.size())) > 0 ? most : fewest;
    return true;
  }

  void price(const Basis& basis) {
    y_ = {};
    for (size_t k = 0; k < kRows; ++k) {
      const double eur = cost(basis[k]);
      if (eur != 0)
        for (size_t i = 0; i < kRows; ++i) y_[i] += eur * inverse_[k][i];
    }
  }
  double worth(uint32_t j) const {
    return j < c.size() ? c[j] - dot(y_, a[j]) : j == c.size() ? dot(y_, each_) - replica_eur_ : -y_[j - c.size() - 1];
  }

  // One step of the dual; false where there is none.
  bool pivot(Basis& basis) {
    Row left{};
    for (size_t j = 0; j < c.size(); ++j)
      if (basic_[j] == 0 && at_[j] > 0)
        for (size_t i = 0; i < kRows; ++i) left[i] -= a[j][i];
    if (basic_[c.size()] == 0)
      for (size_t i = 0; i < kRows; ++i) left[i] += each_[i] * n_;
    size_t row = kRows;
    double worst = 1e-7, sign = 0;
    for (size_t k = 0; k < kRows; ++k) {
      const double x = dot(inverse_[k], left);
      if (basis[k] < c.size()) at_[basis[k]] = std::clamp(x, 0.0, 1.0);
      if (basis[k] == c.size()) n_ = std::clamp(x, fewest, most);
      const double below = lower(basis[k]) - x, above = x - upper(basis[k]);
      if (below > worst) worst = below, row = k, sign = 1;
      if (above > worst) worst = above, row = k, sign = -1;
    }
    if (row == kRows) return false;
    const Row& along = inverse_[row];
    breaks_.clear();
    const auto consider = [&](uint32_t j, double alpha, bool at_upper, double range) {
      alpha *= sign;
      if (at_upper ? alpha <= 1e-11 : alpha >= -1e-11) return;
      breaks_.push_back({std::max(0.0, worth(j) / alpha), std::abs(alpha) * range, j});
    };
    for (uint32_t j = 0; j < c.size(); ++j)
      if (basic_[j] == 0) consider(j, dot(along, a[j]), at_[j] > 0, 1);
    const auto replicas = static_cast<uint32_t>(c.size());
    if (basic_[replicas] == 0) consider(replicas, -dot(along, each_), n_ > fewest, most - fewest);
    for (uint32_t i = 0; i < kRows; ++i)
      if (basic_[replicas + 1 + i] == 0) consider(replicas + 1 + i, along[i], false, kInfinite);
    const auto later = [](const Break& one, const Break& other) {
      return one.step != other.step ? one.step > other.step : one.column > other.column;
    };
    std::ranges::make_heap(breaks_, later);
    double slope = worst;
    while (!breaks_.empty()) {
      const Break next = breaks_.front();
      std::ranges::pop_heap(breaks_, later);
      breaks_.pop_back();
      slope -= next.slope;
      if (slope <= 0 || breaks_.empty()) return enter(next.column, row, sign, basis);
      if (next.column < c.size()) at_[next.column] = 1 - at_[next.column];
      if (next.column == replicas) n_ = fewest + most - n_;
    }
    return false;
  }

  bool enter(uint32_t column_in, size_t row, double sign, Basis& basis) {
    const Row in = column(column_in);
    Row by{};
    for (size_t k = 0; k < kRows; ++k) by[k] = dot(inverse_[k], in);
    if (std::abs(by[row]) < 1e-11) return false;
    const uint32_t out = basis[row];
    basic_[out] = 0;
    basic_[column_in] = 1;
    if (out < c.size()) at_[out] = sign > 0 ? 0 : 1;
    if (out == c.size()) n_ = sign > 0 ? fewest : most;
    basis[row] = column_in;
    for (double& value : inverse_[row]) value /= by[row];
    for (size_t k = 0; k < kRows; ++k)
      if (k != row)
        for (size_t i = 0; i < kRows; ++i) inverse_[k][i] -= by[k] * inverse_[row][i];
    price(basis);
    return true;
  }

  // Lagrange's, at prices of at least nothing.
  double value() {
    for (double& price : y_) price = std::max(0.0, price);
    double sum = 0;
    for (uint32_t j = 0; j < c.size(); ++j) sum += std::max(0.0, worth(j));
    const double each = worth(static_cast<uint32_t>(c.size()));
    return sum + std::max(fewest * each, most * each);
  }

  struct Break {
    double step = 0, slope = 0;
    uint32_t column = 0;
  };
  double replica_eur_ = 0;
  Row each_{};
  std::vector<double> at_;
  std::vector<uint8_t> basic_;
  double n_ = 0;
  std::array<Row, kRows> inverse_{};
  Row y_{};
  std::vector<Break> breaks_;
};

struct Promise {
  double tpot_ms = 0, quantile = 0, inverse_output = 0;
  bool operator==(const Promise&) const = default;
};

class Earning {
 public:
  Earning(const EarningReplicas& replicas, const std::vector<EarningKind>& kinds,
          const std::vector<EarningDemand>& demands, double tolerance)
      : at_(replicas),
        profile_(*replicas.profile),
        kinds_(kinds),
        demands_(worth_serving(replicas, kinds, demands)),
        tolerance_(tolerance),
        simplex_(demands_.size()) {
    for (const EarningKind& kind : kinds) {
      const Promise promise{kind.tpot_ms, kind.quantile, kind.sizes.inverse_output};
      auto known = std::ranges::find(promises_, promise);
      if (known == promises_.end()) known = promises_.insert(known, promise);
      promise_of_.push_back(static_cast<uint32_t>(known - promises_.begin()));
    }
  }

  MostEarned most(uint32_t ranges_max) {
    MostEarned earned;
    if (promises_.size() > kPromisesMax) earned.eur_per_hour = kInfinite;
    if (demands_.empty() || promises_.size() > kPromisesMax) return earned;
    std::vector<Range> open;
    const auto add = [&](Range range) {
      ++earned.ranges;
      if (look(range)) {
        open.push_back(std::move(range));
        std::ranges::push_heap(open, {}, &Range::eur);
      }
    };
    Range all;
    all.share_to = kUtilizationMax;
    all.held_to = twin::held_max(profile_);
    all.mean_from_ms = kInfinite;
    for (const EarningDemand& demand : demands_) {
      all.mean_from_ms = std::min(all.mean_from_ms, kinds_[demand.kind].sizes.prefill_ms);
      all.mean_to_ms = std::max(all.mean_to_ms, kinds_[demand.kind].sizes.prefill_ms);
    }
    all.eur = kInfinite;
    for (size_t i = 0; i < kRows; ++i) all.basis[i] = static_cast<uint32_t>(demands_.size() + 1 + i);
    for (uint32_t fewest = at_.fewest, i = 0; fewest <= at_.most;) {
      while (i < kReplicaSteps.size() && kReplicaSteps[i] < fewest) ++i;
      all.fewest = fewest;
      all.most = i < kReplicaSteps.size() ? std::min(at_.most, kReplicaSteps[i]) : at_.most;
      fewest = all.most + 1;
      add(all);
    }
    while (!open.empty() && earned.ranges < ranges_max) {
      std::ranges::pop_heap(open, {}, &Range::eur);
      Range range = std::move(open.back());
      Range other = range;
      if (range.lenient < tolerance_ || !part(range, other)) {
        open.back() = std::move(range);
        std::ranges::push_heap(open, {}, &Range::eur);
        break;
      }
      open.pop_back();
      add(std::move(range));
      add(std::move(other));
    }
    if (open.empty()) return earned;
    const Range& best = open.front();
    earned.eur_per_hour = best.eur;
    earned.replicas = best.replicas;
    for (const auto& [j, part] : best.served)
      if (demands_[j].demand != kMany) earned.served.emplace_back(demands_[j].demand, part);
    return earned;
  }

 private:
  static constexpr uint32_t kMany = UINT32_MAX;  // in place of a demand

  // Those that may be worth their energy, and of each kind all others as one: nobody earns by these, but a plan may
  // serve them, and with more requests of short prefills promises are kept more easily.
  static std::vector<EarningDemand> worth_serving(const EarningReplicas& at, const std::vector<EarningKind>& kinds,
                                                  const std::vector<EarningDemand>& demands) {
    std::vector<double> energy_eur;  // by kind, for a request a second
    const double step_j = at.energy->least_j(0, at.profile->points.back().batch);
    for (const EarningKind& kind : kinds)
      energy_eur.push_back(at.eur_per_watt_hour * (at.energy->prefill_w() * 1e-3 * kind.sizes.prefill_ms +
                                                   step_j * std::max(0.0, kind.sizes.output_tokens - 1)));
    std::vector<EarningDemand> worth, others(kinds.size());
    for (const EarningDemand& demand : demands) {
      if (demand.eur_per_hour > energy_eur[demand.kind] * demand.requests_per_s) {
        worth.push_back(demand);
        continue;
      }
      EarningDemand& all = others[demand.kind];
      const double each = demand.eur_per_hour / demand.requests_per_s;
      const double best = all.requests_per_s > 0 ? std::max(all.eur_per_hour / all.requests_per_s, each) : each;
      all = {demand.kind, kMany, all.requests_per_s + demand.requests_per_s, 0};
      all.eur_per_hour = best * all.requests_per_s;
    }
    if (worth.empty()) return worth;
    for (const EarningDemand& all : others)
      if (all.requests_per_s > 0) worth.push_back(all);
    return worth;
  }

  enum class By : uint8_t { nothing, promise, replicas, share, held, mean };
  struct Range {
    uint32_t fewest = 1, most = 1;
    double share_from = 0, share_to = 1;
    double held_from = 0, held_to = 0;
    double mean_from_ms = 0, mean_to_ms = 0;  // of prefills of requests
    uint64_t some = 0, none = 0;              // promises that are in use, and that are not
    DualSimplex::Basis basis{};
    // Of its program: what it says, where, and along what it is to be parted.
    double eur = 0, replicas = 0;
    std::vector<std::pair<uint32_t, float>> served;
    By by = By::nothing;
    uint32_t promise = 0;
    double at = 0;
    double lenient = 0;  // of what it says, about
  };

  // Its program solved; false where it earns nothing.
  bool look(Range& range) {
    const double n = range.most;
    const twin::DecodingLeast least =
        twin::decoding_least(profile_, {n, range.share_from, range.held_from, range.held_to});
    std::array<double, kPromisesMax> spread{};
    double spread_ms = kInfinite;
    uint64_t may = 0;
    for (size_t i = 0; i < promises_.size(); ++i) {
      spread[i] = least.spread_most_ms(promises_[i].tpot_ms, promises_[i].quantile, promises_[i].inverse_output);
      if ((range.some >> i & 1) != 0) spread_ms = std::min(spread_ms, spread[i]);
      if (spread[i] >= 0 && (range.none >> i & 1) == 0) may |= uint64_t{1} << i;
    }
    if (spread_ms < 0) return false;
    uint32_t points = 0;
    double work_ms = kInfinite;  // of a token in a full batch, at points that allow the batch
    for (size_t p = 0; p < std::min(profile_.points.size(), kPointsMax); ++p) {
      if (profile_.points[p].batch < least.batch * (1 - 1e-9)) continue;
      points |= 1U << p;
      work_ms = std::min(work_ms, profile_.points[p].decode_per_token.value() / profile_.points[p].batch);
    }
    const double step_j = at_.energy->least_j(least.batch, least.batch_most), prefill_w = at_.energy->prefill_w();
    const double pooled_ms = (1 - 1 / n) * range.mean_to_ms, unit_ms = std::max(1e-6, range.mean_to_ms);
    const bool bounded = spread_ms < kInfinite;
    for (size_t j = 0; j < demands_.size(); ++j) {
      const EarningDemand& demand = demands_[j];
      const EarningKind& kind = kinds_[demand.kind];
      simplex_.c[j] = -1;
      simplex_.a[j] = {};
      if ((may >> promise_of_[demand.kind] & 1) == 0 || (kind.points & points) == 0) continue;
      const double rate = demand.requests_per_s, steps = std::max(0.0, kind.sizes.output_tokens - 1);
      const double prefill = 1e-3 * rate * kind.sizes.prefill_ms;
      simplex_.c[j] = demand.eur_per_hour - at_.eur_per_watt_hour * (prefill_w * prefill + step_j * rate * steps);
      const double square_ms =
          kind.sizes.prefill_ms > 0 ? kind.sizes.prefill_ms + kind.sizes.prefill_variance / kind.sizes.prefill_ms : 0;
      simplex_.a[j] = {prefill, prefill + 1e-3 * rate * steps / range.held_to,
                       prefill + 1e-3 * rate * kind.sizes.output_tokens * work_ms,
                       bounded ? prefill * (square_ms - pooled_ms) / unit_ms : 0,
                       (1e-3 * rate * range.mean_from_ms - prefill) / unit_ms};
    }
    simplex_.fewest = range.fewest;
    simplex_.most = range.most;
    simplex_.set_replicas(at_.replica_eur, {range.share_to, 1, kUtilizationMax, bounded ? spread_ms / unit_ms : 0, 0});
    const double eur = simplex_.solve(range.basis) * (1 + 1e-12);
    range.eur = std::min(range.eur, eur);
    if (range.eur <= 0) return false;
    range.replicas = simplex_.n();
    range.served.clear();
    for (uint32_t j = 0; j < demands_.size(); ++j)
      if (simplex_.x(j) > 0) range.served.emplace_back(j, static_cast<float>(simplex_.x(j)));
    choose(range, least, spread, spread_ms, step_j);
    return true;
  }

  // Along what the range's own solution shows it to be most lenient.
  void choose(Range& range, const twin::DecodingLeast& least, const std::array<double, kPromisesMax>& spread,
              double spread_ms, double step_j) const {
    double prefill = 0, steps = 0, squares = 0, requests = 0, all_steps = 0;
    uint64_t used = 0;
    for (const auto& [j, part] : range.served) {
      const EarningKind& kind = kinds_[demands_[j].kind];
      const double rate = part * demands_[j].requests_per_s;
      if (part > 1e-6F) used |= uint64_t{1} << promise_of_[demands_[j].kind];
      prefill += 1e-3 * rate * kind.sizes.prefill_ms;
      squares += 1e-3 * rate * (kind.sizes.prefill_ms * kind.sizes.prefill_ms + kind.sizes.prefill_variance);
      steps += 1e-3 * rate * std::max(0.0, kind.sizes.output_tokens - 1);
      requests += rate;
    }
    all_steps = 1e3 * steps;
    range.by = By::nothing;
    range.lenient = 0;
    const double n = std::max<double>(range.fewest, range.replicas);
    if (n <= 0 || requests <= 0) return;
    const double share = prefill / n, mean_ms = 1e3 * prefill / requests;
    const double held = steps / n / std::max(1e-9, 1 - share);
    const double pooled = 1 - 1.0 / range.most;
    const double counted_ms = (squares - pooled * prefill * range.mean_to_ms) / n,
                 spread_here_ms = (squares - pooled * prefill * mean_ms) / n;
    // What the promises in use leave there, against what the range gives them.
    const double inside = std::clamp(share, range.share_from, range.share_to),
                 held_inside = std::clamp(held, range.held_from, range.held_to);
    const auto limit_ms = [&](const twin::DecodingLeast& at) {
      double least_ms = kInfinite;
      for (uint32_t i = 0; i < promises_.size(); ++i)
        if (((used | range.some) >> i & 1) != 0)
          least_ms = std::min(
              least_ms, at.spread_most_ms(promises_[i].tpot_ms, promises_[i].quantile, promises_[i].inverse_output));
      return std::clamp(least_ms, 1e-3 * spread_here_ms, 1e3 * spread_here_ms);
    };
    const double replicas = range.most;
    const twin::DecodingLeast here = twin::decoding_least(profile_, {replicas, inside, held_inside, held_inside});
    const double true_ms = limit_ms(here);
    const auto consider = [&](By by, double lenient, double at, double from, double to) {
      if (to - from <= 1e-5 * to || lenient <= range.lenient) return;
      range.lenient = lenient;
      range.by = by;
      range.at = std::clamp(at, std::lerp(from, to, 0.1), std::lerp(from, to, 0.9));
    };
    if (spread_here_ms > true_ms * (1 + tolerance_)) {
      uint32_t strictest = 0;
      double strictest_ms = spread_ms;
      for (uint32_t i = 0; i < promises_.size(); ++i)
        if ((used >> i & 1) != 0 && spread[i] < strictest_ms) strictest_ms = spread[i], strictest = i;
      if (strictest_ms < counted_ms * (1 - tolerance_)) {
        range.lenient = kInfinite;
        range.by = By::promise;
        range.promise = strictest;
        return;
      }
      const double given_ms = limit_ms(least);
      consider(By::share,
               std::log(given_ms /
                        limit_ms(twin::decoding_least(profile_, {replicas, inside, range.held_from, range.held_to}))),
               std::lerp(range.share_from, inside, 0.75), range.share_from, range.share_to);
      consider(By::held,
               std::log(given_ms / limit_ms(twin::decoding_least(
                                       profile_, {replicas, range.share_from, held_inside, held_inside}))),
               std::lerp(range.held_from, held_inside, 0.75), range.held_from, range.held_to);
      consider(By::mean, std::log(spread_here_ms / std::max(counted_ms, 1e-3 * spread_here_ms)),
               std::lerp(range.mean_to_ms, std::clamp(mean_ms, range.mean_from_ms, range.mean_to_ms), 0.75),
               range.mean_from_ms, range.mean_to_ms);
    }
    const double energy_eur =
        at_.eur_per_watt_hour * all_steps * std::max(0.0, at_.energy->least_j(here.batch, here.batch_most) - step_j);
    consider(By::held, energy_eur / (n * at_.replica_eur), std::lerp(range.held_from, held_inside, 0.75),
             range.held_from, range.held_to);
    if (range.most > range.fewest) {
      const double part = range.replicas - std::floor(range.replicas);
      const double lenient = std::min(part, 1 - part) / n;
      if (lenient > range.lenient) {
        range.lenient = lenient;
        range.by = By::replicas;
        range.at = std::clamp<double>(std::floor(range.replicas), range.fewest, range.most - 1);
      }
    }
  }

  static bool part(Range& range, Range& other) {
    switch (range.by) {
      case By::nothing: return false;
      case By::promise:
        range.some |= uint64_t{1} << range.promise;
        other.none |= uint64_t{1} << range.promise;
        return true;
      case By::replicas:
        range.most = static_cast<uint32_t>(range.at);
        other.fewest = range.most + 1;
        return true;
      case By::share: range.share_to = other.share_from = range.at; return true;
      case By::held: range.held_to = other.held_from = range.at; return true;
      case By::mean: range.mean_to_ms = other.mean_from_ms = range.at; return true;
    }
    return false;
  }

  const EarningReplicas& at_;
  const grid::Profile& profile_;
  const std::vector<EarningKind>& kinds_;
  std::vector<EarningDemand> demands_;
  double tolerance_;
  std::vector<Promise> promises_;
  std::vector<uint32_t> promise_of_;  // by kind
  DualSimplex simplex_;
};

}  // namespace

MostEarned most_earned(const EarningReplicas& replicas, const std::vector<EarningKind>& kinds,
                       const std::vector<EarningDemand>& demands, uint32_t ranges_max, double tolerance) {
  return Earning(replicas, kinds, demands, tolerance).most(ranges_max);
}

}  // namespace tandem::planner
