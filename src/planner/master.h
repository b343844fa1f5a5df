// Which plans of several models stand together.
//
// Problem: of each model one of its plans, so that no pool is asked for more accelerators than it has and no site for
// more power, at the least cost. Method: Dantzig–Wolfe (Oper. Res. 8, 1960) over models: the linear program that may
// mix a model's plans (Clp) says by its dual prices what each resource is worth to those who want it; each model
// planned by itself at these prices is another column of it. Then all choices of whole plans are searched depth first,
// each plan at what it is dearer at the prices than its model's worth: the sum of these above the program's value is
// the least that a choice costs. What is searched grows from the best of that up to the plans known. Complexity: nodes
// × what is contested. Fails by having few plans to choose from: each is one that some prices asked for.
//
// What an accelerator spares one model and what it would spare another is weighed here alone: by itself no model leaves
// a pool for what another one gains there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

#include "planner/alone.h"

namespace tandem::planner {

class Master {
 public:
  struct Column {
    uint32_t model = 0;
    PlannedAlone planned;
  };
  size_t add(uint32_t model, PlannedAlone planned);  // its position
  const Column& column(size_t k) const { return columns_[k]; }

  // Over the columns of those models, within that room (Search::Spare::all). False where no choice fits, even of parts,
  // or the solver gave up: then nothing of what follows may be asked.
  bool solve(std::span<const uint32_t> models, std::vector<double> room);

  // Of the mixture, €/h for one of each resource.
  const std::vector<double>& prices() const { return prices_; }
  // At the prices a plan of that one of the models costs less than what there is.
  bool is_wanted(size_t model, const PlannedAlone& planned) const;

  // One column of each of the models, in their order; no dearer than those known, which fit.
  std::vector<size_t> decide(std::vector<size_t> known, uint32_t nodes_max, const std::stop_token& stop) const;

 private:
  struct Way {
    size_t column = 0;
    double above_eur = 0;                  // as priced above its model's worth, ≥ 0
    std::vector<Search::Taken> contested;  // of what it takes, where there is no room for all models
  };
  double priced(const PlannedAlone& planned) const;
  std::vector<std::vector<Way>> ways() const;  // by model, the best first; with what is contested of what it takes

  std::vector<Column> columns_;
  std::vector<std::vector<size_t>> of_model_;  // columns, of those of the last solve
  std::vector<double> room_, prices_;          // by resource
  std::vector<double> worth_eur_;              // by model
};

}  // namespace tandem::planner
