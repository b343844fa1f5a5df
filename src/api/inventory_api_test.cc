// The inventory's routes over real sockets, with a sequencer and a log in memory behind them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "api/sequenced_core.h"
#include "base/random.h"
#include "base/text.h"

namespace tandem::api {
namespace {

http::Headers header(std::string name, std::string value) {
  http::Headers headers;
  headers.set(std::move(name), std::move(value));
  return headers;
}

std::vector<std::string> ids(const Json& page) {
  std::vector<std::string> result;
  for (const Json& item : page["items"].array()) result.emplace_back(item["id"].text());
  return result;
}

// Every id of a list, page by page; each page is checked for its size.
std::vector<std::string> all_ids(Inventory& inventory, const std::string& target, size_t limit) {
  std::vector<std::string> result;
  std::string cursor;
  for (int pages = 0; pages < 1'000; ++pages) {
    const char glue = target.find('?') == std::string::npos ? '?' : '&';
    const Answer page = inventory.ask("GET", target + glue + "limit=" + std::to_string(limit) + cursor);
    EXPECT_EQ(page.status, 200) << page.text;
    EXPECT_LE(page.json["items"].array().size(), limit);
    for (std::string& id : ids(page.json)) result.push_back(std::move(id));
    if (page.json["next"].is_null()) return result;
    cursor = "&cursor=" + std::string(page.json["next"].text());
  }
  ADD_FAILURE() << "the pages never end";
  return result;
}

TEST(InventoryApi, ListsKinds) {
  Inventory inventory(6);
  const Answer kinds = inventory.ask("GET", "/api/v1/inventory");
  EXPECT_EQ(kinds.status, 200);
  for (const Json& kind : kinds.json["kinds"].array()) {
    const bool is_site = kind["kind"].text() == "site";
    EXPECT_TRUE(!is_site || kind["entities"].integer() == 6);
  }
}

TEST(InventoryApi, PagesGiveEachEntityOnce) {
  Inventory inventory(25);
  std::set<std::string> wanted;
  for (size_t i = 0; i < 25; ++i) wanted.insert(test_support::site_id(i));
  for (const size_t limit : {1, 7, 25, 26}) {
    const auto found = all_ids(inventory, "/api/v1/inventory/site", limit);
    EXPECT_TRUE(std::ranges::is_sorted(found));
    EXPECT_EQ(std::set<std::string>(found.begin(), found.end()), wanted);
    EXPECT_EQ(found.size(), wanted.size());
  }
  const Answer page = inventory.ask("GET", "/api/v1/inventory/site?limit=100000");
  EXPECT_EQ(page.json["total"].integer(), 25);
  EXPECT_EQ(page.json["offset"].integer(), static_cast<int64_t>(inventory.core->state().head.last()));
}

TEST(InventoryApi, FiltersByValueRangePrefixAndReference) {
  Inventory inventory(9);
  EXPECT_EQ(all_ids(inventory, "/api/v1/inventory/site?tier=core", 3), std::vector<std::string>{"site-0"});
  EXPECT_EQ(all_ids(inventory, "/api/v1/inventory/site?jurisdiction=AT", 2),
            (std::vector<std::string>{"site-2", "site-5", "site-8"}));
  EXPECT_EQ(all_ids(inventory, "/api/v1/inventory/site?jurisdiction[ne]=DE&id[gt]=site-2", 2),
            (std::vector<std::string>{"site-5", "site-8"}));
  EXPECT_EQ(all_ids(inventory, "/api/v1/inventory/site?latitude_deg[gte]=48.35&latitude_deg[lt]=48.55", 2),
            (std::vector<std::string>{"site-4", "site-5"}));
  EXPECT_EQ(all_ids(inventory, "/api/v1/inventory/link?id[prefix]=link-1", 2), std::vector<std::string>{"link-1"});
  EXPECT_EQ(all_ids(inventory, "/api/v1/inventory/site?id[in]=site-3,site-1,nowhere", 5),
            (std::vector<std::string>{"site-1", "site-3"}));
  EXPECT_EQ(all_ids(inventory, "/api/v1/inventory/node?site=site-4", 5), std::vector<std::string>{"node-4"});
  EXPECT_EQ(all_ids(inventory, "/api/v1/inventory/link?shared_risk_groups=duct-1", 1),
            (std::vector<std::string>{"link-2", "link-3"}));
  EXPECT_EQ(all_ids(inventory, "/api/v1/inventory/site?name[exists]=true", 5), std::vector<std::string>{});
  EXPECT_EQ(all_ids(inventory, "/api/v1/inventory/site?state=up&state[ne]=down", 5).size(), 9u);  // the default counts
  EXPECT_EQ(all_ids(inventory, "/api/v1/inventory/site?state=down", 5).size(), 0u);
}

TEST(InventoryApi, ShowsOnlyTheFieldsAskedFor) {
  Inventory inventory(3);
  const Answer one = inventory.ask("GET", "/api/v1/inventory/site/site-1?fields=tier,jurisdiction");
  EXPECT_EQ(one.json["attributes"], (Json::Object{{"tier", "near_edge"}, {"jurisdiction", "DE"}}));
  const Answer page = inventory.ask("GET", "/api/v1/inventory/site?fields=tier&limit=1");
  EXPECT_EQ(page.json["items"].array().at(0)["attributes"], (Json::Object{{"tier", "core"}}));
}

TEST(InventoryApi, WhatIsAskedWronglyIsNamed) {
  Inventory inventory(3);
  const auto wrong = [&](const std::string& target, int status, const std::string& parameter) {
    const Answer answer = inventory.ask("GET", "/api/v1/inventory/" + target);
    EXPECT_EQ(answer.status, status) << target << answer.text;
    EXPECT_EQ(answer.json["error"]["param"].text(), parameter) << target << answer.text;
    EXPECT_FALSE(answer.json["error"]["message"].text().empty());
  };
  wrong("sites", 404, "kind");
  wrong("site/nowhere", 404, "id");
  wrong("site?limit=0", 400, "limit");
  wrong("site?limit=ten", 400, "limit");
  wrong("site?cursor=abc", 400, "cursor");
  wrong("site?cursor=00000000.site-1", 400, "cursor");
  wrong("site?tire=core", 400, "tire");
  wrong("site?fields=tire", 400, "fields");
  wrong("site?latitude_deg[gte]=north", 400, "latitude_deg[gte]");
  wrong("site?tier[like]=x", 400, "tier[like]");
  wrong("site?tier=cor", 400, "tier");
  wrong("site?tier[in]=core,edge", 400, "tier[in]");
  wrong("site?latitude_deg[prefix]=4", 400, "latitude_deg[prefix]");
  std::string many = "site?id=a";
  for (size_t i = 0; i < 20; ++i) many += "&id[gt]=a";
  wrong(many, 400, "id[gt]");
  const Answer page = inventory.ask("GET", "/api/v1/inventory/site?limit=1&tier=near_edge");
  wrong("site?limit=1&tier=core&cursor=" + std::string(page.json["next"].text()), 400, "cursor");
}

TEST(InventoryApi, TheLogIsReadWholeOrInBrief) {
  Inventory inventory(3);
  const Json whole = inventory.ask("GET", "/api/v1/log?from=2&limit=3").json;
  const Json brief = inventory.ask("GET", "/api/v1/log?from=2&limit=3&brief=true").json;
  ASSERT_EQ(whole["events"].array().size(), 3u);
  ASSERT_EQ(brief["events"].array().size(), 3u);
  EXPECT_TRUE(whole["events"].array()[2]["body"].is_object());
  EXPECT_TRUE(brief["events"].array()[2]["body"].is_null());
  EXPECT_EQ(brief["events"].array()[2]["summary"], whole["events"].array()[2]["summary"]);
  EXPECT_EQ(brief["next"].integer(), 5);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/log?brief=yes").status, 400);
}

TEST(InventoryApi, HostileQueriesAreAnswered) {
  Inventory inventory(3);
  Random random(5);
  const std::string good =
      "limit=2&cursor=0a1b2c3d.site-1&fields=tier,name&tier[in]=core,far_edge&latitude_deg[gte]=4&id[prefix]=s%41";
  for (int i = 0; i < 3'000; ++i) {
    std::string query = good;
    for (uint64_t j = 1 + random.below(5); j > 0; --j)
      query[random.below(query.size())] = static_cast<char>('!' + random.below(94));
    std::erase(query, '#');
    const Answer answer = inventory.ask("GET", "/api/v1/inventory/site?" + query);
    EXPECT_TRUE(answer.status == 200 || answer.status == 400) << query << answer.text;
  }
}

TEST(InventoryApi, AnEntityIsMadeChangedAndRemovedUnderItsTag) {
  Inventory inventory;
  const std::string target = "/api/v1/inventory/shared_risk_group/duct";
  const Answer made = inventory.ask("PUT", target, R"({"attributes":{"name":"one"}})", header("if-none-match", "*"));
  EXPECT_EQ(made.status, 201) << made.text;
  const std::string first(made.headers.value_or("etag", ""));
  EXPECT_FALSE(first.empty());
  EXPECT_EQ(inventory.ask("PUT", target, R"({"attributes":{"name":"two"}})", header("if-none-match", "*")).status, 412);
  EXPECT_EQ(inventory.ask("GET", target, {}, header("if-none-match", first)).status, 304);

  const Answer changed =
      inventory.ask("PATCH", target, R"({"source":"survey","attributes":{"name":"two"}})", header("if-match", first));
  EXPECT_EQ(changed.status, 200) << changed.text;
  EXPECT_EQ(changed.json["attributes"]["name"].text(), "two");
  EXPECT_EQ(inventory.ask("PATCH", target, R"({"attributes":{"name":"three"}})", header("if-match", first)).status,
            412);
  EXPECT_EQ(inventory.ask("DELETE", target, {}, header("if-match", first)).status, 412);
  EXPECT_EQ(inventory.ask("GET", target, {}, header("if-none-match", first)).status, 200);

  const Answer replaced = inventory.ask("PUT", target, R"({"attributes":{}})");
  EXPECT_EQ(replaced.status, 200) << replaced.text;
  EXPECT_TRUE(replaced.json["attributes"]["name"].is_null());
  EXPECT_EQ(inventory.ask("DELETE", target, {}, header("if-match", std::string(replaced.headers.value_or("etag", ""))))
                .status,
            200);
  EXPECT_EQ(inventory.ask("GET", target).status, 404);
  EXPECT_EQ(inventory.ask("DELETE", target).status, 404);
  EXPECT_EQ(inventory.ask("PATCH", target, R"({"attributes":{}})").status, 404);
}

TEST(InventoryApi, OnlyThisMachineAndNoOtherPageChangesAnything) {
  Inventory inventory(3);
  const log::Offset before = inventory.core->state().head.last();
  const http::Headers foreign = header("origin", "http://elsewhere.example");
  EXPECT_EQ(inventory.ask("PUT", "/api/v1/inventory/site/x", R"({"attributes":{}})", foreign).status, 403);
  EXPECT_EQ(inventory.ask("DELETE", "/api/v1/inventory/demand/bank-0", {}, foreign).status, 403);
  EXPECT_EQ(inventory.ask("POST", "/api/v1/inventory", R"({"items":[]})", foreign).status, 403);
  EXPECT_EQ(inventory.ask("POST", "/api/v1/webhooks", R"({"url":"https://example.net/"})", foreign).status, 403);
  EXPECT_EQ(inventory.core->state().head.last(), before);
}

TEST(InventoryApi, ManyEditsAreTakenTogetherOrNotAtAll) {
  Inventory inventory(3);
  const std::string body = R"({"source":"survey","items":[
    {"kind":"shared_risk_group","id":"duct-9","attributes":{"name":"nine"},"expected":0},
    {"kind":"site","id":"site-1","attributes":{"name":"One"}},
    {"kind":"demand","id":"bank-0","delete":true}]})";
  const log::Offset before = inventory.core->state().head.last();
  const Answer tried = inventory.ask("POST", "/api/v1/inventory?dry_run=true", body);
  EXPECT_EQ(tried.status, 200) << tried.text;
  EXPECT_TRUE(tried.json["accepted"].boolean());
  EXPECT_EQ(inventory.core->state().head.last(), before);
  const Answer done = inventory.ask("POST", "/api/v1/inventory", body);
  EXPECT_EQ(done.status, 200) << done.text;
  std::vector<std::string_view> outcomes;
  for (const Json& row : done.json["rows"].array()) outcomes.push_back(row["outcome"].text());
  EXPECT_EQ(outcomes, (std::vector<std::string_view>{"created", "changed", "deleted"}));
  EXPECT_EQ(inventory.ask("GET", "/api/v1/inventory/site/site-1").json["attributes"]["name"].text(), "One");

  const Answer again = inventory.ask("POST", "/api/v1/inventory", body);  // duct-9 is no longer new
  EXPECT_EQ(again.status, 412) << again.text;
  EXPECT_FALSE(again.json["accepted"].boolean());
  EXPECT_EQ(again.json["rows"].array().at(0)["outcome"].text(), "refused");
  EXPECT_EQ(again.json["rows"].array().at(1)["outcome"].text(), "unchanged");
  EXPECT_EQ(again.json["rows"].array().at(2)["outcome"].text(), "refused");
}

TEST(InventoryApi, RowsOfAFeedFindTheirEntityByExternalId) {
  Inventory inventory(3);
  const std::string body = R"({"source":"netbox","upsert":true,"items":[
    {"kind":"rack","name":"Rack 7","attributes":{"name":"Rack 7","external_ids":["netbox:dcim.rack/7"]}}]})";
  const Answer made = inventory.ask("POST", "/api/v1/inventory", body);
  EXPECT_EQ(made.status, 200) << made.text;
  EXPECT_EQ(made.json["rows"].array().at(0)["outcome"].text(), "created") << made.text;
  const log::Offset before = inventory.core->state().head.last();
  const Answer again = inventory.ask("POST", "/api/v1/inventory", body);
  EXPECT_EQ(again.json["rows"].array().at(0)["outcome"].text(), "unchanged") << again.text;
  EXPECT_EQ(again.json["rows"].array().at(0)["id"], made.json["rows"].array().at(0)["id"]);
  EXPECT_EQ(inventory.core->state().head.last(), before + 1);  // that it was seen again
  const std::string rack(made.json["rows"].array().at(0)["id"].text());
  EXPECT_EQ(inventory.core->state().inventory.find("rack", rack)->changed, before);
  const auto presences = inventory.core->state().inventory.presences("rack", rack);
  ASSERT_EQ(presences.size(), 1u);
  EXPECT_EQ(presences[0].last_seen, inventory.core->state().inventory.time());
  const Answer refused =
      inventory.ask("POST", "/api/v1/inventory",
                    R"({"upsert":true,"items":[{"kind":"rack","id":"r8","attributes":{"height_u":"tall"}}]})");
  EXPECT_EQ(refused.status, 400) << refused.text;
  EXPECT_EQ(refused.json["rows"].array().at(0)["error"]["param"].text(), "height_u") << refused.text;
}

TEST(InventoryApi, AFeedSaysHowItIsMeantAndWhetherItIsWhole) {
  Inventory inventory(3);
  const auto feed = [&](const std::string& more, const std::string& racks) {
    std::string items;
    for (const std::string_view rack : split(racks, ' '))
      items += fmt::format(
          R"({}{{"kind":"rack","id":"{}","attributes":{{"height_u":42,"site":"@x:none"}},"weak":["site"]}})",
          items.empty() ? "" : ",", rack);
    return inventory.ask("POST", "/api/v1/inventory",
                         fmt::format(R"({{"feed":"plan","upsert":true{},"items":[{}]}})", more, items));
  };
  const Answer made = feed(R"(,"standing":"intended","defaults":{"rack":{"width_mm":600}})", "k1 k2 k3");
  EXPECT_EQ(made.status, 200) << made.text;
  EXPECT_EQ(made.json["notes"].array().size(), 1u) << made.text;
  const inventory::Snapshot believed = inventory.core->state().inventory;
  EXPECT_EQ(believed.claims("rack", "k1").at(0).standing, inventory::Standing::intended);
  EXPECT_EQ(believed.claims("rack", "k1").at(0).source, "plan");
  EXPECT_TRUE(believed.find("rack", "k1")->find("width_mm"));
  const Answer full = feed(R"(,"standing":"intended","full":true,"observed_at":"2033-05-18T03:33:20Z")", "k1 k2");
  EXPECT_EQ(full.json["unseen"].integer(), 1) << full.text;
  EXPECT_TRUE(inventory.core->state().inventory.presences("rack", "k3").at(0).unseen_since);
  EXPECT_EQ(inventory.core->state().inventory.presences("rack", "k1").at(0).last_seen,
            Instant{2'000'000'000'000'000'000});
  // The same of a range of ids.
  const auto listed = [&](const std::string& more) {
    return inventory.ask("POST", "/api/v1/inventory/rack/unseen", fmt::format(R"({{"feed":"plan"{}}})", more));
  };
  EXPECT_EQ(listed(R"(,"ids":[],"after":"k1","up_to":"k1")").json["unseen"].integer(), 0);
  EXPECT_EQ(listed(R"(,"ids":[],"after":"k2")").json["unseen"].integer(), 0);  // it is unseen already
  const Answer of_one = listed(R"(,"ids":["k2"],"observed_at":"2033-05-18T03:33:20Z")");
  EXPECT_EQ(of_one.json["unseen"].integer(), 1) << of_one.text;
  EXPECT_TRUE(of_one.json["next"].is_null());
  EXPECT_TRUE(inventory.core->state().inventory.presences("rack", "k1").at(0).unseen_since);
  EXPECT_FALSE(inventory.core->state().inventory.presences("rack", "k2").at(0).unseen_since);
  EXPECT_EQ(listed("").status, 400);
  EXPECT_EQ(listed(R"(,"ids":[7])").status, 400);
  EXPECT_EQ(listed(R"(,"ids":[],"source":"x")").status, 400);
  // Of a feed with a wrong row, the good ones where that is asked for.
  const std::string mixed =
      R"("upsert":true,"items":[{"kind":"rack","id":"k8","attributes":{}},{"kind":"rack","id":"k9","attributes":{"height_u":"x"}}]})";
  EXPECT_EQ(inventory.ask("POST", "/api/v1/inventory", "{" + mixed).status, 400);
  const Answer partial = inventory.ask("POST", "/api/v1/inventory", R"({"partial":true,)" + mixed);
  EXPECT_EQ(partial.status, 200) << partial.text;
  EXPECT_EQ(partial.json["rows"].array().at(1)["outcome"].text(), "refused");
  EXPECT_TRUE(inventory.core->state().inventory.has("rack", "k8"));
  const Answer no_upsert = inventory.ask("POST", "/api/v1/inventory",
                                         R"({"full":true,"items":[{"kind":"rack","id":"k8","attributes":{}}]})");
  EXPECT_EQ(no_upsert.status, 400);
  EXPECT_EQ(no_upsert.json["error"]["param"].text(), "full");
}

TEST(InventoryApi, BulkBodiesAreBounded) {
  Inventory inventory(3);
  std::string body = R"({"items":[)";
  for (size_t i = 0; i <= 2'000; ++i)
    body += (i > 0 ? "," : "") + std::string(R"({"kind":"shared_risk_group","id":"d)") + std::to_string(i) +
            R"(","attributes":{}})";
  EXPECT_EQ(inventory.ask("POST", "/api/v1/inventory?dry_run=true", body + "]}").status, 413);
  const auto wrong = [&](const std::string& text, const std::string& place) {
    const Answer answer = inventory.ask("POST", "/api/v1/inventory", text);
    EXPECT_EQ(answer.status, 400) << text << answer.text;
    EXPECT_EQ(answer.json["error"]["param"].text(), place) << text << answer.text;
  };
  wrong(R"({"items":[]})", "items");
  wrong(R"({"itmes":[]})", "itmes");
  wrong(R"([])", "body");
  wrong(R"({"items":[1]})", "items[0]");
  wrong(R"({"items":[{"kind":"site","id":"x"}]})", "items[0]");
  wrong(R"({"items":[{"kind":"site","id":"x","attributes":{},"expected":-1}]})", "items[0].expected");
  wrong(R"({"items":[{"kind":"site","id":"x","attributes":{},"delete":1}]})", "items[0].delete");
  wrong(R"({"source":7,"items":[{"kind":"site","id":"x","attributes":{}}]})", "source");
}

TEST(InventoryApi, MutatedBodiesChangeNothingUnlessTheyAreRight) {
  Inventory inventory(3);
  Random random(6);
  const std::string good[] = {
      R"({"source":"s","items":[{"kind":"site","id":"site-1","attributes":{"name":"x","pue":1.5},"expected":3},{"kind":"demand","id":"bank-0","delete":true}]})",
      R"({"feed":"s","upsert":true,"standing":"intended","full":true,"partial":false,"defaults":{"rack":{"height_u":42}},"items":[{"kind":"rack","id":"r","attributes":{"site":"@x:1"},"weak":["site"]}]})",
      R"({"feed":"s","ids":["site-0","site-1"],"after":"s","up_to":"site-9"})"};
  for (size_t i = 0; i < 4'500; ++i) {
    std::string body = good[i % 3];
    for (uint64_t j = 1 + random.below(4); j > 0; --j) {
      const size_t place = random.below(body.size());
      if (random.below(2) == 0)
        body.erase(place, 1 + random.below(4));
      else
        body[place] = static_cast<char>(random.next());
      if (body.empty()) body = "{";
    }
    const char* target = i % 3 == 2 ? "/api/v1/inventory/site/unseen" : "/api/v1/inventory";
    const Answer answer = inventory.ask("POST", std::string(target) + "?dry_run=true", body);
    EXPECT_TRUE(answer.status == 200 || answer.status == 400) << body << answer.text;
  }
}

TEST(InventoryApi, RelationsGoBothWays) {
  Inventory inventory(4);
  const Answer node = inventory.ask("GET", "/api/v1/inventory/node/node-1/relations");
  EXPECT_EQ(node.status, 200) << node.text;
  EXPECT_EQ(node.json["refers_to"].array().at(0)["id"].text(), "site-1");
  std::set<std::string_view> by;
  std::set<std::string> attributes;
  for (const Json& one : node.json["referred_by"].array()) {
    by.insert(one["kind"].text());
    attributes.insert(std::string(one["kind"].text()) + "." + std::string(one["attribute"].text()));
  }
  EXPECT_EQ(by, (std::set<std::string_view>{"link", "pool"}));
  EXPECT_EQ(attributes, (std::set<std::string>{"link.a", "link.b", "pool.node"}));
  EXPECT_TRUE(inventory.ask("GET", "/api/v1/inventory/node/node-1/relations?limit=1").json["truncated"].boolean());
}

TEST(InventoryApi, SearchFollows) {
  Inventory inventory(4);
  const auto found = [&](const std::string& question) {
    return inventory.ask("GET", "/api/v1/search?q=" + question).json["results"].array();
  };
  EXPECT_EQ(found("site-2").at(0)["id"].text(), "site-2");
  EXPECT_EQ(inventory.ask("GET", "/api/v1/search").status, 400);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/search?q=" + std::string(300, 'a')).status, 400);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/search?q=site&kind=rackk").status, 404);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/search?q=site&limit=2").json["results"].array().size(), 2u);
}

TEST(InventoryApi, WebhooksAreRegisteredShownAndRemoved) {
  Inventory inventory(3);
  const Answer made = inventory.ask("POST", "/api/v1/webhooks",
                                    R"({"id":"w","url":"https://hooks.example.net/x","kinds":["site","link"]})");
  EXPECT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(made.json["secret"].text().size(), 64u);
  EXPECT_EQ(made.json["from"].integer(), made.json["offset"].integer());
  EXPECT_EQ(inventory.ask("POST", "/api/v1/webhooks", R"({"id":"w","url":"https://hooks.example.net/x"})").status, 409);
  const Answer shown = inventory.ask("GET", "/api/v1/webhooks/w");
  EXPECT_TRUE(shown.json["secret"].is_null());
  EXPECT_EQ(shown.json["kinds"].array().size(), 2u) << shown.text;
  EXPECT_EQ(inventory.ask("GET", "/api/v1/webhooks").json["webhooks"].array().size(), 1u);
  const Answer replayed = inventory.ask("PATCH", "/api/v1/webhooks/w", R"({"from":2})");
  EXPECT_EQ(replayed.json["from"].integer(), 2) << replayed.text;
  const auto wrong = [&](const std::string& body, const std::string& place) {
    const Answer answer = inventory.ask("POST", "/api/v1/webhooks", body);
    EXPECT_EQ(answer.status, 400) << body << answer.text;
    EXPECT_EQ(answer.json["error"]["param"].text(), place) << body << answer.text;
  };
  wrong(R"({})", "url");
  wrong(R"({"url":"http://10.0.0.1/"})", "url");
  wrong(R"({"url":"https://e.net/","secret":"short"})", "secret");
  wrong(R"({"url":"https://e.net/","from":100000})", "from");
  wrong(R"({"url":"https://e.net/","kinds":["sight"]})", "kinds");
  wrong(R"({"url":"https://e.net/","id":"a b"})", "id");
  EXPECT_EQ(inventory.ask("DELETE", "/api/v1/webhooks/w").status, 200);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/webhooks/w").status, 404);
  EXPECT_EQ(inventory.ask("PATCH", "/api/v1/webhooks/w", "{}").status, 404);
}

// ---- the change feed -----------------------------------------------------------------------------------------------

std::vector<log::Offset> event_ids(const std::string& stream) {
  http::SseParser parser;
  std::vector<log::Offset> offsets;
  const auto events = parser.feed(stream);
  EXPECT_TRUE(events);
  for (const http::SseEvent& event : *events) {
    const auto data = parse_json(event.data);
    EXPECT_TRUE(data);
    EXPECT_EQ((*data)["offset"].integer(), std::stoll(event.id));
    offsets.push_back(static_cast<log::Offset>((*data)["offset"].integer()));
  }
  return offsets;
}

size_t count_events(const std::string& stream) {
  size_t count = 0;
  for (size_t at = 0; (at = stream.find("\ndata:", at)) != std::string::npos; ++at) ++count;
  return stream.ends_with("\n\n") ? count : 0;
}

TEST(ChangeFeed, GivesEveryChangeInOrderFromAnyOffset) {
  Inventory inventory(4);
  const log::Offset facts = test_support::small_world(4).size();
  const std::string all = inventory.listen("/api/v1/changes?from=0", {},
                                           [&](const std::string& text) { return count_events(text) >= facts; });
  std::vector<log::Offset> wanted;
  for (log::Offset i = 1; i <= facts; ++i) wanted.push_back(i);
  EXPECT_EQ(event_ids(all), wanted);
  const std::string rest = inventory.listen("/api/v1/changes?from=1", header("last-event-id", "5"),
                                            [&](const std::string& text) { return count_events(text) >= facts - 5; });
  EXPECT_EQ(event_ids(rest), std::vector<log::Offset>(wanted.begin() + 5, wanted.end()));
  const std::string sites = inventory.listen("/api/v1/changes?from=1&kinds=site,pool", {},
                                             [&](const std::string& text) { return count_events(text) >= 8; });
  EXPECT_EQ(event_ids(sites).size(), 8u);
}

// Readers of the log see a batch a moment before the core has published what it comes to. A listener that was sent it
// and reconnects would ask for what comes after an offset that nothing else knows.
TEST(ChangeFeed, GivesNothingThatIsNotYetPublished) {
  Inventory inventory(4);
  const log::Offset facts = test_support::small_world(4).size();
  const log::BatchHeader head = inventory.log.head()->header;
  ASSERT_TRUE(
      inventory.log.append(log::encode_batch(head, head.epoch, head.at, {test_support::fact("site", "new", {})})));
  const std::string seen = inventory.listen("/api/v1/changes?from=0", {},
                                            [&](const std::string& text) { return count_events(text) >= facts; });
  const std::vector<log::Offset> offsets = event_ids(seen);
  ASSERT_EQ(offsets.size(), facts);
  inventory.signal.grew(head.last() + 1);
  const std::string rest = inventory.listen("/api/v1/changes", header("last-event-id", std::to_string(offsets.back())),
                                            [&](const std::string& text) { return count_events(text) >= 1; });
  EXPECT_EQ(event_ids(rest), std::vector<log::Offset>{head.last() + 1});
}

TEST(ChangeFeed, RefusesWhatItCannotGive) {
  Inventory inventory(4);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/changes?from=100000").status, 400);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/changes?from=-1").status, 400);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/changes?kinds=sight").status, 400);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/changes", {}, header("last-event-id", "x")).status, 400);
}

}  // namespace
}  // namespace tandem::api
