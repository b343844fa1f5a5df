// Where people live and where an operator stands.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "grid/geography.h"
#include "grid/nouns.h"

namespace tandem::generate {

struct LandSite {
  std::string id;
  std::string name;
  grid::Tier tier = grid::Tier::core;
  grid::Place place;
  std::string jurisdiction;
  size_t city = 0;        // the site of the city it belongs to; itself for core, near-edge and cloud sites
  double population = 0;  // of a city: all who live around it; 0 for far-edge and cloud sites
};

// Sites by tier: core, near edge, far edge, cloud; core sites and near-edge sites descend by population.
struct Land {
  std::vector<LandSite> sites;
  size_t core = 0, cities = 0, cloud = 0;  // sites[0, core) are core, [core, cities) near edge, the last `cloud` cloud
};
Land make_land(uint64_t sites, uint64_t seed);

double kilometres_between(const LandSite& a, const LandSite& b);

// "XA": where most of the grid stands, "XB": the neighbour in the east, "XC" and "XD": the cloud regions' (ISO 3166
// leaves these codes to its users).
inline constexpr const char* kHome = "XA";
inline constexpr const char* kNeighbour = "XB";

// One random stream a subject: more of one leaves the others as they were.
enum Stream : uint64_t {
  kLandStream = 1,
  kFibreStream,
  kCatalogueStream,
  kPoolStream,
  kRegionStream,
  kTenantStream,
  kDemandStream
};

// To so many significant digits, as people write figures.
double rounded_to(double value, int significant_digits);
double rounded_by(double value, double step);

}  // namespace tandem::generate
