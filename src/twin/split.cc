#include "twin/split.h"

#include <algorithm>
#include <cmath>

#include "twin/mix_range.h"

namespace tandem::twin {
namespace {

constexpr double kLenient = 1 + 1e-9;   // so that rounding breaks no promise
constexpr double kRounding = 1e-9;      // likewise of sums of parts
constexpr double kNarrow = 2e-3;        // of a deployment's time: a range that is halved no further
constexpr uint32_t kNarrowMax = 1'000;  // of them, before it is given up
constexpr double kPartMin = 1e-6;       // no less is served of a kind by what is told

enum class Served : uint8_t { maybe, none, some };  // of a kind by a deployment

void add(Mix& mix, const Mix& more, double times) {
  mix.requests_per_s += times * more.requests_per_s;
  mix.prefill_s_per_s += times * more.prefill_s_per_s;
  mix.tokens_per_s += times * more.tokens_per_s;
  mix.prefill_square += times * more.prefill_square;
  mix.prefill_token_s += times * more.prefill_token_s;
  mix.tokens_square += times * more.tokens_square;
}

// Of one way to group a fleet's replicas into deployments.
class Splitting {
 public:
  struct Deployed {
    size_t profile = 0;
    uint32_t replicas = 0;
    bool operator==(const Deployed&) const = default;
  };

  Splitting(const Fleet& fleet, std::vector<Deployed> deployed, uint32_t& ranges_left,
            const std::function<bool(const Split&)>& take)
      : fleet_(fleet),
        deployed_(std::move(deployed)),
        kinds_(fleet.kinds.size()),
        ranges_left_(ranges_left),
        take_(take) {
    // The last is none that others are like, where there is one.
    for (size_t j = deployed_.size(); j-- > 0;)
      if (std::ranges::count(deployed_, deployed_[j]) == 1) {
        std::rotate(deployed_.begin() + static_cast<ptrdiff_t>(j), deployed_.begin() + static_cast<ptrdiff_t>(j) + 1,
                    deployed_.end());
        break;
      }
    const SplitProfile& last = fleet.profiles[deployed_.back().profile];
    for (size_t k = 0; k < kinds_; ++k) {
      const SplitKind& kind = fleet.kinds[k];
      rejected_.push_back(std::min(1.0, kind.rejectable * kLenient / kind.requests_per_s));
      Mix out;  // more than there is of the kind, where that may be rejected whole and others beside it
      out.add(last.asked[k].sizes, kind.rejectable * kLenient);
      out_ = larger(out_, out);
    }
    for (const Deployed& one : deployed_) {
      const SplitProfile& profile = fleet.profiles[one.profile];
      for (size_t k = 0; k < kinds_; ++k) {
        Mix all;
        all.add(profile.asked[k].sizes, fleet.kinds[k].requests_per_s);
        whole_.push_back(all);
        busy_.push_back(all.work(profile.profile->points.back()) / one.replicas);
      }
    }
    for (size_t k = 0; k < kinds_; ++k) order_.push_back(k);
    std::ranges::stable_sort(order_, std::greater(), [&](size_t k) {
      double busy = 0;
      for (size_t j = 0; j < deployed_.size(); ++j) busy += busy_[at(j, k)];
      return busy;
    });
  }

  Splits find() {
    if (kinds_ == 0) return Splits::unknown;
    Range all;
    all.low.assign(deployed_.size() * kinds_, 0);
    all.high.assign(deployed_.size() * kinds_, 1);
    all.served.assign(deployed_.size() * kinds_, Served::maybe);
    all.points.assign(deployed_.size(), UINT32_MAX);
    for (size_t j = 0; j < deployed_.size(); ++j) {
      const SplitProfile& profile = fleet_.profiles[deployed_[j].profile];
      std::vector<uint32_t>& places = all.places.emplace_back();
      for (uint32_t p = 0; p < profile.places.size(); ++p)
        if (profile.places[p].replicas_max >= deployed_[j].replicas &&
            profile.places[p].dearer_eur * deployed_[j].replicas <= fleet_.spare_eur * kLenient)
          places.push_back(p);
    }
    for (size_t j = 0; j < deployed_.size(); ++j) {
      const SplitProfile& profile = fleet_.profiles[deployed_[j].profile];
      for (size_t k = 0; k < kinds_; ++k) {
        const Asked& asked = profile.asked[k];
        const double alone_ms = ttft_alone(asked.sizes, asked.quantile).value() / kLenient;
        if (profile.points[k] == 0 || std::ranges::none_of(all.places[j], [&](uint32_t place) {
              return profile.places[place].ttft_left_ms[k * (kSplitParts + 1)] >= alone_ms;
            }))
          all.served[at(j, k)] = Served::none;
      }
    }
    // Of deployments that are alike the first serves the most of the largest kind.
    if (std::ranges::all_of(deployed_, [&](const Deployed& one) { return one == deployed_[0]; }))
      all.low[order_[0]] = (1 - rejected_[order_[0]]) / static_cast<double>(deployed_.size());
    const bool finished = search(std::move(all));
    return some_ ? Splits::some : finished && narrow_ == 0 ? Splits::none : Splits::unknown;
  }

 private:
  struct Range {  // by deployment, then kind; the last deployment's parts follow from the others'
    std::vector<double> low, high;
    std::vector<Served> served;
    std::vector<uint32_t> points;               // by deployment: those that may do
    std::vector<std::vector<uint32_t>> places;  // likewise
  };

  size_t at(size_t j, size_t k) const { return j * kinds_ + k; }

  // False when there is enough, or no more is looked at.
  bool search(Range range) {
    if (ranges_left_ == 0 || fleet_.stop.stop_requested()) return false;
    --ranges_left_;
    if (!tighten(range)) return true;
    for (size_t j = 0; j < deployed_.size(); ++j)
      if (!may_keep(range, j)) return true;
    if (!look(range)) return false;
    if (const size_t open = first_open(range); open < range.served.size()) {
      Range none = range;
      none.served[open] = Served::none;
      if (!search(std::move(none))) return false;
      range.served[open] = Served::some;
      return search(std::move(range));
    }
    double widest = kNarrow;
    size_t entry = range.low.size();
    for (size_t j = 0; j + 1 < deployed_.size(); ++j)
      for (size_t k = 0; k < kinds_; ++k) {
        const double wide =
            (range.high[at(j, k)] - range.low[at(j, k)]) * (busy_[at(j, k)] + busy_[at(deployed_.size() - 1, k)]);
        if (wide <= widest) continue;
        widest = wide;
        entry = at(j, k);
      }
    if (entry == range.low.size()) return ++narrow_ < kNarrowMax;
    const double middle = (range.low[entry] + range.high[entry]) / 2;
    Range lower = range;
    lower.high[entry] = middle;
    if (!search(std::move(lower))) return false;
    range.low[entry] = middle;
    return search(std::move(range));
  }

  // Of which it is not told apart whether it is served, of the largest kind; the end where there is none.
  size_t first_open(const Range& range) const {
    for (const size_t k : order_)
      for (size_t j = 0; j < deployed_.size(); ++j)
        if (range.served[at(j, k)] == Served::maybe) return at(j, k);
    return range.served.size();
  }

  // What the parts of a kind say of each other. False where they leave nothing.
  bool tighten(Range& range) const {
    const size_t last = deployed_.size() - 1;
    for (size_t j = 0; j + 1 < last; ++j) {  // of two that are alike the first serves the more of the largest kind
      if (!(deployed_[j] == deployed_[j + 1])) continue;
      double &low = range.low[at(j, order_[0])], &high = range.high[at(j + 1, order_[0])];
      low = std::max(low, range.low[at(j + 1, order_[0])]);
      high = std::min(high, range.high[at(j, order_[0])]);
    }
    for (size_t k = 0; k < kinds_; ++k) {
      double low = 0, high = 0;  // of all but the last
      for (size_t j = 0; j < last; ++j) {
        if (range.served[at(j, k)] == Served::none) range.high[at(j, k)] = 0;
        low += range.low[at(j, k)];
        high += range.high[at(j, k)];
      }
      if (low > kLenient) return false;
      const double least = 1 - rejected_[k] * kLenient;  // of the kind is served
      const bool none_last = range.served[at(last, k)] == Served::none;
      for (size_t j = 0; j < last; ++j) {
        double &from = range.low[at(j, k)], &to = range.high[at(j, k)];
        const double others = high - to;
        to = std::min(to, 1 - low + from);
        if (none_last) from = std::max(from, least - others);
        if (from > to + kRounding) return false;
        from = std::min(from, to);
        if (from > kRounding) range.served[at(j, k)] = Served::some;
      }
      range.low[at(last, k)] = none_last ? 0 : std::max(0.0, 1 - high);
      range.high[at(last, k)] = none_last ? 0 : std::max(0.0, 1 - low);
      if (1 - high <= rejected_[k] + kRounding) continue;
      if (none_last) return false;
      range.served[at(last, k)] = Served::some;
    }
    return true;
  }

  // Part of a kind that is surely served: of the last deployment what is rejected is taken off.
  double surely(const Range& range, size_t j, size_t k) const {
    return range.low[at(j, k)] - (j + 1 == deployed_.size() ? rejected_[k] : 0);
  }
  static size_t step(double part) {
    return static_cast<size_t>(std::clamp((part - 1e-9) * kSplitParts, 0.0, double{kSplitParts}));
  }

  // Whether one deployment may keep what any mix in the range asks of it; leaves it the points and places where it may.
  bool may_keep(Range& range, size_t j) const {
    const SplitProfile& profile = fleet_.profiles[deployed_[j].profile];
    Mix least, most = profile.beside;
    uint32_t points = range.points[j];
    for (size_t k = 0; k < kinds_; ++k) {
      add(least, whole_[at(j, k)], range.low[at(j, k)]);
      add(most, whole_[at(j, k)], range.high[at(j, k)]);
      if (range.served[at(j, k)] == Served::some) points &= profile.points[k];
    }
    if (j + 1 == deployed_.size()) least = less(least, out_);
    if (least.requests_per_s <= 0 || least.prefill_s_per_s <= 0) return true;
    range.points[j] = 0;
    std::vector<uint32_t> kept, rest = std::move(range.places[j]);
    std::vector<std::pair<size_t, double>> needed;  // into a place's table, ms
    const std::vector<grid::OperatingPoint>& all = profile.profile->points;
    for (size_t p = all.size(); p-- > 0;) {
      if (p >= 32 || (points >> p & 1) == 0 || least.work(all[p]) > deployed_[j].replicas * busy_max()) continue;
      Serving serving = serve_least(*profile.profile, all[p], deployed_[j].replicas, least, most);
      serving.utilization = 0;
      needed.clear();
      bool keeps = true;
      for (size_t k = 0; k < kinds_ && keeps; ++k) {
        if (range.served[at(j, k)] != Served::some) continue;
        Asked asked = profile.asked[k];
        asked.tpot_ms *= kLenient;
        keeps = serving.keeps_tpot(asked);
        needed.emplace_back(k * (kSplitParts + 1) + step(surely(range, j, k)),
                            serving.ttft(asked.sizes, asked.quantile).value() / kLenient);
      }
      if (!keeps) continue;
      const auto suits = [&](uint32_t place) {
        return std::ranges::all_of(
            needed, [&](const auto& need) { return profile.places[place].ttft_left_ms[need.first] >= need.second; });
      };
      const auto fail = std::stable_partition(rest.begin(), rest.end(), [&](uint32_t place) { return !suits(place); });
      const bool known_ones = std::ranges::any_of(kept, suits);
      if (fail != rest.end() || known_ones) range.points[j] |= 1U << p;
      kept.insert(kept.end(), fail, rest.end());
      rest.erase(fail, rest.end());
    }
    range.places[j] = std::move(kept);
    return !range.places[j].empty();
  }
  double busy_max() const { return std::min(fleet_.utilization_max * kLenient, 1 - 1e-9); }

  // The split in the middle of the range, where it keeps all. False when that is enough.
  bool look(const Range& range) {
    Split split;
    for (const Deployed& one : deployed_) split.deployments.push_back({one.profile, one.replicas, {}, {}});
    for (size_t k = 0; k < kinds_; ++k) {
      double left = 1;
      for (size_t j = 0; j + 1 < deployed_.size(); ++j) {
        double part = (range.low[at(j, k)] + range.high[at(j, k)]) / 2;
        if (range.served[at(j, k)] == Served::none) part = 0;
        if (j + 2 == deployed_.size() && range.served[at(j + 1, k)] == Served::none) part = left;
        part = std::min(part < kNarrow ? 0 : part, left);
        left -= part;
        if (left < kNarrow) part += std::exchange(left, 0);
        split.deployments[j].parts.push_back(part);
      }
      split.deployments.back().parts.push_back(left);
    }
    for (size_t j = 0; j < deployed_.size(); ++j) {
      split.deployments[j].places = where_kept(range, split.deployments[j], j);
      if (split.deployments[j].places.empty()) return true;
    }
    some_ = true;
    return !take_(split);
  }

  std::vector<uint32_t> where_kept(const Range& range, const Split::Deployment& deployment, size_t j) const {
    const SplitProfile& profile = fleet_.profiles[deployment.profile];
    Mix mix;
    uint32_t points = range.points[j];
    for (size_t k = 0; k < kinds_; ++k) {
      if (deployment.parts[k] <= kPartMin) continue;
      add(mix, whole_[at(j, k)], deployment.parts[k]);
      points &= profile.points[k];
    }
    if (mix.requests_per_s <= 0) return range.places[j];
    std::vector<uint32_t> kept;
    for (size_t p = profile.profile->points.size(); p-- > 0 && kept.empty();) {
      if (p >= 32 || (points >> p & 1) == 0) continue;
      const Serving serving = serve(*profile.profile, profile.profile->points[p], deployment.replicas, mix);
      if (serving.utilization > fleet_.utilization_max) continue;
      std::vector<std::pair<size_t, double>> needed;
      bool keeps = true;
      for (size_t k = 0; k < kinds_ && keeps; ++k) {
        if (deployment.parts[k] <= kPartMin) continue;
        keeps = serving.keeps_tpot(profile.asked[k]);
        const auto part = static_cast<size_t>(std::ceil(deployment.parts[k] * kSplitParts - 1e-6));
        needed.emplace_back(k * (kSplitParts + 1) + std::min(part, kSplitParts),
                            serving.ttft(profile.asked[k].sizes, profile.asked[k].quantile).value());
      }
      if (!keeps) continue;
      for (const uint32_t place : range.places[j])
        if (std::ranges::all_of(needed, [&](const auto& need) {
              return profile.places[place].ttft_left_ms[need.first] >= need.second;
            }))
          kept.push_back(place);
    }
    return kept;
  }

  const Fleet& fleet_;
  std::vector<Deployed> deployed_;
  const size_t kinds_;
  uint32_t& ranges_left_;
  const std::function<bool(const Split&)>& take_;
  std::vector<double> rejected_;  // the most of each kind
  Mix out_;                       // of what the last deployment would serve
  std::vector<size_t> order_;     // of kinds, the largest first
  std::vector<Mix> whole_;        // by deployment, then kind: all of it there
  std::vector<double> busy_;      // likewise: replicas' time, were batches full
  uint32_t narrow_ = 0;           // ranges that stayed open
  bool some_ = false;
};

// All ways to group replicas of a profile into deployments, from there on, none larger than the one before.
bool each_grouping(const Fleet& fleet, size_t profile, uint32_t left, uint32_t largest,
                   std::vector<Splitting::Deployed>& deployed,
                   const std::function<bool(const std::vector<Splitting::Deployed>&)>& visit) {
  while (left == 0 && ++profile < fleet.replicas.size()) left = largest = fleet.replicas[profile];
  if (left == 0) return visit(deployed);
  for (uint32_t n = std::min(left, largest); n >= 1; --n) {
    deployed.push_back({profile, n});
    const bool go_on = each_grouping(fleet, profile, left - n, n, deployed, visit);
    deployed.pop_back();
    if (!go_on) return false;
  }
  return true;
}

}  // namespace

std::vector<double> ttft_left_by_part(std::vector<std::pair<double, double>> of_demands) {
  std::vector<double> by_part(kSplitParts + 1, -1);
  std::ranges::sort(of_demands, std::greater());
  double all = 0, before = 0;
  for (const auto& [ttft_left_ms, rate] : of_demands) all += rate;
  for (size_t part = 0, i = 0; part < by_part.size() && !of_demands.empty(); ++part) {
    const double served = all * static_cast<double>(part) / kSplitParts * (1 - 1e-9);
    while (i + 1 < of_demands.size() && before + of_demands[i].second < served) before += of_demands[i++].second;
    by_part[part] = of_demands[i].first;
  }
  return by_part;
}

Splits find_split(const Fleet& fleet, uint32_t ranges_max, uint32_t& ranges,
                  const std::function<bool(const Split&)>& take) {
  Splits found = Splits::none;
  uint32_t left = ranges_max;
  ranges = 0;
  if (fleet.spare_eur < 0) return found;
  std::vector<Splitting::Deployed> deployed;
  const uint32_t first = fleet.replicas.empty() ? 0 : fleet.replicas[0];
  bool enough = false;
  const auto take_it = [&](const Split& split) { return enough = take(split); };
  each_grouping(fleet, 0, first, first, deployed, [&](const std::vector<Splitting::Deployed>& grouped) {
    if (grouped.empty()) {
      found = Splits::unknown;
      return false;
    }
    found = std::max(found, Splitting(fleet, grouped, left, take_it).find());
    return !enough;  // with no range left what follows is unknown
  });
  ranges = ranges_max - left;
  return found;
}

}  // namespace tandem::twin
