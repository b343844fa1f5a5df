// A linear program given to Clp column by column.
#pragma once

#include <coin/ClpSimplex.hpp>
#include <utility>
#include <vector>

namespace tandem::planner {

using ClpEntries = std::vector<std::vector<std::pair<int, double>>>;  // by column: rows and values

inline void load_columns(const ClpEntries& entries, const std::vector<double>& low, const std::vector<double>& high,
                         const std::vector<double>& cost, const std::vector<double>& row_low,
                         const std::vector<double>& row_high, ClpSimplex& program) {
  std::vector<CoinBigIndex> starts{0};
  std::vector<int> rows;
  std::vector<double> values;
  for (const auto& column : entries) {
    for (const auto& [row, value] : column) {
      rows.push_back(row);
      values.push_back(value);
    }
    starts.push_back(static_cast<CoinBigIndex>(rows.size()));
  }
  program.setLogLevel(0);
  program.loadProblem(static_cast<int>(cost.size()), static_cast<int>(row_high.size()), starts.data(), rows.data(),
                      values.data(), low.data(), high.data(), cost.data(), row_low.data(), row_high.data());
}

}  // namespace tandem::planner
