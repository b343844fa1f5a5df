// Rules that span several rows of a grid: what no schema of one entity can say.
#pragma once

#include <string_view>
#include <vector>

#include "grid/schema.h"
#include "grid/snapshot.h"

namespace tandem::grid {

struct RowProblem {
  std::string_view kind;  // kGrid for the grid as a whole, whose position is 0
  size_t position = 0;
  Problem problem;
};

// Which rows have no problem of their own; a rule is applied only where every row it reads is sound, so that one
// mistake is reported once.
class Soundness {
 public:
  explicit Soundness(const Rows& rows);
  void mark_unsound(std::string_view kind, size_t position);
  bool sound(std::string_view kind, size_t position) const;

 private:
  std::vector<std::vector<bool>> by_kind_;  // in the order of kinds()
};

// O(rows log rows).
void check_consistency(const Rows& rows, const Soundness& soundness, std::vector<RowProblem>& problems);

}  // namespace tandem::grid
