// Planning, discovery and telemetry speak of one operator's gear; errors of every kind are planted among a good deal
// that is right, or only looks wrong. What is reported is compared with what was planted.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "app/grid_file_events.h"
#include "base/file.h"
#include "base/random.h"
#include "ingest/ingest.h"
#include "inventory/reconcile.h"
#include "inventory/upsert.h"

namespace tandem::app {
namespace {

using inventory::DiscrepancyKind;

constexpr Instant kStart{1'790'000'000'000'000'000};
constexpr Duration kDay = seconds(86'400);

class World {
 public:
  void say(std::string_view source, v1::Standing standing, std::string_view kind, std::string_view id,
           const Json::Object& attributes) {
    log::Event event;
    v1::FactsRecorded& facts = *event.mutable_facts_recorded();
    facts.set_source(std::string(source));
    facts.set_standing(standing);
    facts.set_observed_at_ns(now.ns);
    facts.set_kind(std::string(kind));
    facts.set_id(std::string(id));
    for (const auto& [name, value] : attributes) inventory::add_attribute(facts, name, value);
    take(event);
  }
  void take(const log::Event& event) { snapshot.fold(event, snapshot.offset() + 1, now); }

  void plan(std::string_view kind, std::string_view id, const Json::Object& attributes) {
    say("planning", v1::STANDING_INTENDED, kind, id, attributes);
  }
  void discover(std::string_view kind, std::string_view id, const Json::Object& attributes) {
    say("discovery", v1::STANDING_DISCOVERED, kind, id, attributes);
  }
  void observe(std::string_view kind, std::string_view id, const Json::Object& attributes) {
    say("telemetry", v1::STANDING_OBSERVED, kind, id, attributes);
  }

  inventory::Snapshot snapshot;
  Instant now = kStart;
};

Json::Object with(Json::Object attributes, const std::string& name, Json value) {
  attributes[name] = std::move(value);
  return attributes;
}

struct Gear {
  std::string kind, id;
  Json::Object attributes;
};

// Two racks, two devices with four cards, two fibres to the next site and addresses, at each site of the example.
std::map<std::string, std::vector<Gear>> gear_at(const std::vector<std::string>& sites) {
  std::map<std::string, std::vector<Gear>> all;
  for (size_t i = 0; i < sites.size(); ++i) {
    const std::string& site = sites[i];
    for (int n = 1; n <= 2; ++n) {
      const std::string rack = fmt::format("{}-k{}", site, n), device = fmt::format("{}-d{}", site, n);
      all["rack"].push_back({"rack", rack, {{"site", site}, {"height_u", 42.0}}});
      all["device"].push_back(
          {"device",
           device,
           {{"site", site}, {"rack", rack}, {"position_u", 10.0 + n}, {"role", "router"}, {"serial", "SN-" + device}}});
      for (int slot = 1; slot <= 4; ++slot)
        all["card"].push_back(
            {"card",
             fmt::format("{}-c{}", device, slot),
             {{"device", device}, {"slot", std::to_string(slot)}, {"serial", fmt::format("SC-{}-{}", device, slot)}}});
      for (int port = 1; port <= 4; ++port)
        all["port"].push_back({"port", fmt::format("{}-p{}", device, port), {{"device", device}}});
      all["address"].push_back(
          {"address",
           fmt::format("{}-lo", device),
           {{"address", fmt::format("10.{}.{}.{}", i / 250, i % 250, n)}, {"assigned_to", "device/" + device}}});
    }
    const std::string cable = site + "-cable", next = sites[(i + 1) % sites.size()];
    all["cable"].push_back(
        {"cable", cable, {{"type", "fibre_single_mode"}, {"length_m", 20'000.0 + 10.0 * static_cast<double>(i)}}});
    for (int n = 1; n <= 2; ++n)
      all["fibre"].push_back({"fibre",
                              fmt::format("{}-f{}", cable, n),
                              {{"cable", cable},
                               {"number", int64_t{n}},
                               {"a_end", fmt::format("{}-d1-p{}", site, n)},
                               {"b_end", fmt::format("{}-d2-p{}", next, n + 2)},
                               {"length_km", 20.0}}});
  }
  return all;
}

class ThreeFeeds : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto text = read_file(std::string(TANDEM_SOURCE_DIR) + "/examples/national.yaml", ingest::kGridFileBytesMax);
    ASSERT_TRUE(text);
    const auto file = ingest::parse_grid_file(*text, "national.yaml");
    ASSERT_FALSE(file.entities.empty());
    for (const log::Event& event : grid_file_events(file.entities, {})) world.take(event);
    world.snapshot.for_each_id("site", [&](const std::string& id) { return sites.push_back(id), true; });
    world.say("operator", v1::STANDING_OBSERVED, "source", "planning",
              {{"covers", Json::Array{"device", "card", "fibre", "address", "rack"}}});
    world.say("operator", v1::STANDING_OBSERVED, "source", "discovery",
              {{"covers", Json::Array{"device", "card", "fibre", "rack"}}, {"interval_s", 86'400.0}});
    world.say("operator", v1::STANDING_OBSERVED, "source", "telemetry",
              {{"covers", Json::Array{"address"}}, {"interval_s", 300.0}});
    gear = gear_at(sites);
  }

  // Everything as planned, found as planned, but for what stands in `found_as` (by id; no attributes: not found) and
  // the addresses that telemetry has not heard lately.
  void speak(const std::map<std::string, Json::Object>& found_as, const std::set<std::string>& unheard) {
    for (const auto& [kind, items] : gear)
      for (const Gear& item : items) world.plan(kind, item.id, item.attributes);
    world.now = kStart + kDay;
    for (const Gear& item : gear["address"])
      world.observe("address", item.id, {{"address", item.attributes.at("address")}});
    world.now = kStart + seconds(40 * 86'400);
    for (const char* kind : {"rack", "device", "card", "fibre"})
      for (const Gear& item : gear[kind]) {
        const auto other = found_as.find(item.id);
        if (other == found_as.end())
          world.discover(kind, item.id, measured(item));
        else if (!other->second.empty())
          world.discover(kind, item.id, other->second);
      }
    for (const Gear& item : gear["address"])
      if (!unheard.contains(item.id)) world.observe("address", item.id, {{"address", item.attributes.at("address")}});
    world.now = world.now + seconds(600);  // two intervals of telemetry: not silent yet
  }

  // Lengths are measured, so they differ a little.
  Json::Object measured(const Gear& item) {
    Json::Object attributes = item.attributes;
    if (const auto length = attributes.find("length_km"); length != attributes.end())
      length->second = length->second.number() * (1 + 0.01 * (random.uniform() - 0.5));
    return attributes;
  }

  // `count` different pieces of a kind that were not taken yet.
  std::vector<Gear> take(const std::string& kind, size_t count) {
    std::vector<Gear> taken;
    while (taken.size() < count) {
      const Gear& item = gear[kind][random.below(gear[kind].size())];
      if (used.insert(item.id).second) taken.push_back(item);
    }
    return taken;
  }

  std::map<DiscrepancyKind, std::set<std::string>> reported(inventory::ReconcileOptions options = {}) {
    result = inventory::reconcile(world.snapshot, world.now, options);
    std::map<DiscrepancyKind, std::set<std::string>> ids;
    for (const auto& discrepancy : result.discrepancies) ids[discrepancy.kind].insert(discrepancy.about.id);
    return ids;
  }

  World world;
  std::vector<std::string> sites;
  std::map<std::string, std::vector<Gear>> gear;
  std::set<std::string> used;
  inventory::Reconciliation result;
  Random random{7};
};

TEST_F(ThreeFeeds, WhereAllIsRightNothingIsReported) {
  speak({}, {});
  EXPECT_TRUE(reported().empty()) << result.discrepancies.front().summary;
}

TEST_F(ThreeFeeds, EveryPlantedErrorIsFoundAndNoneInvented) {
  std::map<DiscrepancyKind, std::set<std::string>> planted;
  std::map<std::string, Json::Object> found_as;
  std::vector<std::pair<std::string, Json::Object>> new_ids;
  // Five cards in another device, five more that discovery gives an id of its own.
  for (const Gear& card : take("card", 10)) {
    const std::string other = take("device", 1).front().id;
    Json::Object elsewhere = with(with(card.attributes, "device", other), "slot", "9");
    planted[DiscrepancyKind::moved].insert(card.id);
    if (found_as.size() < 5) {
      found_as[card.id] = elsewhere;
    } else {
      found_as[card.id] = {};
      new_ids.emplace_back("found-" + card.id, elsewhere);
    }
  }
  // Devices in another rack or another unit.
  for (const Gear& device : take("device", 10)) {
    const bool other_rack = planted[DiscrepancyKind::moved].size() % 2 == 0;
    const std::string rack = std::string(device.attributes.at("rack").text());
    found_as[device.id] =
        other_rack ? with(device.attributes, "rack", rack.substr(0, rack.size() - 1) + (rack.back() == '1' ? "2" : "1"))
                   : with(device.attributes, "position_u", 30.0);
    planted[DiscrepancyKind::moved].insert(device.id);
  }
  // Both fibres of a cable exchanged at their far end.
  for (const Gear& cable : take("cable", 10)) {
    Gear* pair[2] = {};
    for (Gear& fibre : gear["fibre"])
      if (fibre.attributes.at("cable").text() == cable.id) pair[fibre.attributes.at("number").integer() - 1] = &fibre;
    for (int n = 0; n < 2; ++n)
      found_as[pair[n]->id] = with(pair[n]->attributes, "b_end", pair[1 - n]->attributes.at("b_end"));
    planted[DiscrepancyKind::swapped].insert(pair[0]->id);
  }
  // Routers that stand in the plan alone.
  for (size_t i = 0; i < 10; ++i) {
    const std::string& site = sites[random.below(sites.size())];
    const std::string id = fmt::format("ghost-{}", i);
    gear["device"].push_back({"device", id, {{"site", site}, {"role", "router"}, {"serial", "SN-" + id}}});
    found_as[id] = {};
    planted[DiscrepancyKind::ghost].insert(id);
  }
  // What is planned, not built yet: not seen, and rightly so.
  for (size_t i = 0; i < 10; ++i) {
    const std::string id = fmt::format("coming-{}", i);
    gear["device"].push_back({"device", id, {{"site", sites[i]}, {"role", "router"}, {"status", "planned"}}});
    found_as[id] = {};
  }
  std::set<std::string> unheard;
  for (const Gear& address : take("address", 10)) unheard.insert(address.id);
  planted[DiscrepancyKind::stale] = unheard;

  speak(found_as, unheard);
  for (const auto& [id, attributes] : new_ids) world.discover("card", id, attributes);

  EXPECT_EQ(reported(), planted);
  size_t errors = 0;
  for (const auto& [kind, ids] : planted) errors += ids.size();
  EXPECT_EQ(errors, 50u);
  EXPECT_EQ(result.found, errors);
  for (const auto& discrepancy : result.discrepancies) {
    SCOPED_TRACE(discrepancy.id);
    EXPECT_FALSE(discrepancy.summary.empty());
    EXPECT_FALSE(discrepancy.evidence.empty());
    EXPECT_FALSE(discrepancy.verification.action.empty());
    if (discrepancy.kind == DiscrepancyKind::stale) {
      EXPECT_EQ(discrepancy.verification.who, "network operations");
      continue;
    }
    EXPECT_EQ(discrepancy.verification.who, "field technician");
    EXPECT_FALSE(discrepancy.verification.site.empty());
    EXPECT_TRUE(discrepancy.verification.latitude_deg && discrepancy.verification.longitude_deg);
  }
}

TEST_F(ThreeFeeds, OneNumberOnTwoThingsThatAreThereIsADuplicate) {
  const auto cards = take("card", 8);
  const auto device = take("device", 1).front();
  std::map<std::string, Json::Object> found_as;
  // Two devices with one serial number and one asset tag, two cards with one external id: planned and found so.
  const auto plant = [&](const std::string& kind, const std::string& id, const Json::Object& more) {
    for (Gear& item : gear[kind])
      if (item.id == id)
        for (const auto& [name, value] : more) item.attributes[name] = value;
  };
  const std::string other = device.id.substr(0, device.id.size() - 1) + (device.id.back() == '1' ? "2" : "1");
  plant("device", device.id, {{"serial", "TWICE"}, {"asset_tag", "A-1"}});
  plant("device", other, {{"serial", "TWICE"}, {"asset_tag", "A-1"}});
  plant("card", cards[0].id, {{"external_ids", Json::Array{"ems:7", "netbox:1"}}});
  plant("card", cards[1].id, {{"external_ids", Json::Array{"ems:7"}}});
  // What looks like it: the same number of another system, in the plan only, no longer kept, and of what was moved.
  plant("card", cards[2].id, {{"external_ids", Json::Array{"ems:8"}}});
  plant("card", cards[3].id, {{"external_ids", Json::Array{"erp:8"}}});
  plant("card", cards[4].id, {{"status", "planned"}, {"serial", "LATER"}});
  plant("card", cards[5].id, {{"serial", "LATER"}});
  plant("card", cards[6].id, {{"status", "retired"}, {"serial", "BEFORE"}});
  plant("card", cards[7].id, {{"serial", "BEFORE"}});
  const Gear moved = take("card", 1).front();
  found_as[moved.id] = {};
  speak(found_as, {});
  world.discover("card", "found-elsewhere", with(moved.attributes, "slot", "9"));

  const std::set<std::string> first{std::min(device.id, other), std::min(cards[0].id, cards[1].id)};
  EXPECT_EQ(reported(), (std::map<DiscrepancyKind, std::set<std::string>>{{DiscrepancyKind::moved, {moved.id}},
                                                                          {DiscrepancyKind::duplicate, first}}));
  for (const auto& discrepancy : result.discrepancies) {
    if (discrepancy.kind != DiscrepancyKind::duplicate) continue;
    SCOPED_TRACE(discrepancy.id);
    ASSERT_EQ(discrepancy.also.size(), 1u);
    EXPECT_EQ(discrepancy.id,
              fmt::format("duplicate:{}:{}+{}", discrepancy.about.kind, discrepancy.about.id, discrepancy.also[0].id));
    EXPECT_EQ(discrepancy.evidence.size(), discrepancy.about.kind == "device" ? 4u : 2u);
    EXPECT_NE(discrepancy.summary.find(discrepancy.also[0].id), std::string::npos) << discrepancy.summary;
    EXPECT_NE(discrepancy.verification.action.find(discrepancy.also[0].id), std::string::npos)
        << discrepancy.verification.action;
    EXPECT_EQ(discrepancy.verification.who, "field technician");
    EXPECT_FALSE(discrepancy.verification.site.empty());
  }
  // A look back finds the same without the index.
  const auto back = world.snapshot.as_of({.recorded = world.snapshot.offset(), .valid = {}});
  EXPECT_EQ(inventory::reconcile(back, world.now).found, result.found);
  inventory::ReconcileOptions of_the_other;
  of_the_other.about = inventory::Referrer{"device", std::max(device.id, other)};
  EXPECT_EQ(
      reported(of_the_other),
      (std::map<DiscrepancyKind, std::set<std::string>>{{DiscrepancyKind::duplicate, {std::min(device.id, other)}}}));
}

TEST_F(ThreeFeeds, WhatIsAcceptedStaysSoUntilAFactChanges) {
  const Gear device = gear["device"].front();
  speak({{device.id, with(device.attributes, "position_u", 30.0)}}, {});
  ASSERT_EQ(reported()[DiscrepancyKind::moved], std::set<std::string>{device.id});
  world.say("operator", v1::STANDING_OBSERVED, "deviation", "dev-1",
            {{"about", "device/" + device.id}, {"discrepancy", "moved"}, {"reason", "rebuilt next month"}});
  EXPECT_TRUE(reported().empty());
  EXPECT_EQ(result.accepted, 1u);
  inventory::ReconcileOptions accepted_too;
  accepted_too.accepted = true;
  EXPECT_EQ(reported(accepted_too)[DiscrepancyKind::moved].size(), 1u);
  world.discover("device", device.id, {{"position_u", 30.0}});  // the same again
  EXPECT_TRUE(reported().empty());
  world.discover("device", device.id, {{"position_u", 20.0}});
  EXPECT_EQ(reported()[DiscrepancyKind::moved], std::set<std::string>{device.id});
}

TEST_F(ThreeFeeds, AFeedThatStopsSpeakingIsOneDiscrepancyNotOneForEachThingItSaw) {
  speak({}, {});
  world.now = world.now + seconds(3'600);
  EXPECT_EQ(reported(), (std::map<DiscrepancyKind, std::set<std::string>>{{DiscrepancyKind::silent, {"telemetry"}}}));
}

TEST_F(ThreeFeeds, AFeedThatSaysTheSameAgainIsNeitherSilentNorIsWhatItSawStale) {
  speak({}, {});
  world.now = world.now + seconds(3'600);
  const std::string unheard = gear["address"].back().id;
  const auto changed = world.snapshot.changed();
  const auto said = [&](std::vector<Gear> items) {
    inventory::Upsert upsert(world.snapshot, {.source = "telemetry"});
    for (const Gear& item : items)
      upsert.add({"address", item.id, "", {{"address", item.attributes.at("address")}}, {}});
    upsert.finish();
    EXPECT_EQ(upsert.counts().unchanged, items.size());
    upsert.for_each_event([&](const log::Event& event, size_t) { return world.take(event), true; });
  };
  std::vector<Gear> items = gear["address"];
  items.pop_back();
  said(items);
  EXPECT_EQ(reported(), (std::map<DiscrepancyKind, std::set<std::string>>{{DiscrepancyKind::stale, {unheard}}}));
  said(gear["address"]);
  EXPECT_TRUE(reported().empty()) << result.discrepancies.front().summary;
  EXPECT_EQ(world.snapshot.changed(), changed);
}

TEST_F(ThreeFeeds, AnEntityAsksForItsOwn) {
  const Gear device = gear["device"].front();
  const Gear other = gear["device"].back();
  speak({{device.id, with(device.attributes, "position_u", 30.0)},
         {other.id, with(other.attributes, "position_u", 30.0)}},
        {});
  inventory::ReconcileOptions of_one;
  of_one.about = inventory::Referrer{"device", other.id};
  EXPECT_EQ(reported(of_one), (std::map<DiscrepancyKind, std::set<std::string>>{{DiscrepancyKind::moved, {other.id}}}));
}

}  // namespace
}  // namespace tandem::app
