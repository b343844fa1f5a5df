// What a deployment does at the least under any mix in a range. Internal to the twin.
#pragma once

#include "twin/twin.h"

namespace tandem::twin {

// Each part of the form at its least of any mix that has no component under `least`'s, which has requests and prefills
// and keeps the replicas less than busy, or over `most`'s.
Serving serve_least(const grid::Profile& profile, const grid::OperatingPoint& point, uint32_t replicas,
                    const Mix& least, const Mix& most);

// Component by component: what is left of a mix, and the larger of two.
Mix less(const Mix& mix, const Mix& out);
Mix larger(const Mix& a, const Mix& b);

}  // namespace tandem::twin
