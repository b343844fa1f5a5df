// How long it takes until a new replica answers.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "twin/twin.h"

namespace tandem::twin {

struct ColdStart {
  double transfer_s = 0;  // of the weights to the site; 0 where they lie there
  double load_s = 0;      // from the site's storage into the accelerators

  double ready_s() const { return transfer_s + load_s; }
};

// Weights come once to a site, however many of its replicas are new, from the nearest site that keeps them (by the
// IGP's metric), as one elastic transfer beside what the links carry already: it may take what is left of each link's
// capacity, so the fullest of its way decides,
//   transfer_s = 8 · weights / min over arcs of (capacity − carried) / fraction,
// the fraction what equal-cost splitting sends over the arc. Then load_s = weights / load_gb_per_s. 140 GB over an
// empty link of 10 Gbit/s are 112 s. Fails by optimism where several transfers share a link or storage is slower than
// the way, by pessimism where the site keeps weights from before; what an engine does after loading (graph capture,
// warm-up) is not in it.
class ColdStarts {
 public:
  // `carried` is what the links carry meanwhile, of that snapshot. Both are read while this lives.
  ColdStarts(const grid::Snapshot& snapshot, const Forecast& carried);

  // Nothing where no store reaches the pool, or none has capacity left on the way.
  std::optional<ColdStart> of(grid::PoolIndex pool, grid::ModelIndex model) const;

 private:
  struct Store {
    grid::SiteIndex site;
    PathTree tree;
  };
  double free_gbps(const Store& store, grid::NodeIndex node) const;  // along the way to the node

  const grid::Snapshot& snapshot_;
  const Forecast& carried_;
  std::vector<Store> stores_;  // that are up
  bool anywhere_ = true;       // no site keeps weights: they lie everywhere
};

}  // namespace tandem::twin
