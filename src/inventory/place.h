// Where an entity stands, by the relations that locate.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inventory/inventory.h"

namespace tandem::inventory {

struct Place {
  std::string site;  // id; empty where none is known
  std::optional<double> latitude_deg, longitude_deg;
  std::string path;  // "slot 3 of device r-1, unit 7 of rack k-2, site Hamburg"
};

// Following what locates it upward, at most 16 steps; of a line that stands nowhere, where its first known end is.
Place place_of(const Snapshot& snapshot, const Referrer& entity);

}  // namespace tandem::inventory
