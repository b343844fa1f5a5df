#include "log/print.h"

#include <gtest/gtest.h>

#include "log/testing.h"

namespace tandem::log {
namespace {

TEST(Print, FactsInOneLine) {
  Event event;
  event.set_actor("operator:eve");
  auto& facts = *event.mutable_facts_recorded();
  facts.set_source("grid-file");
  facts.set_kind("link");
  facts.set_id("berlin-hamburg");
  const auto add = [&](const char* name) {
    facts.add_attributes()->set_name(name);
    return facts.mutable_attributes(facts.attributes_size() - 1)->mutable_value();
  };
  add("capacity_gbps")->set_number(100);
  add("up")->set_boolean(true);
  add("note")->set_text("two\nlines");
  auto& list = *add("segments")->mutable_list();
  list.add_items()->set_integer(-7);
  list.add_items();
  auto& field = *add("place")->mutable_record()->add_fields();
  field.set_name("city");
  field.mutable_value()->set_text("Köln");
  EXPECT_EQ(describe(event).kind, "facts_recorded");
  EXPECT_EQ(
      describe(event).summary,
      R"(link berlin-hamburg: capacity_gbps=100.0, up=true, note="two\nlines", segments=[-7,null] and 1 more (grid-file))");
  EXPECT_EQ(to_json(event_to_json(event)),
            R"({"actor":"operator:eve","facts_recorded":{"attributes":[{"name":"capacity_gbps","value":100.0},)"
            R"({"name":"up","value":true},{"name":"note","value":"two\nlines"},{"name":"segments","value":[-7,null]},)"
            R"({"name":"place","value":{"city":"Köln"}}],"id":"berlin-hamburg","kind":"link","source":"grid-file"}})");
}

TEST(Print, EveryKindHasItsName) {
  const auto* body = Event::descriptor()->FindOneofByName("body");
  ASSERT_GT(body->field_count(), 0);
  for (int i = 0; i < body->field_count(); ++i) {
    Event event;
    Event::GetReflection()->MutableMessage(&event, body->field(i));
    EXPECT_EQ(describe(event).kind, body->field(i)->name());
    EXPECT_FALSE(describe(event).summary.empty());
    EXPECT_EQ(event_to_json(event).object().size(), 1u);
  }
  EXPECT_EQ(describe(Event()).kind, "none");
}

TEST(Print, WhatIsDoneWithBranchesInOneLine) {
  Event event;
  event.mutable_branch_created()->set_name("b");
  event.mutable_branch_created()->set_purpose("a second ring");
  EXPECT_EQ(describe(event).summary, "b on main: a second ring");
  event.mutable_branch_edited()->set_branch("b");
  EXPECT_EQ(describe(event).summary, "b: 0 edits");
  v1::EntityRetracted& retraction = *event.mutable_branch_edited()->add_edits()->mutable_retraction();
  retraction.set_kind("link");
  retraction.set_id("x");
  EXPECT_EQ(describe(event).summary, "b: 1 edit, first: link x removed");
  event.mutable_branch_merged()->set_name("b");
  event.mutable_branch_merged()->set_edits(3);
  EXPECT_EQ(describe(event).summary, "b into main: 3 edits");
}

TEST(Print, TimesInSummariesAreToTheSecond) {
  Event event;
  event.mutable_window_sealed()->set_table("requests");
  event.mutable_window_sealed()->set_rows(7);
  event.mutable_window_sealed()->set_from_ns(1'763'712'960'123'456'789);
  event.mutable_window_sealed()->set_to_ns(1'763'713'020'123'456'789);
  EXPECT_EQ(describe(event).summary, "requests: 7 rows from 2025-11-21T08:16:00Z to 2025-11-21T08:17:00Z");
  event.mutable_routing_table_published()->set_plan_id("plan-2");
  event.mutable_routing_table_published()->set_from_offset(9);
  event.mutable_routing_table_published()->set_valid_until_ns(1'763'712'960'999'999'999);
  EXPECT_EQ(describe(event).summary, "plan-2 from 9, valid until 2025-11-21T08:16:00Z");
}

TEST(Print, APlanSaysHowItWasMadeAndWhy) {
  Event event;
  v1::Plan& plan = *event.mutable_plan_accepted()->mutable_plan();
  plan.set_id("plan-9");
  plan.set_base_offset(8);
  plan.set_cost_eur_per_hour(12.5);
  EXPECT_EQ(describe(event).summary, "plan-9 on 8, whole: 12.50 EUR/h, bound 0.00, 0 deployments, 0 demands, 0 moves");
  plan.set_mended(true);
  plan.set_reason("the grid changed at offset 7");
  EXPECT_EQ(describe(event).summary,
            "plan-9 on 8, quick: 12.50 EUR/h, bound 0.00, 0 deployments, 0 demands, 0 moves; "
            "the grid changed at offset 7");
}

TEST(Print, ADayAndItsPeriodsSayWhatTheyAre) {
  Event event;
  v1::Schedule& day = *event.mutable_schedule_accepted()->mutable_schedule();
  day.set_id("plan-9");
  day.set_reason("demand changes over the day");
  day.mutable_day()->set_eur(3946.171);
  day.mutable_day()->set_moves(370);
  day.set_bound_eur_per_day(3202.6);
  day.add_periods();
  EXPECT_EQ(describe(event).summary,
            "plan-9: 1 period, 3946.17 EUR a day, bound 3202.60, 370 moves; demand changes over the day");
  event.mutable_period_prepared()->set_schedule_id("plan-9");
  event.mutable_period_prepared()->mutable_hours()->set_from_hour(19);
  event.mutable_period_prepared()->mutable_hours()->set_hours(5);
  EXPECT_EQ(describe(event).summary, "19:00 to 24:00 UTC of plan-9: replicas that it adds are started");
  event.mutable_period_begun()->set_plan_id("plan-12");
  event.mutable_period_begun()->set_reason("19:00 to 24:00 UTC as plan-9 has it");
  event.mutable_period_begun()->set_moves(42);
  EXPECT_EQ(describe(event).summary, "plan-12: 19:00 to 24:00 UTC as plan-9 has it, 42 moves");
  event.mutable_period_begun()->set_moves(1);
  event.mutable_period_begun()->set_moves_eur(0.2);
  EXPECT_EQ(describe(event).summary, "plan-12: 19:00 to 24:00 UTC as plan-9 has it, 1 move for 0.20 EUR");
}

TEST(Print, SummariesStayShortAndWhole) {
  Event event;
  std::string reason;
  for (int i = 0; i < 1'000; ++i) reason += "ü";
  event.mutable_plan_requested()->set_reason(reason);
  const std::string summary = describe(event).summary;
  EXPECT_LT(summary.size(), 210u);
  EXPECT_TRUE(parse_json(to_json(Json(summary))));
}

TEST(Print, BytesAreHexadecimalAndNumbersAreNumbers) {
  Event event;
  auto& window = *event.mutable_window_sealed();
  window.set_table("requests");
  window.set_from_ns(1'763'714'450'000'000'000);
  window.set_rows(12);
  window.set_sha256(std::string("\x00\xff", 2));
  auto& usage = *window.add_usage();
  usage.set_tenant("demo");
  usage.set_cost_eur(0.5);
  EXPECT_EQ(to_json(event_to_json(event)),
            R"({"window_sealed":{"from_ns":1763714450000000000,"rows":12,"sha256":"00ff","table":"requests",)"
            R"("usage":[{"cost_eur":0.5,"tenant":"demo"}]}})");
}

}  // namespace
}  // namespace tandem::log
