#include "base/persistent_map.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/random.h"

namespace tandem {
namespace {

using Map = PersistentMap<std::string, uint64_t>;
using Reference = std::map<std::string, uint64_t, std::less<>>;

std::string key_of(uint64_t n) { return "interface-" + std::to_string(n); }

void expect_equal(const Map& map, const Reference& reference) {
  ASSERT_EQ(map.size(), reference.size());
  auto expected = reference.begin();
  for (const auto& [key, value] : map) {
    ASSERT_EQ(key, expected->first);
    ASSERT_EQ(value, expected->second);
    ++expected;
  }
  ASSERT_EQ(expected, reference.end());
}

TEST(PersistentMap, EmptyHasNothing) {
  Map map;
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(map.find("x"), nullptr);
  EXPECT_FALSE(map.erase("x"));
  EXPECT_EQ(map.begin(), map.end());
  EXPECT_EQ(map.lower_bound("x"), map.end());
}

TEST(PersistentMap, CopyIsNotChangedByTheOriginal) {
  Map map;
  for (uint64_t i = 0; i < 1'000; ++i) map.set(key_of(i), i);
  const Map before = map;
  EXPECT_TRUE(before.shares_all(map));
  map.set(key_of(7), 700);
  map.erase(key_of(8));
  EXPECT_FALSE(before.shares_all(map));
  EXPECT_EQ(*before.find(key_of(7)), 7u);
  EXPECT_EQ(*before.find(key_of(8)), 8u);
  EXPECT_EQ(*map.find(key_of(7)), 700u);
  EXPECT_EQ(map.find(key_of(8)), nullptr);
}

TEST(PersistentMap, AChangeSharesAllButOnePath) {
  PersistentMap<uint64_t, uint64_t> map;
  for (uint64_t i = 0; i < 10'000; ++i) map.set(i, i);
  auto before = map;
  map.set(5'000, 1);
  size_t moved = 0;
  for (uint64_t i = 0; i < 10'000; ++i) moved += map.find(i) != before.find(i);
  EXPECT_GT(moved, 0u);
  EXPECT_LE(moved, map.kFanout);  // the entries of one leaf
}

TEST(PersistentMap, AChangeToAMapHeldOnceIsInPlace) {
  PersistentMap<uint64_t, uint64_t> map;
  for (uint64_t i = 0; i < 10'000; ++i) map.set(i, i);
  const uint64_t* place = map.find(uint64_t{5'000});
  map.set(5'000, 1);
  EXPECT_EQ(map.find(uint64_t{5'000}), place);
  EXPECT_EQ(*place, 1u);
}

TEST(PersistentMap, ErasingWhatIsNotThereSharesAll) {
  Map map;
  for (uint64_t i = 0; i < 100; ++i) map.set(key_of(i), i);
  const Map before = map;
  EXPECT_FALSE(map.erase("nothing"));
  EXPECT_TRUE(before.shares_all(map));
}

// Random changes against std::map, with copies kept alive and compared at the end: a change that reached into a copy
// would show.
void random_changes(uint64_t seed, size_t steps, uint64_t key_range, double erase_share) {
  Random random(seed);
  Map map;
  Reference reference;
  std::vector<std::pair<Map, Reference>> kept;
  for (size_t step = 0; step < steps; ++step) {
    const std::string key = key_of(random.below(key_range));
    if (random.chance(erase_share)) {
      EXPECT_EQ(map.erase(key), reference.erase(key) == 1);
    } else {
      const uint64_t value = random.next();
      EXPECT_EQ(map.set(key, value), reference.insert_or_assign(key, value).second);
    }
    const std::string probe = key_of(random.below(key_range));
    const auto expected = reference.find(probe);
    const uint64_t* found = map.find(std::string_view(probe));
    ASSERT_EQ(found != nullptr, expected != reference.end());
    if (found) { ASSERT_EQ(*found, expected->second); }
    const auto bound = reference.lower_bound(probe);
    const auto found_bound = map.lower_bound(probe);
    ASSERT_EQ(found_bound == map.end(), bound == reference.end());
    if (bound != reference.end()) { ASSERT_EQ((*found_bound).first, bound->first); }
    if (random.chance(0.01)) kept.emplace_back(map, reference);
    if (kept.size() > 10) kept.erase(kept.begin() + static_cast<ptrdiff_t>(random.below(kept.size())));
  }
  expect_equal(map, reference);
  for (const auto& [copy, expected] : kept) expect_equal(copy, expected);
  while (!reference.empty()) {  // down to nothing, in random order of key
    auto next = reference.lower_bound(key_of(random.below(key_range)));
    if (next == reference.end()) next = reference.begin();
    EXPECT_TRUE(map.erase(next->first));
    reference.erase(next);
    if (reference.size() % 64 == 0) expect_equal(map, reference);
  }
  EXPECT_TRUE(map.empty());
  for (const auto& [copy, expected] : kept) expect_equal(copy, expected);
}

TEST(PersistentMap, AgreesWithTheStandardMap) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    random_changes(seed, 4'000, 300, 0.45);
    random_changes(seed, 4'000, 5'000, 0.2);
  }
}

TEST(PersistentMapSoak, AgreesWithTheStandardMap) {
  for (uint64_t seed = 100; seed < 112; ++seed) random_changes(seed, 30'000, 20'000, 0.3 + 0.01 * static_cast<double>(seed % 30));
}

TEST(PersistentMap, AscendingAndDescendingLoads) {
  for (const bool ascending : {true, false}) {
    PersistentMap<uint64_t, uint64_t> map;
    constexpr uint64_t kCount = 20'000;
    for (uint64_t i = 0; i < kCount; ++i) map.set(ascending ? i : kCount - 1 - i, i);
    uint64_t next = 0;
    for (const auto& [key, value] : map) {
      ASSERT_EQ(key, next++);
      ASSERT_EQ(value, ascending ? key : kCount - 1 - key);
    }
    ASSERT_EQ(next, kCount);
  }
}

TEST(PersistentMap, ReleasesItsValues) {
  const auto value = std::make_shared<int>(1);
  {
    PersistentMap<uint64_t, std::shared_ptr<int>> map;
    for (uint64_t i = 0; i < 1'000; ++i) map.set(i, value);
    const auto copy = map;
    for (uint64_t i = 0; i < 1'000; i += 2) map.erase(i);
    EXPECT_GE(value.use_count(), 1'001);
    for (uint64_t i = 1; i < 1'000; i += 2) map.erase(i);
  }
  EXPECT_EQ(value.use_count(), 1);
}

}  // namespace
}  // namespace tandem
