// Which plans of several models stand together.
//
// Problem: of each model one of its plans, so that no pool is asked for more accelerators than it has and no site for
// more power, at the least cost. Method: Dantzig–Wolfe (Oper. Res. 8, 1960) over models: the linear program that may
// mix a model's plans (Clp) says by its dual prices what each resource is worth to those who want it; each model
// planned by itself at these prices is another column of it. Then whole plans are chosen model by model, those first
// that the program is surest of, each plan at what it is dearer at the prices than its model's worth: of all choices so
// far that fit, as many are kept as are the least above the program's value (beam search; Ow, Morton, Int. J. Prod.
// Res. 26, 1988), which of a few models are all. Complexity: choices kept × plans × what is contested. Fails by having
// few plans to choose from: each is one that some prices asked for.
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

  // Over the columns of those models that fit into that room by themselves (Search::Spare::all). False where no choice
  // fits, even of parts, or the solver gave up: then nothing of what follows may be asked.
  bool solve(std::span<const uint32_t> models, std::vector<double> room);

  // Of the mixture, €/h for one of each resource.
  const std::vector<double>& prices() const { return prices_; }
  // Of that one of the models the plan that the mixture has most of, and how much, [0, 1].
  struct Largest {
    size_t column = 0;
    double part = 0;
  };
  const Largest& largest(size_t model) const { return largest_[model]; }
  // At the prices a plan of that one of the models costs less than what there is.
  bool is_wanted(size_t model, const PlannedAlone& planned) const;

  // One column of each of the models, in their order; no dearer than those known, which fit. At most so many choices
  // are kept while it looks.
  std::vector<size_t> decide(std::vector<size_t> known, size_t kept_max, const std::stop_token& stop) const;

 private:
  struct Way {
    size_t column = 0;
    double above_eur = 0;                  // as priced above its model's worth, ≥ 0
    std::vector<Search::Taken> contested;  // of what it takes, by position in Ways::room
  };
  struct Ways {
    std::vector<std::vector<Way>> of_model;  // the best first
    std::vector<double> room;                // of the resources of which there is not enough for all
  };
  struct Choice;  // a way of each of some models
  double priced(const PlannedAlone& planned) const;
  Ways ways() const;
  std::vector<Choice> extended(const std::vector<Choice>& choices, const std::vector<Way>& ways, double above_max,
                               size_t kept_max) const;

  std::vector<Column> columns_;
  std::vector<std::vector<size_t>> of_model_;  // columns, of those of the last solve
  std::vector<Largest> largest_;               // by model
  std::vector<double> room_, prices_;          // by resource
  std::vector<double> worth_eur_;              // by model
};

}  // namespace tandem::planner
