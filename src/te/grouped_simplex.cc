#include "te/grouped_simplex.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace tandem::te {

GroupedSimplex::GroupedSimplex(size_t rows, std::vector<Column> first)
    : rows_(rows),
      columns_(std::move(first)),
      full_position_(rows, kNotFull),
      loads_(rows, 0),
      prices_(rows, 0),
      row_rate_(rows, 0) {
  const size_t groups = columns_.size();
  CHECK(rows > 0);
  key_.resize(groups);
  key_value_.assign(groups, 1);
  others_.resize(groups);
  group_rate_.assign(groups, 0);
  touched_.assign(groups, 0);
  for (uint32_t g = 0; g < groups; ++g) {
    CHECK(columns_[g].group == g);
    key_[g] = g;
    for (const Entry& entry : columns_[g].entries) loads_[entry.row] += entry.value;
  }
  const auto fullest = static_cast<uint32_t>(std::max_element(loads_.begin(), loads_.end()) - loads_.begin());
  level_ = loads_[fullest];
  grow_stride(16);
  basic_ = {kLevel};
  value_ = {level_};
  full_ = {fullest};
  full_position_[fullest] = 0;
  inverse_row(0)[0] = -1;
  compute_prices();
}

void GroupedSimplex::grow_stride(size_t wanted) {
  if (wanted <= stride_) return;
  const size_t stride = std::max<size_t>(16, 2 * wanted);
  std::vector<double> grown(stride * stride, 0);
  for (size_t p = 0; p < size(); ++p) std::copy_n(inverse_row(p), full_.size(), grown.data() + p * stride);
  inverse_ = std::move(grown);
  stride_ = stride;
}

double GroupedSimplex::price(const Column& column, std::span<const double> prices) const {
  double sum = column.cost;
  for (const Entry& entry : column.entries) sum += prices[entry.row] * entry.value;
  return sum;
}

void GroupedSimplex::set_cost(double cost, uint64_t pivots_max) {
  for (Column& column : columns_) {
    if (column.cost > 0) column.cost = cost;
  }
  compute_prices();
  enter_slacks(pivots_max);
}

bool GroupedSimplex::bring_in(const Column& column, uint64_t pivots_max) {
  if (pivots_ >= pivots_max || saving(column) <= kPriceTolerance) return false;
  uint32_t slot;
  if (free_slots_.empty()) {
    slot = static_cast<uint32_t>(columns_.size());
    columns_.push_back(column);
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
    columns_[slot] = column;
  }
  if (!pivot_column(slot)) {
    release(slot);
    return false;
  }
  enter_slacks(pivots_max);
  return true;
}

// A full row whose price is negative had better have slack.
bool GroupedSimplex::enter_slacks(uint64_t pivots_max) {
  while (pivots_ < pivots_max) {
    size_t worst = full_.size();
    double lowest = -kPriceTolerance;
    for (size_t i = 0; i < full_.size(); ++i) {
      if (prices_[full_[i]] < lowest) lowest = prices_[full_[i]], worst = i;
    }
    if (worst == full_.size()) return true;
    if (!pivot_slack(worst)) return false;
  }
  return false;
}

// The row's coefficient of the basic variable at a position, its group's key taken out.
double GroupedSimplex::coefficient(uint32_t row, size_t position) const {
  if (basic_[position] == kLevel) return -1;
  const auto of = [row](const Column& column) {
    for (const Entry& entry : column.entries) {
      if (entry.row == row) return entry.value;
    }
    return 0.0;
  };
  const Column& column = columns_[basic_[position]];
  return of(column) - of(columns_[key_[column.group]]);
}

// How the basic values fall as the entering column grows: the inverse times its entries in the full rows.
void GroupedSimplex::set_direction(uint32_t slot) {
  entering_.clear();
  const Column& column = columns_[slot];
  for (const Entry& entry : column.entries) {
    if (full_position_[entry.row] != kNotFull) entering_.push_back({full_position_[entry.row], entry.value});
  }
  for (const Entry& entry : columns_[key_[column.group]].entries) {
    if (full_position_[entry.row] != kNotFull) entering_.push_back({full_position_[entry.row], -entry.value});
  }
  direction_.resize(size());
  for (size_t p = 0; p < size(); ++p) {
    const double* const inverse = inverse_row(p);
    double sum = 0;
    for (const Entry& entry : entering_) sum += inverse[entry.row] * entry.value;
    direction_[p] = sum;
  }
}

// From the direction: how fast each row's load and each key's value grow. `entering` is a slot, or kLevel for a slack.
void GroupedSimplex::find_rates(uint32_t entering) {
  std::fill(row_rate_.begin(), row_rate_.end(), 0);
  for (const uint32_t g : touched_groups_) group_rate_[g] = 0, touched_[g] = 0;
  touched_groups_.clear();
  const auto move = [&](const Column& column, double rate) {
    for (const Entry& entry : column.entries) row_rate_[entry.row] += rate * entry.value;
    for (const Entry& entry : columns_[key_[column.group]].entries) row_rate_[entry.row] -= rate * entry.value;
    if (!std::exchange(touched_[column.group], 1)) touched_groups_.push_back(column.group);
    group_rate_[column.group] -= rate;
  };
  if (entering != kLevel) move(columns_[entering], 1);
  for (size_t p = 0; p < size(); ++p) {
    if (basic_[p] != kLevel && std::abs(direction_[p]) > 1e-13) move(columns_[basic_[p]], -direction_[p]);
  }
}

// Calls visit(kind, which, room, speed) for all that falls towards its limit.
template <class Visit>
void GroupedSimplex::visit_limits(Visit visit) const {
  using Kind = Leaving::Kind;
  double level_rate = 0;
  for (uint32_t p = 0; p < size(); ++p) {
    if (basic_[p] == kLevel) {
      level_rate = -direction_[p];
    } else if (direction_[p] > kPivotMin) {
      visit(Kind::position, p, value_[p], direction_[p]);
    }
  }
  for (const uint32_t g : touched_groups_) {
    if (group_rate_[g] < -kPivotMin) visit(Kind::key, g, key_value_[g], -group_rate_[g]);
  }
  for (uint32_t r = 0; r < rows_; ++r) {
    const double speed = row_rate_[r] - level_rate;
    if (speed > kPivotMin && full_position_[r] == kNotFull) visit(Kind::row, r, level_ - loads_[r], speed);
  }
}

GroupedSimplex::Leaving GroupedSimplex::ratio_test() const {
  double step_max = 1e300;
  visit_limits([&](Leaving::Kind, uint32_t, double room, double speed) {
    step_max = std::min(step_max, (std::max(room, 0.0) + kFeasibility) / speed);
  });
  Leaving leaving;
  double fastest = 0;
  visit_limits([&](Leaving::Kind kind, uint32_t which, double room, double speed) {
    const double step = std::max(room, 0.0) / speed;
    if (step <= step_max && speed > fastest) {
      fastest = speed;
      leaving = {kind, which, step};
    }
  });
  return leaving;
}

void GroupedSimplex::take_step(double step) {
  for (size_t p = 0; p < size(); ++p) {
    value_[p] -= step * direction_[p];
    if (basic_[p] == kLevel) level_ = value_[p];
  }
  for (const uint32_t g : touched_groups_) key_value_[g] += step * group_rate_[g];
  for (size_t r = 0; r < rows_; ++r) loads_[r] += step * row_rate_[r];
}

bool GroupedSimplex::pivot_column(uint32_t slot) {
  const uint32_t group = columns_[slot].group;
  set_direction(slot);
  find_rates(slot);
  const Leaving leaving = ratio_test();
  if (leaving.kind == Leaving::Kind::none) return false;
  take_step(leaving.step);
  switch (leaving.kind) {
    case Leaving::Kind::position: replace_position(leaving.which, slot); break;
    case Leaving::Kind::row: add_row(leaving.which, slot); break;
    default:
      if (leaving.which == group && others_[group].empty()) {
        release(std::exchange(key_[group], slot));  // all of the group moves over
        key_value_[group] = 1;
        ++pivots_;
        return true;
      }
      swap_key(leaving.which);
      set_direction(slot);  // under the new key
      replace_position(others_[leaving.which].back(), slot);
  }
  value_[leaving.kind == Leaving::Kind::row ? size() - 1 : static_cast<size_t>(others_[group].back())] = leaving.step;
  after_pivot();
  return true;
}

bool GroupedSimplex::pivot_slack(size_t full) {
  direction_.resize(size());
  for (size_t p = 0; p < size(); ++p) direction_[p] = inverse_row(p)[full];
  find_rates(kLevel);
  const Leaving leaving = ratio_test();
  if (leaving.kind == Leaving::Kind::none) return false;
  take_step(leaving.step);
  switch (leaving.kind) {
    case Leaving::Kind::position: remove_row(full, leaving.which); break;
    case Leaving::Kind::row: replace_row(full, leaving.which); break;
    default: swap_key(leaving.which); remove_row(full, others_[leaving.which].back());
  }
  after_pivot();
  return true;
}

// Makes the largest of a group's further columns its key; the old key takes that column's position, the last in
// others_.
void GroupedSimplex::swap_key(uint32_t group) {
  auto& positions = others_[group];
  CHECK(!positions.empty());
  const auto best = std::max_element(positions.begin(), positions.end(),
                                     [&](uint32_t a, uint32_t b) { return value_[a] < value_[b]; });
  std::swap(*best, positions.back());
  const uint32_t position = positions.back();
  double* const row = inverse_row(position);
  for (const uint32_t p : positions) {
    if (p == position) continue;
    const double* const other = inverse_row(p);
    for (size_t i = 0; i < full_.size(); ++i) row[i] += other[i];
  }
  for (size_t i = 0; i < full_.size(); ++i) row[i] = -row[i];
  std::swap(key_[group], basic_[position]);
  std::swap(key_value_[group], value_[position]);
}

// The column in `slot` takes the place of what is basic at a position.
void GroupedSimplex::replace_position(size_t position, uint32_t slot) {
  const size_t m = full_.size();
  double* const pivot_row = inverse_row(position);
  const double scale = 1 / direction_[position];
  for (size_t i = 0; i < m; ++i) pivot_row[i] *= scale;
  for (size_t p = 0; p < size(); ++p) {
    const double factor = direction_[p];
    if (p == position || factor == 0) continue;
    double* const row = inverse_row(p);
    for (size_t i = 0; i < m; ++i) row[i] -= factor * pivot_row[i];
  }
  drop_position(position);
  basic_[position] = slot;
  others_[columns_[slot].group].push_back(static_cast<uint32_t>(position));
}

// What was basic at a position is so no longer.
void GroupedSimplex::drop_position(size_t position) {
  const uint32_t slot = basic_[position];
  CHECK(slot != kLevel);  // it is limited by nothing
  auto& positions = others_[columns_[slot].group];
  positions.erase(std::find(positions.begin(), positions.end(), static_cast<uint32_t>(position)));
  release(slot);
}

void GroupedSimplex::release(uint32_t slot) {
  columns_[slot].entries.clear();
  free_slots_.push_back(slot);
}

// A row has become full, and the entering column is basic beside all that was: the bordered inverse.
void GroupedSimplex::add_row(uint32_t row, uint32_t slot) {
  const size_t m = full_.size();
  grow_stride(m + 1);
  scratch_.assign(m, 0);  // the new row times the inverse
  double corner = 0;
  const Column& column = columns_[slot];
  for (const Entry& entry : column.entries) corner += entry.row == row ? entry.value : 0;
  for (const Entry& entry : columns_[key_[column.group]].entries) corner -= entry.row == row ? entry.value : 0;
  for (size_t p = 0; p < m; ++p) {
    const double c = coefficient(row, p);
    if (c == 0) continue;
    corner -= c * direction_[p];
    const double* const inverse = inverse_row(p);
    for (size_t i = 0; i < m; ++i) scratch_[i] += c * inverse[i];
  }
  const double scale = 1 / corner;
  for (size_t p = 0; p < m; ++p) {
    double* const inverse = inverse_row(p);
    const double factor = direction_[p] * scale;
    if (factor != 0) {
      for (size_t i = 0; i < m; ++i) inverse[i] += factor * scratch_[i];
    }
    inverse[m] = -factor;
  }
  double* const last = inverse_row(m);
  for (size_t i = 0; i < m; ++i) last[i] = -scratch_[i] * scale;
  last[m] = scale;
  full_position_[row] = static_cast<uint32_t>(m);
  full_.push_back(row);
  others_[column.group].push_back(static_cast<uint32_t>(m));
  basic_.push_back(slot);
  value_.push_back(0);
}

// A full row has slack again, and what is basic at a position leaves with it.
void GroupedSimplex::remove_row(size_t full, size_t position) {
  const size_t m = full_.size(), last = m - 1;
  const double* const pivot_row = inverse_row(position);
  const double scale = 1 / pivot_row[full];
  for (size_t p = 0; p < m; ++p) {
    if (p == position) continue;
    double* const row = inverse_row(p);
    const double factor = row[full] * scale;
    if (factor == 0) continue;
    for (size_t i = 0; i < m; ++i) row[i] -= factor * pivot_row[i];
  }
  drop_position(position);
  if (position != last) {  // the last position moves into the gap
    std::copy_n(inverse_row(last), m, inverse_row(position));
    basic_[position] = basic_[last];
    value_[position] = value_[last];
    if (basic_[position] != kLevel) {
      auto& positions = others_[columns_[basic_[position]].group];
      *std::find(positions.begin(), positions.end(), static_cast<uint32_t>(last)) = static_cast<uint32_t>(position);
    }
  }
  basic_.pop_back();
  value_.pop_back();
  full_position_[full_[full]] = kNotFull;
  if (full != last) {
    for (size_t p = 0; p < last; ++p) inverse_row(p)[full] = inverse_row(p)[last];
    full_[full] = full_[last];
    full_position_[full_[full]] = static_cast<uint32_t>(full);
  }
  full_.pop_back();
}

// A full row has slack again, and another is full instead; the same variables stay basic.
void GroupedSimplex::replace_row(size_t full, uint32_t row) {
  const size_t m = full_.size();
  scratch_.assign(m, 0);
  for (size_t p = 0; p < m; ++p) {
    const double c = coefficient(row, p);
    if (c == 0) continue;
    const double* const inverse = inverse_row(p);
    for (size_t i = 0; i < m; ++i) scratch_[i] += c * inverse[i];
  }
  const double scale = 1 / scratch_[full];
  for (size_t p = 0; p < m; ++p) {
    double* const inverse = inverse_row(p);
    const double factor = inverse[full] * scale;
    if (factor == 0) continue;
    for (size_t i = 0; i < m; ++i) inverse[i] -= factor * scratch_[i];
    inverse[full] = factor;
  }
  full_position_[full_[full]] = kNotFull;
  full_[full] = row;
  full_position_[row] = static_cast<uint32_t>(full);
}

void GroupedSimplex::after_pivot() {
  ++pivots_;
  if (++since_inversion_ >= kPivotsBetweenInversions) invert();
  compute_prices();
}

void GroupedSimplex::compute_prices() {
  std::fill(prices_.begin(), prices_.end(), 0);
  scratch_.assign(full_.size(), 0);
  for (size_t p = 0; p < size(); ++p) {
    double cost = 1;  // of the level
    if (basic_[p] != kLevel) cost = columns_[basic_[p]].cost - columns_[key_[columns_[basic_[p]].group]].cost;
    if (cost == 0) continue;
    const double* const inverse = inverse_row(p);
    for (size_t i = 0; i < full_.size(); ++i) scratch_[i] -= cost * inverse[i];
  }
  for (size_t i = 0; i < full_.size(); ++i) prices_[full_[i]] = scratch_[i];
}

// The inverse and all values from the basis alone: what rounding has added up is gone. Gauss–Jordan with row pivoting.
void GroupedSimplex::invert() {
  since_inversion_ = 0;
  const size_t m = full_.size();
  std::vector<double> matrix(m * 2 * m, 0);
  const auto at = [&](size_t row, size_t column) -> double& { return matrix[row * 2 * m + column]; };
  for (size_t p = 0; p < m; ++p) {
    if (basic_[p] == kLevel) {
      for (size_t i = 0; i < m; ++i) at(i, p) = -1;
      continue;
    }
    const Column& column = columns_[basic_[p]];
    for (const Entry& e : column.entries) {
      if (full_position_[e.row] != kNotFull) at(full_position_[e.row], p) += e.value;
    }
    for (const Entry& e : columns_[key_[column.group]].entries) {
      if (full_position_[e.row] != kNotFull) at(full_position_[e.row], p) -= e.value;
    }
  }
  for (size_t i = 0; i < m; ++i) at(i, m + i) = 1;
  for (size_t c = 0; c < m; ++c) {
    size_t best = c;
    for (size_t i = c + 1; i < m; ++i) {
      if (std::abs(at(i, c)) > std::abs(at(best, c))) best = i;
    }
    if (std::abs(at(best, c)) < 1e-14) return;  // the updated inverse is as good as there is
    if (best != c) std::swap_ranges(&at(best, 0), &at(best, 0) + 2 * m, &at(c, 0));
    const double scale = 1 / at(c, c);
    for (size_t k = c; k < 2 * m; ++k) at(c, k) *= scale;
    for (size_t i = 0; i < m; ++i) {
      const double factor = at(i, c);
      if (i == c || factor == 0) continue;
      for (size_t k = c; k < 2 * m; ++k) at(i, k) -= factor * at(c, k);
    }
  }
  for (size_t p = 0; p < m; ++p) std::copy_n(&at(p, m), m, inverse_row(p));
  recompute_values();
}

void GroupedSimplex::recompute_values() {
  const size_t m = full_.size();
  std::fill(loads_.begin(), loads_.end(), 0);  // of the keys alone, at first
  for (const uint32_t slot : key_) {
    for (const Entry& e : columns_[slot].entries) loads_[e.row] += e.value;
  }
  for (size_t p = 0; p < m; ++p) {
    double sum = 0;
    for (size_t i = 0; i < m; ++i) sum += -inverse_row(p)[i] * loads_[full_[i]];
    value_[p] = sum;
    if (basic_[p] == kLevel) level_ = sum;
  }
  std::fill(key_value_.begin(), key_value_.end(), 1);
  for (size_t p = 0; p < m; ++p) {
    if (basic_[p] == kLevel) continue;
    const Column& column = columns_[basic_[p]];
    key_value_[column.group] -= value_[p];
    for (const Entry& e : column.entries) loads_[e.row] += value_[p] * e.value;
    for (const Entry& e : columns_[key_[column.group]].entries) loads_[e.row] -= value_[p] * e.value;
  }
}

std::vector<GroupedSimplex::Share> GroupedSimplex::shares() const {
  std::vector<Share> shares;
  for (uint32_t g = 0; g < key_.size(); ++g) {
    if (key_value_[g] > 0) shares.push_back({&columns_[key_[g]], key_value_[g]});
    for (const uint32_t p : others_[g]) {
      if (value_[p] > 0) shares.push_back({&columns_[basic_[p]], value_[p]});
    }
  }
  return shares;
}

}  // namespace tandem::te
