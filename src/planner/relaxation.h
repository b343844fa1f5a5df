// The priced problem of bound.h at given prices. Internal to the bound.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "planner/arc_prices.h"
#include "planner/bound.h"
#include "planner/earnings.h"
#include "planner/fill.h"
#include "planner/promise_limits.h"

namespace tandem::planner {

inline constexpr size_t kLevels = 6;  // of what promises allow, that a bound is proven with

class Relaxation {
 public:
  explicit Relaxation(const Problem& problem);

  // The value, all columns priced, and the solution that has it.
  double evaluate(const Prices& prices);
  std::vector<double> served;        // by demand
  std::vector<double> accelerators;  // by pool
  std::vector<double> kilowatts;     // by site
  std::vector<double> arc_gbps;      // empty where arcs cannot be scarce

  // The same in parts: the prices of resources, which hold until the next call; one model by its demands' prices (on
  // any thread); what all deployments take, and the value.
  void price_resources(const Prices& prices);
  double evaluate_model(size_t model, const Prices& prices);
  double collect_resources(const Prices& prices);

  // What all deployments of a model add at the least, as evaluate_model, with up to so many replicas of each profile in
  // all: by slot, then number from none to most[slot]; at most 0, never more with more. `served` is of the last
  // numbers. For models of which no replica is pinned.
  std::vector<std::vector<double>> evaluate_numbers(size_t model, const Prices& prices, std::span<const uint32_t> most);
  double replica_eur(uint32_t candidate, const Prices& prices) const;  // resources' prices included
  // What a replica of each slot costs at the least, resources' prices included; what the demands of a model, as in
  // demands_of_model, cost at the least beside replicas, by slot: served there or rejected.
  std::vector<double> least_replica_eur(size_t model, const Prices& prices) const;
  std::vector<std::vector<double>> least_beside_replicas(size_t model) const;

  // Whether from here on deployments that earn by what limits say (fill.h) are worked out as earnings.h has it, but for
  // evaluate_numbers. Takes ten times as long, far from what is best.
  void look_closer(bool closer) { closer_ = closer; }

  // Of the last evaluation, the part of a model: Σ v of its demands + Σ φ of its deployments.
  double value_of_model(size_t model) const { return value_of_model_[model]; }
  const std::vector<std::vector<uint32_t>>& demands_of_model() const { return demands_of_model_; }

  // What the option costs and fills if replicas are bought in fractions, by what promises allow of them.
  void set_fractions(Option& option) const;

  double value(uint32_t candidate) const { return value_[candidate]; }  // of the last evaluation
  double replicas(uint32_t candidate) const { return replicas_[candidate]; }
  bool arcs_matter() const { return arcs_ != nullptr; }
  // Of each demand the `each` candidates of least cost at the prices if replicas were bought in fractions; each_model >
  // 0: and those of the model where serving earns most for what a replica costs, all that pass.
  std::vector<std::vector<uint32_t>> best_candidates(const Prices& prices, size_t each, size_t each_model);

  // Of each demand the least cost at the prices of resources if replicas were bought in fractions, at most its penalty:
  // at these v no deployment earns anything. `taken`, where given: the accelerators and kilowatts that takes.
  void price_in_fractions(Prices& prices, bool count);

  // Raises v, one demand after the other and by little, as far as no deployment earns by it (dual ascent; Erlenkotter,
  // Oper. Res. 26, 1978): where one stands for more than its fractions, all that is offered to it must stay below one
  // replica. From the v of price_in_fractions. Into `expected` by candidate the replicas that complementary slackness
  // would then buy.
  void ascend(Prices& prices, std::vector<float>& expected);

 private:
  static constexpr float kShut = 1e30F;  // what a column costs of which a gate is shut
  static constexpr double kForever = std::numeric_limits<double>::infinity();
  static constexpr size_t kFirstMeasures = 3;  // directions by which a deployment is judged before all are tried
  struct Point {                               // of a demand's use, by position among the profile's
    double energy_w = 0;                       // above idle, of the whole demand, at the least
    double work = 0;  // replicas it fills, in fractions, by the measure that fills most of all demands
  };
  struct Least {  // over the points of a use
    double work = 0, energy_w = 0;
  };
  // A way to measure work that adds up over requests (fill.h): as if batches were full at a point, or in a direction.
  struct Measure {
    bool mixed = false;
    uint32_t index = 0;  // 0: prefills alone; 1 + point; of mixed ones, into kDirections
  };
  struct Work {          // of a whole demand
    double prefill = 0;  // replica-seconds a second
    double steps = 0;    // of decoding, a ms
    double spread = 0;   // replicas × mean spreads of the profile
  };
  // All columns of one model as one matrix: what serving costs beside replicas, at the least; no number where a gate is
  // shut. Rows are candidates in the order of candidates_of_model, columns demands in that of demands_of_model.
  struct Matrix {
    size_t width = 0;
    std::vector<float> eur;
    std::vector<float> price;                    // v, raised by more than single precision can lose
    std::vector<std::vector<float>> least_work;  // by slot, then demand: replicas in fractions
    std::vector<float> least;                    // by demand, in fractions
    std::vector<uint32_t> cheapest;              // by demand, row; UINT32_MAX: rejecting
  };
  struct Hope {  // a demand that may be worth serving
    uint32_t demand = 0, use = 0;
    double gain = 0, before_energy = 0, slack_ms = 0;
  };
  struct Worth {  // of a point: no more than that can be earned there
    double eur = 0;
    uint32_t point = 0;
    bool operator<(const Worth& other) const { return eur != other.eur ? eur > other.eur : point < other.point; }
  };
  struct Item {
    uint32_t demand = 0;
    double gain = 0;  // of serving all of it
    Work work;
    double prefill_most = 0;                         // of a replica's time, by the promised time to the first token
    const double *most = nullptr, *mixed = nullptr;  // by measure, by the promised time per token
  };
  struct Level {  // of what is allowed: those in use are at least low, the least of them at most high
    double low = 0, high = 0;
  };
  struct Packed {  // an item by one measure
    double gain_per_weight = 0, gain = 0;
    double weight = 0;  // replicas
    uint32_t demand = 0;
  };
  struct Used {
    uint32_t demand = 0;
    float share = 0;
  };
  struct Solution {
    double value = 0, replicas = 0;
    std::vector<Packed> items;  // those that are in whole first, then the one in part
    std::vector<Used> parts;    // instead, where it was looked at closer
  };
  struct Filling {    // of replicas with items, each in whole
    size_t next = 0;  // the first that is not in
    double room = 0;  // replicas that are left
    double gain = 0;
    void take(const Packed& item) {
      ++next;
      room -= item.weight;
      gain += item.gain;
    }
  };
  struct Scratch {
    uint32_t fewest = 1, most = UINT32_MAX;  // replicas that are looked at
    double hoped = 0;                        // of the deployment solved last: the gains of all
    std::vector<Hope> hopes;
    std::vector<Worth> worth;
    std::vector<Item> items, allowed;
    std::vector<Level> levels;
    std::vector<double> values;
    Solution best, by_measure, of_level, of_all, trial;
    std::vector<EarningDemand> earning;
  };

  double set_prices(size_t model, const Prices& prices);  // their sum
  void take_served(const Solution& solution, std::vector<Used>* used);
  void add_classes();
  void add_kinds();
  void add_points();
  void choose_measures();
  static double weight(const grid::Profile& profile, Measure measure, const Work& work);
  Work work(const DemandRow& demand, const Use& use, size_t profile, size_t step) const;
  const double* most(uint32_t use, size_t step, uint32_t point, bool mixed) const;
  void add_matrix(size_t model);
  double transport_eur(uint32_t demand, uint32_t candidate) const;
  double extra_eur(uint32_t demand, uint32_t candidate) const;  // what arcs ask, €/h of the whole demand
  double cost_in_fractions(uint32_t demand, uint32_t candidate, const Prices& prices) const;
  double earning(size_t model, size_t row, const Prices& prices) const;
  double constant(const Prices& prices) const;
  bool may_earn(size_t model, size_t row, double replica) const;
  void ascend_model(size_t model, Prices& prices, std::vector<float>& expected) const;
  void solve(size_t model, size_t row, const Prices& prices, Scratch& scratch) const;
  void solve_closer(size_t row, uint32_t candidate, double replica, const Prices& prices, Scratch& scratch) const;
  void rank_points(const Candidate& candidate, double replica, Scratch& scratch) const;
  bool may_earn_mixed(uint32_t candidate, double replica, Scratch& scratch) const;
  template <class Visit>
  bool any_step(uint32_t candidate, double replica, const Scratch& scratch, const Visit& visit) const;
  void solve_point(uint32_t candidate, uint32_t p, double replica, Scratch& scratch) const;
  bool collect(uint32_t candidate, uint32_t p, uint32_t step, Scratch& scratch) const;
  static void fill(std::vector<Packed>& items, Filling& filling);
  static void pack(double replica, uint32_t first, uint32_t most, Solution& solution);
  static double allowed(const Item& item, Measure measure);
  void pack_measures(uint32_t candidate, uint32_t point, double replica, uint32_t first, uint32_t most,
                     Scratch& scratch) const;
  bool pack_levels(uint32_t candidate, Measure strictest_by, std::span<const Measure> measures, double replica,
                   uint32_t first, uint32_t most, Scratch& scratch) const;
  static void find_levels(std::vector<double>& values, size_t most, std::vector<Level>& levels);

  const Problem& problem_;
  FillLimits limits_;
  std::vector<std::vector<Measure>> measures_;                        // by point
  std::vector<std::shared_ptr<const PromiseLimits>> promise_limits_;  // by profile
  std::vector<double> wait_unit_ms_;    // by profile: the least E[S²] / E[S] of prefills of any demand that may use it
  std::vector<size_t> last_step_;       // by profile: of the most replicas any pool has room for
  std::vector<uint32_t> class_of_use_;  // demands of one promise on time per token on a profile: into its limits
  std::vector<uint32_t> profile_of_use_;
  std::vector<std::vector<EarningKind>> kinds_;            // by profile
  std::vector<uint32_t> kind_of_use_;                      // into those
  std::vector<std::optional<twin::StepEnergy>> energies_;  // by profile
  bool closer_ = false;
  std::vector<Point> points_;
  std::vector<uint32_t> first_point_;    // by use
  std::vector<Least> least_;             // by use
  std::vector<Matrix> matrices_;         // by model
  std::vector<std::vector<Used>> used_;  // by candidate, of the last evaluation
  std::vector<double> value_of_model_;
  std::vector<double> value_, replicas_;  // by candidate, of the last evaluation
  mutable std::vector<uint8_t> binds_;    // by candidate, into measures_: what last said that no more is earned there
  std::vector<std::vector<uint32_t>> demands_of_model_;
  std::unique_ptr<ArcPrices> arcs_;
  bool arcs_priced_ = false;  // some arc has a price
};

}  // namespace tandem::planner
