// Who said what, and which of it is believed.
#include <gtest/gtest.h>

#include "inventory/inventory.h"
#include "support/small_world.h"

namespace tandem::inventory {
namespace {

using test_support::fact;
using test_support::retraction;

// A snapshot with a clock: one event a second, from 1,000 s on.
class Sources {
 public:
  log::Offset fold(const log::Event& event) {
    snapshot_.fold(event, snapshot_.offset() + 1, at(snapshot_.offset() + 1), &changes_);
    return snapshot_.offset();
  }
  log::Offset says(const std::string& source, const std::string& id, const Json::Object& attributes,
                   v1::Standing standing = v1::STANDING_OBSERVED) {
    log::Event event = fact("device", id, attributes);
    event.mutable_facts_recorded()->set_source(source);
    event.mutable_facts_recorded()->set_standing(standing);
    return fold(event);
  }
  static Instant at(log::Offset offset) { return Instant{0} + seconds(1'000 + static_cast<int64_t>(offset)); }
  std::string believed(const std::string& id = "d") const { return to_json(snapshot_.attributes("device", id)); }
  Snapshot& snapshot() { return snapshot_; }
  const Snapshot& snapshot() const { return snapshot_; }
  ChangeSet& changes() { return changes_; }

 private:
  Snapshot snapshot_;
  ChangeSet changes_;
};

TEST(Claims, WhatIsSeenCountsBeforeWhatIsIntended) {
  Sources world;
  world.says("planning", "d", {{"rack", "r1"}, {"serial", "S"}}, v1::STANDING_INTENDED);
  EXPECT_EQ(world.believed(), R"({"rack":"r1","serial":"S"})");
  world.says("scan", "d", {{"rack", "r2"}}, v1::STANDING_DISCOVERED);
  EXPECT_EQ(world.believed(), R"({"rack":"r2","serial":"S"})");
  world.says("planning", "d", {{"rack", "r3"}}, v1::STANDING_INTENDED);
  EXPECT_EQ(world.believed(), R"({"rack":"r2","serial":"S"})");
  EXPECT_EQ(world.snapshot().disputed(9), (std::vector<Referrer>{{"device", "d"}}));
  world.says("planning", "d", {{"rack", "r2"}}, v1::STANDING_INTENDED);
  EXPECT_TRUE(world.snapshot().disputed(9).empty());
}

TEST(Claims, EachIsKeptWithWhoSaidItAndWhen) {
  Sources world;
  world.says("scan", "d", {{"rack", "r1"}});
  log::Event event = fact("device", "d", {{"rack", "r2"}});
  v1::FactsRecorded& facts = *event.mutable_facts_recorded();
  facts.set_source("people");
  facts.set_confidence(0.9);
  facts.set_observed_at_ns(Sources::at(1).ns);
  facts.set_valid_to_ns(Sources::at(100).ns);
  world.fold(event);
  world.says("scan", "d", {{"rack", "r3"}});
  const std::vector<Claim> claims = world.snapshot().claims("device", "d");
  ASSERT_EQ(claims.size(), 3u);
  EXPECT_EQ(claims[0].value.text(), "r1");
  EXPECT_EQ(claims[0].valid_from, Sources::at(1));
  EXPECT_FALSE(claims[0].holds);
  EXPECT_EQ(claims[1].source, "people");
  EXPECT_EQ(claims[1].confidence, 0.9);
  EXPECT_EQ(claims[1].valid_to, Sources::at(100));
  EXPECT_TRUE(claims[1].holds);
  EXPECT_FALSE(claims[1].believed);
  EXPECT_EQ(claims[2].offset, 3u);
  EXPECT_TRUE(claims[2].believed);
  EXPECT_TRUE(world.snapshot().claims("device", "no such").empty());
}

TEST(Claims, PolicyIsInTheLog) {
  Sources world;
  world.says("a", "d", {{"rack", "r1"}, {"role", "x"}});
  world.says("b", "d", {{"rack", "r2"}, {"role", "y"}});
  EXPECT_EQ(world.believed(), R"({"rack":"r2","role":"y"})");
  world.changes().clear();
  const log::Offset preferred = world.fold(fact("source", "a", {{"authority", int64_t{80}}}));
  EXPECT_EQ(world.believed(), R"({"rack":"r1","role":"x"})");
  EXPECT_EQ(world.snapshot().changed("device"), preferred);
  ASSERT_EQ(world.changes().size(), 2u);
  EXPECT_EQ(world.changes()[1], (Change{"device", "d", Change::What::changed, {"rack", "role"}}));
  world.fold(fact("source", "b", {{"masters", Json::Array{"device.rack", "port.*"}}}));
  EXPECT_EQ(world.believed(), R"({"rack":"r2","role":"x"})");
  world.fold(fact("source", "b", {{"masters", Json::Array{"*.role"}}}));
  EXPECT_EQ(world.believed(), R"({"rack":"r1","role":"y"})");
  world.fold(retraction("source", "a"));
  world.fold(retraction("source", "b"));
  EXPECT_EQ(world.believed(), R"({"rack":"r2","role":"y"})");
  EXPECT_EQ(to_json(world.snapshot().as_of({.recorded = preferred, .valid = {}}).attributes("device", "d")),
            R"({"rack":"r1","role":"x"})");
}

TEST(Claims, SayingTheSameAgainOnlyRenewsWhenTheSourceSawIt) {
  Sources world;
  world.says("a", "d", {{"rack", "r1"}});
  world.says("b", "d", {{"rack", "r1"}});
  for (int i = 0; i < 5; ++i) world.says("a", "d", {{"rack", "r1"}});
  EXPECT_EQ(world.snapshot().claims("device", "d").size(), 2u);
  const std::vector<Presence> presences = world.snapshot().presences("device", "d");
  ASSERT_EQ(presences.size(), 2u);
  EXPECT_EQ(presences[0].source, "a");
  EXPECT_EQ(presences[0].first_seen, Sources::at(1));
  EXPECT_EQ(presences[0].last_seen, Sources::at(7));
  EXPECT_EQ(presences[1].last_seen, Sources::at(2));
}

TEST(Claims, WhoIsContradictedAndRepeatsHimselfIsTheFresher) {
  Sources world;
  world.says("a", "d", {{"status", "active"}});
  world.says("b", "d", {{"status", "failed"}});
  world.says("a", "d", {{"status", "active"}});
  EXPECT_EQ(world.believed(), R"({"status":"active"})");
  // Not where nothing would come of it.
  world.fold(fact("source", "b", {{"authority", int64_t{90}}}));
  const size_t claims = world.snapshot().claims("device", "d").size();
  for (int i = 0; i < 5; ++i) world.says("a", "d", {{"status", "active"}});
  EXPECT_EQ(world.believed(), R"({"status":"failed"})");
  EXPECT_EQ(world.snapshot().claims("device", "d").size(), claims);
}

TEST(Claims, NullSaysThatItIsEmpty) {
  Sources world;
  world.says("a", "d", {{"rack", "r1"}});
  world.says("b", "d", {{"rack", nullptr}});
  EXPECT_EQ(world.believed(), "{}");
  EXPECT_EQ(world.snapshot().disputed(9).size(), 1u);
  world.fold(fact("source", "a", {{"authority", int64_t{51}}}));
  EXPECT_EQ(world.believed(), R"({"rack":"r1"})");
}

TEST(Claims, TimePassesWithEvents) {
  Sources world;
  world.says("a", "d", {{"status", "active"}});
  log::Event window = fact("device", "d", {{"status", "maintenance"}});
  window.mutable_facts_recorded()->set_source("planning");
  window.mutable_facts_recorded()->set_valid_from_ns(Sources::at(5).ns);
  window.mutable_facts_recorded()->set_valid_to_ns(Sources::at(7).ns);
  world.fold(window);
  EXPECT_EQ(world.believed(), R"({"status":"active"})");
  world.changes().clear();
  std::vector<std::string> believed;
  for (int i = 0; i < 6; ++i) {
    world.fold(log::Event());
    believed.push_back(world.snapshot().find("device", "d")->find("status")->text());
  }
  EXPECT_EQ(believed, (std::vector<std::string>{"active", "active", "maintenance", "maintenance", "active", "active"}));
  EXPECT_EQ(world.snapshot().changed("device"), 7u);
  ASSERT_EQ(world.changes().size(), 1u);
  EXPECT_EQ(world.changes()[0].attributes, std::vector<std::string>{"status"});
  // What will be, as far as is known; and what was known before.
  const auto at = [&](std::optional<log::Offset> recorded, log::Offset time) {
    return to_json(
        world.snapshot().as_of({.recorded = recorded, .valid = Sources::at(time)}).attributes("device", "d"));
  };
  EXPECT_EQ(at({}, 6), R"({"status":"maintenance"})");
  EXPECT_EQ(at({}, 7), R"({"status":"active"})");
  EXPECT_EQ(at(1, 6), R"({"status":"active"})");
  EXPECT_EQ(at(2, 6), R"({"status":"maintenance"})");
  EXPECT_EQ(at({}, 0), "{}");
}

TEST(Claims, SilenceIsAFact) {
  Sources world;
  world.says("a", "d", {{"rack", "r1"}});
  log::Event unseen;
  unseen.mutable_entity_unseen()->set_source("a");
  unseen.mutable_entity_unseen()->set_kind("device");
  unseen.mutable_entity_unseen()->set_id("d");
  world.fold(unseen);
  world.fold(unseen);
  EXPECT_EQ(world.snapshot().presences("device", "d")[0].unseen_since, Sources::at(2));
  EXPECT_EQ(world.believed(), R"({"rack":"r1"})");
  world.says("a", "d", {});
  EXPECT_FALSE(world.snapshot().presences("device", "d")[0].unseen_since);
  unseen.mutable_entity_unseen()->set_source("another");
  world.fold(unseen);
  EXPECT_EQ(world.snapshot().presences("device", "d").size(), 1u);
}

TEST(Claims, SeenAgainMovesOnlyWhenItWasLastSeen) {
  Sources world;
  world.says("a", "d", {{"rack", "r1"}});
  world.says("b", "e", {{"rack", "r1"}});
  const Snapshot before = world.snapshot();
  world.changes().clear();
  log::Event event;
  v1::EntitiesSeen& seen = *event.mutable_entities_seen();
  seen.set_source("a");
  seen.set_kind("device");
  for (const char* id : {"d", "e", "gone"}) seen.add_ids(id);
  world.fold(event);
  const Snapshot after = world.snapshot();
  EXPECT_EQ(after.presences("device", "d")[0].first_seen, Sources::at(1));
  EXPECT_EQ(after.presences("device", "d")[0].last_seen, Sources::at(3));
  ASSERT_EQ(after.presences("device", "e").size(), 2u);  // "a" sees it for the first time
  EXPECT_EQ(after.presences("device", "e")[0].first_seen, Sources::at(3));
  EXPECT_EQ(after.presences("device", "e")[1].last_seen, Sources::at(2));
  EXPECT_FALSE(after.has("device", "gone"));
  EXPECT_EQ(after.find("device", "d")->changed, 1u);
  EXPECT_EQ(after.changed("device"), before.changed("device"));
  for (const char* id : {"d", "e"}) {
    ASSERT_EQ(after.claims("device", id).size(), 1u);
    EXPECT_EQ(after.claims("device", id)[0].valid_from, before.claims("device", id)[0].valid_from);
  }
  EXPECT_TRUE(world.changes().empty());
  // What was seen earlier says nothing, but of the first time.
  seen.set_observed_at_ns(Sources::at(0).ns);
  world.fold(event);
  EXPECT_EQ(world.snapshot().presences("device", "d")[0].first_seen, Sources::at(0));
  EXPECT_EQ(world.snapshot().presences("device", "d")[0].last_seen, Sources::at(3));
  EXPECT_EQ(world.snapshot().claims("device", "d")[0].valid_from, before.claims("device", "d")[0].valid_from);
  std::string bytes;
  world.snapshot().write(bytes);
  EXPECT_EQ(Snapshot::read(bytes)->hash(), world.snapshot().hash());
  log::Event unseen;
  unseen.mutable_entity_unseen()->set_source("a");
  unseen.mutable_entity_unseen()->set_kind("device");
  unseen.mutable_entity_unseen()->set_id("d");
  world.fold(unseen);
  world.fold(event);  // it speaks of before
  EXPECT_TRUE(world.snapshot().presences("device", "d")[0].unseen_since);
  seen.clear_observed_at_ns();
  world.fold(event);
  EXPECT_FALSE(world.snapshot().presences("device", "d")[0].unseen_since);
}

TEST(Claims, WhatIsRetractedLeavesItsPast) {
  Sources world;
  world.says("a", "d", {{"rack", "r1"}});
  world.fold(retraction("device", "d"));
  EXPECT_FALSE(world.snapshot().has("device", "d"));
  EXPECT_EQ(world.snapshot().size(), 0u);
  EXPECT_EQ(world.snapshot().claims("device", "d").size(), 1u);
  world.says("b", "d", {{"rack", "r2"}});
  EXPECT_EQ(world.snapshot().lives("device", "d"), (std::vector<Life>{{1, 2}, {3, 0}}));
  const Snapshot then = world.snapshot().as_of({.recorded = 1, .valid = {}});
  EXPECT_EQ(to_json(then.attributes("device", "d")), R"({"rack":"r1"})");
  EXPECT_EQ(then.referrers("rack", "r1", 9), (std::vector<Referrer>{{"device", "d"}}));
  EXPECT_TRUE(then.referrers("rack", "r2", 9).empty());
  EXPECT_EQ(then.offset(), 1u);
  const Snapshot between = world.snapshot().as_of({.recorded = 2, .valid = {}});
  EXPECT_FALSE(between.has("device", "d"));
  EXPECT_TRUE(between.kinds().empty());
  EXPECT_EQ(world.snapshot().offset_at(Sources::at(2)), 2u);
  EXPECT_EQ(world.snapshot().time_at(2), Sources::at(2));
  log::Event sealed;
  sealed.mutable_window_sealed();
  world.fold(sealed);
  EXPECT_EQ(world.snapshot().time_at(3), Sources::at(3)) << "whatever else the log tells of later";
}

TEST(Claims, AreFoundByUniqueValues) {
  Sources world;
  const ontology::Kind& device = *ontology::Ontology::built_in().find("device");
  const ontology::Unique* by_external_id = nullptr;
  for (const ontology::Constraint& constraint : device.constraints)
    if (const auto* unique = std::get_if<ontology::Unique>(&constraint))
      if (unique->attributes == std::vector<std::string_view>{"external_ids"}) by_external_id = unique;
  ASSERT_TRUE(by_external_id);
  const auto value = [&](const char* id) {
    return ontology::unique_values(device, *by_external_id, {{"external_ids", Json::Array{id}}}).at(0);
  };
  world.says("a", "d", {{"external_ids", Json::Array{"netbox:1", "ems:1"}}});
  world.says("a", "e", {{"external_ids", Json::Array{"netbox:1"}}});
  const auto with = [&](const char* id) { return world.snapshot().with_key("device", *by_external_id, value(id), 9); };
  EXPECT_EQ(with("netbox:1"), (std::vector<std::string>{"d", "e"}));
  EXPECT_EQ(with("ems:1"), std::vector<std::string>{"d"});
  world.says("a", "d", {{"external_ids", Json::Array{"ems:2"}}});
  EXPECT_EQ(with("netbox:1"), std::vector<std::string>{"e"});
  EXPECT_TRUE(with("ems:1").empty());
  world.fold(retraction("device", "d"));
  EXPECT_TRUE(with("ems:2").empty());
  EXPECT_EQ(
      world.snapshot().as_of({.recorded = 2, .valid = {}}).with_key("device", *by_external_id, value("netbox:1"), 9),
      (std::vector<std::string>{"d", "e"}));
}

// Opens what `sealed` below makes: the text follows the key's number, and even keys are destroyed.
class TestOpener final : public Opener {
 public:
  std::optional<v1::Value> open(const EntityKey& entity, std::string_view attribute, uint64_t key,
                                std::string_view sealed) const override {
    if (key == 0) return std::nullopt;
    v1::Value value;
    if (key % 2 == 1) value.set_text(entity.id + "/" + std::string(attribute) + "/" + std::string(sealed));
    return value;
  }
};

v1::Value sealed(uint64_t key, const std::string& text) {
  v1::Value value;
  value.mutable_sealed()->set_key(key);
  value.mutable_sealed()->set_sealed(text);
  return value;
}

log::Event says_sealed(const std::string& id, const v1::Value& value) {
  log::Event event = fact("contact", id, {{"hours", "always"}, {"name", nullptr}});
  *event.mutable_facts_recorded()->mutable_attributes(1)->mutable_value() = value;
  return event;
}

TEST(Sealed, ReadsAsWhatItIsWhileItsKeyIsThere) {
  Sources world;
  world.fold(says_sealed("a", sealed(1, "Ada")));
  world.fold(says_sealed("b", sealed(2, "Bob")));
  world.fold(says_sealed("c", sealed(0, "Cid")));
  const Snapshot open = world.snapshot().opened_by(std::make_shared<TestOpener>());
  const auto name = [](const Snapshot& snapshot, const std::string& id) {
    return to_json(snapshot.attributes("contact", id));
  };
  EXPECT_EQ(name(open, "a"), R"({"hours":"always","name":"a/name/Ada"})");
  EXPECT_EQ(name(open, "b"), R"({"hours":"always"})") << "erased";
  EXPECT_EQ(name(open, "c"), R"({"hours":"always","name":{"sealed":"436964"}})") << "no such key";
  EXPECT_EQ(name(world.snapshot(), "a"), R"({"hours":"always","name":{"sealed":"416461"}})");
  EXPECT_EQ(open.find("contact", "a")->find("name")->text(), "a/name/Ada");
  EXPECT_EQ(open.find("contact", "b")->find("name"), nullptr);
  EXPECT_TRUE(open.find("contact", "c")->find("name")->has_sealed());
  EXPECT_TRUE(open.claims("contact", "b")[1].erased);
  EXPECT_FALSE(open.claims("contact", "c")[1].erased);
  const std::vector<std::string_view> wanted{"hours", "name"};
  std::vector<std::string> rows;
  const auto visit = [&](const EntityRow& row) {
    const auto* text = std::get_if<std::string_view>(&row.values[1]);
    return rows.push_back(text ? std::string(*text) : "nothing"), true;
  };
  open.for_each_row("contact", wanted, visit);
  EXPECT_EQ(rows, (std::vector<std::string>{"a/name/Ada", "nothing", "nothing"}));
  EXPECT_EQ(world.snapshot().hash(), open.hash());
}

TEST(Sealed, AnErasureIsAChangeAndStaysInThePast) {
  Sources world;
  const log::Offset said = world.fold(says_sealed("a", sealed(1, "Ada")));
  world.changes().clear();
  log::Event event;
  event.mutable_personal_data_erased()->set_kind("contact");
  event.mutable_personal_data_erased()->set_id("a");
  const log::Offset erased = world.fold(event);
  ASSERT_EQ(world.changes().size(), 1u);
  EXPECT_EQ(world.changes()[0].attributes, (std::vector<std::string>{"name"}));
  EXPECT_EQ(world.snapshot().find("contact", "a")->changed, erased);
  EXPECT_EQ(to_json(world.snapshot().attributes("contact", "a")), R"({"hours":"always"})");
  EXPECT_TRUE(world.snapshot().as_of({.recorded = said, .valid = {}}).attributes("contact", "a").contains("name"));
  world.fold(event);
  EXPECT_EQ(world.snapshot().find("contact", "a")->changed, erased) << "nothing was left to erase";
  world.fold(says_sealed("a", sealed(3, "Ada")));
  EXPECT_EQ(to_json(world.snapshot().opened_by(std::make_shared<TestOpener>()).attributes("contact", "a")),
            R"({"hours":"always","name":"a/name/Ada"})");
  EXPECT_EQ(world.snapshot().claims("contact", "a").size(), 3u);
}

}  // namespace
}  // namespace tandem::inventory
