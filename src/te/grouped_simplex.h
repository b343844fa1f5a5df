// Shares of groups over columns, so that the fullest row is as empty as possible: the linear program under both the
// bound and the search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tandem::te {

// Problem: minimise θ + Σ c_k x_k  subject to  Σ_k a_rk x_k ≤ θ for every row r, Σ_{k in g} x_k = 1 for
// every group g, x ≥ 0.
//
// Method: primal simplex with generalised upper bounds (Dantzig, Van Slyke, "Generalized upper bounding techniques",
// 1967): of each group one basic column, the key, is implied by the others, and a row with slack needs no place in the
// basis. What is inverted is only as large as the rows that are full, tens of thousands of groups notwithstanding.
// Columns are the caller's to generate: it prices with `prices` and brings in what is cheaper than `group_price`.
//
// A pivot takes O(m² + rows + entries of the m basic columns), m the full rows. Harris' ratio test picks the largest
// pivot among near ties; the inverse is built afresh every kPivotsBetweenInversions. Fails by stalling where very many
// rows are full in the same way; the caller's limit of pivots ends that, and what stands is then still feasible.
class GroupedSimplex {
 public:
  struct Entry {
    uint32_t row = 0;
    double value = 0;  // ≥ 0: what the row bears when the column has all of its group
  };
  struct Column {
    uint32_t group = 0;
    uint64_t tag = 0;  // the caller's own
    double cost = 0;
    std::vector<Entry> entries;  // each row at most once
  };

  static constexpr double kPriceTolerance = 1e-9;  // of objective; the level starts near 1

  // The first column of each group, in the order of groups; all of each group is on it.
  GroupedSimplex(size_t rows, std::vector<Column> first);

  double level() const { return level_; }
  // What each row bears, and its price π ≥ 0: what a unit less there would save. 0 for rows that are not full.
  std::span<const double> loads() const { return loads_; }
  std::span<const double> prices() const { return prices_; }
  // One of the group's columns with a share. At the simplex's own prices all of them cost the same, and a column that
  // is cheaper is worth bringing in.
  const Column& key(uint32_t group) const { return columns_[key_[group]]; }
  double price(const Column& column, std::span<const double> prices) const;  // c + π·a
  double saving(const Column& column) const { return price(key(column.group), prices_) - price(column, prices_); }
  size_t groups() const { return key_.size(); }
  size_t full() const { return full_.size(); }
  uint64_t pivots() const { return pivots_; }

  // A new cost of all columns that have one. Repairs prices that fell below 0.
  void set_cost(double cost, uint64_t pivots_max);

  // Brings a column in if it saves more than the tolerance, and repairs prices that fell below 0. Returns whether it
  // came in.
  bool bring_in(const Column& column, uint64_t pivots_max);

  // Every column that has a share.
  struct Share {
    const Column* column;
    double fraction;  // (0, 1]
  };
  std::vector<Share> shares() const;

 private:
  static constexpr uint32_t kLevel = UINT32_MAX;    // in basic_: the level
  static constexpr uint32_t kNotFull = UINT32_MAX;  // in full_position_
  static constexpr double kPivotMin = 1e-9;
  static constexpr double kFeasibility = 1e-9;
  static constexpr uint32_t kPivotsBetweenInversions = 150;

  struct Leaving {
    enum class Kind : uint8_t { none, position, key, row } kind = Kind::none;
    uint32_t which = 0;  // position, group, row
    double step = 0;
  };

  size_t size() const { return basic_.size(); }
  double* inverse_row(size_t position) { return inverse_.data() + position * stride_; }
  const double* inverse_row(size_t position) const { return inverse_.data() + position * stride_; }
  void grow_stride(size_t wanted);
  double coefficient(uint32_t row, size_t position) const;

  bool enter_slacks(uint64_t pivots_max);
  bool pivot_column(uint32_t slot);
  bool pivot_slack(size_t full);
  void find_rates(uint32_t entering);
  Leaving ratio_test() const;
  template <class Visit>
  void visit_limits(Visit visit) const;
  void take_step(double step);
  void swap_key(uint32_t group);
  void replace_position(size_t position, uint32_t slot);
  void add_row(uint32_t row, uint32_t slot);
  void remove_row(size_t full, size_t position);
  void replace_row(size_t full, uint32_t row);
  void set_direction(uint32_t slot);
  void drop_position(size_t position);
  void release(uint32_t slot);
  void invert();
  void compute_prices();
  void recompute_values();
  void after_pivot();

  size_t rows_;
  std::vector<Column> columns_;
  std::vector<uint32_t> free_slots_;
  std::vector<uint32_t> key_;                  // by group: slot
  std::vector<double> key_value_;              // by group
  std::vector<std::vector<uint32_t>> others_;  // by group: positions of its further basic columns
  std::vector<uint32_t> basic_;                // by position: slot, or kLevel
  std::vector<double> value_;                  // by position
  std::vector<uint32_t> full_;                 // the full rows
  std::vector<uint32_t> full_position_;        // by row: its place in full_
  std::vector<double> inverse_;                // [position][place in full_]
  size_t stride_ = 0;
  std::vector<double> loads_, prices_;
  double level_ = 0;
  uint64_t pivots_ = 0;
  uint32_t since_inversion_ = 0;

  // Of the pivot under way.
  std::vector<Entry> entering_;           // the entering column in the full rows, by their place
  std::vector<double> direction_;         // by position: how fast the basic value falls
  std::vector<double> row_rate_;          // by row: how fast its load grows
  std::vector<double> group_rate_;        // by group: how fast its key's value grows
  std::vector<uint32_t> touched_groups_;  // those with a rate, each once
  std::vector<uint8_t> touched_;          // by group
  std::vector<double> scratch_;
};

}  // namespace tandem::te
