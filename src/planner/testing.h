// For the tests of the planner.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planner/planner.h"

namespace tandem::planner {

// The plan of a grid, of which the independent checks find nothing: neither of the plan as it stands, nor of what its
// JSON says, its bound proven again included.
inline v1::Plan checked_plan(const grid::Snapshot& s) {
  Planner planner;
  const v1::Plan p = planner.plan(s, nullptr, "p", 1, {}, {});
  EXPECT_THAT(violations(s, p), testing::IsEmpty());
  const auto read = plan_from_json(plan_to_json(p, s, &planner.prices()), s);
  EXPECT_TRUE(read);
  if (!read) return p;
  EXPECT_THAT(check_plan(s, *read).faults, testing::IsEmpty());
  for (int d = 0; d < p.demands_size(); ++d)
    for (int i = 0; i < p.demands(d).splits_size(); ++i)
      EXPECT_EQ(read->plan.demands(d).splits(i).second().SerializeAsString(),
                p.demands(d).splits(i).second().SerializeAsString());
  return p;
}

}  // namespace tandem::planner
