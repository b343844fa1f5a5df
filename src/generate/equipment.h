// Pools, regions and their anchors, and how far each pool is from each anchor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "generate/catalogue.h"
#include "generate/fibre.h"

namespace tandem::generate {

struct EquippedPool {
  std::string id;
  size_t site = 0;
  size_t accelerator = 0;
  uint32_t count = 0;
  uint32_t reserve = 0;  // for radio in the evening; 0: none
  uint32_t spare() const { return count - reserve; }
};

struct RegionAnchor {
  size_t node = 0;
  double access_us = 0, backhaul_us = 0;
};

struct EquippedRegion {
  std::string id;
  std::string name;
  grid::Place place;
  std::string jurisdiction;
  double population = 0;
  std::vector<RegionAnchor> anchors;
};

struct Equipment {
  std::vector<EquippedPool> pools;
  std::vector<double> power_limit_kw;  // of each site
  std::vector<EquippedRegion> regions;
};
Equipment make_equipment(const Land& land, const Fibre& fibre, uint64_t seed);

}  // namespace tandem::generate
