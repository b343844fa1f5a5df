#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <barrier>
#include <thread>

#include "base/calendar.h"
#include "gateway/live_board.h"
#include "gateway/tenant_limits.h"
#include "gateway/test_world.h"

namespace tandem::gateway {
namespace {

using testing::HasSubstr;

constexpr Duration kNow = hours(1);

TEST(RateMeter, TakesAMinutesWorthAtOnceAndThenAsItComesIn) {
  RateMeter meter;
  for (uint64_t i = 0; i < 60; ++i) {
    const auto standing = meter.take(60, 1, kNow);
    EXPECT_TRUE(standing.admitted);
    EXPECT_EQ(standing.remaining, 59 - i);
    EXPECT_EQ(standing.reset, seconds(static_cast<int64_t>(i) + 1));
  }
  const auto refused = meter.take(60, 1, kNow);
  EXPECT_FALSE(refused.admitted);
  EXPECT_EQ(refused.remaining, 0u);
  EXPECT_EQ(refused.wait, seconds(1));
  EXPECT_FALSE(meter.take(60, 1, kNow + seconds(1) - nanoseconds(1)).admitted);
  EXPECT_TRUE(meter.take(60, 1, kNow + seconds(1)).admitted);
  EXPECT_FALSE(meter.take(60, 1, kNow + seconds(1)).admitted);
  EXPECT_EQ(meter.take(60, 30, kNow + minutes(5)).remaining, 30u) << "no more than a minute's worth is saved up";
}

TEST(RateMeter, AnyLimitLetsExactlyItselfThrough) {
  for (const uint64_t limit : {1u, 7u, 59u, 997u, 100'003u}) {
    RateMeter meter;
    uint64_t admitted = 0;
    while (meter.take(limit, 1, kNow).admitted) ASSERT_LE(++admitted, limit);
    EXPECT_EQ(admitted, limit);
  }
}

TEST(RateMeter, WhatCanNeverBeTakenSaysSo) {
  RateMeter meter;
  EXPECT_EQ(meter.take(100, 101, kNow).wait, Duration{INT64_MAX});
  EXPECT_TRUE(meter.take(100, 100, kNow).admitted) << "what was refused took nothing";
  EXPECT_EQ(meter.take(100, UINT64_MAX, kNow).wait, Duration{INT64_MAX});
}

TEST(RateMeter, SettlesWhatItWasInTheEnd) {
  RateMeter meter;
  EXPECT_EQ(meter.take(6'000, 1'000, kNow).remaining, 5'000u);
  meter.settle(6'000, 1'000, 100);
  EXPECT_EQ(meter.take(6'000, 0, kNow).remaining, 5'900u);
  meter.settle(6'000, 0, 7'000);  // a long answer: owed by those who come next
  const auto owing = meter.take(6'000, 1, kNow);
  EXPECT_FALSE(owing.admitted);
  EXPECT_EQ(owing.remaining, 0u);
  EXPECT_TRUE(meter.take(6'000, 1, kNow + seconds(12)).admitted);
  meter.settle(6'000, 50'000, 0);
  EXPECT_EQ(meter.take(6'000, 0, kNow + seconds(12)).remaining, 6'000u) << "nothing is saved beyond the limit";
}

TEST(RateMeter, ThreadsTogetherTakeNoMoreThanThereIs) {
  RateMeter meter;
  std::atomic<uint64_t> admitted{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 20'000; ++n)
        if (meter.take(30'000, 1, kNow).admitted) ++admitted;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(admitted, 30'000u);
}

TEST(TenantMeter, CountsWhatWasSpentByMonth) {
  const Instant march = *parse_rfc3339("2026-03-31T23:59:59Z");
  TenantMeter meter;
  EXPECT_EQ(meter.spent_nano_eur(march), 0u);
  meter.spend(5, march);
  meter.note_spent(3, begin_of_month(march));
  EXPECT_EQ(meter.spent_nano_eur(march), 5u) << "the accounts trail what is served";
  meter.note_spent(9, begin_of_month(march));
  EXPECT_EQ(meter.spent_nano_eur(march), 9u) << "others serve it too";
  EXPECT_EQ(meter.spent_nano_eur(march + seconds(1)), 0u);
  meter.spend(2, march + seconds(1));
  EXPECT_EQ(meter.spent_nano_eur(march + seconds(1)), 2u);
  meter.note_spent(100, begin_of_month(march));  // late news of a month that is over
  meter.spend(100, march);                       // a last request of it
  EXPECT_EQ(meter.spent_nano_eur(march + seconds(1)), 2u);
  EXPECT_EQ(meter.spent_nano_eur(march), 0u) << "of what is over nothing is known any more";
  meter.spend(7, march + hours(24 * 45));  // the sum of March is the one of May
  EXPECT_EQ(meter.spent_nano_eur(march + hours(24 * 45)), 7u);
}

// Many threads see a month's first instants together, and some still end requests of the month before: each month has
// what was spent in it, to the last nano-euro.
TEST(TenantMeter, AMonthThatManyBeginAtOnceLosesNothing) {
  constexpr uint64_t kThreads = 4, kRequests = 50, kMonths = 200;
  const Instant first = *parse_rfc3339("2026-01-01T00:00:00Z");
  TenantMeter meter;
  Instant month = first;
  for (uint64_t m = 0; m < kMonths; ++m) {
    const Instant before = month - milliseconds(1);
    std::barrier turn(kThreads);
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < kThreads; ++t)
      threads.emplace_back([&] {
        turn.arrive_and_wait();
        for (uint64_t i = 0; i < kRequests; ++i) {
          meter.spend(1'000, before);
          meter.spend(1, month);
        }
      });
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(meter.spent_nano_eur(month), kThreads * kRequests) << m;
    month = begin_of_next_month(month);
  }
}

std::string limited(const std::string& limits) {
  std::string drawing = kThreeEngines;
  const std::string acme = "tenant acme key=sk-acme";
  return drawing.replace(drawing.find(acme), acme.size(), acme + " " + limits);
}

TEST(Limits, RequestsAMinuteAreHeldAndTold) {
  TestWorld world(limited("rpm=2"), three_engines());
  Reply reply = world.ask(chat(kWholeBody));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("x-ratelimit-limit-requests"), "2");
  EXPECT_EQ(reply.header("x-ratelimit-remaining-requests"), "1");
  EXPECT_EQ(reply.header("x-ratelimit-reset-requests"), "30s");
  EXPECT_EQ(reply.header("x-ratelimit-limit-tokens"), "");
  EXPECT_EQ(world.ask(chat("{}")).status, 400);  // counts: it had to be looked at
  reply = world.ask(chat(kWholeBody));
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.error_code(), "rate_limit_exceeded");
  EXPECT_THAT(reply.body, HasSubstr("limit of 2 requests a minute"));
  EXPECT_EQ(reply.header("x-ratelimit-remaining-requests"), "0");
  EXPECT_EQ(reply.header("retry-after"), "30");
  EXPECT_EQ(world.last().outcome, Outcome::rejected);
  EXPECT_EQ(world.last().refused, "rate_limit_exceeded");
  http::Headers strict;
  strict.add("authorization", "Bearer sk-strict");
  EXPECT_EQ(world.ask(chat(kWholeBody, strict)).status, 200) << "another tenant's is its own";
  EXPECT_EQ(world.ask(chat(kWholeBody, strict)).header("x-ratelimit-limit-requests"), "");
  world.publish(limited("rpm=2"));
  EXPECT_EQ(world.ask(chat(kWholeBody)).status, 429) << "a new table forgives nothing";
  world.clock.skipped = seconds(30);
  EXPECT_EQ(world.ask(chat(kWholeBody)).status, 200);
}

TEST(Limits, TokensAMinuteAreSettledWhenTheAnswerHasEnded) {
  TestWorld world(limited("tpm=1000"), three_engines());
  const auto left = [&] {
    world.clock.skipped = world.clock.skipped + minutes(2);
    const Reply reply = world.ask(chat(kStreamBody));
    return reply.header("x-ratelimit-remaining-tokens");
  };
  // "hi there" and the frame of a chat are a few tokens; an answer is taken for 256 before it is there.
  const Reply first = world.ask(chat(kStreamBody));
  EXPECT_EQ(first.header("x-ratelimit-limit-tokens"), "1000");
  const int64_t taken = 1000 - std::stoll(first.header("x-ratelimit-remaining-tokens"));
  EXPECT_GT(taken, 256);
  // It was 7 and 2: were the others not given back, the fifth would find nothing left.
  for (int i = 0; i < 4; ++i) EXPECT_EQ(world.ask(chat(kStreamBody)).status, 200);
  const Reply sixth = world.ask(chat(kStreamBody));
  EXPECT_NEAR(std::stod(sixth.header("x-ratelimit-remaining-tokens")), 1000 - 5 * 9 - static_cast<double>(taken), 8);
  EXPECT_EQ(std::stoll(left()), 1000 - taken);
  // Refused before any engine sees it, and taken back whole where no site may serve it.
  Reply reply =
      world.ask(chat(R"({"model":"small","max_tokens":5000,"n":8,"messages":[{"role":"user","content":"hi"}]})"));
  EXPECT_EQ(reply.status, 429);
  EXPECT_THAT(reply.body, HasSubstr("over the limit of tenant 'acme', 1000 a minute"));
  EXPECT_EQ(reply.header("retry-after"), "") << "it will never do";
  http::Headers nowhere;
  nowhere.add("x-tandem-residency", "FR");
  world.engine("b").behaviour = Behaviour::fails;
  EXPECT_EQ(world.ask(chat(kWholeBody, nowhere)).status, 503);
  EXPECT_EQ(std::stoll(left()), 1000 - taken);
}

TEST(Limits, ABudgetStopsATenantUntilTheNextMonth) {
  TestWorld world(limited("budget=0.00002"), three_engines());  // each answer costs 16 millionths
  EXPECT_EQ(world.ask(chat(kWholeBody)).status, 200);
  EXPECT_EQ(world.ask(chat(kWholeBody)).status, 200);
  const Reply reply = world.ask(chat(kWholeBody));
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.error_code(), "insufficient_quota");
  EXPECT_THAT(reply.body, HasSubstr("Tenant 'acme' has spent its budget of 0.00 EUR a month"));
  EXPECT_THAT(reply.body, HasSubstr("begins anew on 1970-02-01 (UTC)."));
  EXPECT_LE(std::stoi(std::string(reply.header("retry-after"))), 31 * 86'400);
  EXPECT_GT(std::stoi(std::string(reply.header("retry-after"))), 27 * 86'400);
  EXPECT_EQ(world.engine("far").requests.size(), 2u);
  world.clock.date = world.clock.date + hours(24 * 31);
  EXPECT_EQ(world.ask(chat(kWholeBody)).status, 200);
  world.shared.note_spending(begin_of_month(world.clock.date), {{"acme", 1'000'000}, {"nobody", 1}});
  EXPECT_EQ(world.ask(chat(kWholeBody)).status, 429) << "what the accounts know counts too";
}

TEST(Limits, FiftyThousandTenantsFitAndKeepTheirOwn) {
  routing::TableRows rows = routing::draw_table("jurisdiction DE\n region r\n site s DE\n model m");
  for (int i = 0; i < 50'000; ++i) {
    routing::Tenant tenant;
    tenant.id = "tenant-" + std::to_string(i);
    tenant.limits.requests_per_minute = 1;
    rows.tenants.push_back(std::move(tenant));
  }
  LiveBoard board({});
  board.publish(std::make_shared<routing::RoutingTable>(rows));
  const auto before = board.current();
  ASSERT_EQ(before->meters.size(), 50'000u);
  for (size_t i = 0; i < before->meters.size(); i += 2)
    EXPECT_TRUE(before->meters[i]->requests.take(1, 1, kNow).admitted);
  board.publish(std::make_shared<routing::RoutingTable>(rows));
  const auto after = board.current();
  for (size_t i = 0; i < after->meters.size(); ++i)
    ASSERT_EQ(after->meters[i]->requests.take(1, 1, kNow).admitted, i % 2 == 1);
  static_assert(sizeof(TenantMeter) == 64);  // and a control block: under 10 MB for all of them
  rows.tenants.resize(1);
  board.publish(std::make_shared<routing::RoutingTable>(rows));
  EXPECT_EQ(after->meters[7].use_count(), 2) << "held by the two former tables alone";
}

}  // namespace
}  // namespace tandem::gateway
