// Random histories against a slow model that keeps every claim and answers by definition.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/random.h"
#include "inventory/inventory.h"
#include "support/small_world.h"

namespace tandem::inventory {
namespace {

using Key = std::pair<std::string, std::string>;  // kind, id

struct Said {
  std::string attribute;
  Json value;
  std::string source;
  Standing standing = Standing::observed;
  double confidence = 0;
  int64_t from = 0;
  int64_t to = INT64_MAX;
  log::Offset offset = 0;
  size_t life = 0;
  bool covers(int64_t time) const { return from <= time && time < to; }
  auto voice() const { return std::tie(source, standing); }
};

struct Account {  // of one entity
  std::vector<Said> said;
  std::vector<Life> lives;
  bool alive() const { return !lives.empty() && lives.back().retracted == 0; }
};

class Model {
 public:
  using Values = std::map<std::string, Json>;

  void take(const log::Event& event, Instant at) {
    times_.push_back(at.ns);
    const log::Offset offset = times_.size();
    if (event.has_facts_recorded()) record(event.facts_recorded(), offset);
    if (event.has_entity_retracted()) {
      Account& account = accounts_[{event.entity_retracted().kind(), event.entity_retracted().id()}];
      if (account.alive()) account.lives.back().retracted = offset;
    }
  }

  int64_t time_at(log::Offset offset) const { return times_[offset - 1]; }
  const std::map<Key, Account>& accounts() const { return accounts_; }

  // What was believed at an offset to be true at a time; nothing when the entity was not there.
  std::optional<Values> believed(const Key& key, log::Offset recorded, int64_t time) const {
    const auto found = accounts_.find(key);
    if (found == accounts_.end()) return std::nullopt;
    std::vector<const Said*> claims;
    for (const Said& said : found->second.said)
      if (said.offset <= recorded && said.covers(time) && !ended(found->second.lives[said.life], recorded, time))
        claims.push_back(&said);
    const bool there = std::ranges::any_of(found->second.lives, [&](const Life& life) {
      return life.created <= recorded && time_at(life.created) <= time && !ended(life, recorded, time);
    });
    if (!there && claims.empty()) return std::nullopt;
    Values values;
    for (const Said* said : claims)
      if (const Said* best = choose(key.first, said->attribute, claims, recorded); !best->value.is_null())
        values[said->attribute] = best->value;
    return values;
  }

  bool disputed(const Key& key, log::Offset recorded, int64_t time) const {
    const Account& account = accounts_.at(key);
    std::map<std::tuple<std::string, std::string, Standing>, const Said*> last;
    for (const Said& said : account.said)
      if (said.offset <= recorded && said.covers(time) && !ended(account.lives[said.life], recorded, time))
        last[{said.attribute, said.source, said.standing}] = &said;
    std::map<std::string, std::set<std::string>> values;
    for (const auto& [voice, said] : last) values[said->attribute].insert(to_json(said->value));
    return std::ranges::any_of(values, [](const auto& of) { return of.second.size() > 1; });
  }

 private:
  bool ended(const Life& life, log::Offset recorded, int64_t time) const {
    return life.retracted != 0 && life.retracted <= recorded && time_at(life.retracted) <= time;
  }

  void record(const v1::FactsRecorded& facts, log::Offset offset) {
    const int64_t now = times_.back();
    const Key key{facts.kind(), facts.id()};
    Account& account = accounts_[key];
    if (!account.alive()) account.lives.push_back({offset, 0});
    Said said;
    said.source = facts.source();
    said.standing = static_cast<Standing>(facts.standing());
    said.confidence = facts.confidence();
    said.from = facts.valid_from_ns() ? facts.valid_from_ns()
                                      : std::min(facts.observed_at_ns() ? facts.observed_at_ns() : now, now);
    said.to = facts.valid_to_ns() ? facts.valid_to_ns() : INT64_MAX;
    said.offset = offset;
    said.life = account.lives.size() - 1;
    if (said.from >= said.to) return;
    std::map<std::string, Json> values;
    for (const v1::Attribute& attribute : facts.attributes())
      values[attribute.name()] = to_json_value(attribute.value());
    for (const auto& [name, value] : values) {
      said.attribute = name;
      said.value = value;
      if (!again(key, account, said, offset)) account.said.push_back(said);
    }
  }

  bool again(const Key& key, Account& account, const Said& said, log::Offset offset) {
    const Said* last = nullptr;
    for (const Said& other : account.said)
      if (other.life == said.life && other.attribute == said.attribute && other.voice() == said.voice() &&
          other.from < said.to && said.from < other.to)
        last = &other;
    if (!last || last->value != said.value || last->confidence != said.confidence || last->from > said.from ||
        last->to < said.to)
      return false;
    const auto value = [&] {
      const Values values = *believed(key, offset, times_.back());
      const auto found = values.find(said.attribute);
      return found == values.end() ? Json() : found->second;
    };
    const Json before = value();
    account.said.push_back(said);
    const bool same = value() == before;
    account.said.pop_back();
    return same;
  }

  const Said* choose(const std::string& kind, const std::string& attribute, const std::vector<const Said*>& claims,
                     log::Offset recorded) const {
    std::map<std::pair<std::string, Standing>, const Said*> last;
    for (const Said* said : claims)
      if (said->attribute == attribute) last[{said->source, said->standing}] = said;
    const auto rank = [&](const Said* said) {
      int64_t authority = 50;
      bool masters = false;
      if (kind != "source") {
        const auto policy = believed({"source", said->source}, recorded, time_at(recorded));
        if (policy && policy->contains("authority")) authority = policy->at("authority").integer();
        if (policy && policy->contains("masters"))
          for (const Json& name : policy->at("masters").array())
            masters = masters || name == Json(kind + "." + attribute) || name == Json(kind + ".*") ||
                      name == Json("*." + attribute);
      }
      return std::tuple(said->standing != Standing::intended, masters, authority, said->from, said->offset);
    };
    const Said* best = nullptr;
    for (const auto& [voice, said] : last)
      if (!best || rank(said) > rank(best)) best = said;
    return best;
  }

  std::vector<int64_t> times_;  // of each event
  std::map<Key, Account> accounts_;
};

class RandomEvents {
 public:
  explicit RandomEvents(uint64_t seed) : random_(seed) {}

  Random& random() { return random_; }
  int64_t now() { return now_ += static_cast<int64_t>(random_.below(3) * random_.below(5)); }
  int64_t near(int64_t reach) {
    return now_ - reach + static_cast<int64_t>(random_.below(static_cast<uint64_t>(2 * reach)));
  }
  std::string source() { return "s" + std::to_string(random_.below(4)); }

  log::Event next() {
    if (random_.chance(0.05)) return {};
    const std::string kind = pick({"node", "pool", "site", "thing"});
    const std::string id = std::to_string(random_.below(3));
    if (random_.chance(0.08))
      return test_support::retraction(random_.chance(0.2) ? "source" : kind, random_.chance(0.2) ? source() : id);
    if (random_.chance(0.05)) return unseen(kind, id);
    if (random_.chance(0.05)) return seen(kind);
    log::Event event = random_.chance(0.06) ? policy() : test_support::fact(kind, id, attributes(kind));
    v1::FactsRecorded& facts = *event.mutable_facts_recorded();
    facts.set_source(source());
    if (random_.chance(0.3)) facts.set_standing(static_cast<v1::Standing>(random_.below(3)));
    if (random_.chance(0.1)) facts.set_confidence(0.5);
    if (random_.chance(0.3)) facts.set_observed_at_ns(near(10));
    if (random_.chance(0.2)) facts.set_valid_from_ns(near(20));
    if (random_.chance(0.2)) facts.set_valid_to_ns(near(20));
    return event;
  }

 private:
  const char* pick(std::vector<const char*> of) { return of[random_.below(of.size())]; }
  log::Event unseen(const std::string& kind, const std::string& id) {
    log::Event event;
    v1::EntityUnseen& unseen = *event.mutable_entity_unseen();
    unseen.set_source(source());
    unseen.set_kind(kind);
    unseen.set_id(id);
    return event;
  }
  log::Event seen(const std::string& kind) {
    log::Event event;
    v1::EntitiesSeen& seen = *event.mutable_entities_seen();
    seen.set_source(source());
    seen.set_kind(kind);
    for (const char* id : {"0", "1", "2"})
      if (random_.chance(0.5)) seen.add_ids(id);
    if (random_.chance(0.3)) seen.set_observed_at_ns(near(10));
    return event;
  }
  log::Event policy() {
    Json::Object says{{"authority", static_cast<int64_t>(random_.below(3) * 50)}};
    if (random_.chance(0.5)) says["masters"] = Json::Array{pick({"node.role", "pool.*", "*.site", "*.note"})};
    if (random_.chance(0.3)) says["authority"] = nullptr;
    return test_support::fact("source", source(), says);
  }
  Json::Object attributes(const std::string& kind) {
    Json::Object says;
    const auto say = [&](const std::string& name, const std::string& value) {
      says[name] = random_.chance(0.1) ? Json() : Json(value);
    };
    if ((kind == "node" || kind == "pool") && random_.chance(0.6)) say("site", std::to_string(random_.below(3)));
    if (kind == "pool" && random_.chance(0.6)) say("node", std::to_string(random_.below(3)));
    if (random_.chance(0.6)) say("role", pick({"a", "b"}));
    if (random_.chance(0.3)) say("note", pick({"x", "y"}));
    return says;
  }

  Random random_;
  int64_t now_ = 1'000;
};

constexpr const char* kKinds[] = {"node", "pool", "site", "source", "thing"};

Model::Values values_of(const Entity& entity) {
  Model::Values values;
  for (const Attribute& attribute : entity.attributes) values[attribute.name] = to_json_value(attribute.value);
  return values;
}

// What the model says of all entities of a kind.
std::map<std::string, Model::Values> expected(const Model& model, const std::string& kind, log::Offset recorded,
                                              int64_t time) {
  std::map<std::string, Model::Values> all;
  for (const auto& [key, account] : model.accounts())
    if (key.first == kind)
      if (const auto values = model.believed(key, recorded, time)) all[key.second] = *values;
  return all;
}

std::vector<Referrer> expected_referrers(const Model& model, const std::string& id, log::Offset recorded,
                                         int64_t time) {
  std::vector<Referrer> found;
  for (const char* kind : {"node", "pool"})
    for (const auto& [referrer, values] : expected(model, kind, recorded, time))
      if (const auto site = values.find("site"); site != values.end() && site->second == Json(id))
        found.push_back({kind, referrer});
  return found;
}

void expect_agrees(const Snapshot& snapshot, const Model& model, log::Offset recorded, int64_t time) {
  size_t size = 0;
  std::vector<Referrer> disputed;
  for (const char* kind : kKinds) {
    const auto all = expected(model, kind, recorded, time);
    std::map<std::string, Model::Values> read;
    snapshot.for_each(kind, [&](const Entity& entity) { return read.emplace(entity.id, values_of(entity)), true; });
    EXPECT_EQ(read, all) << kind;
    EXPECT_EQ(snapshot.size(kind), all.size());
    size += all.size();
    for (const auto& [id, values] : all) {
      EXPECT_TRUE(snapshot.has(kind, id));
      if (model.disputed({kind, id}, recorded, time)) disputed.push_back({kind, id});
    }
  }
  EXPECT_EQ(snapshot.size(), size);
  EXPECT_EQ(snapshot.disputed(1'000), disputed);
  for (const char* id : {"0", "1", "2"})
    EXPECT_EQ(snapshot.referrers("site", id, 1'000), expected_referrers(model, id, recorded, time)) << id;
}

// Two readings of what should be the same inventory.
void expect_same(const Snapshot& a, const Snapshot& b) {
  EXPECT_EQ(a.offset(), b.offset());
  EXPECT_EQ(a.size(), b.size());
  EXPECT_EQ(a.kinds(), b.kinds());
  EXPECT_EQ(a.changed(), b.changed());
  EXPECT_EQ(a.disputed(1'000), b.disputed(1'000));
  EXPECT_EQ(a.referred("site", 100), b.referred("site", 100));
  for (const char* kind : kKinds) {
    EXPECT_EQ(a.changed(kind), b.changed(kind)) << kind;
    std::vector<std::string> ids, other_ids;
    a.for_each_id(kind, [&](const std::string& id) { return ids.push_back(id), true; });
    b.for_each_id(kind, [&](const std::string& id) { return other_ids.push_back(id), true; });
    ASSERT_EQ(ids, other_ids);
    for (const char* id : {"0", "1", "2"}) {
      EXPECT_EQ(a.referrers(kind, id, 100), b.referrers(kind, id, 100));
      EXPECT_EQ(a.lives(kind, id), b.lives(kind, id));
      const auto claims = a.claims(kind, id), other = b.claims(kind, id);
      ASSERT_EQ(claims.size(), other.size());
      for (size_t i = 0; i < claims.size(); ++i) {
        EXPECT_EQ(
            std::tie(claims[i].attribute, claims[i].offset, claims[i].source, claims[i].holds, claims[i].believed),
            std::tie(other[i].attribute, other[i].offset, other[i].source, other[i].holds, other[i].believed));
      }
    }
    for (const std::string& id : ids) {
      const Entity x = *a.find(kind, id), y = *b.find(kind, id);
      EXPECT_EQ(std::tie(x.created, x.changed), std::tie(y.created, y.changed)) << kind << ' ' << id;
      EXPECT_EQ(values_of(x), values_of(y));
      for (size_t i = 0; i < x.attributes.size(); ++i) EXPECT_EQ(x.attributes[i].offset, y.attributes[i].offset);
      EXPECT_EQ(a.attributes(kind, id), b.attributes(kind, id));
    }
  }
}

// What the changes of one event must name, from what was believed before and after it.
void expect_changes(const ChangeSet& changes, const Snapshot& before, const Snapshot& after) {
  std::map<Key, const Change*> told;
  for (const Change& change : changes) told[{change.kind, change.id}] = &change;
  for (const char* kind : kKinds) {
    std::set<std::string> ids;
    for (const Snapshot* of : {&before, &after})
      of->for_each_id(kind, [&](const std::string& id) { return ids.insert(id), true; });
    for (const std::string& id : ids) {
      const auto old = before.find(kind, id), now = after.find(kind, id);
      const bool differs = old.has_value() != now.has_value() || (old && values_of(*old) != values_of(*now));
      // Where time passed too, what it changed the event may have changed back.
      if (before.time() == after.time()) {
        ASSERT_EQ(told.contains({kind, id}), differs) << kind << ' ' << id;
      }
      if (!differs) continue;
      ASSERT_TRUE(told.contains({kind, id})) << kind << ' ' << id;
      const Change& change = *told.at(Key(kind, id));
      EXPECT_EQ(change.what, !old ? Change::What::added : !now ? Change::What::removed : Change::What::changed);
      EXPECT_EQ(after.changed(kind), after.offset());
    }
  }
}

void check_history(uint64_t seed, size_t events, size_t looks) {
  SCOPED_TRACE(seed);
  RandomEvents source(seed);
  Model model;
  std::vector<Snapshot> replayed(1);
  for (log::Offset offset = 1; offset <= events; ++offset) {
    const Instant at{source.now()};
    const log::Event event = source.next();
    Snapshot next = replayed.back();
    ChangeSet changes;
    next.fold(event, offset, at, &changes);
    model.take(event, at);
    expect_changes(changes, replayed.back(), next);
    replayed.push_back(std::move(next));
    if (testing::Test::HasFailure()) return;
  }
  const Snapshot& last = replayed.back();
  Snapshot read = *Snapshot::read([&] {
    std::string bytes;
    last.write(bytes);
    return bytes;
  }());
  expect_same(read, last);
  EXPECT_EQ(read.hash(), last.hash());
  for (size_t i = 0; i < looks && !testing::Test::HasFailure(); ++i) {
    const log::Offset recorded = 1 + source.random().below(events);
    const int64_t time =
        1'000 + static_cast<int64_t>(source.random().below(static_cast<uint64_t>(last.time().ns + 30 - 1'000)));
    const Snapshot& from = source.random().chance(0.5) ? last : read;
    SCOPED_TRACE(testing::Message() << "recorded " << recorded << " at " << model.time_at(recorded) << ", valid "
                                    << time);
    expect_agrees(replayed[recorded], model, recorded, model.time_at(recorded));
    expect_same(from.as_of({.recorded = recorded, .valid = {}}), replayed[recorded]);
    expect_agrees(from.as_of({.recorded = recorded, .valid = Instant{time}}), model, recorded, time);
    expect_agrees(from.as_of({.recorded = {}, .valid = Instant{time}}), model, events, time);
  }
}

TEST(History, AgreesWithAModelThatKeepsEverything) {
  for (uint64_t seed = 1; seed <= 12; ++seed) check_history(seed, 150, 10);
}

TEST(HistorySoak, AgreesWithAModelThatKeepsEverything) {
  for (uint64_t seed = 100; seed < 180 && !HasFailure(); ++seed) check_history(seed, 300, 30);
}

}  // namespace
}  // namespace tandem::inventory
