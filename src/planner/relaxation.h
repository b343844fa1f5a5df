// The priced problem of bound.h at given prices. Internal to the bound.
#pragma once

#include <memory>
#include <vector>

#include "planner/arc_prices.h"
#include "planner/bound.h"
#include "planner/fill.h"

namespace tandem::planner {

inline constexpr size_t kFillLevels = 4, kPrefillFillLevels = 6;  // that a bound is proven with

class Relaxation {
 public:
  explicit Relaxation(const Problem& problem);

  // How many levels of U and of F are told apart in one deployment: few cost little, and prove less.
  void set_levels(size_t fills, size_t prefill_fills) {
    fill_levels_ = fills;
    prefill_fill_levels_ = prefill_fills;
  }

  // The value over the working set, and the solution that has it.
  double evaluate(const Prices& prices);
  std::vector<double> served;        // by demand
  std::vector<double> accelerators;  // by pool
  std::vector<double> kilowatts;     // by site
  std::vector<double> arc_gbps;      // empty where arcs cannot be scarce

  // Of the last evaluation, the part of a model: Σ v of its demands + Σ φ of its deployments.
  double value_of_model(size_t model) const { return value_of_model_[model]; }
  const std::vector<std::vector<uint32_t>>& demands_of_model() const { return demands_of_model_; }

  // The value over all columns; those worth their price that were not in the working set join it.
  double evaluate_all(const Prices& prices, size_t* joined);

  double value(uint32_t candidate) const { return value_[candidate]; }  // of the last evaluation
  double replicas(uint32_t candidate) const { return replicas_[candidate]; }
  bool arcs_matter() const { return arcs_ != nullptr; }
  // Of each demand the `each` candidates of least cost at the prices if replicas were bought in fractions; each_model >
  // 0: and those of the model where serving earns most for what a replica costs, all that pass.
  std::vector<std::vector<uint32_t>> best_candidates(const Prices& prices, size_t each, size_t each_model) const;
  double least_in_fractions(uint32_t demand, const Prices& prices) const;  // of the working set, at most the penalty
  void set_working(const std::vector<std::vector<uint32_t>>& candidates_of_demand);

 private:
  struct Column {
    uint32_t demand = 0;
    float served = 0;  // in the last solution
    double slack_ms = 0;
    double transport_eur_per_hour = 0;
  };
  struct Point {                   // of a demand's use, by position among the profile's
    double busy = 0;               // replica-seconds a second of the whole demand
    double active_w = 0;           // above idle
    double prefill_share_max = 0;  // that leaves the promised time per token
  };
  struct Least {                    // over the points of a use
    double busy = 0, energy_w = 0;  // energy: busy × active watts
  };
  struct PointLimits {          // of a profile's point
    double request_ms_min = 0;  // of any demand that may use it
  };
  struct Item {
    uint32_t column = 0;
    double gain = 0;                    // of serving all of it
    double busy = 0, prefill = 0;       // replica-seconds a second; of a hopeful one, busy is its gain before energy
    double fill = 0, prefill_fill = 0;  // U and F
    double work = 0, prefill_work = 0, weight = 0;  // replicas: by busy, by prefill, by their mixture
  };
  struct Level {  // of U or F: those in use are at least low, the least of them at most high
    double low = 0, high = 0;
  };
  struct Solution {
    double value = 0, replicas = 0;
    std::vector<Item> items;  // in the order they fill
  };
  struct Scratch {
    std::vector<Item> hopeful, items, mixed;
    std::vector<Level> fills, prefill_fills;
    std::vector<double> values;
    std::vector<Column> columns;
    Solution best, trial;
  };

  void add_points();
  Column column_of(uint32_t demand, uint32_t candidate) const;
  double replica_eur(uint32_t candidate, const Prices& prices) const;
  double extra_eur(const Column& column, uint32_t candidate) const;  // what arcs ask, €/h of the whole demand
  double cost_in_fractions(uint32_t demand, uint32_t candidate, const Prices& prices) const;
  double earning(uint32_t candidate, const Prices& prices) const;
  double constant(const Prices& prices) const;
  void solve(uint32_t candidate, std::vector<Column>& columns, const Prices& prices, Scratch& scratch) const;
  void solve_point(uint32_t candidate, uint32_t p, const std::vector<Column>& columns, double replica,
                   Scratch& scratch) const;
  bool collect(uint32_t candidate, uint32_t p, uint32_t step, const std::vector<Column>& columns,
               Scratch& scratch) const;
  static void pack(std::vector<Item>& items, double replica, uint32_t first, uint32_t most, Solution& into);
  static void pack_within_both(Scratch& scratch, double replica, uint32_t first, uint32_t most);
  void pack_levels(Scratch& scratch, double replica, uint32_t first, uint32_t most) const;
  static void find_levels(std::vector<double>& values, size_t most, std::vector<Level>& levels);
  void price_arcs(const Prices& prices);

  const Problem& problem_;
  size_t fill_levels_ = kFillLevels, prefill_fill_levels_ = kPrefillFillLevels;
  FillLimits limits_;
  std::vector<uint32_t> tail_of_demand_;
  std::vector<std::vector<PointLimits>> point_limits_;  // by profile
  std::vector<double> prefill_ms_min_;                  // by profile
  std::vector<Point> points_;
  std::vector<uint32_t> first_point_;                     // by use
  std::vector<Least> least_;                              // by use
  std::vector<std::vector<Column>> working_;              // by candidate, ascending by demand
  std::vector<std::vector<uint32_t>> working_of_demand_;  // as it was set
  std::vector<double> value_of_model_;
  std::vector<double> value_, replicas_;  // by candidate, of the last evaluation
  std::vector<std::vector<uint32_t>> demands_of_model_;
  std::unique_ptr<ArcPrices> arcs_;
};

}  // namespace tandem::planner
