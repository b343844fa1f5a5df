#include "planner/bound.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "planner/relaxation.h"

namespace tandem::planner {
namespace {

constexpr size_t kColumnsInFull = 8'000'000;  // 32 bytes each
constexpr size_t kWorkingEach = 48;           // columns of a demand the climb begins with, where not all are taken
constexpr double kStepOfModel = 0.8;          // of Polyak's, to begin with
constexpr double kStepOfResources = 0.3;
constexpr uint32_t kPatience = 3;        // rounds without gain before a model's step is halved
constexpr double kDeflection = 0.4;      // of the last direction in the next
constexpr uint32_t kRoundsOfModels = 6;  // between two steps of the resources
constexpr uint32_t kRoundsBetweenPricings = 40;
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
  }
  const Prices& best() const { return best_; }

  // New columns joined, or another plan became known: what was best may be less now.
  void refresh() {
    now_ = best_;
    best_value_ = kLow;
    for (Model& model : models_) model.value = kLow, model.step = std::max(model.step, 0.05);
  }

  void run(uint32_t rounds, const Known& known, const std::stop_token& stop) {
    aim_at(known);
    for (uint32_t round = 1; round <= rounds && !stop.stop_requested(); ++round) {
      relaxation_.evaluate(now_);
      for (size_t m = 0; m < models_.size(); ++m) step_model(m);
      if (round % kRoundsOfModels == 0 || round == rounds) {
        step_resources(known);
        ++round;
      }
    }
    now_ = best_;
  }

 private:
  struct Model {
    double value = kLow;  // best at the resources' prices of now
    double step = kStepOfModel;
    uint32_t without_gain = 0;
    double target = 0;
    std::vector<double> best;  // v of its demands
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

  void step_resources(const Known& known) {
    for (size_t m = 0; m < models_.size(); ++m) {
      const std::vector<uint32_t>& demands = relaxation_.demands_of_model()[m];
      if (models_[m].value == kLow) continue;
      for (size_t i = 0; i < demands.size(); ++i) now_.demand[demands[i]] = models_[m].best[i];
    }
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
  std::vector<double> last_;  // direction of v
  double best_value_ = kLow, step_of_resources_ = kStepOfResources;
};

Bound::Bound(const Problem& problem)
    : problem_(problem),
      relaxation_(std::make_unique<Relaxation>(problem)),
      climb_(std::make_unique<Climb>(problem, *relaxation_)) {
  complete_ = problem.columns() <= kColumnsInFull;
  quick_ = problem.columns() > kOptionsInFull;
  Prices prices{std::vector<double>(problem.demands.size()), std::vector<double>(problem.pool_spare.size()),
                std::vector<double>(problem.site_kw.size()), std::vector<double>(problem.arc_spare_gbps.size())};
  relaxation_->set_working(relaxation_->best_candidates(prices, complete_ ? SIZE_MAX : kWorkingEach, 0));
  for (size_t d = 0; d < prices.demand.size(); ++d)
    prices.demand[d] = relaxation_->least_in_fractions(static_cast<uint32_t>(d), prices);
  proven_prices_ = prices;
  // Where no replica could earn more than it costs even in fractions, φ is 0: needs no pricing.
  value_ = (1 - 1e-9) * std::accumulate(prices.demand.begin(), prices.demand.end(), 0.0);
  for (const Candidate& candidate : problem.candidates)
    if (candidate.pinned > 0) value_ = 0;
  climb_->start(std::move(prices));
}

Bound::~Bound() = default;

void Bound::set_prices(Prices prices) {
  for (size_t d = 0; d < prices.demand.size(); ++d)
    prices.demand[d] = std::clamp(prices.demand[d], 0.0, problem_.demands[d].penalty_eur_per_hour);
  climb_->start(std::move(prices));
}

// The bound that prices prove. The columns that would earn more than the working set knew join it.
void Bound::price_all(const Prices& prices) {
  size_t joined = 0;
  const double value = complete_ ? relaxation_->evaluate(prices) : relaxation_->evaluate_all(prices, &joined);
  // Sums of millions of products carry a relative error far below this; the bound gives it away to stay below.
  const double proven = value - 1e-9 * std::abs(value);
  if (proven > value_) {
    value_ = proven;
    proven_prices_ = prices;
  }
  if (joined > 0) climb_->refresh();
}

void Bound::climb(uint32_t rounds, const Known& known, const std::stop_token& stop) {
  if (rounds == 0) price_all(climb_->best());
  while (rounds > 0 && !stop.stop_requested() && value_ < known.eur_per_hour) {
    const uint32_t now = quick_ ? std::min(rounds, kRoundsBetweenPricings) : rounds;
    if (quick_) relaxation_->set_levels(1, 2);
    climb_->run(now, known, stop);
    relaxation_->set_levels(kFillLevels, kPrefillFillLevels);
    price_all(climb_->best());
    rounds -= now;
  }
}

std::vector<std::vector<uint32_t>> Bound::best_candidates(size_t each, size_t each_model) const {
  return relaxation_->best_candidates(proven_prices_, each, each_model);
}

}  // namespace tandem::planner
