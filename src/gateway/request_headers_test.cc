#include "gateway/request_headers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "http/local_peer.h"
#include "routing/drawn_table.h"

namespace tandem::gateway {
namespace {

using testing::HasSubstr;

const routing::RoutingTable& table() {
  static const routing::RoutingTable drawn(routing::draw_table(R"(
    jurisdiction DE FR US
    region north 10.1.0.0/16
    region south 10.2.0.0/16 2001:db8::/32
    site ber DE
    model small
    tenant acme key=sk-acme residency=DE,FR
    tenant demo key=sk-demo loopback_only
  )"));
  return drawn;
}

http::Request request_from(std::string peer, http::Headers headers = {}) {
  http::Request request;
  if (peer.starts_with("127.") || peer == "::1") request.local_peer = std::make_shared<http::LocalPeer>(0);
  request.peer_address = std::move(peer);
  request.headers = std::move(headers);
  return request;
}

http::Headers bearer(const std::string& key) { return {{"Authorization", "Bearer " + key}}; }

TEST(RequestHeaders, AKeyNamesItsTenant) {
  EXPECT_EQ(authenticate(table(), request_from("10.1.0.1", bearer("sk-acme"))), 0u);
  EXPECT_EQ(authenticate(table(), request_from("10.1.0.1", {{"authorization", "bearer  sk-acme"}})), 0u);
  for (const char* value : {"", "Bearer", "Bearer ", "Bearer sk-acm", "Basic sk-acme", "sk-acme", "Bearer sk-acme x"}) {
    const auto tenant = authenticate(table(), request_from("10.1.0.1", {{"authorization", value}}));
    ASSERT_FALSE(tenant) << value;
    EXPECT_EQ(tenant.error().code, ErrorCode::unauthenticated);
  }
  EXPECT_EQ(authenticate(table(), request_from("10.1.0.1")).error().reason, "missing_api_key");
  http::Headers twice = bearer("sk-acme");
  twice.add("authorization", "Bearer sk-acme");
  EXPECT_EQ(authenticate(table(), request_from("10.1.0.1", twice)).error().code, ErrorCode::invalid_argument);
}

TEST(RequestHeaders, ALoopbackKeyIsTakenOnlyFromThisMachineItself) {
  EXPECT_EQ(authenticate(table(), request_from("127.0.0.1", bearer("sk-demo"))), 1u);
  EXPECT_EQ(authenticate(table(), request_from("::1", bearer("sk-demo"))), 1u);
  EXPECT_FALSE(authenticate(table(), request_from("10.1.0.1", bearer("sk-demo"))));
  http::Headers proxied = bearer("sk-demo");  // a proxy on this machine speaks for someone else
  proxied.add("X-Forwarded-For", "10.1.0.1");
  EXPECT_FALSE(authenticate(table(), request_from("127.0.0.1", proxied)));
  http::Request bare = request_from("127.0.0.1", bearer("sk-demo"));  // so does one that says nothing of it
  for (const std::optional<uint32_t> user : {std::optional<uint32_t>(33), std::optional<uint32_t>()}) {
    bare.local_peer = std::make_shared<http::LocalPeer>(user);
    const auto refused = authenticate(table(), bare);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("--local-user"));
  }
  bare.headers = bearer("sk-acme");
  EXPECT_EQ(authenticate(table(), bare), 0u) << "of the other keys nobody is asked whose he is";
}

TEST(RequestHeaders, TheRegionIsNamedElseFoundByAddressElseTheFirstForLoopback) {
  const auto found = [](const http::Request& request, std::vector<grid::Prefix> trusted = {}) {
    return find_region(table(), request, trusted);
  };
  EXPECT_EQ(found(request_from("10.2.0.1"))->region, 1u);
  EXPECT_EQ(found(request_from("10.2.0.1"))->source, RegionSource::address);
  EXPECT_EQ(found(request_from("2001:db8::7"))->region, 1u);
  EXPECT_EQ(found(request_from("10.2.0.1", {{"x-tandem-region", "north"}}))->region, 0u);
  EXPECT_EQ(found(request_from("127.0.0.1"))->region, 0u);
  EXPECT_EQ(found(request_from("127.0.0.1"))->source, RegionSource::fallback);
  const auto nowhere = found(request_from("192.0.2.1"));
  ASSERT_FALSE(nowhere);
  EXPECT_THAT(nowhere.error().message, HasSubstr("'x-tandem-region': north, south."));
  const auto unknown = found(request_from("10.2.0.1", {{"x-tandem-region", "soth"}}));
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, HasSubstr("did you mean 'south'?"));
}

TEST(RequestHeaders, AForwardedAddressIsBelievedOnlyFromATrustedPeer) {
  const std::vector<grid::Prefix> trusted{{*parse_address("192.0.2.0"), 120}};
  const auto region = [&](std::string peer, std::string forwarded) {
    const auto found =
        find_region(table(), request_from(std::move(peer), {{"x-forwarded-for", std::move(forwarded)}}), trusted);
    return found ? static_cast<int>(found->region) : -1;
  };
  EXPECT_EQ(region("192.0.2.1", "10.2.0.1"), 1);
  EXPECT_EQ(region("10.1.0.1", "10.2.0.1"), 0);              // its own address counts
  EXPECT_EQ(region("192.0.2.1", "10.1.0.9, 10.2.0.1"), 1);   // what stands further left may be made up
  EXPECT_EQ(region("192.0.2.1", "10.2.0.1, 192.0.2.9"), 1);  // a second proxy of ours
  EXPECT_EQ(region("192.0.2.1", "10.2.0.1, nonsense"), -1);
}

TEST(RequestHeaders, ResidencyIsOnlyTightened) {
  const auto allowed = [](uint32_t tenant, const char* codes) {
    return allowed_jurisdictions(table(), tenant, {{"x-tandem-residency", codes}});
  };
  EXPECT_EQ(allowed_jurisdictions(table(), 0, {})->bits, 0b011u);
  EXPECT_EQ(allowed(0, "FR,US")->bits, 0b010u);
  EXPECT_EQ(allowed(0, "US")->bits, 0u);
  EXPECT_EQ(allowed(1, "DE , US")->bits, 0b101u);
  for (const char* bad : {"", "DE,", "de", "DE;FR", "XX"}) EXPECT_FALSE(allowed(1, bad)) << bad;
}

TEST(RequestHeaders, ThePromiseHasTwoSpellings) {
  EXPECT_EQ(stated_promise({{"x-slo-ttft-ms", "200"}})->ttft, Milliseconds(200));
  EXPECT_EQ(stated_promise({{"x-llm-d-slo-tpot-ms", " 12.5 "}})->tpot, Milliseconds(12.5));
  EXPECT_EQ(stated_promise({{"x-llm-d-slo-ttft-ms", "9"}, {"x-slo-ttft-ms", "8"}})->ttft, Milliseconds(8));
  EXPECT_EQ(stated_promise({})->ttft, std::nullopt);
  for (const char* bad : {"0", "-1", "nan", "inf", "1e9", "", "20ms", "1 2"})
    EXPECT_FALSE(stated_promise({{"x-slo-ttft-ms", bad}})) << bad;
}

TEST(RequestHeaders, ARequestIdIsEchoedOnlyWhenPlain) {
  EXPECT_EQ(request_id({{"X-Request-Id", "abc-1"}}), "abc-1");
  EXPECT_EQ(request_id({{"x-request-id", "a b"}}), std::nullopt);
  EXPECT_EQ(request_id({{"x-request-id", std::string(200, 'a')}}), std::nullopt);
  EXPECT_EQ(request_id({}), std::nullopt);
}

TEST(RequestHeaders, AddressesAndPrefixes) {
  EXPECT_EQ(parse_address("1.2.3.4"), parse_address("::ffff:1.2.3.4"));
  for (const char* bad : {"", "1.2.3", "1.2.3.4.5", "::g", "1.2.3.4:80", "[::1]", " 1.2.3.4", "1.2.3.4 ", "1.2.3.256",
                          "1.2.3.04", "1.2.3.", "1..3.4", "1.2.3.-4", "1.2.3.+4", "0x1.2.3.4"})
    EXPECT_EQ(parse_address(bad), std::nullopt) << bad;
  EXPECT_TRUE(covers({*parse_address("10.0.0.0"), 104}, *parse_address("10.9.9.9")));
  EXPECT_FALSE(covers({*parse_address("10.0.0.0"), 104}, *parse_address("11.0.0.0")));
  EXPECT_TRUE(covers({*parse_address("10.128.0.0"), 105}, *parse_address("10.200.0.0")));
  EXPECT_FALSE(covers({*parse_address("10.128.0.0"), 105}, *parse_address("10.100.0.0")));
  EXPECT_TRUE(covers({{}, 0}, *parse_address("::1")));
}

TEST(RequestHeaders, MutatedHeadersAreAnsweredAndNeverWiden) {
  Random random(3);
  const std::vector<std::pair<std::string, std::string>> seeds{
      {"authorization", "Bearer sk-acme"}, {"x-tandem-region", "north"},
      {"x-tandem-residency", "DE,FR"},     {"x-slo-ttft-ms", "100"},
      {"x-llm-d-slo-tpot-ms", "20.5"},     {"x-forwarded-for", "10.1.0.1, 192.0.2.1"}};
  const std::vector<grid::Prefix> trusted{{*parse_address("192.0.2.0"), 120}};
  for (int round = 0; round < 20'000; ++round) {
    http::Request request = request_from("192.0.2.1");
    for (auto [name, value] : seeds) {
      for (uint64_t edits = random.below(4); edits > 0 && !value.empty(); --edits) {
        const size_t at = random.below(value.size());
        if (random.chance(0.5))
          value[at] = static_cast<char>(random.below(256));
        else
          value.erase(at, 1);
      }
      request.headers.add(name, value);
    }
    const auto tenant = authenticate(table(), request);
    if (tenant) {
      EXPECT_THAT(std::string(request.headers.value_or("authorization", "")), HasSubstr("sk-acme"));
    }
    const auto allowed = allowed_jurisdictions(table(), 0, request.headers);
    if (allowed) {
      EXPECT_TRUE(table().rows().tenants[0].residency.contains(*allowed));
    }
    const auto region = find_region(table(), request, trusted);
    if (region) {
      EXPECT_LT(region->region, 2u);
    }
    const auto promise = stated_promise(request.headers);
    if (promise && promise->ttft) {
      EXPECT_GT(promise->ttft->value(), 0);
    }
  }
}

}  // namespace
}  // namespace tandem::gateway
