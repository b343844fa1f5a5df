#include "gateway/live_board.h"

#include <gtest/gtest.h>

#include "routing/drawn_table.h"

namespace tandem::gateway {
namespace {

HealthOptions options() {
  return {.failures_to_eject = 2, .ejection = seconds(1), .ejection_max = seconds(3), .recovery_in_flight_max = 4};
}

std::optional<Duration> attempt(EngineState& engine, AttemptEnd how, Duration now = {}) {
  engine.begin();
  return engine.end(how, now);
}

TEST(EngineState, IsEjectedAfterFailuresInARow) {
  EngineState engine("a", 0, options());
  EXPECT_EQ(attempt(engine, AttemptEnd::failure), std::nullopt);
  EXPECT_EQ(attempt(engine, AttemptEnd::success), std::nullopt);
  EXPECT_EQ(attempt(engine, AttemptEnd::failure), std::nullopt);
  EXPECT_TRUE(engine.live().healthy);
  EXPECT_EQ(attempt(engine, AttemptEnd::neutral), std::nullopt);
  EXPECT_EQ(attempt(engine, AttemptEnd::failure, seconds(5)), seconds(6));
  EXPECT_FALSE(engine.live().healthy);
  EXPECT_EQ(engine.live().in_flight, 0u);
}

TEST(EngineState, ComesBackAFewRequestsAtATime) {
  EngineState engine("a", 0, options());
  attempt(engine, AttemptEnd::failure);
  attempt(engine, AttemptEnd::failure);
  EXPECT_FALSE(engine.readmit(milliseconds(999)));
  EXPECT_TRUE(engine.readmit(seconds(1)));
  EXPECT_TRUE(engine.live().healthy);
  engine.begin();
  EXPECT_FALSE(engine.live().healthy);  // one at a time
  engine.end(AttemptEnd::success, {});
  EXPECT_TRUE(engine.live().healthy);
  engine.begin();
  EXPECT_TRUE(engine.live().healthy);  // two at a time
  engine.begin();
  EXPECT_FALSE(engine.live().healthy);
  engine.end(AttemptEnd::neutral, {});
  EXPECT_TRUE(engine.live().healthy);
  engine.end(AttemptEnd::success, {});
  attempt(engine, AttemptEnd::success);
  for (int i = 0; i < 100; ++i) engine.begin();
  EXPECT_TRUE(engine.live().healthy);  // fully back
}

TEST(EngineState, StaysAwayLongerEachTimeUpToALimit) {
  EngineState engine("a", 0, options());
  attempt(engine, AttemptEnd::failure);
  EXPECT_EQ(attempt(engine, AttemptEnd::failure), seconds(1));
  engine.readmit(seconds(1));
  EXPECT_EQ(attempt(engine, AttemptEnd::failure, seconds(1)), seconds(3));
  engine.readmit(seconds(3));
  EXPECT_EQ(attempt(engine, AttemptEnd::failure, seconds(3)), seconds(6));
}

TEST(EngineState, WhatBeganBeforeTheEjectionChangesNothing) {
  EngineState engine("a", 0, options());
  engine.begin();
  engine.begin();
  attempt(engine, AttemptEnd::failure);
  attempt(engine, AttemptEnd::failure);
  engine.end(AttemptEnd::success, {});
  EXPECT_FALSE(engine.live().healthy);
  EXPECT_EQ(engine.end(AttemptEnd::failure, seconds(9)), std::nullopt);
  EXPECT_TRUE(engine.readmit(seconds(1)));
}

std::shared_ptr<const routing::RoutingTable> table_of(std::string_view targets) {
  return std::make_shared<routing::RoutingTable>(
      routing::draw_table("jurisdiction DE\nsite s DE\nmodel m\n" + std::string(targets)));
}

TEST(LiveBoard, KeepsTheStateOfADeploymentAcrossTables) {
  LiveBoard board(options());
  board.publish(table_of("target a s m\ntarget b s m"));
  const auto first = board.current();
  first->engines[0]->begin();
  board.publish(table_of("target b s m\ntarget a s m"));
  const auto second = board.current();
  EXPECT_EQ(second->live[1]->in_flight, 1u);
  EXPECT_EQ(second->engines[1], first->engines[0]);
  first->engines[0]->end(AttemptEnd::success, {});
  EXPECT_EQ(second->live[1]->in_flight, 0u);
}

TEST(LiveBoard, ForgetsADeploymentThatNothingRefersTo) {
  LiveBoard board(options());
  board.publish(table_of("target a s m"));
  std::weak_ptr<EngineState> engine = board.current()->engines[0];
  board.publish(table_of("target b s m"));
  EXPECT_TRUE(engine.expired());
}

TEST(LiveBoard, AReaderTakesANewTableOnce) {
  LiveBoard board(options());
  std::shared_ptr<const BoundTable> cached;
  uint64_t version = 0;
  board.refresh(cached, version);
  EXPECT_EQ(cached, nullptr);
  board.publish(table_of("target a s m"));
  board.refresh(cached, version);
  EXPECT_EQ(cached, board.current());
  board.publish(table_of("target a s m"));
  board.refresh(cached, version);
  EXPECT_EQ(cached, board.current());
  EXPECT_EQ(version, 2u);
}

TEST(LiveBoard, LetsInWhoeverIsDue) {
  LiveBoard board(options());
  board.publish(table_of("target a s m\ntarget b s m"));
  const auto bound = board.current();
  for (const auto& [index, at] : {std::pair{0, seconds(0)}, std::pair{1, seconds(5)}}) {
    attempt(*bound->engines[index], AttemptEnd::failure, at);
    board.note_ejection(bound->engines[index], *attempt(*bound->engines[index], AttemptEnd::failure, at));
  }
  board.readmit_due(milliseconds(500));
  EXPECT_FALSE(bound->live[0]->healthy);
  board.readmit_due(seconds(2));
  EXPECT_TRUE(bound->live[0]->healthy);
  EXPECT_FALSE(bound->live[1]->healthy);
  board.readmit_due(seconds(6));
  EXPECT_TRUE(bound->live[1]->healthy);
}

}  // namespace
}  // namespace tandem::gateway
