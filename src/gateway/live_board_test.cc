#include "gateway/live_board.h"

#include <gtest/gtest.h>

#include <bit>
#include <thread>

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
  EXPECT_EQ(engine.live().in_flight_max, 1u);
  engine.begin();
  engine.end(AttemptEnd::success, {});
  EXPECT_EQ(engine.live().in_flight_max, 2u);
  engine.begin();
  engine.begin();
  engine.end(AttemptEnd::neutral, {});
  EXPECT_EQ(engine.live().in_flight_max, 2u) << "that says nothing";
  engine.ramp_up();
  EXPECT_EQ(engine.live().in_flight_max, 1 + 4u) << "a first token is a good sign";
  engine.ramp_up();
  EXPECT_EQ(engine.live().in_flight_max, 1 + 4u) << "the last step needs an answer";
  engine.end(AttemptEnd::success, {});
  EXPECT_EQ(engine.live().in_flight_max, UINT32_MAX) << "fully back";
}

TEST(EngineState, IsEjectedWhereEveryThirdFails) {
  EngineState engine("a", 0, {});
  std::optional<Duration> returns_at;
  int requests = 0;
  for (; !returns_at && requests < 100; ++requests)
    returns_at = attempt(engine, requests % 5 < 2 ? AttemptEnd::failure : AttemptEnd::success, seconds(1));
  EXPECT_GT(requests, 25);
  EXPECT_LT(requests, 33) << "two of five, never three in a row";
  EXPECT_EQ(returns_at, seconds(2));

  EngineState well("b", 0, {});
  for (int i = 0; i < 1'000; ++i)
    EXPECT_EQ(attempt(well, i % 4 == 0 ? AttemptEnd::failure : AttemptEnd::success), std::nullopt);
}

TEST(EngineState, WhatComesAndGoesStaysAwayLongerEachTime) {
  EngineState engine("a", 0, options());
  const auto eject = [&](Duration now) {
    attempt(engine, AttemptEnd::failure, now);
    return attempt(engine, AttemptEnd::failure, now);
  };
  const auto come_back = [&](Duration now) {
    EXPECT_TRUE(engine.readmit(now));
    for (int i = 0; i < 3; ++i) attempt(engine, AttemptEnd::success, now);
    EXPECT_EQ(engine.live().in_flight_max, UINT32_MAX);
  };
  EXPECT_EQ(eject(seconds(100)), seconds(101));
  come_back(seconds(101));
  EXPECT_EQ(eject(seconds(110)), seconds(112)) << "well for too short a time";
  come_back(seconds(112));
  EXPECT_EQ(eject(seconds(142)), seconds(143)) << "that was long enough";
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

TEST(LiveBoard, ANewDeploymentStartsSlowlyWhereOthersServeItsModel) {
  LiveBoard board(options());
  const std::string two = "model n\ntarget a s m\ntarget b s m";
  board.publish(table_of(two));
  for (const auto* live : board.current()->live) EXPECT_EQ(live->in_flight_max, UINT32_MAX) << "the first table";
  board.publish(table_of(two + "\ntarget c s m\ntarget d s n"));
  const auto bound = board.current();
  EXPECT_EQ(bound->live[0]->in_flight_max, UINT32_MAX);
  EXPECT_EQ(bound->live[2]->in_flight_max, 1u);
  EXPECT_EQ(bound->live[3]->in_flight_max, UINT32_MAX) << "nobody else serves that";
  bound->engines[2]->begin();
  bound->engines[2]->ramp_up();
  EXPECT_EQ(bound->live[2]->in_flight_max, 3u);
  EXPECT_EQ(bound->engines[2]->end(AttemptEnd::failure, {}), seconds(1)) << "a new one that fails goes at once";
}

TEST(LiveBoard, NumbersOfEnginesAreTheirOwnAndUsedAgain) {
  LiveBoard board(options());
  board.publish(table_of("target a s m\ntarget b s m"));
  const uint32_t gone = board.current()->engines[0]->number(), stays = board.current()->engines[1]->number();
  EXPECT_NE(gone, stays);
  board.publish(table_of("target b s m"));
  board.publish(table_of("target c s m\ntarget b s m"));
  const auto bound = board.current();
  EXPECT_EQ(bound->engines[1]->number(), stays);
  EXPECT_EQ(bound->engines[0]->number(), gone);
  EXPECT_EQ(bound->target_of_engine[gone], 0u);
  EXPECT_EQ(bound->target_of_engine[stays], 1u);
}

TEST(LiveBoard, ForgetsADeploymentThatNothingRefersTo) {
  LiveBoard board(options());
  board.publish(table_of("target a s m"));
  std::weak_ptr<EngineState> engine = board.current()->engines[0];
  board.publish(table_of("target b s m"));
  EXPECT_TRUE(engine.expired());
}

TEST(LiveBoard, WhatComesBackAfterItWasForgottenIsNew) {
  LiveBoard board(options());
  board.publish(table_of("target a s m\ntarget b s m"));
  std::shared_ptr<const BoundTable> held = board.current();  // by a gateway that has served nothing since
  board.publish(table_of("target b s m"));
  held.reset();
  board.publish(table_of("target a s m\ntarget b s m"));
  EXPECT_EQ(board.current()->live[0]->in_flight_max, 1u) << "it starts slowly";
  EXPECT_EQ(board.current()->live[1]->in_flight_max, UINT32_MAX);
}

TEST(LiveBoard, AnEngineThatGoesWhileATableIsPublishedIsThereOrNew) {
  constexpr int kEngines = 64;
  const std::string one = "target stays s m";
  std::string all = one;
  for (int i = 0; i < kEngines; ++i) all += "\ntarget e" + std::to_string(i) + " s m";
  for (int round = 0; round < 100; ++round) {
    LiveBoard board(options());
    board.publish(table_of(all));
    auto requests = board.current()->engines;  // all that is left of them when their table has gone
    const std::vector<std::weak_ptr<EngineState>> before(requests.begin(), requests.end());
    board.publish(table_of(one));
    const auto table = table_of(all);
    std::thread publisher([&] { board.publish(table); });
    for (auto& request : requests) request.reset();
    publisher.join();
    const auto bound = board.current();
    for (size_t i = 0; i < before.size(); ++i) {
      const bool is_there = before[i].lock() == bound->engines[i];
      EXPECT_EQ(bound->live[i]->in_flight_max, is_there ? UINT32_MAX : 1u) << "what is new starts slowly";
      EXPECT_EQ(bound->target_of_engine[bound->engines[i]->number()], i);
    }
  }
}

// Which targets of the table's model seem to have room for a request with a promise, as bits.
uint64_t open_in(const BoundTable& bound) {
  routing::RequestFacts request;
  request.queue_per_concurrency = kEngineQueue;
  request.ttft = Milliseconds(100);
  uint64_t open = 0;
  const uint64_t lanes = bound.room->open(0, request);
  for (uint32_t target = 0; target < bound.engines.size(); ++target)
    open |= (lanes >> bound.table->lane_of(bound.table->position_of(target)) & 1) << target;
  return open;
}

TEST(LiveBoard, ShowsWhoHasRoom) {
  LiveBoard board(options());
  board.publish(table_of("target a s m concurrency=8 output_cost=2\ntarget b s m concurrency=1 output_cost=1"));
  const auto bound = board.current();
  EngineState &a = *bound->engines[0], &b = *bound->engines[1];
  EXPECT_EQ(open_in(*bound), 0b11u);
  b.begin();
  EXPECT_EQ(open_in(*bound), 0b11u) << "one may be on its way there";
  b.begin();
  EXPECT_EQ(open_in(*bound), 0b01u);
  for (int i = 0; i < 9; ++i) a.begin();
  EXPECT_EQ(open_in(*bound), 0u);
  a.end(AttemptEnd::success, {});
  EXPECT_EQ(open_in(*bound), 0b01u);
  a.fail({});
  a.fail({});
  EXPECT_EQ(open_in(*bound), 0u) << "ejected";
  for (int i = 0; i < 8; ++i) a.end(AttemptEnd::neutral, {});
  EXPECT_EQ(open_in(*bound), 0u);
  a.readmit(seconds(1));
  EXPECT_EQ(open_in(*bound), 0b01u);
  a.begin();
  EXPECT_EQ(open_in(*bound), 0u) << "it begins with one";
  a.ramp_up();
  EXPECT_EQ(open_in(*bound), 0b01u);
}

TEST(LiveBoard, ShowsWhoHasRoomInTheTableInForce) {
  LiveBoard board(options());
  board.publish(table_of("target a s m concurrency=1\ntarget b s m concurrency=1"));
  const auto first = board.current();
  first->engines[0]->begin();
  first->engines[0]->begin();
  EXPECT_EQ(open_in(*first), 0b10u);
  board.publish(table_of("target b s m concurrency=1\ntarget a s m concurrency=1"));
  const auto second = board.current();
  EXPECT_EQ(open_in(*first), 0b11u) << "nobody says so there any more: each is looked at";
  EXPECT_EQ(open_in(*second), 0b01u);
  board.publish(table_of("target b s m concurrency=1\ntarget a s m concurrency=2"));
  EXPECT_EQ(open_in(*board.current()), 0b11u) << "it has another place";
  first->engines[0]->end(AttemptEnd::success, {});
  first->engines[1]->begin();
  first->engines[1]->begin();
  EXPECT_EQ(open_in(*board.current()), 0b10u);
  EXPECT_EQ(open_in(*second), 0b11u);
}

// How long prompts wait at a table's first target, as is shown.
float shown_wait_us(const BoundTable& bound) {
  return bound.room->least_wait_us(bound.table->lane_of(bound.table->position_of(0)));
}

TEST(LiveBoard, ShowsHowLongPromptsWait) {
  LiveBoard board(options());
  board.publish(table_of("target a s m replicas=2 prefill=1000\ntarget b s m"));
  const auto bound = board.current();
  EngineState& a = *bound->engines[0];
  a.begin_prefill(400);
  EXPECT_EQ(shown_wait_us(*bound), 0) << "one replica has nothing to read";
  a.begin_prefill(600);
  const double wait_us = routing::wait_for_prefills_us(bound->table->candidate(0), a.live());
  EXPECT_NEAR(wait_us, 500'000 / 3.0, 1) << "until the first of two is done with prompts of 500 tokens";
  EXPECT_LE(shown_wait_us(*bound), wait_us);
  EXPECT_GT(shown_wait_us(*bound), wait_us * 0.99);
  EXPECT_EQ(bound->room->waiting_at_most(0, wait_us), UINT64_MAX);
  EXPECT_EQ(std::popcount(bound->room->waiting_at_most(0, wait_us * 0.98)), 63) << "all others may";
  board.publish(table_of("target a s m replicas=3 prefill=1000"));
  EXPECT_EQ(shown_wait_us(*board.current()), 0);
  EXPECT_EQ(shown_wait_us(*bound), 0) << "nobody says so there any more";
  board.publish(table_of("target a s m replicas=1 prefill=1000"));
  EXPECT_GT(shown_wait_us(*board.current()), 700'000);
  a.end_prefill(400);
  a.end_prefill(600);
  EXPECT_EQ(shown_wait_us(*board.current()), 0);
}

TEST(LiveBoard, HowLongPromptsWaitIsRightInTheEndWhateverHappensAtOnce) {
  LiveBoard board(options());
  board.publish(table_of("target a s m replicas=2 prefill=1000"));
  const std::shared_ptr<EngineState> engine = board.current()->engines[0];
  engine->begin_prefill(100);
  for (uint32_t round = 0; round < 200; ++round) {
    const auto come_and_go = [&](uint32_t tokens) {
      for (int i = 0; i < 100; ++i) {
        engine->begin_prefill(tokens);
        engine->end_prefill(tokens);
      }
    };
    std::thread one(come_and_go, 300), other(come_and_go, 700);
    for (const uint32_t replicas : {1u, 3u, 1 + round % 3})
      board.publish(table_of("target a s m prefill=1000 replicas=" + std::to_string(replicas)));
    one.join();
    other.join();
    if (round % 3 == 0)
      EXPECT_NEAR(shown_wait_us(*board.current()), 50'000, 500) << "half of what is left";
    else
      EXPECT_EQ(shown_wait_us(*board.current()), 0);
  }
}

TEST(LiveBoard, WhoHasRoomIsRightInTheEndWhateverHappensAtOnce) {
  LiveBoard board(options());
  const auto table_with = [](int places) { return table_of("target a s m concurrency=" + std::to_string(places)); };
  board.publish(table_with(1));
  const std::shared_ptr<EngineState> engine = board.current()->engines[0];
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> begun = 0;
    const auto come_and_go = [&] {
      for (int i = 0; i < 100; ++i) {
        engine->begin();
        if (begun.fetch_add(1) % 50 == 0) continue;  // four of them stay
        engine->end(AttemptEnd::success, {});
      }
    };
    std::thread one(come_and_go), other(come_and_go);
    for (const int places : {5, 1, 2 + round % 3}) board.publish(table_with(places));
    one.join();
    other.join();
    const auto bound = board.current();
    const uint32_t most = routing::room_of(bound->table->candidate(0), kEngineQueue).promised;
    EXPECT_EQ(bound->live[0]->in_flight, 4u);
    for (uint32_t in_flight = 4; in_flight > 0; --in_flight) {
      EXPECT_EQ(open_in(*bound), in_flight < most ? 1u : 0u);
      engine->end(AttemptEnd::success, {});
    }
  }
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
