// Requests of random tenants under random tables, with engines failing at random: what reaches an engine is always
// within what its request allowed, over the site and every path.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "base/random.h"
#include "gateway/test_world.h"

namespace tandem::gateway {
namespace {

const std::vector<std::string> kCodes{"DE", "FR", "US", "NL"};

std::string random_codes(Random& random) {
  std::string codes;
  for (const std::string& code : kCodes)
    if (random.chance(0.5)) codes += (codes.empty() ? "" : ",") + code;
  return codes.empty() ? "FR" : codes;
}

// Engine e<i> stands at site s<i>, in jurisdiction i modulo 4.
std::string random_drawing(Random& random, size_t engines) {
  std::string text = "jurisdiction DE FR US NL\nregion r0\nregion r1\nmodel small\n";
  for (size_t i = 0; i < engines; ++i) {
    text += fmt::format("site s{} {}\n", i, kCodes[i % 4]);
    text += fmt::format("target e{0} s{0} small port=$e{0} prompt_cost={1} output_cost={1}{2}\n", i,
                        1 + random.below(3), random.chance(0.1) ? " down" : "");
  }
  for (int tenant = 0; tenant < 3; ++tenant)
    text += fmt::format("tenant t{0} key=k{0} {1}\n", tenant, tenant == 0 ? "" : "residency=" + random_codes(random));
  for (int region = 0; region < 2; ++region)
    for (size_t i = 0; i < engines; ++i) {
      if (random.chance(0.1)) continue;
      const std::string via = random.chance(0.4) ? "via=" + random_codes(random) : "";
      text += fmt::format("leg r{} s{} rtt={} {}\n", region, i, 1 + random.below(50), via);
    }
  for (int tenant = 0; tenant < 3; ++tenant)
    if (random.chance(0.5))
      text += fmt::format("split t{} r0 small e{}=0.5 e{}=0.4\n", tenant, random.below(engines / 2),
                          engines / 2 + random.below(engines / 2));
  return text;
}

TEST(GatewayResidency, IsNeverViolated) {
  Random random(77);
  const std::vector<std::string> names{"e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7"};
  TestWorld world(random_drawing(random, names.size()), names, {}, HealthOptions{.failures_to_eject = 1'000'000});
  const std::vector<Behaviour> behaviours{Behaviour::answers,     Behaviour::fails, Behaviour::resets,
                                          Behaviour::cuts_midway, Behaviour::busy,  Behaviour::garbage};
  int answered = 0, forbidden = 0, tried = 0;
  for (int round = 0; round < 600; ++round) {
    if (round % 5 == 0) world.publish(random_drawing(random, names.size()));
    for (const std::string& name : names) {
      world.engine(name).requests.clear();
      world.engine(name).behaviour =
          random.chance(0.7) ? Behaviour::answers : behaviours[random.below(behaviours.size())];
    }
    const routing::RoutingTable& table = *world.shared.table();
    const auto tenant = static_cast<uint32_t>(random.below(3));
    const auto region = static_cast<uint32_t>(random.below(2));
    http::Headers headers;
    headers.add("authorization", fmt::format("Bearer k{}", tenant));
    headers.add("x-tandem-region", fmt::format("r{}", region));
    uint64_t allowed = table.rows().tenants[tenant].residency.bits & 0b1111;
    if (random.chance(0.5)) {
      const std::string codes = random_codes(random);
      headers.add("x-tandem-residency", codes);
      uint64_t stated = 0;
      for (size_t i = 0; i < kCodes.size(); ++i)
        if (codes.find(kCodes[i]) != std::string::npos) stated |= uint64_t{1} << i;
      allowed &= stated;
    }
    const Reply reply = world.ask(chat(random.chance(0.5) ? kWholeBody : kStreamBody, headers));
    answered += reply.status == 200;
    forbidden += reply.status == 403;
    for (uint32_t i = 0; i < names.size(); ++i) {
      if (world.engine(names[i]).requests.empty()) continue;
      ++tried;
      const routing::Leg& leg = table.leg(region, i);
      EXPECT_TRUE(leg.reachable);
      const uint64_t touched = (uint64_t{1} << (i % 4)) | leg.jurisdictions.bits;
      EXPECT_EQ(touched & ~allowed, 0u) << "round " << round << ", engine " << names[i];
    }
    if (reply.status == 403) {
      for (uint32_t i = 0; i < names.size(); ++i)
        EXPECT_FALSE(table.targets()[i].up && table.leg(region, i).reachable &&
                     (((uint64_t{1} << (i % 4)) | table.leg(region, i).jurisdictions.bits) & ~allowed) == 0);
    }
  }
  EXPECT_GT(answered, 200);
  EXPECT_GT(forbidden, 20);
  EXPECT_GT(tried, answered);
}

}  // namespace
}  // namespace tandem::gateway
