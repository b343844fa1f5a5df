#include "api/search_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/random.h"
#include "support/small_world.h"

namespace tandem::api {
namespace {

using test_support::fact;
using test_support::retraction;

std::vector<std::string> ids(const SearchAnswer& answer) {
  std::vector<std::string> result;
  for (const SearchResult& found : answer.results) result.push_back(found.id);
  return result;
}

struct Indexed {
  inventory::Snapshot believed;
  SearchIndex index;

  explicit Indexed(const std::vector<log::Event>& events = {}) {
    for (const log::Event& event : events) believed.fold(event, believed.offset() + 1, {});
    index.rebuild(believed);
  }
  void take(const log::Event& event) {
    believed.fold(event, believed.offset() + 1, {});
    index.follow(believed);
  }
  std::vector<std::string> find(std::string_view question, SearchOptions options = {}) const {
    return ids(index.search(question, options));
  }
};

TEST(SearchWords, AreLowerCaseWithoutAccents) {
  EXPECT_EQ(search_words("Düsseldorf-Süd R1"), (std::vector<std::string>{"duesseldorf", "sued", "r1"}));
  EXPECT_EQ(search_words("10.1.2.3/24"), (std::vector<std::string>{"10", "1", "2", "3", "24"}));
  EXPECT_EQ(search_words("東京 駅"), (std::vector<std::string>{"東京", "駅"}));
  EXPECT_TRUE(search_words(" .-_/ ").empty());
  EXPECT_TRUE(search_words("\xff\xfe").empty());
}

TEST(SearchIndex, FindsByIdNameSerialAddressAndExternalId) {
  const Indexed world({fact("device", "ber-core-1", {{"name", "Berlin Mitte core router"}, {"serial", "FOX2231P0AB"}}),
                       fact("address", "a1", {{"address", "10.20.30.40/24"}}),
                       fact("site", "muc", {{"name", "München"}, {"external_ids", Json::Array{"netbox:site-77"}}})});
  for (const char* question : {"ber", "BER-CORE", "mitte", "core berlin", "fox2231", "ber core 1"})
    EXPECT_EQ(world.find(question), std::vector<std::string>{"ber-core-1"}) << question;
  EXPECT_EQ(world.find("10.20.30"), std::vector<std::string>{"a1"});
  EXPECT_EQ(world.find("muenchen"), std::vector<std::string>{"muc"});
  EXPECT_EQ(world.find("netbox site 77"), std::vector<std::string>{"muc"});
  EXPECT_EQ(world.index.search("FOX2231P0AB", {}).results.at(0).matched, "serial");
  EXPECT_TRUE(world.find("berlin muenchen").empty());
  EXPECT_TRUE(world.find("erlin").empty());  // words by their beginning
  EXPECT_TRUE(world.find("").empty());
  EXPECT_TRUE(world.find("core", {.kind = "site"}).empty());
}

TEST(SearchIndex, PutsTheNearestFirst) {
  const Indexed world({fact("device", "r10", {}), fact("device", "r1", {}), fact("device", "x", {{"name", "r1"}}),
                       fact("device", "y", {{"name", "next to r1"}})});
  EXPECT_EQ(world.find("r1"), (std::vector<std::string>{"r1", "r10", "x", "y"}));
  const SearchAnswer two = world.index.search("r1", {.limit = 2});
  EXPECT_EQ(ids(two), (std::vector<std::string>{"r1", "r10"}));
  EXPECT_TRUE(two.truncated);
}

TEST(SearchIndex, FollowsWhatComesChangesAndGoes) {
  Indexed world({fact("device", "a", {{"name", "old"}})});
  world.take(fact("device", "a", {{"name", "new"}}));
  EXPECT_TRUE(world.find("old").empty());
  EXPECT_EQ(world.find("new"), std::vector<std::string>{"a"});
  world.take(retraction("device", "a"));
  EXPECT_TRUE(world.find("new").empty());
  world.take(fact("device", "a", {{"name", "back"}}));
  EXPECT_EQ(world.find("back"), std::vector<std::string>{"a"});
  EXPECT_EQ(world.index.applied(), world.believed.offset());
}

// The index against a look at every entity.
std::vector<std::string> by_looking(const inventory::Snapshot& believed, const std::string& word) {
  std::vector<std::string> result;
  believed.for_each("device", [&](const inventory::Entity& entity) {
    std::vector<std::string> words = search_words(entity.id);
    if (const v1::Value* name = entity.find("name"))
      for (std::string& more : search_words(name->text())) words.push_back(std::move(more));
    if (std::ranges::any_of(words, [&](const std::string& one) { return one.starts_with(word); }))
      result.push_back(entity.id);
    return true;
  });
  return result;
}

TEST(SearchIndex, FindsWhatLookingFinds) {
  Random random(3);
  Indexed world;
  const auto text = [&] {
    std::string name;
    for (uint64_t i = 1 + random.below(3); i > 0; --i)
      (name += static_cast<char>('a' + random.below(3))) += random.below(2) == 0 ? "" : " ";
    return name + "a";
  };
  for (int i = 0; i < 600; ++i) {
    const std::string id = "d" + std::to_string(random.below(60));
    if (random.below(4) == 0)
      world.take(retraction("device", id));
    else
      world.take(fact("device", id, {{"name", text()}}));
    if (i % 10 != 0) continue;
    for (const char* word : {"a", "ab", "b", "cc", "d1", "d"}) {
      auto found = world.find(word, {.limit = 1'000});
      std::ranges::sort(found);
      EXPECT_EQ(found, by_looking(world.believed, word)) << word;
    }
  }
}

TEST(SearchIndex, ABranchIsSearchedAsItIsThere) {
  Indexed world;
  for (const char* id : {"d1", "d2", "d3", "d4"}) world.take(fact("device", id, {{"name", std::string("Old ") + id}}));
  inventory::Branches branches;
  const auto tell = [&](const log::Event& event) {
    const log::Offset offset = world.believed.offset() + 1;
    world.believed.fold(event, offset, {});
    branches.fold(event, offset, {}, world.believed);
    world.index.follow(world.believed);
  };
  log::Event created;
  created.mutable_branch_created()->set_name("b");
  tell(created);
  log::Event edited;
  edited.mutable_branch_edited()->set_branch("b");
  for (const auto& [id, name] : {std::pair("d1", "New one"), std::pair("d9", "New nine")})
    *edited.mutable_branch_edited()->add_edits()->mutable_facts() =
        fact("device", id, {{"name", name}}).facts_recorded();
  *edited.mutable_branch_edited()->add_edits()->mutable_retraction() = retraction("device", "d2").entity_retracted();
  tell(edited);
  tell(fact("device", "d3", {{"name", "Later"}}));
  tell(retraction("device", "d4"));
  const auto branch = branches.find("b");
  const auto there = [&](const char* word) { return ids(world.index.search(word, {}, *branch)); };
  EXPECT_EQ(there("new"), (std::vector<std::string>{"d1", "d9"}));
  EXPECT_EQ(there("old"), (std::vector<std::string>{"d3", "d4"}));  // as they were when the branch began
  EXPECT_TRUE(there("later").empty());
  EXPECT_EQ(world.find("old"), std::vector<std::string>({"d1", "d2"}));
  EXPECT_EQ(world.find("later"), std::vector<std::string>{"d3"});
  EXPECT_EQ(world.index.search("new", {}, *branch).applied, branch->head.offset());
  EXPECT_EQ(world.index.search("new", {.limit = 1}, *branch).results.size(), 1u);
}

TEST(SearchIndex, AWordThatAllHaveIsCutShortAndSaysSo) {
  Indexed world;
  for (size_t i = 0; i < SearchIndex::kLookedAtMax + 10; ++i)
    world.believed.fold(fact("device", "r" + std::to_string(i), {{"name", "router"}}), i + 1, {});
  world.index.rebuild(world.believed);
  const SearchAnswer answer = world.index.search("router", {.limit = 5});
  EXPECT_EQ(answer.results.size(), 5u);
  EXPECT_TRUE(answer.truncated);
  EXPECT_EQ(ids(world.index.search("router r777", {.limit = 1})), std::vector<std::string>{"r777"});
}

TEST(SearchIndex, AnyQuestionIsAnswered) {
  const Indexed world({fact("device", "ber-core-1", {{"name", "Berlin Mitte"}})});
  Random random(4);
  for (int i = 0; i < 20'000; ++i) {
    std::string question;
    for (uint64_t j = random.below(40); j > 0; --j) question += static_cast<char>(random.next());
    world.index.search(question, {});
  }
}

}  // namespace
}  // namespace tandem::api
