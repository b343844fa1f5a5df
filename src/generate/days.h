// The rhythms that demands follow.
#pragma once

#include <vector>

#include "grid/decode.h"

namespace tandem::generate {

// Adds the day profiles there are, names one in every demand whose tenant's trade has a rhythm, and sets each region's
// clock by its longitude, an hour for 15 degrees. Draws nothing: all else stays as it is.
void give_days(std::vector<grid::Entity>& entities);

}  // namespace tandem::generate
