// The surfaces over real sockets, with a core of the test's own behind them.
#include "api/api.h"

#include <gtest/gtest.h>

#include "api/testing.h"
#include "routing/drawn_table.h"

namespace tandem::api {
namespace {

// Two sites, one link.
grid::Snapshot drawn(bool simulated) {
  grid::Rows rows;
  rows.name = "Test grid";
  rows.simulated = simulated;
  rows.jurisdictions = {"DE"};
  for (const char* id : {"a", "b"}) {
    grid::Site site;
    site.id = id;
    site.name = id;
    rows.sites.push_back(site);
    grid::Node node;
    node.id = std::string(id) + "-r1";
    node.site = grid::SiteIndex(rows.sites.size() - 1);
    rows.nodes.push_back(node);
  }
  grid::Link link;
  link.id = "a-b";
  link.a = grid::NodeIndex(0);
  link.b = grid::NodeIndex(1);
  link.capacity_ab = link.capacity_ba = Gbps(100);
  rows.links.push_back(link);
  return make_snapshot(std::move(rows), 7);
}

class TestCore final : public CorePort {
 public:
  explicit TestCore(bool simulated) {
    auto first = std::make_shared<Published>();
    first->state.grid = std::make_shared<const grid::Snapshot>(drawn(simulated));
    first->state.head.count = 40;
    first->forecast = twin::forecast(*first->state.grid, {});
    published_ = std::move(first);
  }
  std::shared_ptr<const Published> published() const override { return published_; }
  void submit(std::vector<log::Event> events, std::function<void(Result<log::Offset>)> done) override {
    for (log::Event& event : events) submitted.push_back(std::move(event));
    done(refusal ? Result<log::Offset>(tl::unexpected(*refusal)) : Result<log::Offset>(41 + submitted.size()));
  }

  void submit_if(Guard, std::vector<log::Event> events, std::function<void(Result<log::Offset>)> done) override {
    submit(std::move(events), std::move(done));
  }

  void publish(const char* drawn_table) {
    auto next = std::make_shared<Published>(*published_);
    next->table = std::make_shared<const routing::RoutingTable>(routing::draw_table(drawn_table));
    published_ = std::move(next);
  }

  void await_plan(std::string plan_id, uint32_t periods_max = 0) {
    auto next = std::make_shared<Published>(*published_);
    control::PendingPlan& pending = next->state.pending.emplace();
    pending.plan_id = std::move(plan_id);
    pending.periods_max = periods_max;
    published_ = std::move(next);
  }

  std::vector<log::Event> submitted;
  std::optional<Error> refusal;

 private:
  std::shared_ptr<const Published> published_;
};

// With a grid drawn by the test, and what it submits written down.
struct Surface : TestSurface {
  explicit Surface(bool simulated = true) : Surface(std::make_unique<TestCore>(simulated)) {}
  explicit Surface(std::unique_ptr<TestCore> its_core) : TestSurface(*its_core), own(std::move(its_core)), core(*own) {}

  std::unique_ptr<TestCore> own;
  TestCore& core;
};

TEST(Api, ShowsTheGridAndItsParts) {
  Surface surface;
  const Answer grid = surface.ask("GET", "/api/v1/grid");
  EXPECT_EQ(grid.status, 200);
  EXPECT_EQ(grid.json["name"].text(), "Test grid");
  EXPECT_EQ(grid.json["links"].array().at(0)["a_site"].text(), "a");
  EXPECT_EQ(surface.ask("GET", "/api/v1/links/a-b").json["capacity_gbps"].number(), 100);
  EXPECT_EQ(surface.ask("GET", "/api/v1/sites/a").json["links"].array().size(), 1u);
  EXPECT_EQ(surface.ask("GET", "/api/v1/sites/nowhere").status, 404);
  EXPECT_EQ(surface.ask("GET", "/api/v1/links/a-c").json["error"]["message"].text(),
            "no link 'a-c' in this grid; did you mean 'a-b'?");
}

TEST(Api, BeforeTheFirstPlanItIsSaidThatOneIsMade) {
  Surface surface;
  const Answer before = surface.ask("GET", "/api/v1/plan");
  EXPECT_TRUE(before.json["plan_id"].is_null());
  EXPECT_TRUE(before.json["replanning"].is_null());
  surface.core.await_plan("plan-9");
  EXPECT_EQ(surface.ask("GET", "/api/v1/plan").json["replanning"].text(), "plan-9");
  surface.core.await_plan("plan-10", 6);
  EXPECT_TRUE(surface.ask("GET", "/api/v1/plan").json["replanning"].is_null()) << "a schedule is made";
  EXPECT_EQ(surface.ask("GET", "/api/v1/schedule").json["replanning"].text(), "plan-10");
}

TEST(Api, WhatIsNotThereIsNotFound) {
  Surface surface;
  for (const char* path : {"/heathz", "/mcp", "/docs", "/api/v1/grids", "/index"})
    EXPECT_EQ(surface.ask("GET", path).status, 404) << path;
  EXPECT_EQ(surface.ask("GET", "/plan").status, 302) << "a page of the console";
  EXPECT_EQ(surface.ask("POST", "/plan").status, 404);
  const Answer mistyped = surface.ask("GET", "/api/v1/plan?as_off=3");
  EXPECT_EQ(mistyped.status, 400);
  EXPECT_EQ(mistyped.json["error"]["param"].text(), "as_off");
}

TEST(Api, ACutBecomesAFact) {
  Surface surface;
  const Answer cut = surface.ask("POST", "/api/v1/links/a-b/state", R"({"state":"down"})");
  EXPECT_EQ(cut.status, 200) << cut.text;
  EXPECT_EQ(cut.json["offset"].integer(), 42);
  ASSERT_EQ(surface.core.submitted.size(), 1u);
  EXPECT_EQ(surface.core.submitted[0].facts_recorded().id(), "a-b");
  EXPECT_EQ(surface.core.submitted[0].facts_recorded().attributes(0).value().text(), "down");
}

TEST(Api, OnlyASimulatedGridIsCutByHand) {
  Surface surface(false);
  EXPECT_EQ(surface.ask("POST", "/api/v1/links/a-b/state", R"({"state":"down"})").status, 403);
  EXPECT_TRUE(surface.core.submitted.empty());
}

TEST(Api, APageOfAnotherOriginChangesNothing) {
  Surface surface;
  http::Headers foreign;
  foreign.set("origin", "http://elsewhere.example");
  EXPECT_EQ(surface.ask("POST", "/api/v1/links/a-b/state", R"({"state":"down"})", foreign).status, 403);
  http::Headers rebound;  // a page whose name leads to this machine by now
  rebound.set("origin", "http://elsewhere.example:8080");
  rebound.set("host", "elsewhere.example:8080");
  EXPECT_EQ(surface.ask("POST", "/api/v1/links/a-b/state", R"({"state":"down"})", rebound).status, 403);
  EXPECT_TRUE(surface.core.submitted.empty());
  for (const char* host : {"localhost:8080", "127.0.0.1", "[::1]:8080"}) {
    http::Headers own;
    own.set("origin", std::string("http://") + host);
    own.set("host", host);
    EXPECT_EQ(surface.ask("POST", "/api/v1/links/a-b/state", R"({"state":"down"})", own).status, 200) << host;
  }
}

TEST(Api, WhatAProxyPassesOnChangesNothing) {
  Surface surface;
  for (const char* name :
       {"x-forwarded-for", "forwarded", "X-Forwarded-Host", "x-forwarded-proto", "Via", "x-real-ip"}) {
    http::Headers headers;
    headers.set(name, "192.0.2.7");
    const Answer answer = surface.ask("POST", "/api/v1/links/a-b/state", R"({"state":"down"})", headers);
    EXPECT_EQ(answer.status, 403);
    EXPECT_NE(answer.text.find("not through a proxy"), std::string::npos) << answer.text;
  }
  EXPECT_TRUE(surface.core.submitted.empty());
}

TEST(Api, BadInputIsNamedAndChangesNothing) {
  Surface surface;
  for (const char* body : {"", "{", "[]", R"({"state":"sideways"})", R"({"state":1})"})
    EXPECT_EQ(surface.ask("POST", "/api/v1/links/a-b/state", body).status, 400) << body;
  for (const char* body :
       {R"({"facts":[]})", R"({"source":"x","facts":[]})", R"({"source":"x","facts":[{"kind":"link"}]})",
        R"({"source":"x","facts":[{"kind":"link","id":"a","attributes":{},"observed_at":"now"}]})"})
    EXPECT_EQ(surface.ask("POST", "/api/v1/facts", body).status, 400) << body;
  EXPECT_EQ(surface.ask("GET", "/api/v1/log?limit=-1").status, 400);
  EXPECT_TRUE(surface.core.submitted.empty());
}

TEST(Api, SaysByWhichMethodsAPathIsThere) {
  Surface surface;
  const Answer wrong = surface.ask("DELETE", "/api/v1/grid");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers.value_or("allow", ""), "GET, HEAD");
  EXPECT_EQ(wrong.json["error"]["message"].text(), "DELETE is not allowed at this path; use GET, HEAD");
  const Answer asked = surface.ask("OPTIONS", "/api/v1/whatif");
  EXPECT_EQ(asked.status, 204);
  EXPECT_EQ(asked.headers.value_or("allow", ""), "POST");
  EXPECT_EQ(asked.text, "");
  EXPECT_EQ(surface.ask("OPTIONS", "/api/v1/nothing").status, 404);
}

TEST(Api, ARefusalReachesTheCaller) {
  Surface surface;
  surface.core.refusal = Error{ErrorCode::resource_exhausted, "full", ""};
  const Answer refused = surface.ask("POST", "/api/v1/links/a-b/state", R"({"state":"down"})");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.json["error"]["message"].text(), "full");
}

TEST(Api, TheOntologyDescribesItself) {
  Surface surface;
  const Answer all = surface.ask("GET", "/api/v1/ontology");
  ASSERT_EQ(all.status, 200);
  EXPECT_GT(all.json["kinds"].array().size(), 50u);
  const Answer rack = surface.ask("GET", "/api/v1/ontology?kind=rack");
  ASSERT_EQ(rack.status, 200);
  EXPECT_EQ(rack.json["mappings"]["netbox"].text(), "dcim.rack");
  const Answer none = surface.ask("GET", "/api/v1/ontology?kind=rak");
  EXPECT_EQ(none.status, 404);
  EXPECT_NE(none.text.find("did you mean 'rack'?"), std::string::npos);
}

TEST(Api, ReadinessNeedsATable) {
  Surface surface;
  EXPECT_EQ(surface.ask("GET", "/readyz").status, 503);
  EXPECT_EQ(surface.ask("GET", "/healthz").status, 200);
}

// A table that the core does not renew: first that is said, then what is bound to a jurisdiction is refused.
TEST(Api, ReadinessSaysHowOldTheTableIs) {
  Surface surface;
  surface.core.publish("valid_until_s 120");
  const auto at = [&surface](int64_t second) {
    surface.clock.set = Instant{seconds(second).ns};
    return surface.ask("GET", "/readyz");
  };
  const auto gauge = [&surface](const std::string& name) {
    const std::string text = surface.ask("GET", "/metrics").text;
    const size_t line = text.find("\n" + name + " ");
    return line == std::string::npos
               ? ""
               : text.substr(line + name.size() + 2, text.find('\n', line + 1) - line - name.size() - 2);
  };
  EXPECT_DOUBLE_EQ(at(60).json["table_age_s"].number(), 60);
  EXPECT_EQ(at(60).json["policy"].text(), "tandem");
  EXPECT_EQ(surface.ask("GET", "/api/v1/grid").json["policy"].text(), "tandem");
  EXPECT_EQ(gauge("tandem_gateway_policy{policy=\"tandem\"}"), "1");
  EXPECT_FALSE(at(90).json["serving_on_last_table"].boolean());
  EXPECT_EQ(gauge("tandem_gateway_table_overdue"), "0");
  EXPECT_TRUE(at(91).json["serving_on_last_table"].boolean());
  EXPECT_TRUE(at(120).json["residency_assured"].boolean());
  EXPECT_EQ(gauge("tandem_gateway_table_overdue"), "1");
  EXPECT_EQ(gauge("tandem_gateway_table_stale"), "0");
  EXPECT_FALSE(at(121).json["residency_assured"].boolean());
  EXPECT_EQ(at(121).status, 200) << "what is bound to no jurisdiction is served";
  EXPECT_EQ(gauge("tandem_gateway_table_stale"), "1");
  EXPECT_EQ(gauge("tandem_gateway_table_age_seconds").substr(0, 3), "121");
}

TEST(Api, IsNotReadyBeforeTheFirstPlan) {
  Surface surface;
  surface.core.publish("");
  EXPECT_EQ(surface.ask("GET", "/readyz").status, 200) << "no plan is made: there is nothing to wait for";
  surface.core.await_plan("plan-9");
  const Answer ready = surface.ask("GET", "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(ready.json["error"]["message"].text(), "the first plan is being made: before it no model runs anywhere");
}

TEST(Api, APathOfAnApiThatIsNoneIsNoPageOfTheConsole) {
  Surface surface;
  for (const char* path : {"/v1", "/v1/", "/V1/models", "/v2", "/v2/nothing", "/api", "/api/", "/api/v2", "/Api/v1"}) {
    const Answer answer = surface.ask("GET", path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_FALSE(answer.json["error"].is_null()) << path;
  }
}

TEST(Api, ServingIsOfASiteOrATenant) {
  Surface surface;
  EXPECT_EQ(surface.ask("GET", "/api/v1/serving").json["minutes"].array().size(), 60u);
  const Answer one = surface.ask("GET", "/api/v1/serving?minutes=5&site=ber");
  EXPECT_EQ(one.json["minutes"].array().size(), 5u);
  EXPECT_EQ(one.json["sites"].array()[0]["site"].text(), "ber");
  EXPECT_EQ(surface.ask("GET", "/api/v1/serving?minutes=61").json["minutes"].array().size(), 60u);
  EXPECT_EQ(surface.ask("GET", "/api/v1/serving?minutes=x").status, 400);
  EXPECT_EQ(surface.ask("GET", "/api/v1/serving?site=ber&tenant=acme").status, 400);
}

TEST(Api, ServingSaysWhichEnginesAreEmulated) {
  Surface surface;
  EXPECT_EQ(surface.ask("GET", "/api/v1/serving").json["engines"]["all"].integer(), 0) << "no table yet";
  surface.core.publish(R"(
    jurisdiction DE
    site   ber DE
    site   ham DE
    model  llama
    target llama-ber ber llama emulated
    target llama-ham ham llama)");
  const Json engines = surface.ask("GET", "/api/v1/serving").json["engines"];
  EXPECT_EQ(engines["all"].integer(), 2);
  EXPECT_EQ(engines["emulated"].integer(), 1);
}

}  // namespace
}  // namespace tandem::api
