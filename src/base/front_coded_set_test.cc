#include "base/front_coded_set.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "base/random.h"

namespace tandem {
namespace {

using Keys = std::set<std::string>;

std::vector<std::string> keys_of(const FrontCodedSet& set, std::string_view from = {}) {
  std::vector<std::string> keys;
  for (auto at = set.lower_bound(from); !at.at_end(); at.next()) keys.push_back(at.key());
  return keys;
}

void expect_same(const FrontCodedSet& set, const Keys& keys) {
  ASSERT_EQ(set.size(), keys.size());
  ASSERT_EQ(keys_of(set), std::vector<std::string>(keys.begin(), keys.end()));
}

// Keys as an index has them, with the odd one that is empty, long, or of bytes above 127.
std::string drawn(Random& random) {
  switch (random.below(20)) {
    case 0: return std::string(random.below(3), '\xFF');
    case 1: return std::string(200 + random.below(3'000), static_cast<char>('a' + random.below(3)));
    default:
      return "interface" + std::string(1, '\0') + "device-" + std::to_string(random.below(30)) + std::string(1, '\0') +
             std::to_string(random.below(60));
  }
}

TEST(FrontCodedSet, EmptyHasNothing) {
  FrontCodedSet set;
  EXPECT_TRUE(set.empty());
  EXPECT_FALSE(set.contains(""));
  EXPECT_FALSE(set.erase("a"));
  EXPECT_TRUE(set.lower_bound("").at_end());
  EXPECT_TRUE(set.insert(""));
  EXPECT_TRUE(set.contains(""));
  EXPECT_EQ(keys_of(set), std::vector<std::string>{""});
}

TEST(FrontCodedSet, IsAsAStandardSetAfterAnyChanges) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    FrontCodedSet set;
    Keys keys;
    for (int i = 0; i < 3'000; ++i) {
      const std::string key = drawn(random);
      const bool grows = random.chance(i < 2'000 ? 0.7 : 0.2);  // first it fills, then it empties
      if (grows)
        ASSERT_EQ(set.insert(key), keys.insert(key).second);
      else
        ASSERT_EQ(set.erase(key), keys.erase(key) > 0);
      const std::string other = drawn(random);
      ASSERT_EQ(set.contains(other), keys.contains(other));
      if (i % 100 != 0) continue;
      expect_same(set, keys);
      ASSERT_EQ(keys_of(set, other), std::vector<std::string>(keys.lower_bound(other), keys.end()));
    }
    while (!keys.empty()) {
      const std::string key = *keys.lower_bound(keys.size() % 2 == 0 ? "" : *keys.rbegin());
      ASSERT_TRUE(set.erase(key));
      keys.erase(key);
    }
    expect_same(set, keys);
  }
}

TEST(FrontCodedSet, ACopyStaysAsItWas) {
  Random random(1);
  FrontCodedSet set;
  Keys keys;
  std::vector<std::pair<FrontCodedSet, Keys>> kept;
  for (int i = 0; i < 5'000; ++i) {
    const std::string key = drawn(random);
    if (random.chance(0.6)) {
      set.insert(key);
      keys.insert(key);
    } else {
      set.erase(key);
      keys.erase(key);
    }
    if (i % 500 == 0) kept.emplace_back(set, keys);
  }
  for (const auto& [then, expected] : kept) expect_same(then, expected);
}

TEST(FrontCodedSet, AnAscendingLoadIsInOrder) {
  FrontCodedSet set;
  Keys keys;
  for (int i = 0; i < 10'000; ++i) {
    const std::string key = "k" + std::to_string(1'000'000 + i);
    ASSERT_TRUE(set.insert(key));
    keys.insert(key);
  }
  expect_same(set, keys);
  EXPECT_FALSE(set.insert("k1005000"));
}

}  // namespace
}  // namespace tandem
