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
    if (found) {
      ASSERT_EQ(*found, expected->second);
    }
    const auto bound = reference.lower_bound(probe);
    const auto found_bound = map.lower_bound(probe);
    ASSERT_EQ(found_bound == map.end(), bound == reference.end());
    if (bound != reference.end()) {
      ASSERT_EQ((*found_bound).first, bound->first);
    }
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
  for (uint64_t seed = 100; seed < 112; ++seed)
    random_changes(seed, 30'000, 20'000, 0.3 + 0.01 * static_cast<double>(seed % 30));
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

// What `difference` says, as text a line: "- key", "+ key", "~ key".
using Lines = std::vector<std::string>;

Lines differences(const Map& before, const Map& after, const std::string& from = {}) {
  Lines lines;
  Map::difference(
      before, after,
      [&](const std::string& key, const uint64_t* old_value, const uint64_t* new_value) {
        if (old_value) {
          EXPECT_EQ(old_value, before.find(key));
        }
        if (new_value) {
          EXPECT_EQ(new_value, after.find(key));
        }
        lines.push_back((!new_value ? "- " : !old_value ? "+ " : "~ ") + key);
        return true;
      },
      std::equal_to<>(), from);
  return lines;
}

Lines differences(const Reference& before, const Reference& after, const std::string& from = {}) {
  Lines lines;
  auto a = before.lower_bound(from), b = after.lower_bound(from);
  while (a != before.end() || b != after.end()) {
    if (b == after.end() || (a != before.end() && a->first < b->first)) {
      lines.push_back("- " + (a++)->first);
    } else if (a == before.end() || b->first < a->first) {
      lines.push_back("+ " + (b++)->first);
    } else {
      if (a->second != b->second) lines.push_back("~ " + a->first);
      ++a, ++b;
    }
  }
  return lines;
}

TEST(PersistentMapDifference, OfEqualAndOfEmptyMaps) {
  Map map;
  EXPECT_EQ(differences(map, map), Lines());
  map.set("a", 1);
  Map other;
  EXPECT_EQ(differences(other, map), Lines{"+ a"});
  EXPECT_EQ(differences(map, other), Lines{"- a"});
  other.set("a", 1);  // equal, not shared
  EXPECT_EQ(differences(map, other), Lines());
  other.set("a", 2);
  EXPECT_EQ(differences(map, other), Lines{"~ a"});
}

// Two maps that grew apart from one, in many steps, by any mixture of changes: bursts that split and join nodes among
// them.
void grow_apart(uint64_t seed, uint64_t key_range, size_t steps) {
  Random random(seed);
  Map map;
  Reference reference;
  for (uint64_t i = 0; i < key_range; ++i)
    if (random.chance(0.5)) {
      map.set(key_of(i), i);
      reference[key_of(i)] = i;
    }
  Map maps[2] = {map, map};
  Reference references[2] = {reference, reference};
  for (size_t step = 0; step < steps; ++step) {
    const size_t side = random.below(2);
    const uint64_t first = random.below(key_range), length = random.chance(0.1) ? random.below(key_range / 4 + 1) : 1;
    const bool erase = random.chance(0.5);
    for (uint64_t key = first; key < first + length; ++key) {
      if (erase) {
        maps[side].erase(key_of(key));
        references[side].erase(key_of(key));
      } else {
        maps[side].set(key_of(key), step);
        references[side][key_of(key)] = step;
      }
    }
    ASSERT_EQ(differences(maps[0], maps[1]), differences(references[0], references[1])) << seed << " " << step;
    const std::string from = key_of(random.below(key_range));
    ASSERT_EQ(differences(maps[0], maps[1], from), differences(references[0], references[1], from))
        << seed << " " << step;
    if (random.chance(0.05)) {  // together again
      maps[side] = maps[1 - side];
      references[side] = references[1 - side];
    }
  }
}

TEST(PersistentMapDifference, AgreesWithTheStandardMap) {
  for (uint64_t seed = 1; seed <= 20; ++seed) grow_apart(seed, 1 + seed * seed * 4, 60);
}

TEST(PersistentMapDifferenceSoak, AgreesWithTheStandardMap) {
  for (uint64_t seed = 100; seed < 120; ++seed) grow_apart(seed, 20'000, 120);
}

TEST(PersistentMapDifference, StopsWhenItsVisitorHasEnough) {
  Map before, after;
  for (uint64_t i = 0; i < 100; ++i) after.set(key_of(i), i);
  size_t seen = 0;
  const auto visit = [&](const std::string&, const uint64_t*, const uint64_t*) { return ++seen < 7; };
  Map::difference(before, after, visit);
  EXPECT_EQ(seen, 7u);
  Map::difference(after, before, visit);
  EXPECT_EQ(seen, 8u);
}

// The cost of a difference is that of the change: values are looked at only in the nodes that a change has copied.
TEST(PersistentMapDifference, LooksOnlyAtWhatIsNotShared) {
  for (const uint64_t entries : {1'000u, 100'000u}) {
    PersistentMap<uint64_t, uint64_t> map;
    for (uint64_t i = 0; i < entries; ++i) map.set(i, i);
    const auto before = map;
    for (uint64_t i = 0; i < 10; ++i) map.set(i * entries / 10, 0);
    size_t compared = 0, differ = 0;
    PersistentMap<uint64_t, uint64_t>::difference(
        before, map, [&](uint64_t, const uint64_t*, const uint64_t*) { return ++differ, true; },
        [&](uint64_t a, uint64_t b) { return ++compared, a == b; });
    EXPECT_EQ(differ, 9u);  // the first was 0 before
    EXPECT_LE(compared, 10 * map.kFanout);
  }
}

TEST(PersistentMap, EditsAtAnIteratorWhatIsItsAlone) {
  Map map;
  for (uint64_t n = 0; n < 1'000; ++n) map.set(key_of(n), n);
  const Map before = map;
  for (uint64_t n = 0; n < 1'000; n += 7) map.edit(map.lower_bound(key_of(n))) += 10'000;
  for (uint64_t n = 0; n < 1'000; ++n) {
    EXPECT_EQ(*map.find(key_of(n)), n % 7 == 0 ? n + 10'000 : n);
    EXPECT_EQ(*before.find(key_of(n)), n);
  }
}

}  // namespace
}  // namespace tandem
