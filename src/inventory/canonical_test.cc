#include <gtest/gtest.h>

#include "base/random.h"
#include "inventory/inventory.h"
#include "inventory/record.h"
#include "inventory/testing.h"
#include "support/small_world.h"

namespace tandem::inventory {
namespace {

using test_support::fact;
using test_support::retraction;
using test_support::small_world;

std::string written(const Snapshot& snapshot) {
  std::string bytes;
  snapshot.write(bytes);
  return bytes;
}

TEST(Canonical, ReadsBackWhatItWrote) {
  for (const size_t sites : {3, 40}) {
    Snapshot snapshot = folded(small_world(sites));
    snapshot.fold(retraction("demand", "bank-0"), snapshot.offset() + 5, {});
    const auto read = Snapshot::read(written(snapshot));
    ASSERT_TRUE(read) << to_string(read.error());
    EXPECT_EQ(read->offset(), snapshot.offset());
    EXPECT_EQ(read->size(), snapshot.size());
    EXPECT_EQ(read->hash(), snapshot.hash());
    EXPECT_EQ(read->hash(), sha256(written(snapshot)));
    EXPECT_EQ(written(*read), written(snapshot));
    EXPECT_EQ(read->referrers("site", "site-1", 9), snapshot.referrers("site", "site-1", 9));
    EXPECT_EQ(read->changed("demand"), snapshot.changed("demand"));
  }
  EXPECT_TRUE(Snapshot::read(written(Snapshot())));
}

TEST(Canonical, JsonHasTheBytesOfItsValue) {
  const Json inner(Json::Object{{"a", Json()}, {"b", -3}, {"c", Json::Array{1.5, "x", Json()}}});
  for (const Json& json :
       {Json(), Json(true), Json(false), Json(0), Json(-1), Json(INT64_MAX), Json(-2.5), Json("text"), Json(""),
        Json(Json::Array{}), Json(Json::Object{}), Json(Json::Array{1, inner}), inner}) {
    v1::Value value;
    set_value(value, json);
    std::string of_value, of_json;
    put_value(of_value, value);
    put_value(of_json, json);
    EXPECT_EQ(of_json, of_value) << to_json(json);
    std::string_view rest = of_json;
    EXPECT_EQ(to_json(json_of(of_json)), to_json(to_json_value(take_known_value(rest))));
    EXPECT_TRUE(rest.empty());
  }
}

TEST(Canonical, OneStateHasOneEncodingHoweverItCame) {
  // The same claims by other events: what differs is which event said what, so that is made the same.
  Snapshot a, b;
  a.fold(fact("site", "x", {{"name", "X"}, {"tier", "core"}}), 1, {});
  a.fold(fact("node", "n", {{"site", "x"}}), 2, {});
  b.fold(fact("site", "x", {{"tier", "core"}}), 1, {});
  b.fold(fact("site", "x", {{"name", "X"}}), 1, {});
  b.fold(fact("node", "n", {{"site", "x"}}), 2, {});
  EXPECT_EQ(a.hash(), b.hash());
}

TEST(Canonical, EachPartCounts) {
  const Snapshot base = folded({fact("site", "x", {{"name", "X"}})});
  const std::vector<std::vector<log::Event>> others{
      {fact("site", "y", {{"name", "X"}})},
      {fact("node", "x", {{"name", "X"}})},
      {fact("site", "x", {{"name", "Y"}})},
      {fact("site", "x", {{"nam", "eX"}})},
      {fact("site", "x", {})},
      {fact("site", "x", {{"name", Json::Array{"X"}}})},
      {fact("site", "x", {{"name", Json::Object{{"X", "X"}}}})},
      {fact("site", "x", {{"name", "X"}}), log::Event()},
      {fact("site", "x", {{"name", "X"}}), fact("site", "x", {{"name", "X"}})},
  };
  for (const auto& events : others) EXPECT_NE(folded(events).hash(), base.hash());
  EXPECT_NE(folded({fact("a", "b", {{"c", int64_t{1}}})}).hash(), folded({fact("a", "b", {{"c", 1.0}})}).hash());
  EXPECT_NE(folded({fact("a", "b", {{"c", true}})}).hash(), folded({fact("a", "b", {{"c", false}})}).hash());
}

// What is read is either refused as corrupt or is a snapshot whose own encoding is those bytes.
void expect_refused_or_canonical(const std::string& bytes) {
  const auto read = Snapshot::read(bytes);
  if (!read) {
    EXPECT_EQ(read.error().code, ErrorCode::corrupt);
    return;
  }
  EXPECT_EQ(written(*read), bytes);
  for (const std::string& kind : read->kinds()) read->for_each(kind, [](const Entity&) { return true; });
}

std::string mutated(std::string bytes, Random& random) {
  for (uint64_t i = 1 + random.below(4); i > 0; --i) {
    const size_t place = random.below(bytes.size() + 1);
    switch (random.below(4)) {
      case 0: bytes.resize(place); break;
      case 1: bytes.insert(place, 1, static_cast<char>(random.next())); break;
      case 2: bytes.erase(place, 1 + random.below(8)); break;
      default:
        if (place < bytes.size()) bytes[place] = static_cast<char>(random.next());
    }
  }
  return bytes;
}

// Sealed values, as a vault would make them, and that they were erased.
Snapshot with_sealed() {
  log::Event sealed = fact("contact", "c", {{"role", "night"}, {"name", nullptr}});
  v1::SealedValue& value = *sealed.mutable_facts_recorded()->mutable_attributes(0)->mutable_value()->mutable_sealed();
  value.set_key(300);
  value.set_sealed(std::string("\x00\xff sixteen or more", 20));
  log::Event erased;
  erased.mutable_personal_data_erased()->set_kind("contact");
  log::Event other = sealed;
  other.mutable_facts_recorded()->set_id("d");
  std::vector<log::Event> events{sealed, other};
  for (const char* id : {"c", "nobody", "c"}) {
    erased.mutable_personal_data_erased()->set_id(id);
    events.push_back(erased);
  }
  return folded(events);
}

TEST(Canonical, SealedValuesAndErasuresAreReadBack) {
  const Snapshot snapshot = with_sealed();
  const auto read = Snapshot::read(written(snapshot));
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(written(*read), written(snapshot));
  EXPECT_EQ(read->erasures("contact", "c"), (std::vector<log::Offset>{3, 5}));
  EXPECT_EQ(read->erasures("contact", "nobody"), (std::vector<log::Offset>{4}));
  EXPECT_TRUE(read->erasures("contact", "d").empty());
  EXPECT_FALSE(read->attributes("contact", "c").contains("name"));
  EXPECT_EQ(read->find("contact", "d")->find("name")->sealed().key(), 300u);
  Random random(12);
  for (int i = 0; i < 20'000; ++i) expect_refused_or_canonical(mutated(written(snapshot), random));
}

TEST(Canonical, MutatedBytesAreRefusedOrCanonical) {
  Snapshot snapshot = folded(small_world(3));
  snapshot.fold(
      fact("site", "site-1", {{"extra", Json::Object{{"a", Json::Array{int64_t{-1}, nullptr, true}}, {"b", 0.5}}}}), 99,
      {});
  const std::string good = written(snapshot);
  Random random(11);
  for (int i = 0; i < 20'000; ++i) expect_refused_or_canonical(mutated(good, random));
}

TEST(Canonical, EveryTruncationIsRefused) {
  const std::string good = written(folded(small_world(3)));
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(Snapshot::read(std::string_view(good).substr(0, size)));
  EXPECT_FALSE(Snapshot::read(good + '\0'));
}

TEST(Canonical, DeepNestingIsRefusedNotFollowed) {
  std::string value(100'000, '\x06');  // lists of one item
  for (size_t i = 1; i < value.size(); i += 2) value[i] = '\x01';
  std::string record("\x01\x01\x01x\x01", 5);
  const auto put_text = [](std::string& out, const std::string& text) {
    uint64_t size = text.size();
    for (; size >= 0x80; size >>= 7) out += static_cast<char>(size | 0x80);
    out += static_cast<char>(size);
    out += text;
  };
  put_text(record, value);
  std::string bytes("\x01\x01\x01\x01k\x01\x01\x01i", 9);
  put_text(bytes, record);
  EXPECT_FALSE(Snapshot::read(bytes));
}

}  // namespace
}  // namespace tandem::inventory
