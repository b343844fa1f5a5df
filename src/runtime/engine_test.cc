#include "runtime/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/random.h"

namespace tandem::runtime {
namespace {

using Kind = EngineEvent::Kind;

grid::Model model(double kv_bytes_per_token = 100'000) {
  grid::Model m;
  m.id = "test-8b";
  m.kv_bytes_per_token = kv_bytes_per_token;
  m.context_tokens = 8'192;
  return m;
}

// Prefill of 10,000 tokens/s with 2 ms of overhead; 10 ms a token alone, 12 ms at 8, 20 ms at 16; KV for 100,000
// tokens.
grid::Profile profile(double kv_gigabytes = 10) {
  grid::Profile p;
  p.id = "test-8b-on-x";
  p.prefill_tokens_per_s = 10'000;
  p.prefill_overhead = Milliseconds(2);
  p.kv_memory = Gigabytes(kv_gigabytes);
  p.points = {{1, Milliseconds(10), Watts(400)}, {8, Milliseconds(12), Watts(540)}, {16, Milliseconds(20), Watts(700)}};
  return p;
}

EngineModel engine(EngineOptions options = {}, const grid::Profile& p = profile()) {
  return EngineModel::create(EngineProfile::from(model(), p).value(), options).value();
}

struct Outcome {
  Duration first, finish;
  uint32_t tokens = 0;
  bool finished = false;
};

// Runs the engine until nothing is left and says what became of each tag.
std::map<uint64_t, Outcome> run_out(EngineModel& e, Duration from = {}) {
  std::map<uint64_t, Outcome> outcomes;
  Duration now = from;
  for (;;) {
    for (const EngineEvent& event : e.advance(now)) {
      Outcome& outcome = outcomes[event.tag];
      EXPECT_FALSE(outcome.finished) << "an event after the finish of " << event.tag;
      EXPECT_LE(event.at, now);
      outcome.tokens += event.tokens;
      if (event.kind == Kind::first_token) outcome.first = event.at;
      if (event.kind == Kind::finish) {
        outcome.finish = event.at;
        outcome.finished = true;
      }
    }
    const auto next = e.next_event_at();
    if (!next) return outcomes;
    EXPECT_GT(*next, now);
    now = *next;
  }
}

TEST(EngineProfile, InterpolatesBetweenPointsAndNotBeyond) {
  const EngineProfile p = EngineProfile::from(model(), profile()).value();
  EXPECT_EQ(p.batch_max(), 16u);
  EXPECT_EQ(p.decode_ns[1], 10'000'000);
  EXPECT_EQ(p.decode_ns[8], 12'000'000);
  EXPECT_EQ(p.decode_ns[12], 16'000'000);
  EXPECT_EQ(p.decode_ns[16], 20'000'000);
  EXPECT_DOUBLE_EQ(p.power_watts[12], 620);
  EXPECT_EQ(p.kv_tokens, 100'000u);
}

TEST(EngineProfile, TakesTheFirstPointBelowIt) {
  grid::Profile p = profile();
  p.points.erase(p.points.begin());
  EXPECT_EQ(EngineProfile::from(model(), p)->decode_ns[1], 12'000'000);
}

TEST(EngineProfile, RefusesFiguresOutOfRange) {
  const auto refused = [](auto change) {
    grid::Profile p = profile();
    change(p);
    return !EngineProfile::from(model(), p).has_value();
  };
  EXPECT_TRUE(refused([](auto& p) { p.points.clear(); }));
  EXPECT_TRUE(refused([](auto& p) { p.points[1].batch = 1; }));
  EXPECT_TRUE(refused([](auto& p) { p.points[0].batch = 0; }));
  EXPECT_TRUE(refused([](auto& p) { p.points[2].batch = 1'000'000; }));
  EXPECT_TRUE(refused([](auto& p) { p.points[0].decode_per_token = Milliseconds(0); }));
  EXPECT_TRUE(refused([](auto& p) { p.points[0].decode_per_token = Milliseconds(NAN); }));
  EXPECT_TRUE(refused([](auto& p) { p.points[0].power = Watts(-1); }));
  EXPECT_TRUE(refused([](auto& p) { p.prefill_tokens_per_s = 0; }));
  EXPECT_TRUE(refused([](auto& p) { p.prefill_tokens_per_s = INFINITY; }));
  EXPECT_TRUE(refused([](auto& p) { p.prefill_overhead = Milliseconds(-1); }));
  EXPECT_TRUE(refused([](auto& p) { p.kv_memory = Gigabytes(0); }));
  EXPECT_FALSE(EngineProfile::from(model(-1), profile()).has_value());
  EXPECT_TRUE(EngineProfile::from(model(0), profile()).has_value());
}

TEST(Engine, RefusesOptionsOutOfRange) {
  const EngineProfile p = EngineProfile::from(model(), profile()).value();
  EXPECT_FALSE(EngineModel::create(p, {.replicas = 0}).has_value());
  EXPECT_FALSE(EngineModel::create(p, {.prefix_hit = 1}).has_value());
  EXPECT_FALSE(EngineModel::create(p, {.prefill_chunk_tokens = 0}).has_value());
  EXPECT_FALSE(EngineModel::create({}, {}).has_value());
}

TEST(Engine, OneRequestTakesWhatTheProfileSays) {
  EngineModel e = engine();
  e.submit({.tag = 7, .prompt_tokens = 1'000, .output_tokens = 101}, seconds(5));
  EXPECT_EQ(e.running(), 1u);
  const auto outcome = run_out(e, seconds(5))[7];
  EXPECT_EQ(outcome.first - seconds(5), milliseconds(2 + 100));
  EXPECT_EQ(outcome.finish - outcome.first, milliseconds(100 * 10));
  EXPECT_EQ(outcome.tokens, 101u);
  EXPECT_EQ(e.running(), 0u);
  EXPECT_EQ(e.kv_usage(), 0);
  EXPECT_NEAR(e.energy_joules(), 0.102 * 700 + 1.0 * 400, 1e-6);
  EXPECT_NEAR(e.busy_seconds(), 1.102, 1e-9);
}

TEST(Engine, AChunkedPromptTakesAsLongAsAWholeOne) {
  EngineModel e = engine({.prefill_chunk_tokens = 64});
  e.submit({.prompt_tokens = 1'000, .output_tokens = 1}, {});
  const auto outcome = run_out(e)[0];
  EXPECT_EQ(outcome.first, milliseconds(2 + 100));
  EXPECT_EQ(outcome.finish, outcome.first);
  EXPECT_EQ(outcome.tokens, 1u);
}

TEST(Engine, CachedPromptTokensAreNotComputed) {
  EngineModel e = engine({.prefix_hit = 0.75});
  e.submit({.prompt_tokens = 1'000, .output_tokens = 1}, {});
  EXPECT_EQ(run_out(e)[0].first, milliseconds(2 + 25));
}

TEST(Engine, ABatchSharesItsSteps) {
  EngineModel e = engine();
  for (uint64_t i = 0; i < 8; ++i) e.submit({.tag = i, .prompt_tokens = 100, .output_tokens = 51}, {});
  const auto outcomes = run_out(e);
  ASSERT_EQ(outcomes.size(), 8u);
  for (const auto& [tag, outcome] : outcomes) {
    EXPECT_EQ(outcome.first, milliseconds(8 * (2 + 10)));  // 800 tokens fit in one step
    EXPECT_EQ(outcome.finish - outcome.first, milliseconds(50 * 12));
  }
}

TEST(Engine, APrefillSlowsThoseWhoDecode) {
  EngineModel e = engine();
  e.submit({.tag = 1, .prompt_tokens = 10, .output_tokens = 11}, {});  // first token at 3 ms
  // In the middle of the step from 13 to 23 ms: joins at 23, and the next step takes 10 + 2 + 50 ms.
  e.submit({.tag = 2, .prompt_tokens = 500, .output_tokens = 1}, milliseconds(17));
  const auto outcomes = run_out(e, milliseconds(17));
  EXPECT_EQ(outcomes.at(2).first, milliseconds(23 + 62));
  EXPECT_EQ(outcomes.at(1).finish, milliseconds(3 + 9 * 10 + 62));
}

TEST(Engine, SaturatesAtTheLastPoint) {
  EngineModel e = engine({.waiting_max = 10'000});
  for (uint64_t i = 0; i < 1'600; ++i)
    ASSERT_EQ(e.submit({.tag = i, .prompt_tokens = 10, .output_tokens = 1'001}, {}).admission, Admission::accepted);
  EXPECT_EQ(e.running(), 16u);
  EXPECT_EQ(e.waiting(), 1'584u);
  Duration end{};
  for (const auto& [tag, outcome] : run_out(e)) end = std::max(end, outcome.finish);
  // 100 waves of 16: a prefill of 16·3 ms, then 1,000 steps of 20 ms.
  EXPECT_EQ(end, milliseconds(100 * (16 * 3 + 1'000 * 20)));
}

TEST(Engine, KvMemoryBoundsTheBatch) {
  EngineModel e = engine({}, profile(0.1));  // 1,000 tokens
  for (uint64_t i = 0; i < 4; ++i) e.submit({.tag = i, .prompt_tokens = 200, .output_tokens = 201}, {});
  EXPECT_EQ(e.running(), 2u);
  EXPECT_EQ(e.waiting(), 2u);
  EXPECT_DOUBLE_EQ(e.kv_usage(), 0.802);
  const auto outcomes = run_out(e);
  EXPECT_LT(outcomes.at(1).finish, outcomes.at(2).first);
  EXPECT_EQ(outcomes.at(3).tokens, 201u);
  EXPECT_EQ(e.submit({.prompt_tokens = 900, .output_tokens = 101}, seconds(60)).admission, Admission::too_large);
  EXPECT_EQ(e.submit({.prompt_tokens = 0}, seconds(60)).admission, Admission::too_large);
}

TEST(Engine, TheHeadOfTheQueueIsNotBypassed) {
  EngineModel e = engine({}, profile(0.1));
  e.submit({.tag = 1, .prompt_tokens = 400, .output_tokens = 100}, {});
  const Ticket large = e.submit({.tag = 2, .prompt_tokens = 500, .output_tokens = 100}, {}).ticket;
  e.submit({.tag = 3, .prompt_tokens = 10, .output_tokens = 10}, {});
  EXPECT_EQ(e.waiting(), 2u);
  EXPECT_TRUE(e.cancel(large, milliseconds(1)));
  EXPECT_EQ(e.waiting(), 0u);
  EXPECT_EQ(e.running(), 2u);
}

TEST(Engine, AFullQueueRefuses) {
  EngineModel e = engine({.waiting_max = 2});
  for (uint64_t i = 0; i < 18; ++i) ASSERT_EQ(e.submit({.tag = i}, {}).admission, Admission::accepted);
  EXPECT_EQ(e.submit({}, {}).admission, Admission::queue_full);
  EXPECT_EQ(run_out(e).size(), 18u);
}

TEST(Engine, ReplicasShareTheLoad) {
  EngineModel e = engine({.replicas = 4});
  for (uint64_t i = 0; i < 4; ++i) e.submit({.tag = i, .prompt_tokens = 100, .output_tokens = 11}, {});
  for (const auto& [tag, outcome] : run_out(e)) EXPECT_EQ(outcome.finish, milliseconds(12 + 100));
}

TEST(Engine, FewerReplicasRunEmptyAndMoreStartAtOnce) {
  EngineModel e = engine({.replicas = 2});
  for (uint64_t i = 0; i < 40; ++i) e.submit({.tag = i, .prompt_tokens = 10, .output_tokens = 11}, {});
  EXPECT_EQ(e.running(), 32u);
  e.set_replicas(1, milliseconds(1));
  EXPECT_EQ(e.running(), 32u);
  EXPECT_EQ(e.waiting(), 8u);
  e.set_replicas(3, milliseconds(2));
  EXPECT_EQ(e.running(), 40u);
  EXPECT_EQ(run_out(e, milliseconds(2)).size(), 40u);
}

TEST(Engine, CancelFreesTheSlotInEveryPhase) {
  EngineModel e = engine({}, profile(0.1));
  const Ticket decoding = e.submit({.tag = 1, .prompt_tokens = 100, .output_tokens = 400}, {}).ticket;
  e.advance(milliseconds(40));
  const Ticket prefilling = e.submit({.tag = 2, .prompt_tokens = 100, .output_tokens = 400}, milliseconds(40)).ticket;
  const Ticket waiting = e.submit({.tag = 3, .prompt_tokens = 100, .output_tokens = 400}, milliseconds(40)).ticket;
  EXPECT_EQ(e.waiting(), 1u);
  EXPECT_TRUE(e.cancel(waiting, milliseconds(41)));
  EXPECT_TRUE(e.cancel(prefilling, milliseconds(41)));
  EXPECT_TRUE(e.cancel(decoding, milliseconds(41)));
  EXPECT_FALSE(e.cancel(decoding, milliseconds(41)));
  EXPECT_FALSE(e.cancel(Ticket{}, milliseconds(41)));
  EXPECT_EQ(e.running() + e.waiting(), 0u);
  EXPECT_EQ(e.kv_usage(), 0);
  EXPECT_TRUE(e.advance(seconds(10)).empty());
  EXPECT_FALSE(e.next_event_at());
}

TEST(Engine, ClearEndsEverythingWithoutEvents) {
  EngineModel e = engine({.token_events = true});
  Ticket ticket;
  for (uint64_t i = 0; i < 40; ++i) ticket = e.submit({.tag = i, .output_tokens = 50}, {}).ticket;
  e.advance(milliseconds(200));
  e.clear(milliseconds(201));
  EXPECT_EQ(e.running() + e.waiting(), 0u);
  EXPECT_FALSE(e.cancel(ticket, milliseconds(202)));
  EXPECT_TRUE(e.advance(seconds(10)).empty());
  e.submit({.tag = 1, .prompt_tokens = 100, .output_tokens = 1}, seconds(20));
  EXPECT_EQ(run_out(e, seconds(20))[1].finish, seconds(20) + milliseconds(12));
}

TEST(Engine, TellsEachTokenWhenAsked) {
  EngineModel e = engine({.token_events = true});
  e.submit({.tag = 1, .prompt_tokens = 100, .output_tokens = 4}, {});
  std::vector<std::pair<Kind, int64_t>> told;
  while (const auto next = e.next_event_at())
    for (const EngineEvent& event : e.advance(*next)) told.emplace_back(event.kind, event.at.ns / 1'000'000);
  EXPECT_THAT(told, testing::ElementsAre(testing::Pair(Kind::first_token, 12), testing::Pair(Kind::tokens, 22),
                                         testing::Pair(Kind::tokens, 32), testing::Pair(Kind::finish, 42)));
}

TEST(Engine, ALateAdvanceCoalescesTokens) {
  EngineModel e = engine({.token_events = true});
  e.submit({.tag = 1, .prompt_tokens = 100, .output_tokens = 40}, {});
  const auto events = e.advance(milliseconds(115));
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].tokens, 10u);
  EXPECT_EQ(events[1].at, milliseconds(112));
}

struct Draw {
  EngineRequest request;
  Duration at;
  std::optional<Duration> cancel_at;
};

std::vector<Draw> draw_load(Random& random, size_t count) {
  std::vector<Draw> draws;
  Duration at{};
  for (size_t i = 0; i < count; ++i) {
    at = at + microseconds(static_cast<int64_t>(random.exponential(random.chance(0.2) ? 200'000 : 3'000)));
    Draw d{.request = {.tag = i,
                       .prompt_tokens = 1 + static_cast<uint32_t>(random.below(600)),
                       .output_tokens = 1 + static_cast<uint32_t>(random.below(80))},
           .at = at,
           .cancel_at = {}};
    if (random.chance(0.15)) d.cancel_at = at + milliseconds(static_cast<int64_t>(random.below(800)));
    draws.push_back(d);
  }
  return draws;
}

// What a run over one load comes to, however its calls fall in time.
struct Tally {
  std::map<uint64_t, Outcome> outcomes;
  size_t accepted = 0, refused = 0, cancelled = 0;
  double joules = 0;
};

Tally run_load(EngineModel e, const std::vector<Draw>& draws, Duration poll) {
  std::multimap<Duration, std::pair<bool, size_t>> agenda;  // cancellation?, draw
  for (size_t i = 0; i < draws.size(); ++i) {
    agenda.emplace(draws[i].at, std::pair(false, i));
    if (draws[i].cancel_at) agenda.emplace(*draws[i].cancel_at, std::pair(true, i));
  }
  Tally tally;
  std::vector<Ticket> tickets(draws.size());
  const auto take = [&](std::span<const EngineEvent> events) {
    for (const EngineEvent& event : events) {
      Outcome& outcome = tally.outcomes[event.tag];
      EXPECT_FALSE(outcome.finished);
      outcome.tokens += event.tokens;
      if (event.kind == Kind::first_token) outcome.first = event.at;
      if (event.kind == Kind::finish) outcome.finish = event.at, outcome.finished = true;
    }
  };
  Duration polled{};
  for (const auto& [at, what] : agenda) {
    for (; poll.ns > 0 && polled < at; polled = polled + poll) take(e.advance(polled));
    if (what.first) {
      tally.cancelled += e.cancel(tickets[what.second], at);
      continue;
    }
    const Submission s = e.submit(draws[what.second].request, at);
    tickets[what.second] = s.ticket;
    ++(s.admission == Admission::accepted ? tally.accepted : tally.refused);
    EXPECT_LE(e.kv_usage(), 1);
  }
  take(e.advance(draws.back().at + hours(10)));
  EXPECT_EQ(e.running() + e.waiting(), 0u);
  EXPECT_EQ(e.kv_usage(), 0);
  EXPECT_FALSE(e.next_event_at());
  tally.joules = e.energy_joules();
  return tally;
}

// Every accepted request finishes with all its tokens or is cancelled, and how often the model is asked changes
// nothing.
TEST(EngineProperty, ConservesRequestsHoweverItIsAsked) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const auto draws = draw_load(random, 300);
    EngineOptions options{.replicas = 1 + static_cast<uint32_t>(seed % 3),
                          .prefix_hit = seed % 2 ? 0.5 : 0,
                          .prefill_chunk_tokens = seed % 5 ? 2'048u : 100u,
                          .waiting_max = 40};
    const grid::Profile p = profile(seed % 4 ? 10 : 0.2);
    const Tally rare = run_load(engine(options, p), draws, {});
    options.token_events = true;
    const Tally often = run_load(engine(options, p), draws, microseconds(1'700));
    size_t finished = 0;
    for (const auto& [tag, outcome] : rare.outcomes) {
      finished += outcome.finished;
      if (!outcome.finished) continue;
      EXPECT_EQ(outcome.tokens, draws[tag].request.output_tokens);
      EXPECT_GE(outcome.first, draws[tag].at);
      const Outcome& other = often.outcomes.at(tag);
      EXPECT_EQ(other.first, outcome.first);
      EXPECT_EQ(other.finish, outcome.finish);
      EXPECT_EQ(other.tokens, outcome.tokens);
    }
    EXPECT_EQ(finished + rare.cancelled, rare.accepted);
    EXPECT_EQ(rare.accepted + rare.refused, draws.size());
    EXPECT_EQ(rare.accepted, often.accepted);
    EXPECT_EQ(rare.cancelled, often.cancelled);
    EXPECT_NEAR(rare.joules, often.joules, 1e-6 * rare.joules);
  }
}

// The same engine written the slow, plain way: one replica, one step at a time, every request looked at in every step.
std::map<uint64_t, Outcome> plain_run(const std::vector<Draw>& draws, const EngineProfile& p, uint32_t chunk) {
  struct Running {
    const Draw* draw;
    uint32_t left;
    uint32_t tokens = 0;
    bool begun = false;
  };
  std::map<uint64_t, Outcome> outcomes;
  std::vector<Running> batch;
  std::vector<const Draw*> queue;
  size_t next = 0;
  Duration now{};
  while (next < draws.size() || !queue.empty() || !batch.empty()) {
    if (batch.empty() && queue.empty()) now = std::max(now, draws[next].at);
    while (next < draws.size() && draws[next].at <= now) queue.push_back(&draws[next++]);
    const auto fits = [&](const Draw* d) {
      uint64_t used = uint64_t{d->request.prompt_tokens} + d->request.output_tokens;
      for (const Running& r : batch) used += uint64_t{r.draw->request.prompt_tokens} + r.draw->request.output_tokens;
      return batch.size() < p.batch_max() && used <= p.kv_tokens;
    };
    while (!queue.empty() && fits(queue.front())) {
      batch.push_back({queue.front(), queue.front()->request.prompt_tokens});
      queue.erase(queue.begin());
    }
    uint32_t room = chunk;
    size_t decoding = 0;
    int64_t prefill_ns = 0;
    std::vector<Running*> computed;
    for (Running& r : batch) {
      decoding += r.left == 0;
      if (r.left == 0 || room == 0) continue;
      const uint32_t tokens = std::min(room, r.left);
      if (!r.begun) prefill_ns += p.prefill_overhead_ns;
      r.begun = true;
      room -= tokens;
      computed.push_back(&r);
    }
    if (room < chunk) prefill_ns += std::llround((chunk - room) * p.prefill_ns_per_token);
    now = now + Duration{p.decode_ns[decoding] + prefill_ns};
    for (Running& r : batch)
      if (r.left == 0) ++r.tokens;
    room = chunk;
    for (Running* r : computed) {
      const uint32_t tokens = std::min(room, r->left);
      room -= tokens;
      r->left -= tokens;
      if (r->left > 0) continue;
      r->tokens = 1;
      outcomes[r->draw->request.tag].first = now;
    }
    std::erase_if(batch, [&](const Running& r) {
      const bool done = r.tokens == r.draw->request.output_tokens;
      if (done) outcomes[r.draw->request.tag].finish = now;
      return done;
    });
  }
  return outcomes;
}

// Blocks first, first + 1, … of 100 tokens in these tests.
std::vector<uint64_t> blocks(uint64_t first, size_t count) {
  std::vector<uint64_t> result;
  for (uint64_t i = 0; i < count; ++i) result.push_back(first + i);
  return result;
}

TEST(BlockCache, KeepsTheLastUsedAndTheBeginningsLongest) {
  BlockCache cache;
  EXPECT_EQ(cache.take(blocks(0, 10), 100, 1'000), 0u);
  EXPECT_EQ(cache.take(blocks(0, 10), 100, 1'000), 10u);
  EXPECT_EQ(cache.take(blocks(100, 4), 100, 1'000), 0u);
  EXPECT_EQ(cache.tokens(), 1'000u);
  EXPECT_EQ(cache.take(blocks(0, 6), 100, 1'000), 6u) << "the last four of the first prompt went";
  EXPECT_EQ(cache.take(blocks(6, 1), 100, 1'000), 0u);
  cache.clear();
  EXPECT_EQ(cache.take(blocks(0, 1), 100, 1'000), 0u);
}

TEST(Engine, ComputesWhatItsReplicaHasNotSeen) {
  EngineModel e = engine();
  const auto prompt = blocks(0, 10), half = blocks(0, 5), other = blocks(50, 10);
  ASSERT_EQ(e.submit({.tag = 1, .prompt_tokens = 1'000, .prefix_blocks = prompt}, {}).admission, Admission::accepted);
  EXPECT_EQ(run_out(e).at(1).first, milliseconds(102)) << "2 ms and 1,000 tokens";
  e.submit({.tag = 2, .prompt_tokens = 500, .prefix_blocks = half}, seconds(1));
  EXPECT_LT(run_out(e, seconds(1)).at(2).first - seconds(1), milliseconds(3)) << "all but one token";
  e.submit({.tag = 3, .prompt_tokens = 1'000, .prefix_blocks = other}, seconds(2));
  EXPECT_EQ(run_out(e, seconds(2)).at(3).first - seconds(2), milliseconds(102));
  EXPECT_EQ(e.cached_tokens(), 499u);
  e.clear(seconds(3));
  e.submit({.tag = 4, .prompt_tokens = 1'000, .prefix_blocks = prompt}, seconds(3));
  EXPECT_EQ(run_out(e, seconds(3)).at(4).first - seconds(3), milliseconds(102)) << "power was lost";
}

TEST(Engine, WhatWaitsIsCachedByTheReplicaThatTakesIt) {
  grid::Profile one_at_a_time = profile();
  one_at_a_time.points.resize(1);
  EngineModel e = engine({}, one_at_a_time);
  const auto prompt = blocks(0, 10);
  for (uint64_t tag = 1; tag <= 2; ++tag)
    e.submit({.tag = tag, .prompt_tokens = 1'000, .output_tokens = 10, .prefix_blocks = prompt}, {});
  const auto outcomes = run_out(e);
  EXPECT_LT(outcomes.at(2).first - outcomes.at(1).finish, milliseconds(3));
}

TEST(EngineProperty, AgreesWithThePlainWay) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed, 1);
    auto draws = draw_load(random, 120);
    for (Draw& d : draws) d.cancel_at.reset();
    const uint32_t chunk = seed % 2 ? 2'048 : 77;
    const grid::Profile p = profile(seed % 3 ? 10 : 0.15);
    const Tally fast = run_load(engine({.prefill_chunk_tokens = chunk, .waiting_max = 1'000}, p), draws, {});
    const auto plain = plain_run(draws, EngineProfile::from(model(), p).value(), chunk);
    ASSERT_EQ(fast.outcomes.size(), plain.size());
    for (const auto& [tag, outcome] : plain) {
      EXPECT_EQ(fast.outcomes.at(tag).first, outcome.first) << tag;
      EXPECT_EQ(fast.outcomes.at(tag).finish, outcome.finish) << tag;
    }
  }
}

}  // namespace
}  // namespace tandem::runtime
