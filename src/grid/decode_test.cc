#include "grid/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tandem::grid {
namespace {

using testing::HasSubstr;

// Two sites with a link, a pool and all that a demand needs.
std::vector<Entity> small_grid() {
  const auto site = [](const char* id, const char* country, double longitude) {
    return Entity{"site",
                  id,
                  {{"tier", "core"},
                   {"latitude_deg", 50.0},
                   {"longitude_deg", longitude},
                   {"jurisdiction", country},
                   {"power_limit_kw", 100.0}}};
  };
  return {
      {"grid",
       "grid",
       {{"name", "small"},
        {"simulated", true},
        {"policy", Json::Object{{"link_headroom", 0.5}, {"admission", "plan"}}}}},
      site("west", "DE", 8),
      site("east", "AT", 9),
      {"node", "w", {{"site", "west"}, {"role", "upf"}}},
      {"node", "e", {{"site", "east"}}},
      {"shared_risk_group", "duct", {}},
      {"link",
       "we",
       {{"a", "w"},
        {"b", "e"},
        {"capacity_gbps", 100.0},
        {"length_km", 100.0},
        {"shared_risk_groups", Json::Array{"duct"}}}},
      {"region",
       "r",
       {{"latitude_deg", 50.0},
        {"longitude_deg", 8.0},
        {"prefixes", Json::Array{"10.0.0.0/8", "2001:db8::/32"}},
        {"anchors", Json::Array{Json::Object{{"node", "w"}, {"access_delay_us", 500.0}}}}}},
      {"accelerator",
       "gpu",
       {{"memory_gb", 80.0}, {"idle_power_w", 60.0}, {"peak_power_w", 700.0}, {"price_eur_per_hour", 2.0}}},
      {"pool",
       "p",
       {{"site", "east"},
        {"node", "e"},
        {"accelerator", "gpu"},
        {"count", int64_t{4}},
        {"radio_reserve",
         Json::Array{Json::Object{{"from_hour", 22.0}, {"to_hour", 4.0}, {"accelerators", int64_t{1}}}}}}},
      {"model",
       "m",
       {{"aliases", Json::Array{"m-latest"}},
        {"parameters_billion", 8.0},
        {"weights_gb", 16.0},
        {"kv_bytes_per_token", 131072.0},
        {"context_tokens", int64_t{8192}}}},
      {"profile",
       "m-gpu",
       {{"model", "m"},
        {"accelerator", "gpu"},
        {"prefill_tokens_per_s", 1e4},
        {"kv_memory_gb", 50.0},
        {"source", "test"},
        {"points",
         Json::Array{Json::Object{{"batch", int64_t{1}}, {"decode_ms_per_token", 8.0}, {"power_w", 300.0}}}}}},
      {"deployment", "d", {{"pool", "p"}, {"model", "m"}, {"replicas", int64_t{2}}}},
      {"tenant",
       "bank",
       {{"keys", Json::Array{Json::Object{{"sha256", std::string(64, 'a')}, {"loopback_only", true}}}},
        {"residency", Json::Array{"DE", "FR"}},
        {"ttft_ms", 300.0},
        {"tpot_ms", 50.0},
        {"priority", int64_t{3}},
        {"weight", 2.5},
        {"limits", Json::Object{{"requests_per_minute", int64_t{60}}, {"budget_eur_per_month", 12.5}}}}},
      {"demand",
       "q",
       {{"tenant", "bank"},
        {"region", "r"},
        {"model", "m"},
        {"rate_per_s", 2.0},
        {"prompt_tokens", 100.0},
        {"output_tokens", 20.0},
        {"tpot_ms", 30.0}}},
      {"traffic", "t", {{"from", "w"}, {"to", "e"}, {"rate_gbps", 3.0}}},
  };
}

Entity& find(std::vector<Entity>& entities, std::string_view id) {
  for (Entity& entity : entities)
    if (entity.id == id) return entity;
  throw std::runtime_error("no such entity");
}

std::string text_of(const GridRows& made) {
  std::string text;
  for (const auto& [entity, problem] : made.problems)
    text += std::to_string(entity) + " " + to_string(problem.path) + ": " + problem.message + "; " + problem.fix + "\n";
  return text;
}

TEST(Decode, AWholeGrid) {
  const GridRows made = make_rows(small_grid());
  EXPECT_EQ(text_of(made), "");
  const Rows& rows = made.rows;
  EXPECT_EQ(rows.name, "small");
  EXPECT_TRUE(rows.simulated);
  EXPECT_EQ(rows.policy, (Policy{.link_headroom = 0.5, .admission_by_plan = true}));
  EXPECT_EQ(rows.jurisdictions, (std::vector<std::string>{"AT", "DE", "FR"}));
  ASSERT_EQ(rows.sites.size(), 2u);
  EXPECT_EQ(rows.sites[0].id, "east") << "rows ascend by id";
  EXPECT_EQ(rows.sites[1].jurisdiction, 1);
  EXPECT_EQ(rows.sites[1].name, "west");
  EXPECT_EQ(rows.sites[1].cooling_limit, Kilowatts(100));
  EXPECT_EQ(rows.nodes[1].role, NodeRole::upf);
  EXPECT_DOUBLE_EQ(rows.links[0].delay.value(), 490);
  EXPECT_EQ(rows.links[0].capacity_ba, Gbps(100));
  EXPECT_EQ(rows.links[0].members, 1u);
  EXPECT_FALSE(rows.nodes[0].overload);
  EXPECT_EQ(rows.links[0].shared_risk_groups, std::vector{SharedRiskGroupIndex(0)});
  EXPECT_EQ(rows.regions[0].prefixes.size(), 2u);
  EXPECT_EQ(rows.regions[0].anchors[0].access_delay, Microseconds(500));
  EXPECT_EQ(rows.pools[0].radio_reserve[0].accelerators, 1u);
  EXPECT_EQ(rows.tenants[0].residency.bits, 0b110u);
  EXPECT_TRUE(rows.tenants[0].keys[0].loopback_only);
  EXPECT_DOUBLE_EQ(rows.tenants[0].weight, 2.5);
  EXPECT_EQ(rows.tenants[0].limits, (TenantLimits{.requests_per_minute = 60, .budget_per_month = Euros(12.5)}));
  EXPECT_EQ(rows.deployments[0].replicas, 2u);
  EXPECT_EQ(rows.traffic[0].rate, Gbps(3));
}

TEST(Decode, ABundleCarriesWhatItsMembersThatAreUpCarry) {
  const auto link_of = [](int64_t down) {
    auto entities = small_grid();
    for (Entity& entity : entities) {
      if (entity.kind == "node" && entity.id == "w") entity.attributes["overload"] = true;
      if (entity.kind != "link") continue;
      entity.attributes["capacity_reverse_gbps"] = 80.0;
      entity.attributes["members"] = int64_t{4};
      entity.attributes["members_min"] = int64_t{2};
      entity.attributes["members_down"] = down;
    }
    const GridRows made = make_rows(entities);
    EXPECT_EQ(text_of(made), "");
    EXPECT_TRUE(made.rows.nodes[1].overload);
    return made.rows.links[0];
  };
  EXPECT_EQ(link_of(0).capacity_ab, Gbps(100));
  EXPECT_EQ(link_of(1).capacity_ab, Gbps(75));
  EXPECT_EQ(link_of(1).capacity_ba, Gbps(60));
  EXPECT_TRUE(link_of(2).carries());
  EXPECT_FALSE(link_of(3).carries());
  EXPECT_FALSE(link_of(4).carries());
  EXPECT_EQ(link_of(4).capacity_ab, Gbps(25)) << "of one: nothing divides by nothing";
}

TEST(Decode, ADemandTakesFromItsTenantWhatItDoesNotSay) {
  const GridRows made = make_rows(small_grid());
  const Demand& demand = made.rows.demands[0];
  EXPECT_EQ(demand.promise, (Promise{Milliseconds(300), Milliseconds(30), 0.95}));
  EXPECT_EQ(demand.priority, 3u);
  EXPECT_EQ(demand.upload_bytes, 400);
  EXPECT_EQ(demand.download_bytes, 5000);
}

TEST(Decode, TheOrderOfEntitiesDoesNotMatter) {
  auto reversed = small_grid();
  std::reverse(reversed.begin(), reversed.end());
  EXPECT_EQ(make_snapshot(make_rows(reversed).rows, 1), make_snapshot(make_rows(small_grid()).rows, 1));
}

TEST(Decode, IsTotal) {
  auto entities = small_grid();
  for (Entity& entity : entities) entity.attributes.clear();
  EXPECT_GT(make_rows(entities).problems.size(), 10u);
  EXPECT_FALSE(make_rows({}).problems.empty());
}

TEST(Decode, NamesTheNearestOfADanglingReference) {
  auto entities = small_grid();
  find(entities, "w").attributes["site"] = "wesst";
  find(entities, "r").attributes["anchors"] = Json::Array{Json::Object{{"node", "zebra"}}};
  const std::string text = text_of(make_rows(entities));
  EXPECT_THAT(text, HasSubstr("3 site: site: there is no site 'wesst'; did you mean 'west'?"));
  EXPECT_THAT(text, HasSubstr("7 anchors[0].node: node: there is no node 'zebra'"));
}

TEST(Decode, FindsDuplicatesAndUnknownKinds) {
  auto entities = small_grid();
  entities.push_back(entities[1]);
  entities.push_back({"sight", "x", {}});
  const std::string text = text_of(make_rows(entities));
  EXPECT_THAT(text, HasSubstr("there are two sites with the id 'west'"));
  EXPECT_THAT(text, HasSubstr("there is no kind 'sight'"));
}

struct Rule {
  const char* entity;
  const char* attribute;
  Json value;
  const char* message;
};

TEST(Decode, RulesAcrossRows) {
  const Rule rules[] = {
      {"we", "delay_us", 1.0, "faster than light"},
      {"p", "node", "w", "node 'w' stands at site 'west', not 'east'"},
      {"d", "replicas", int64_t{5}, "deployments at pool 'p' need 5 accelerators, of 4 there are"},
      {"d", "tensor_parallel", int64_t{2},
       "there is no profile of model 'm' on accelerator 'gpu' with tensor_parallel 2"},
      {"m-gpu", "kv_memory_gb", 65.0, "weights and KV cache need 81 GB, and 1 accelerators have 80 GB"},
      {"q", "prompt_tokens", 8192.0, "the context of 'm' holds 8192"},
      {"t", "to", "w", "it goes from 'w' to itself"},
      {"east", "power_limit_kw", 0.5, "site 'east' has 0.5 kW, too little for one gpu"},
  };
  for (const Rule& rule : rules) {
    auto entities = small_grid();
    find(entities, rule.entity).attributes[rule.attribute] = rule.value;
    const GridRows made = make_rows(entities);
    EXPECT_EQ(made.problems.size(), 1u) << rule.message << "\n" << text_of(made);
    EXPECT_THAT(text_of(made), HasSubstr(rule.message));
  }
}

TEST(Decode, WhatMustBeUniqueAcrossRows) {
  auto entities = small_grid();
  for (const char* id : {"m", "bank", "r", "m-gpu", "q"}) {
    Entity copy = find(entities, id);
    copy.id += "-copy";
    entities.push_back(copy);
  }
  const std::string text = text_of(make_rows(entities));
  EXPECT_THAT(text, HasSubstr("the name 'm-latest' already means model 'm'"));
  EXPECT_THAT(text, HasSubstr("that key also belongs to tenant 'bank'"));
  EXPECT_THAT(text, HasSubstr("the prefix 10.0.0.0/8 also belongs to region 'r'"));
  EXPECT_THAT(text, HasSubstr("profile 'm-gpu' is for the same model"));
  EXPECT_THAT(text, HasSubstr("demand 'q' has the same tenant, region and model"));
}

TEST(Decode, OverlappingReservesAddUp) {
  auto entities = small_grid();
  const auto reserve = [](double from, double to) {
    return Json::Object{{"from_hour", from}, {"to_hour", to}, {"accelerators", int64_t{3}}};
  };
  find(entities, "p").attributes["radio_reserve"] = Json::Array{reserve(20, 2), reserve(1, 3)};
  EXPECT_THAT(text_of(make_rows(entities)), HasSubstr("at 1 h, 6 accelerators are kept for radio, of 4 there are"));
  find(entities, "p").attributes["radio_reserve"] = Json::Array{reserve(20, 2), reserve(2, 3)};
  EXPECT_EQ(text_of(make_rows(entities)), "");
}

TEST(Decode, ADayProfileHasTwentyFourHoursAndDemandsNameIt) {
  auto entities = small_grid();
  Json::Array hours;
  for (int hour = 0; hour < 24; ++hour) hours.emplace_back(hour / 23.0);
  entities.push_back({"day_profile", "office", {{"rate_fraction", hours}}});
  find(entities, "r").attributes["utc_offset_hour"] = 5.5;
  EXPECT_FALSE(make_rows(entities).rows.demands[0].day_profile.valid()) << "the same all day";
  find(entities, "q").attributes["day_profile"] = "office";
  const GridRows made = make_rows(entities);
  EXPECT_EQ(text_of(made), "");
  EXPECT_EQ(made.rows.demands[0].day_profile, DayProfileIndex(0));
  EXPECT_EQ(made.rows.day_profiles[0].rate_fraction[23], 1);
  EXPECT_EQ(made.rows.regions[0].utc_offset_hour, 5.5);
  find(entities, "q").attributes["day_profile"] = "offices";
  EXPECT_THAT(text_of(make_rows(entities)), HasSubstr("there is no day_profile 'offices'; did you mean 'office'?"));
}

TEST(Decode, ADemandAsksForItsTenantsDiversityUnlessItSaysSo) {
  std::vector<Entity> entities = small_grid();
  EXPECT_EQ(make_rows(entities).rows.demands[0].diversity, Diversity::none);
  const std::string tenant(find(entities, "q").attributes["tenant"].text());
  find(entities, tenant).attributes["diversity"] = "node";
  EXPECT_EQ(make_rows(entities).rows.demands[0].diversity, Diversity::node);
  find(entities, "q").attributes["diversity"] = "none";
  EXPECT_EQ(make_rows(entities).rows.demands[0].diversity, Diversity::none);
}

TEST(Decode, WaysApartByGroupsNeedGroups) {
  std::vector<Entity> entities = small_grid();
  find(entities, "grid").attributes["policy"] =
      Json::Object{{"restoration", Json::Object{{"cases", Json::Array{"srlgs:1"}}}}};
  const std::string tenant(find(entities, "q").attributes["tenant"].text());
  find(entities, tenant).attributes["diversity"] = "shared_risk";
  std::erase_if(entities, [](const Entity& entity) { return entity.kind == "shared_risk_group"; });
  for (Entity& entity : entities) entity.attributes.erase("shared_risk_groups");
  const std::string text = text_of(make_rows(entities));
  EXPECT_THAT(text, HasSubstr("plans are to bear the loss of any shared-risk group, and the grid has none"));
  EXPECT_THAT(text, HasSubstr("it asks for ways that share no shared-risk group, and the grid has none"));
  entities.push_back({"shared_risk_group", "duct", {}});
  EXPECT_EQ(text_of(make_rows(entities)), "");
}

TEST(Decode, RestorationCasesStandOnceAndInOrder) {
  const auto restoration = [](Json::Object asked) {
    return decode_grid({{"policy", Json::Object{{"restoration", std::move(asked)}}}}).policy.restoration;
  };
  EXPECT_EQ(decode_grid({}).policy.restoration, Restoration{});
  EXPECT_EQ(restoration({{"cases", Json::Array{"nodes:1", "links:1", "nodes:1"}}}),
            (Restoration{{RestorationCase::links, RestorationCase::nodes}, 1}));
  EXPECT_EQ(restoration({{"link_headroom", 0.9}}), (Restoration{{}, 0.9}));
}

// A model like `m` that falls back to `fallback`.
Entity model_like_m(std::string id, std::string fallback) {
  auto entities = small_grid();
  Entity model = find(entities, "m");
  model.id = std::move(id);
  model.attributes["aliases"] = Json::Array{};
  model.attributes["fallback"] = std::move(fallback);
  return model;
}

TEST(Decode, AModelNamesItsFallbackAndATenantAllowsIt) {
  auto entities = small_grid();
  EXPECT_EQ(make_rows(entities).rows.models[0].fallback, "");
  EXPECT_FALSE(make_rows(entities).rows.tenants[0].fallbacks);
  entities.push_back(model_like_m("s", ""));
  find(entities, "m").attributes["fallback"] = "s";
  find(entities, "bank").attributes["fallbacks"] = true;
  find(entities, "bank").attributes["hedge_quantile"] = 0.9;
  const GridRows made = make_rows(entities);
  EXPECT_EQ(text_of(made), "");
  EXPECT_EQ(made.rows.models[0].fallback, "s");
  EXPECT_TRUE(made.rows.tenants[0].fallbacks);
  EXPECT_EQ(made.rows.tenants[0].hedge_quantile, 0.9);
}

TEST(Decode, FallbacksMustLeadSomewhereAndEnd) {
  auto entities = small_grid();
  find(entities, "m").attributes["fallback"] = "smal";
  entities.push_back(model_like_m("small", ""));
  EXPECT_THAT(text_of(make_rows(entities)), HasSubstr("there is no model 'smal'; did you mean 'small'?"));

  find(entities, "m").attributes["fallback"] = "m";
  EXPECT_THAT(text_of(make_rows(entities)), HasSubstr("the fallbacks go in a circle: m -> m;"));

  find(entities, "m").attributes["fallback"] = "small";
  find(entities, "small").attributes["fallback"] = "tiny";
  entities.push_back(model_like_m("tiny", "small"));
  const GridRows made = make_rows(entities);
  EXPECT_EQ(made.problems.size(), 1u) << text_of(made);
  EXPECT_THAT(text_of(made), HasSubstr("the fallbacks go in a circle: small -> tiny -> small; let the smallest"));
}

// A profile like `m-gpu` of another model, on so many accelerators.
Entity profile_like_m_gpu(std::string id, std::string model, int64_t tensor_parallel) {
  auto entities = small_grid();
  Entity profile = find(entities, "m-gpu");
  profile.id = std::move(id);
  profile.attributes["model"] = std::move(model);
  profile.attributes["tensor_parallel"] = tensor_parallel;
  return profile;
}

TEST(Decode, WhatATrialTriesMustBeServedSomewhere) {
  auto entities = small_grid();
  entities.push_back(model_like_m("n", ""));
  entities.push_back(
      {"trial", "t1", {{"mode", "shadow"}, {"model", "m"}, {"to_site", "west"}, {"share_fraction", 0.1}}});
  EXPECT_THAT(text_of(make_rows(entities)), HasSubstr("site 'west' has no pool; name a site that can serve 'm': east"));
  find(entities, "t1").attributes["to_model"] = "n";
  EXPECT_THAT(text_of(make_rows(entities)),
              HasSubstr("site 'west' has no pool; add a pool there, and a profile of 'n' on its accelerator"));
  find(entities, "t1").attributes.erase("to_site");
  EXPECT_THAT(text_of(make_rows(entities)), HasSubstr("no pool can serve model 'n'; add a profile of it"));
  entities.push_back(profile_like_m_gpu("n-gpu", "n", 8));
  find(entities, "t1").attributes["to_site"] = "east";
  EXPECT_THAT(text_of(make_rows(entities)), HasSubstr("no pool of site 'east' can serve model 'n'"))
      << "eight accelerators are more than the pool has";
  find(entities, "n-gpu").attributes["tensor_parallel"] = int64_t{4};
  EXPECT_EQ(text_of(make_rows(entities)), "");
}

TEST(Decode, TrialsTrySomethingElse) {
  auto entities = small_grid();
  entities.push_back(model_like_m("n", ""));
  entities.push_back({"trial", "t1", {{"mode", "canary"}, {"model", "m"}, {"share_fraction", 0.75}}});
  EXPECT_THAT(text_of(make_rows(entities)), HasSubstr("it tries the model with itself"));
  find(entities, "t1").attributes["to_model"] = "n";
  find(entities, "t1").attributes["to_site"] = "east";
  entities.push_back(profile_like_m_gpu("n-gpu", "n", 1));
  const GridRows made = make_rows(entities);
  EXPECT_EQ(text_of(made), "");
  const Trial expected{"t1", "t1", TrialMode::canary, ModelIndex(0), ModelIndex(1), SiteIndex(0), 0.75};
  EXPECT_EQ(made.rows.trials, std::vector<Trial>{expected});
  entities.push_back({"trial", "t2", {{"model", "m"}, {"to_model", "n"}, {"share_fraction", 0.5}}});
  EXPECT_EQ(text_of(make_rows(entities)), "") << "a shadow takes nothing away";
  find(entities, "t2").attributes["mode"] = "canary";
  EXPECT_THAT(text_of(make_rows(entities)), HasSubstr("the canaries of model 'm' take 1.25 of its requests"));
}

TEST(Decode, FlexAlgosChooseLinksByGroupsAndDemandsAskForThem) {
  std::vector<Entity> entities = small_grid();
  EXPECT_FALSE(make_rows(entities).rows.demands[0].flex_algo.valid());
  find(entities, "we").attributes["admin_groups"] = Json::Array{"red", "blue", "red"};
  find(entities, "we").attributes["te_metric"] = 7.0;
  entities.push_back(
      {"flex_algo",
       "128",
       {{"metric", "delay"}, {"include_any", Json::Array{"red"}}, {"participants", Json::Array{"w", "e"}}}});
  entities.push_back({"flex_algo", "129", {{"metric", "te"}, {"exclude_any", Json::Array{"red"}}}});
  find(entities, "bank").attributes["flex_algo"] = "128";
  const GridRows made = make_rows(entities);
  EXPECT_EQ(text_of(made), "");
  EXPECT_EQ(made.rows.links[0].admin_groups, (std::vector<std::string>{"blue", "red"}));
  EXPECT_EQ(made.rows.links[0].te_metric, 7);
  const FlexAlgo& algo = made.rows.flex_algos[0];
  EXPECT_EQ(algo.metric, PathMetric::delay);
  EXPECT_EQ(algo.include_any, std::vector<std::string>{"red"});
  EXPECT_EQ(algo.participants, (std::vector{NodeIndex(0), NodeIndex(1)}));
  EXPECT_EQ(made.rows.demands[0].flex_algo, FlexAlgoIndex(0)) << "its tenant's";
  find(entities, "q").attributes["flex_algo"] = "129";
  EXPECT_EQ(make_rows(entities).rows.demands[0].flex_algo, FlexAlgoIndex(1)) << "its own";
}

TEST(Decode, FlexAlgosThatCannotWorkAreSaid) {
  std::vector<Entity> entities = small_grid();
  for (const char* id : {"127", "256", "1e2", "0128"}) {
    std::vector<Entity> wrong = entities;
    wrong.push_back({"flex_algo", id, {}});
    EXPECT_THAT(text_of(make_rows(wrong)), HasSubstr("choose one from 128 to 255")) << id;
  }
  entities.push_back({"flex_algo",
                      "128",
                      {{"metric", "te"}, {"include_all", Json::Array{"red"}}, {"participants", Json::Array{"e"}}}});
  find(entities, "q").attributes["flex_algo"] = "128";
  const std::string text = text_of(make_rows(entities));
  EXPECT_THAT(text, HasSubstr("metric: no link has a te_metric"));
  EXPECT_THAT(text, HasSubstr("include_all: no link has the admin group 'red'"));
  EXPECT_THAT(text, HasSubstr("flex_algo: no anchor of region 'r' takes part in flex algorithm 128"));
  find(entities, "q").attributes["flex_algo"] = "129";
  EXPECT_THAT(text_of(make_rows(entities)), HasSubstr("there is no flex_algo '129'; did you mean '128'?"));
}

TEST(Decode, ThePolicyMayAskThatRepairsStayResident) {
  EXPECT_FALSE(decode_grid({}).policy.resident_repairs);
  EXPECT_TRUE(
      decode_grid({{"policy", Json::Object{{"residency", Json::Object{{"repairs", true}}}}}}).policy.resident_repairs);
}

TEST(Decode, AtMostSixtyFourJurisdictions) {
  auto entities = small_grid();
  Json::Array codes;
  for (char a = 'A'; a <= 'E'; ++a)
    for (char b = 'A'; b <= 'M'; ++b) codes.push_back(std::string{a, b});
  find(entities, "bank").attributes["residency"] = codes;
  EXPECT_THAT(text_of(make_rows(entities)), HasSubstr("at most 64 are allowed"));
}

TEST(Decode, OneMistakeIsReportedOnce) {
  auto entities = small_grid();
  find(entities, "gpu").attributes.erase("memory_gb");
  EXPECT_EQ(make_rows(entities).problems.size(), 1u) << text_of(make_rows(entities));
}

}  // namespace
}  // namespace tandem::grid
