#include <gtest/gtest.h>

#include "routing/routing.h"

namespace tandem::routing {
namespace {

TableRows small() {
  TableRows rows;
  rows.sites = {"a"};
  rows.regions = {"r"};
  rows.models = {"m"};
  rows.model_names = {{"m", 0}};
  Target target;
  target.deployment = "m@a";
  target.site = "a";
  target.replicas = 1;
  rows.targets = {target};
  rows.legs = {Leg{true, Microseconds(10), {1}, 0}};
  return rows;
}

TEST(Digest, RenewalDoesNotChangeIt) {
  TableRows renewed = small();
  renewed.published_at = {5};
  renewed.valid_until = {9};
  renewed.offset = 77;
  EXPECT_EQ(digest(RoutingTable(small())), digest(RoutingTable(renewed)));
}

TEST(Digest, WhatDecisionsDependOnChangesIt) {
  TableRows slower = small();
  slower.legs[0].round_trip = Microseconds(11);
  EXPECT_NE(digest(RoutingTable(small())), digest(RoutingTable(slower)));
  TableRows dark = small();
  dark.targets[0].up = false;
  EXPECT_NE(digest(RoutingTable(small())), digest(RoutingTable(dark)));
  TableRows tried = small();
  tried.trials.push_back({"t", grid::TrialMode::canary, 0, 0, 0, 0.5});
  EXPECT_NE(digest(RoutingTable(small())), digest(RoutingTable(tried)));
}

}  // namespace
}  // namespace tandem::routing
