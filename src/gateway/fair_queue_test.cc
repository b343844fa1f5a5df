#include "gateway/fair_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "base/random.h"

namespace tandem::gateway {
namespace {

// Requests that wait for a slot, each of so many tokens.
class Line {
 public:
  explicit Line(size_t waiting_max = 1'000) : queue(waiting_max) {}

  bool add(const std::string& tenant, uint32_t priority = 0, double weight = 1, double tokens = 10, bool fits = true) {
    queue.arrive(tenant, priority, weight);
    auto& one = all_.emplace_back(std::make_unique<One>());
    one->tenant = tenant;
    one->waiting.tenant = one->tenant;
    one->waiting.priority = priority;
    one->waiting.start = [this, &one = *one, tokens, fits] {
      if (slots == 0 || !fits) return false;
      --slots;
      queue.charge(one.tenant, tokens, 0);
      started.push_back(one.tenant);
      served[one.tenant] += tokens;
      return true;
    };
    one->waiting.give_way = [this, &one = *one] { gave_way.push_back(one.tenant); };
    return queue.enter(one->waiting);
  }
  std::string serve(size_t free, size_t looks = 1'000) {
    slots = free;
    started.clear();
    queue.serve(looks);
    std::string names;
    for (const std::string& name : started) names += name;
    return names;
  }

  FairQueue queue;
  size_t slots = 0;
  std::vector<std::string> started, gave_way;
  std::map<std::string, double> served;

 private:
  struct One {
    std::string tenant;
    FairQueue::Waiting waiting;
  };
  std::vector<std::unique_ptr<One>> all_;
};

TEST(FairQueue, TenantsTakeTurnsHoweverMuchOneAsksFor) {
  Line line;
  for (int i = 0; i < 6; ++i) line.add("a");
  for (int i = 0; i < 3; ++i) line.add("b");
  EXPECT_EQ(line.serve(6), "ababab");
  EXPECT_EQ(line.serve(9), "aaa");
  EXPECT_EQ(line.queue.size(), 0u);
}

TEST(FairQueue, ShortRequestsGetAsManyMoreTurns) {
  Line line;
  for (int i = 0; i < 3; ++i) line.add("a", 0, 1, 40);
  for (int i = 0; i < 9; ++i) line.add("b", 0, 1, 10);
  EXPECT_EQ(line.serve(11), "abbbbabbbba");
}

TEST(FairQueue, WeightsAreShares) {
  Line line;
  for (int i = 0; i < 300; ++i) line.add("a", 0, 4);
  for (int i = 0; i < 300; ++i) line.add("b", 0, 1);
  line.serve(200);
  EXPECT_EQ(line.served["a"], 1'600);
  EXPECT_EQ(line.served["b"], 400);
}

TEST(FairQueue, AHigherClassGoesFirst) {
  Line line;
  line.add("a");
  line.add("b", 5);
  line.add("a", 0);
  line.add("c", 9);
  const auto ahead = [&](const char* tenant, uint32_t priority, uint64_t group = 0) {
    FairQueue::Waiting one;
    one.tenant = tenant;
    one.priority = priority;
    one.group = group;
    return line.queue.ahead_of(one);
  };
  EXPECT_EQ(ahead("d", 9), 1u);
  EXPECT_EQ(ahead("d", 5), 2u);
  EXPECT_EQ(ahead("d", 0), 3u) << "of a's two, one goes before the first of d";
  EXPECT_EQ(ahead("a", 0), 4u);
  EXPECT_EQ(ahead("a", 0, 1), 0u) << "they wait for something else";
  EXPECT_EQ(line.queue.waiting_in(0), 4u);
  EXPECT_EQ(line.queue.waiting_in(1), 0u);
  EXPECT_EQ(line.serve(4), "cbaa");
}

TEST(FairQueue, IdlingSavesNothingUp) {
  Line line;
  for (int i = 0; i < 50; ++i) line.queue.charge("busy", 100, 0);  // served while there was room for all
  line.queue.arrive("late", 0, 1);
  EXPECT_EQ(line.queue.counter("late"), line.queue.counter("busy"));
  for (int i = 0; i < 4; ++i) line.add("busy");
  for (int i = 0; i < 4; ++i) line.add("late");
  EXPECT_EQ(line.serve(4), "busylatebusylate");
}

TEST(FairQueue, WhatWasChargedTooMuchIsGivenBack) {
  Line line;
  line.add("a", 0, 1, 100);
  for (int i = 0; i < 3; ++i) line.add("a");
  for (int i = 0; i < 3; ++i) line.add("b");
  EXPECT_EQ(line.serve(2), "ab");
  line.queue.charge("a", -95, 0);  // the answer was short
  EXPECT_EQ(line.serve(3), "aba");
  line.queue.charge("b", 0, -1'000);
  EXPECT_EQ(line.queue.counter("b"), 0);
}

TEST(FairQueue, WhoFindsNoRoomDoesNotHoldOthersUp) {
  Line line;
  line.add("a", 9, 1, 10, false);
  line.add("a", 9);
  line.add("b", 0, 1, 10, false);
  line.add("b", 0);
  EXPECT_EQ(line.serve(5), "ab");
  EXPECT_EQ(line.queue.size(), 2u);
  EXPECT_EQ(line.serve(5, 1), "");
}

TEST(FairQueue, IsBoundedAndTheLowestClassGivesWay) {
  Line line(3);
  EXPECT_TRUE(line.add("a", 1));
  EXPECT_TRUE(line.add("b", 0));
  EXPECT_TRUE(line.add("c", 1));
  EXPECT_FALSE(line.add("d", 0)) << "no lower class to give way";
  EXPECT_TRUE(line.add("e", 1));
  EXPECT_EQ(line.gave_way, std::vector<std::string>{"b"});
  EXPECT_FALSE(line.add("f", 1));
  EXPECT_EQ(line.queue.size(), 3u);
  EXPECT_EQ(line.serve(9), "ace");
}

// Against the bound of the paper (theorem 4.4): two tenants that both wait all the time differ by no more than two of
// the largest requests, however they ask.
TEST(FairQueue, BackloggedTenantsStayCloseHoweverTheyAsk) {
  Random random(7);
  for (int round = 0; round < 20; ++round) {
    Line line(100'000);
    const double largest = 500;
    for (const char* tenant : {"a", "b", "c"}) {
      const double usual = 1 + random.uniform() * (largest - 1);
      for (int i = 0; i < 3'000; ++i) line.add(tenant, 0, 1, 1 + random.uniform() * (usual - 1));
    }
    for (int i = 0; i < 300; ++i) {
      line.serve(1);
      const auto [least, most] = std::ranges::minmax({line.served["a"], line.served["b"], line.served["c"]});
      ASSERT_LE(most - least, 2 * largest);
    }
  }
}

}  // namespace
}  // namespace tandem::gateway
