// Distances on the Earth.
#pragma once

#include "base/units.h"

namespace tandem::grid {

struct Place {
  Degrees latitude;   // [−90, 90]
  Degrees longitude;  // [−180, 180]
};

// The great-circle distance on a sphere of 6,371.0088 km (mean radius, IUGG), by the haversine formula: within 0.6 % of
// the distance on the ellipsoid.
Kilometres great_circle(Place a, Place b);

}  // namespace tandem::grid
