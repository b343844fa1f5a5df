#include "planner/bound.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "planner/fleets.h"
#include "planner/relaxation.h"

namespace tandem::planner {
namespace {

constexpr uint32_t kRoundsInFractions = 300;  // of the resources' prices before any v is raised
constexpr uint32_t kLevelPatience = 8;        // of them without gain before less is hoped for
constexpr double kStepOfModel = 0.5;          // of Polyak's, to begin with: what is aimed at is not reached
constexpr double kStepOfResources = 0.3;
constexpr uint32_t kPatience = 4;        // rounds without gain before a model's step is halved
constexpr double kDeflection = 0.4;      // of the last direction in the next
constexpr uint32_t kRoundsOfModels = 6;  // between two steps of the resources
constexpr double kWorthClimbing = 2e-3;  // of the bound: of a large grid less is gained by looking closer from then on
constexpr uint32_t kRoundsCloser = 8;    // which takes ten times as long a round
constexpr float kNewest = 0.1F;          // part of the latest round in the mean of what the relaxation buys
constexpr double kClosed = 2e-3;         // a model this near to what is spent on it climbs no further
constexpr double kLow = -std::numeric_limits<double>::infinity();

}  // namespace

class Bound::Climb {
 public:
  Climb(const Problem& problem, Relaxation& relaxation)
      : problem_(problem), relaxation_(relaxation), models_(relaxation.demands_of_model().size()) {
    scale_.pool.assign(problem.pool_spare.size(), 0);
    scale_.site.assign(problem.site_kw.size(), 0);
    double eur = 0, gbps = 0;
    for (const Candidate& candidate : problem.candidates) {
      double& pool = scale_.pool[candidate.pool];
      pool = std::max(pool, candidate.replica_eur_per_hour / candidate.accelerators);
      if (candidate.worst_kw > 0)
        scale_.site[candidate.site] =
            std::max(scale_.site[candidate.site], candidate.replica_eur_per_hour / candidate.worst_kw);
    }
    // A pool's overload comes in accelerators: the same part of a large one and of a small one counts the same.
    for (size_t p = 0; p < scale_.pool.size(); ++p) scale_.pool[p] /= std::sqrt(std::max(1u, problem.pool_spare[p]));
    for (size_t s = 0; s < scale_.site.size(); ++s) scale_.site[s] /= std::sqrt(std::max(1.0, problem.site_kw[s]));
    for (const DemandRow& demand : problem.demands) {
      eur += demand.penalty_eur_per_hour;
      gbps += demand.up_gbps + demand.back_gbps;
    }
    scale_.arc.assign(problem.arc_spare_gbps.size(), gbps > 0 ? 0.05 * eur / gbps : 0);
  }

  void start(Prices prices) {
    now_ = best_ = std::move(prices);
    best_value_ = kLow;
    step_of_resources_ = kStepOfResources;
    for (Model& model : models_) model = {};
    last_.assign(now_.demand.size(), 0);
    expected_.assign(problem_.candidates.size(), 0);
  }
  void go_on_from(Prices prices, double value) {
    now_ = best_ = std::move(prices);
    best_value_ = value;
    for (Model& model : models_) model = {};
    std::fill(last_.begin(), last_.end(), 0);
  }
  void ascend() {
    relaxation_.ascend(now_, expected_);
    best_ = now_;
  }
  const Prices& best() const { return best_; }
  double best_value() const { return best_value_; }
  const std::vector<float>& expected() const { return expected_; }

  // What the plan known spends on a model, at those prices of resources.
  double spent(size_t model, const Known& known, const Prices& prices) const {
    double eur = 0;
    for (const uint32_t d : relaxation_.demands_of_model()[model]) eur += known.eur_of_demand[d];
    for (const uint32_t c : problem_.candidates_of_model[model]) {
      const Candidate& candidate = problem_.candidates[c];
      eur += known.replicas[c] *
             (prices.pool[candidate.pool] * candidate.accelerators + prices.site[candidate.site] * candidate.worst_kw);
    }
    return eur;
  }

  // What was learnt of steps is of other slopes.
  void begin_again() {
    for (Model& model : models_) model = {};
    std::fill(last_.begin(), last_.end(), 0);
  }

  void run(uint32_t rounds, uint32_t of_models, const Known& known, const std::stop_token& stop) {
    aim_at(known);
    for (uint32_t round = 0; round < rounds && !stop.stop_requested(); round += of_models + 1) {
      relaxation_.price_resources(now_);
      for_each_on_two_threads(models_.size(), [&](size_t m) {
        for (uint32_t i = 0; i < of_models && !stop.stop_requested() && !models_[m].closed(); ++i) {
          relaxation_.evaluate_model(m, now_);
          for (const uint32_t c : problem_.candidates_of_model[m])
            expected_[c] += kNewest * (static_cast<float>(relaxation_.replicas(c)) - expected_[c]);
          step_model(m);
        }
      });
      if (!stop.stop_requested()) {
        step_resources(known);
        continue;
      }
      take_best_of_models();
      best_ = now_;
    }
    now_ = best_;
  }

  // Prices of accelerators and power alone, as if replicas were bought in fractions: by subgradients towards a level
  // that comes down where it is not reached (Brännlund, Kiwiel, Lindberg, Oper. Res. Lett. 17, 1995).
  Prices in_fractions(Prices prices) {
    Prices best = prices;
    double best_value = kLow, hoped = 0;
    std::vector<double> last_pool(prices.pool.size()), last_site(prices.site.size());
    uint32_t without_gain = 0;
    for (uint32_t round = 0; round < kRoundsInFractions; ++round) {
      relaxation_.price_in_fractions(prices, true);
      double value = std::accumulate(prices.demand.begin(), prices.demand.end(), 0.0);
      for (size_t p = 0; p < prices.pool.size(); ++p) value -= prices.pool[p] * problem_.pool_spare[p];
      for (size_t s = 0; s < prices.site.size(); ++s) value -= prices.site[s] * std::max(0.0, problem_.site_kw[s]);
      if (round == 0) hoped = 0.2 * value;
      without_gain = value > best_value + 0.05 * hoped ? 0 : without_gain + 1;
      if (value > best_value) {
        best_value = value;
        best = prices;
      }
      if (without_gain >= kLevelPatience) {
        hoped /= 2;
        without_gain = 0;
        if (hoped < 1e-4 * best_value) break;
        prices = best;
        std::fill(last_pool.begin(), last_pool.end(), 0);
        std::fill(last_site.begin(), last_site.end(), 0);
        continue;
      }
      double squares = 0, along = 0;
      const auto deflect = [&](double price, double slope, double scale, double& last) {
        slope *= scale;
        if (slope < 0 && price <= 0) slope = 0;
        last = slope == 0 ? 0 : slope + kDeflection * last;
        squares += last * last;
        along += last * slope;
      };
      for (size_t p = 0; p < prices.pool.size(); ++p)
        deflect(prices.pool[p], relaxation_.accelerators[p] - problem_.pool_spare[p], scale_.pool[p], last_pool[p]);
      for (size_t s = 0; s < prices.site.size(); ++s)
        deflect(prices.site[s], relaxation_.kilowatts[s] - std::max(0.0, problem_.site_kw[s]), scale_.site[s],
                last_site[s]);
      if (squares <= 0 || along <= 0) {
        if (squares <= 0) break;
        std::fill(last_pool.begin(), last_pool.end(), 0);
        std::fill(last_site.begin(), last_site.end(), 0);
        continue;
      }
      const double length = (best_value + hoped - value) / squares;
      for (size_t p = 0; p < prices.pool.size(); ++p)
        prices.pool[p] = std::max(0.0, prices.pool[p] + length * scale_.pool[p] * last_pool[p]);
      for (size_t s = 0; s < prices.site.size(); ++s)
        prices.site[s] = std::max(0.0, prices.site[s] + length * scale_.site[s] * last_site[s]);
    }
    return best;
  }

 private:
  struct Model {
    double value = kLow;  // best at the resources' prices of now
    double step = kStepOfModel;
    uint32_t without_gain = 0;
    double target = 0;
    std::vector<double> best;  // v of its demands

    bool closed() const { return value >= target * (1 - kClosed); }
  };

  void aim_at(const Known& known) {
    scale_.demand.assign(known.eur_of_demand.size(), 0);
    for (size_t d = 0; d < scale_.demand.size(); ++d) {
      const double most = problem_.demands[d].penalty_eur_per_hour;
      scale_.demand[d] = std::sqrt(std::clamp(known.eur_of_demand[d], 1e-4 * most, most));
    }
    for (size_t m = 0; m < models_.size(); ++m) {
      spent_.resize(models_.size());
      spent_[m] = 0;
      for (const uint32_t d : relaxation_.demands_of_model()[m]) spent_[m] += known.eur_of_demand[d];
    }
    set_targets(known);
  }

  // What the plan known spends on each model, at the prices of now: no less than the model's part of the bound.
  void set_targets(const Known& known) {
    for (size_t m = 0; m < models_.size(); ++m) models_[m].target = spent_[m];
    for (uint32_t c = 0; c < known.replicas.size(); ++c) {
      const Candidate& candidate = problem_.candidates[c];
      models_[candidate.model].target += known.replicas[c] * (now_.pool[candidate.pool] * candidate.accelerators +
                                                              now_.site[candidate.site] * candidate.worst_kw);
    }
  }

  void step_model(size_t m) {
    Model& model = models_[m];
    const std::vector<uint32_t>& demands = relaxation_.demands_of_model()[m];
    const double value = relaxation_.value_of_model(m);
    if (value > model.value) {
      model.value = value;
      model.without_gain = 0;
      model.best.resize(demands.size());
      for (size_t i = 0; i < demands.size(); ++i) model.best[i] = now_.demand[demands[i]];
    } else if (++model.without_gain >= kPatience) {
      model.step /= 2;
      model.without_gain = 0;
      for (size_t i = 0; i < demands.size(); ++i) {
        now_.demand[demands[i]] = model.best[i];
        last_[demands[i]] = 0;
      }
      return;  // slopes there are known after the next evaluation
    }
    const double missing = model.target - value;
    if (missing <= 1e-6 * model.target) return;
    double squares = 0, along = 0;
    const auto free = [&](uint32_t d,
                          double lacking) {  // at its cap the rejection that goes with v takes up what is not served
      return lacking < 0 ? now_.demand[d] > 0 : now_.demand[d] < problem_.demands[d].penalty_eur_per_hour;
    };
    for (const uint32_t d : demands) {
      const double lacking = 1 - relaxation_.served[d];
      const double slope = free(d, lacking) ? lacking * scale_.demand[d] : 0;
      last_[d] = slope == 0 ? 0 : slope + kDeflection * last_[d];
      squares += last_[d] * last_[d];
      along += last_[d] * slope;
    }
    if (squares <= 0 || along <= 0) {
      for (const uint32_t d : demands) last_[d] = 0;
      return;
    }
    for (const uint32_t d : demands)
      now_.demand[d] = std::clamp(now_.demand[d] + model.step * missing / squares * scale_.demand[d] * last_[d], 0.0,
                                  problem_.demands[d].penalty_eur_per_hour);
  }

  template <class Do>
  void each_resource(Do&& apply) {
    const auto resource = [&](double& price, double over, double scale) {
      if (over > 0 || price > 0) apply(price, over, scale);
    };
    for (size_t p = 0; p < now_.pool.size(); ++p)
      resource(now_.pool[p], relaxation_.accelerators[p] - problem_.pool_spare[p], scale_.pool[p]);
    for (size_t s = 0; s < now_.site.size(); ++s)
      resource(now_.site[s], relaxation_.kilowatts[s] - std::max(0.0, problem_.site_kw[s]), scale_.site[s]);
    if (!relaxation_.arcs_matter()) return;
    for (size_t a = 0; a < now_.arc.size(); ++a)
      resource(now_.arc[a], relaxation_.arc_gbps[a] - std::max(0.0, problem_.arc_spare_gbps[a]), scale_.arc[a]);
  }

  void take_best_of_models() {
    for (size_t m = 0; m < models_.size(); ++m) {
      const std::vector<uint32_t>& demands = relaxation_.demands_of_model()[m];
      if (models_[m].value == kLow) continue;
      for (size_t i = 0; i < demands.size(); ++i) now_.demand[demands[i]] = models_[m].best[i];
    }
  }

  void step_resources(const Known& known) {
    take_best_of_models();
    double value = relaxation_.evaluate(now_);
    if (value >= best_value_) {
      best_value_ = value;
      best_ = now_;
    } else {
      now_ = best_;
      step_of_resources_ /= 2;
      value = relaxation_.evaluate(now_);
    }
    double squares = 0;
    each_resource([&](double&, double slope, double scale) { squares += slope * scale * slope * scale; });
    if (squares <= 0) return;
    const double length = step_of_resources_ * std::max(0.0, known.eur_per_hour - value) / squares;
    each_resource([&](double& price, double slope, double scale) {
      price = std::clamp(price + length * scale * scale * slope, 0.0, 1e9);
    });
    for (Model& model : models_) {
      model.value = kLow;  // at the prices of before
      model.without_gain = 0;
    }
    std::fill(last_.begin(), last_.end(), 0);
    set_targets(known);
  }

  const Problem& problem_;
  Relaxation& relaxation_;
  Prices scale_;
  std::vector<Model> models_;
  std::vector<double> spent_;  // by model, by the plan known
  Prices now_, best_;
  std::vector<double> last_;     // direction of v
  std::vector<float> expected_;  // replicas, by candidate
  double best_value_ = kLow, step_of_resources_ = kStepOfResources;
};

namespace {

Prices no_prices(const Problem& problem) {
  return {std::vector<double>(problem.demands.size()),
          std::vector<double>(problem.pool_spare.size()),
          std::vector<double>(problem.site_kw.size()),
          std::vector<double>(problem.arc_spare_gbps.size()),
          {}};
}

}  // namespace

Bound::Bound(const Problem& problem, Prices learnt)
    : problem_(problem),
      relaxation_(std::make_unique<Relaxation>(problem)),
      climb_(std::make_unique<Climb>(problem, *relaxation_)),
      proven_prices_(no_prices(problem)),
      met_(problem.candidates_of_model.size()),
      large_(problem.columns() > kOptionsInFull) {
  learnt.fleets.clear();
  for (size_t d = 0; d < learnt.demand.size(); ++d)
    learnt.demand[d] = std::clamp(learnt.demand[d], 0.0, problem.demands[d].penalty_eur_per_hour);
  climb_->start(std::move(learnt));
  price_all(climb_->best());
}

Bound::Bound(const Problem& problem)
    : problem_(problem),
      relaxation_(std::make_unique<Relaxation>(problem)),
      climb_(std::make_unique<Climb>(problem, *relaxation_)),
      proven_prices_(no_prices(problem)),
      met_(problem.candidates_of_model.size()),
      large_(problem.columns() > kOptionsInFull) {
  climb_->start(climb_->in_fractions(no_prices(problem)));
  price_all(climb_->best());
  climb_->ascend();
  price_all(climb_->best());
}

Bound::~Bound() = default;

const std::vector<float>& Bound::expected() const { return climb_->expected(); }

void Bound::price_all(const Prices& prices) { take(relaxation_->evaluate(prices), prices); }

bool Bound::take(double value, Prices prices) {
  // Sums of millions of products carry a relative error far below this; the bound gives it away to stay below.
  const double proven = value - 1e-9 * std::abs(value);
  if (proven <= value_) return false;
  value_ = proven;
  proven_prices_ = std::move(prices);
  return true;
}

void Bound::climb(uint32_t rounds, const Known& known, const std::stop_token& stop) {
  if (stop.stop_requested() || value_ >= known.eur_per_hour) return;
  const double before = climb_->best_value();
  if (closer_)
    climb_->run(kRoundsCloser, kRoundsCloser - 1, known, stop);
  else
    climb_->run(rounds, large_ ? rounds - 1 : kRoundsOfModels, known, stop);
  relaxation_->look_closer(true);
  price_all(climb_->best());
  if (large_ && !closer_ && climb_->best_value() < before * (1 + kWorthClimbing)) {
    closer_ = true;
    climb_->begin_again();
  }
  relaxation_->look_closer(closer_);
}

void Bound::try_prices(std::span<const uint32_t> pools, std::span<const double> of_pools,
                       std::span<const ScarcePools::Demand> of_demands) {
  Prices prices = climb_->best();
  for (size_t i = 0; i < pools.size(); ++i) prices.pool[pools[i]] = of_pools[i];
  for (const auto& [d, eur] : of_demands) prices.demand[d] = eur;
  const double value = relaxation_->evaluate(prices);
  if (take(value, prices)) climb_->go_on_from(std::move(prices), value);
}

void Bound::prove_by_fleets(const Known& known, const std::stop_token& stop) {
  Prices prices = climb_->best();
  relaxation_->look_closer(true);
  double value = relaxation_->evaluate(prices);
  relaxation_->look_closer(closer_);
  const size_t models = relaxation_->demands_of_model().size();
  std::vector<uint8_t> pinned(models, 0);
  for (const Candidate& candidate : problem_.candidates) pinned[candidate.model] |= candidate.pinned > 0;
  std::vector<double> missing;
  std::vector<size_t> order(models);  // where there may be most to gain first, should it be stopped
  for (size_t m = 0; m < models; ++m)
    missing.push_back(climb_->spent(m, known, prices) - relaxation_->value_of_model(m));
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater(), [&](size_t m) { return missing[m]; });
  std::vector<ProvenByFleets> by(models);
  Prices trial = prices;
  for_each_on_two_threads(models, [&](size_t i) {
    const size_t m = order[i];
    if (pinned[m] != 0 || relaxation_->demands_of_model()[m].empty() || stop.stop_requested()) return;
    const auto learnt = std::ranges::find(proven_prices_.fleets, m, &Prices::Fleets::model);
    by[m] = planner::prove_by_fleets(problem_, *relaxation_, static_cast<uint32_t>(m), trial,
                                     learnt != proven_prices_.fleets.end() ? &*learnt : nullptr,
                                     climb_->spent(m, known, prices), known.eur_of_demand, stop);
  });
  std::vector<double> more(models, 0);
  for (size_t m = 0; m < models; ++m) {
    met_[m] = std::move(by[m].met);
    more[m] = std::max(0.0, by[m].fleets.eur_per_hour - relaxation_->value_of_model(static_cast<uint32_t>(m)));
    value += more[m];
    if (more[m] > 0) prices.fleets.push_back(std::move(by[m].fleets));
  }
  if (!take(value, std::move(prices))) return;
  by_fleets_ = std::move(more);
}

double Bound::value_of_model(uint32_t model) const {
  return relaxation_->value_of_model(model) + (by_fleets_.empty() ? 0 : by_fleets_[model]);
}

void Bound::set_fractions(Option& option) const { relaxation_->set_fractions(option); }

std::vector<std::vector<uint32_t>> Bound::best_candidates(size_t each, size_t each_model) const {
  return relaxation_->best_candidates(proven_prices_, each, each_model);
}

}  // namespace tandem::planner
