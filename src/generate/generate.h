// National grids that never were, of any size: for tests, benchmarks and users' trials.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "grid/decode.h"

namespace tandem::generate {

struct Options {
  uint64_t sites = 100;      // [4, kSitesMax]
  uint64_t demands = 1'000;  // [0, kDemandsMax]; fewer where tenants, regions and models have no more combinations
  uint64_t models = 9;       // [1, kModelsMax]
  uint64_t seed = 1;
  double load = 0.6;  // of what the accelerators could serve if replicas came in fractions, (0, 1]; a pilot: 0.02
  bool days = false;  // demands follow day profiles; nothing else is another for it
};
inline constexpr uint64_t kSitesMax = 10'000;     // a distance is kept from every anchor to every pool
inline constexpr uint64_t kDemandsMax = 200'000;  // what a grid file of 64 MB holds
inline constexpr uint64_t kModelsMax = 500;

// The entities of a grid, in their canonical form, that a grid file may be written from; they pass every check of one.
//
// - Cities: sizes by rank after Zipf's law (Gabaix, "Zipf's Law for Cities: An Explanation", QJE 1999) with lognormal
//   noise; the large ones keep apart, the small ones gather round larger ones (a Thomas process); sites within a city's
//   reach thin out exponentially (Clark, "Urban Population Densities", JRSS A 1951).
// - Fibre: the core sites are joined by their Gabriel graph (Gabriel & Sokal, Systematic Zoology 1969), as carriers'
//   maps are found to be close to (Çetinkaya et al., "On the fitness of geographical graph generators for modelling
//   physical level topologies", RNDM 2013), plus what it takes to survive the loss of any duct; near-edge sites stand
//   on rings between two core sites; far-edge sites on rings of their city or at the end of spurs. Every span is a
//   duct; express wavelengths ride several. Capacities are the usual steps above what everyday traffic asks for.
// - Regions surface at anchors: a city's own gateway, or one further up, so nearest by map is not nearest by anchor.
// - Profiles follow the roofline rule of docs/IMPORT.md. Demands ask for promises that some pool they may use keeps
//   at their quantile with room to queue when idle (prompts spread as exponential ones are), at rates that together
//   fill `load` of the accelerators.
//
// The same options give the same entities. Linear in sites × anchors. Errors: invalid_argument for options out of
// range.
Result<std::vector<grid::Entity>> generate_grid(const Options& options);

}  // namespace tandem::generate
