// Shortest paths over what was laid: to size links, and to know what may be promised.
#pragma once

#include <cstdint>
#include <vector>

#include "generate/fibre.h"

namespace tandem::generate {

// Of a set of jurisdictions: ours are "XA" to "XZ".
uint64_t bit_of(const std::string& jurisdiction);

class Routes {
 public:
  Routes(const Land& land, const Fibre& fibre);

  // From one node to all, by metric (Dijkstra, O(E log V)); ties go to the lower node.
  struct Tree {
    std::vector<double> metric;           // infinite where there is no way
    std::vector<double> km;               // the longest of equal branches
    std::vector<uint64_t> jurisdictions;  // of every site on any of them, as bit_of
    std::vector<size_t> arc_in;           // 2 × link, + 1 from b to a; of the first branch
    std::vector<size_t> order;            // by metric
  };
  Tree tree_from(size_t node) const;

 private:
  struct Arc {
    size_t to = 0, arc = 0;
    double metric = 1, km = 0;
  };
  std::vector<size_t> first_;  // CSR by node
  std::vector<Arc> arcs_;
  std::vector<uint64_t> bit_;  // of each node's jurisdiction
};

}  // namespace tandem::generate
