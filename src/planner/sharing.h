// Models that share anew what they have and what is free.
//
// Problem: no model planned by itself gives up what another needs more. Method: each is planned alone with all of it
// open to it, at a price for each accelerator and kilowatt; the program over all plans met (master.h) says the prices,
// and after some rounds which of them stand together. Complexity: rounds × models, one plan each. Fails by what has no
// price: links and restoration rows. Who puts the plans in place judges them, and places what finds no way there.
#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

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

// `plan`: of the problem, with the models as they stand; nothing in it is changed. The master keeps the plans it is
// given. The same arguments give the same, but for being stopped.
SharedOut share_out(const Problem& problem, const Bound& bound, const Search& plan, const std::vector<uint32_t>& models,
                    uint64_t iterations, const std::stop_token& stop, Master& master);

}  // namespace tandem::planner
