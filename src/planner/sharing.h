// Models that share anew what they have and what is free.
//
// Problem: no model planned by itself gives up what another needs more. Method: each is planned alone with all of it
// open to it, at a price for each accelerator and kilowatt; the program over all plans met (master.h) says the prices,
// and after some rounds which of them stand together: as all plans met say, or kept one after the other, those first
// that the program is surest of, the other models planned again in what that leaves at what it is worth then (a dive
// with column generation; Sadykov et al., INFORMS J. Comput. 31, 2019). Complexity: some twice rounds × models, one
// plan each. Fails by what has no price: links and restoration rows. Who puts the plans in place judges them, and
// places what finds no way there.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "planner/alone.h"
#include "planner/bound.h"
#include "planner/master.h"
#include "planner/search.h"

namespace tandem::planner {

struct SharedOut {
  std::vector<uint32_t> demands;    // of the models whose plan is another now
  std::vector<ServedShare> shares;  // where those go
  uint64_t iterations = 0;
  bool is_solved = false;  // else no plans were found to stand together, and nothing is another
};

class Sharing {
 public:
  // `iterations` for each plan. All must outlive it; the master keeps the plans it is given. Options that the problem
  // gets later are not seen.
  Sharing(const Problem& problem, const Bound& bound, uint64_t iterations, std::stop_token stop, Master& master);

  struct Effort {
    uint32_t rounds_max = 1;
    bool one_by_one = false;  // whether plans are also kept one after the other: for more models than can be decided
  };
  // Of a plan of the problem, those models, each once. The bound may be proven further meanwhile. The same arguments
  // give the same, but for being stopped and for the plans that the master knows.
  SharedOut share(const Search& plan, std::span<const uint32_t> models, Effort effort);

 private:
  using Models = std::span<const uint32_t>;
  std::vector<PlannedAlone> plan_each(Models models, const Search::Spare& spare);
  bool add_wanted(Models models, std::vector<PlannedAlone> planned);
  std::vector<size_t> keep_one_by_one(Models models, Search::Spare left);

  const Problem& problem_;
  const Bound& bound_;
  uint64_t iterations_;
  std::stop_token stop_;
  Master& master_;
  std::vector<std::unique_ptr<AloneAtPrices>> alone_;  // by model, when first asked for
  uint64_t planned_iterations_ = 0;
};

}  // namespace tandem::planner
