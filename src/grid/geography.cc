#include "grid/geography.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tandem::grid {

Kilometres great_circle(Place a, Place b) {
  constexpr double kEarthRadiusKm = 6371.0088;
  constexpr double kRadians = std::numbers::pi / 180;
  const double half_dlat = (b.latitude - a.latitude).value() * kRadians / 2;
  const double half_dlon = (b.longitude - a.longitude).value() * kRadians / 2;
  const double h = std::pow(std::sin(half_dlat), 2) + std::cos(a.latitude.value() * kRadians) *
                                                          std::cos(b.latitude.value() * kRadians) *
                                                          std::pow(std::sin(half_dlon), 2);
  return Kilometres(2 * kEarthRadiusKm * std::asin(std::sqrt(std::clamp(h, 0.0, 1.0))));
}

}  // namespace tandem::grid
