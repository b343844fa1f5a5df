// A small operator as events: a ring of sites in two jurisdictions, each with a node and a pool, regions whose users
// ask for one model. For tests of modules that take events; needs the modules log and inventory.
#pragma once

#include <string>
#include <vector>

#include "inventory/inventory.h"
#include "log/log.h"

namespace tandem::test_support {

inline log::Event fact(std::string_view kind, std::string_view id, const Json::Object& attributes) {
  log::Event event;
  event.set_actor("operator:test");
  v1::FactsRecorded& facts = *event.mutable_facts_recorded();
  facts.set_source("test");
  facts.set_kind(std::string(kind));
  facts.set_id(std::string(id));
  for (const auto& [name, value] : attributes) {
    v1::Attribute& attribute = *facts.add_attributes();
    attribute.set_name(name);
    inventory::set_value(*attribute.mutable_value(), value);
  }
  return event;
}

inline log::Event retraction(std::string_view kind, std::string_view id) {
  log::Event event;
  event.set_actor("operator:test");
  event.mutable_entity_retracted()->set_source("test");
  event.mutable_entity_retracted()->set_kind(std::string(kind));
  event.mutable_entity_retracted()->set_id(std::string(id));
  return event;
}

inline std::string site_id(size_t i) { return "site-" + std::to_string(i); }
inline std::string node_id(size_t i) { return "node-" + std::to_string(i); }
inline std::string link_id(size_t i) { return "link-" + std::to_string(i); }  // from node i to node i + 1
inline std::string pool_id(size_t i) { return "pool-" + std::to_string(i); }

inline log::Event site_fact(size_t i) {
  return fact("site", site_id(i),
              {{"tier", i == 0 ? "core" : "near_edge"},
               {"latitude_deg", 48.0 + 0.1 * static_cast<double>(i % 100)},
               {"longitude_deg", 8.0},
               {"jurisdiction", i % 3 == 2 ? "AT" : "DE"},
               {"power_limit_kw", 100.0}});
}

inline log::Event link_fact(size_t i, size_t sites) {
  return fact("link", link_id(i),
              {{"a", node_id(i)},
               {"b", node_id((i + 1) % sites)},
               {"capacity_gbps", 100.0},
               {"delay_us", 500.0},
               {"shared_risk_groups", Json::Array{"duct-" + std::to_string(i / 2)}}});
}

inline log::Event pool_fact(size_t i) {
  return fact("pool", pool_id(i),
              {{"site", site_id(i)}, {"node", node_id(i)}, {"accelerator", "gpu"}, {"count", int64_t{4}}});
}

// Facts in an order in which each refers only to what is there. `sites` ≥ 3.
inline std::vector<log::Event> small_world(size_t sites) {
  std::vector<log::Event> events;
  events.push_back(fact("grid", "grid", {{"name", "small"}, {"simulated", true}}));
  for (size_t i = 0; i < sites; ++i) events.push_back(site_fact(i));
  for (size_t i = 0; i < sites; ++i)
    events.push_back(fact("node", node_id(i), {{"site", site_id(i)}, {"role", i % 2 == 0 ? "upf" : "router"}}));
  for (size_t i = 0; 2 * i < sites; ++i) events.push_back(fact("shared_risk_group", "duct-" + std::to_string(i), {}));
  for (size_t i = 0; i < sites; ++i) events.push_back(link_fact(i, sites));
  events.push_back(
      fact("accelerator", "gpu",
           {{"memory_gb", 80.0}, {"idle_power_w", 60.0}, {"peak_power_w", 700.0}, {"price_eur_per_hour", 2.0}}));
  for (size_t i = 0; i < sites; ++i) events.push_back(pool_fact(i));
  events.push_back(fact("model", "chat",
                        {{"parameters_billion", 8.0},
                         {"weights_gb", 16.0},
                         {"kv_bytes_per_token", 131072.0},
                         {"context_tokens", int64_t{8192}}}));
  const Json::Array points{Json::Object{{"batch", int64_t{1}}, {"decode_ms_per_token", 8.0}, {"power_w", 300.0}},
                           Json::Object{{"batch", int64_t{16}}, {"decode_ms_per_token", 14.0}, {"power_w", 550.0}}};
  events.push_back(fact("profile", "chat-gpu",
                        {{"model", "chat"},
                         {"accelerator", "gpu"},
                         {"prefill_tokens_per_s", 20000.0},
                         {"kv_memory_gb", 50.0},
                         {"points", points},
                         {"source", "made up for tests"}}));
  events.push_back(fact("tenant", "public", {{"ttft_ms", 800.0}, {"tpot_ms", 60.0}}));
  events.push_back(
      fact("tenant", "bank",
           {{"residency", Json::Array{"DE"}}, {"ttft_ms", 500.0}, {"tpot_ms", 50.0}, {"priority", int64_t{2}}}));
  for (size_t i = 0; i < sites; i += 2) {
    const std::string region = "region-" + std::to_string(i);
    events.push_back(fact("region", region,
                          {{"latitude_deg", 48.0},
                           {"longitude_deg", 8.0},
                           {"anchors", Json::Array{Json::Object{{"node", node_id(i)}, {"access_delay_us", 500.0}}}}}));
    for (const char* tenant : {"public", "bank"})
      events.push_back(fact("demand", std::string(tenant) + "-" + std::to_string(i),
                            {{"tenant", tenant},
                             {"region", region},
                             {"model", "chat"},
                             {"rate_per_s", 1.0},
                             {"prompt_tokens", 400.0},
                             {"output_tokens", 200.0}}));
  }
  return events;
}

}  // namespace tandem::test_support
