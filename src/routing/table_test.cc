#include <gtest/gtest.h>

#include <arpa/inet.h>

#include <algorithm>

#include "base/random.h"
#include "routing/drawn_table.h"
#include "routing/routing.h"

namespace tandem::routing {
namespace {

constexpr std::string_view kTableWorld = R"(
  jurisdiction DE FR US
  region north 10.1.0.0/16 2001:db8::/32
  region south 10.1.128.0/17 10.0.0.0/8
  region lab
  site ber DE
  site par FR
  model small tiny wee
  model big
  tenant acme key=sk-acme residency=DE,FR ttft=200 tpot=50 models=big
  tenant demo key=sk-demo loopback_only
  target ber-small ber small
  target par-big par big
  target ber-big ber big
  leg north ber rtt=2
  split acme north big par-big=0.7 ber-big=0.3
)";

std::array<uint8_t, 16> address(const char* text) {
  std::array<uint8_t, 16> bytes{};
  if (inet_pton(AF_INET6, text, bytes.data()) == 1) return bytes;
  bytes[10] = bytes[11] = 0xFF;
  EXPECT_EQ(inet_pton(AF_INET, text, bytes.data() + 12), 1);
  return bytes;
}

TEST(RoutingTable, FindsTenantsByTheirKeyAndKeepsLoopbackKeysLocal) {
  const RoutingTable table(draw_table(kTableWorld));
  EXPECT_EQ(table.find_tenant(sha256("sk-acme"), false), 0u);
  EXPECT_EQ(table.find_tenant(sha256("sk-acme"), true), 0u);
  EXPECT_EQ(table.find_tenant(sha256("sk-demo"), true), 1u);
  EXPECT_EQ(table.find_tenant(sha256("sk-demo"), false), std::nullopt);
  EXPECT_EQ(table.find_tenant(sha256("sk-none"), true), std::nullopt);
}

TEST(RoutingTable, FindsModelsByIdAndAlias) {
  const RoutingTable table(draw_table(kTableWorld));
  EXPECT_EQ(table.find_model("small"), 0u);
  EXPECT_EQ(table.find_model("wee"), 0u);
  EXPECT_EQ(table.find_model("big"), 1u);
  EXPECT_EQ(table.find_model("Big"), std::nullopt);
  EXPECT_EQ(table.find_model(""), std::nullopt);
}

TEST(RoutingTable, AModelsIdBeatsAnothersAlias) {
  TableRows rows = draw_table(kTableWorld);
  rows.model_names.insert(rows.model_names.begin(), {"big", 0});
  EXPECT_EQ(RoutingTable(rows).find_model("big"), 1u);
}

TEST(RoutingTable, FindsRegionsTargetsAndJurisdictions) {
  const RoutingTable table(draw_table(kTableWorld));
  EXPECT_EQ(table.find_region("lab"), 2u);
  EXPECT_EQ(table.find_region("moon"), std::nullopt);
  EXPECT_EQ(table.find_target("par-big"), 1u);
  EXPECT_EQ(table.find_target("par"), std::nullopt);
  const std::vector<std::string_view> codes{"US", "DE"};
  EXPECT_EQ(table.find_jurisdictions(codes)->bits, 0b101u);
  const std::vector<std::string_view> unknown{"US", "XX"};
  EXPECT_EQ(table.find_jurisdictions(unknown), std::nullopt);
}

TEST(RoutingTable, TheLongestPrefixWins) {
  const RoutingTable table(draw_table(kTableWorld));
  EXPECT_EQ(table.find_region_by_address(address("10.1.1.1")), 0u);
  EXPECT_EQ(table.find_region_by_address(address("10.1.200.1")), 1u);
  EXPECT_EQ(table.find_region_by_address(address("10.9.9.9")), 1u);
  EXPECT_EQ(table.find_region_by_address(address("2001:db8:7::1")), 0u);
  EXPECT_EQ(table.find_region_by_address(address("2001:db9::1")), std::nullopt);
  EXPECT_EQ(table.find_region_by_address(address("192.0.2.1")), std::nullopt);
}

TEST(RoutingTable, PrefixLookupAgreesWithATryOfEveryPrefix) {
  Random random(5);
  TableRows rows;
  for (int i = 0; i < 64; ++i) rows.regions.push_back("r" + std::to_string(i));
  const auto random_address = [&] {
    std::array<uint8_t, 16> bytes{};
    for (uint8_t& byte : bytes) byte = random.chance(0.7) ? 0 : static_cast<uint8_t>(random.below(4) * 64);
    return bytes;
  };
  for (int i = 0; i < 300; ++i)
    rows.prefixes.push_back({{random_address(), static_cast<uint8_t>(random.below(129))},
                             static_cast<uint32_t>(random.below(rows.regions.size()))});
  const RoutingTable table(rows);
  const auto bit = [](const std::array<uint8_t, 16>& bytes, int i) { return (bytes[i / 8] >> (7 - i % 8)) & 1; };
  for (int i = 0; i < 2'000; ++i) {
    const auto wanted = random_address();
    std::optional<uint32_t> best;
    int best_length = -1;
    for (const PrefixEntry& entry : rows.prefixes) {
      bool matches = true;
      for (int b = 0; b < entry.prefix.length; ++b) matches = matches && bit(entry.prefix.address, b) == bit(wanted, b);
      if (matches && entry.prefix.length > best_length) best = entry.region, best_length = entry.prefix.length;
    }
    EXPECT_EQ(table.find_region_by_address(wanted), best);
  }
}

TEST(RoutingTable, ListsTargetsByModelAndThePlansShares) {
  const RoutingTable table(draw_table(kTableWorld));
  EXPECT_TRUE(std::ranges::equal(table.targets_of_model(1), std::vector<uint32_t>{1, 2}));
  EXPECT_TRUE(std::ranges::equal(table.targets_of_model(0), std::vector<uint32_t>{0}));
  ASSERT_NE(table.split(0, 0, 1), nullptr);
  EXPECT_EQ(table.split(0, 0, 1)->splits.size(), 2u);
  EXPECT_EQ(table.split(0, 1, 1), nullptr);
  EXPECT_EQ(table.split(1, 0, 1), nullptr);
  EXPECT_TRUE(table.may_use(0, 1));
  EXPECT_FALSE(table.may_use(0, 0));
  EXPECT_TRUE(table.may_use(1, 0));
}

TEST(RoutingTableDeathTest, RowsThatContradictEachOtherAreABug) {
  const TableRows good = draw_table(kTableWorld);
  const auto dies = [&](auto spoil) {
    TableRows rows = good;
    spoil(rows);
    EXPECT_DEATH(RoutingTable{std::move(rows)}, "");
  };
  dies([](TableRows& rows) { rows.legs.pop_back(); });
  dies([](TableRows& rows) { rows.targets[0].site_position = 9; });
  dies([](TableRows& rows) { rows.targets[0].model = 9; });
  dies([](TableRows& rows) { rows.targets[0].euros_per_output_token = -1; });
  dies([](TableRows& rows) { rows.targets[0].deployment = rows.targets[1].deployment; });
  dies([](TableRows& rows) { rows.keys[0].tenant = 9; });
  dies([](TableRows& rows) { rows.prefixes[0].region = 9; });
  dies([](TableRows& rows) { rows.model_names[0].second = 9; });
  dies([](TableRows& rows) { rows.demand_splits[0].splits[0].target = 0; });  // another model's
  dies([](TableRows& rows) { rows.demand_splits[0].splits[0].fraction = 0.9; });
  dies([](TableRows& rows) { rows.demand_splits.push_back(rows.demand_splits[0]); });
  dies([](TableRows& rows) { rows.legs[0].round_trip = Microseconds(-1); });
}

}  // namespace
}  // namespace tandem::routing
