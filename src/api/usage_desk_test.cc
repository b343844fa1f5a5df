// Accounts over real sockets.
#include <gtest/gtest.h>

#include "api/sequenced_core.h"

namespace tandem::api {
namespace {

constexpr Instant kMidnight{1'763'683'200'000'000'000};  // 2025-11-21T00:00:00Z

v1::WindowSealed sealed_window(Instant from) {
  v1::WindowSealed window;
  window.set_table("requests");
  window.set_from_ns(from.ns);
  window.set_to_ns((from + minutes(1)).ns);
  window.set_sha256("digest");
  return window;
}

void use(v1::WindowSealed& window, const char* tenant, const char* site, uint64_t tokens) {
  v1::UsageTotal& total = *window.add_usage();
  total.set_tenant(tenant);
  total.set_model("small");
  total.set_site(site);
  total.set_requests(1);
  total.set_prompt_tokens(tokens);
  total.set_cached_tokens(tokens / 2);
  total.set_output_tokens(7);
  total.set_cost_eur(static_cast<double>(tokens) * 1e-6);
}

struct Used : Inventory {
  Used() {
    // Two tenants at two sites, over three hours of one day and one of the next.
    for (const int64_t hour : {1, 2, 3, 25}) {
      v1::WindowSealed window = sealed_window(kMidnight + hours(hour));
      use(window, "bank", "ber", 100);
      use(window, "bank", "muc", 10);
      if (hour == 1) use(window, "clinic", "ber", 1);
      add(window);
    }
  }
  void add(const v1::WindowSealed& window) {
    log::Event event;
    event.set_actor("core");
    *event.mutable_window_sealed() = window;
    core->record({event});
  }
  Answer usage(const std::string& query, http::Headers headers = {}) {
    return ask("GET", "/api/v1/usage" + query, {}, std::move(headers));
  }
};

int64_t prompt_tokens(const Json& rows) {
  int64_t sum = 0;
  for (const Json& row : rows.array()) sum += row["prompt_tokens"].integer();
  return sum;
}

TEST(UsageDesk, AddsUpByTenantModelAndSite) {
  Used used;
  const Answer answer = used.usage("");
  ASSERT_EQ(answer.status, 200) << answer.text;
  const Json::Array& rows = answer.json["usage"].array();
  ASSERT_EQ(rows.size(), 3u) << answer.text;
  EXPECT_EQ(rows[0]["tenant"].text(), "bank");
  EXPECT_EQ(rows[0]["site"].text(), "ber");
  EXPECT_EQ(rows[0]["requests"].integer(), 4);
  EXPECT_EQ(rows[0]["prompt_tokens"].integer(), 400);
  EXPECT_EQ(rows[0]["cached_tokens"].integer(), 200);
  EXPECT_EQ(rows[0]["output_tokens"].integer(), 28);
  EXPECT_DOUBLE_EQ(rows[0]["cost_eur"].number(), 400e-6);
  EXPECT_EQ(answer.json["total"]["prompt_tokens"].integer(), 441);
  EXPECT_EQ(answer.json["step"].text(), "day");
  EXPECT_EQ(answer.json["closed_to"].text(), format_rfc3339(kMidnight + hours(25) + minutes(1)));
  EXPECT_TRUE(answer.json["kept_from"].is_null());
  EXPECT_EQ(answer.json["offset"].integer(), static_cast<int64_t>(used.core->state().head.last()));
}

TEST(UsageDesk, TakesRangesFiltersAndGroups) {
  Used used;
  const auto tokens = [&](const std::string& query) { return prompt_tokens(used.usage(query).json["usage"]); };
  EXPECT_EQ(tokens("?from=2025-11-21T02:00:00Z&to=2025-11-21T04:00:00Z"), 220);
  EXPECT_EQ(tokens("?from=2025-11-22"), 110);
  EXPECT_EQ(tokens("?to=2025-11-22&tenant=clinic"), 1);
  EXPECT_EQ(tokens("?site=muc&group_by=tenant"), 40);
  EXPECT_EQ(tokens("?model=other"), 0);
  EXPECT_EQ(used.usage("?group_by=hour").json["usage"].array().size(), 4u);
  EXPECT_EQ(used.usage("?group_by=day,tenant").json["usage"].array().size(), 3u);
  const Json month = used.usage("?from=2025-11-01&to=2025-12-01&group_by=month,tenant").json;
  EXPECT_EQ(month["step"].text(), "month");
  EXPECT_EQ(month["usage"].array().size(), 2u);
  EXPECT_EQ(prompt_tokens(month["usage"]), 441);
  const Json all = used.usage("?group_by=").json;
  ASSERT_EQ(all["usage"].array().size(), 1u);
  EXPECT_EQ(prompt_tokens(all["usage"]), 441);
}

TEST(UsageDesk, RefusesWhatItCannotTell) {
  Used used;
  for (const char* query : {"?from=2025-11-21T02:30:00Z", "?to=yesterday", "?group_by=colour", "?group_by=site,site",
                            "?from=2025-11-22&to=2025-11-21", "?from=1960-01-01"}) {
    const Answer answer = used.usage(query);
    EXPECT_EQ(answer.status, 400) << query;
    EXPECT_EQ(answer.json["error"]["type"].text(), "invalid_request_error") << answer.text;
  }
}

TEST(UsageDesk, TellsWhatIsOpenApartAndOnlyOnce) {
  Used used;
  v1::WindowSealed closed = sealed_window(kMidnight + hours(25));
  use(closed, "bank", "ber", 100);
  v1::WindowSealed open = sealed_window(kMidnight + hours(25) + minutes(1));
  use(open, "bank", "ber", 5);
  used.open_usage() = {closed, open};  // the first is on the log already
  Json answer = used.usage("").json;
  EXPECT_EQ(prompt_tokens(answer["usage"]), 441);
  EXPECT_EQ(prompt_tokens(answer["open"]), 5);
  used.add(open);
  answer = used.usage("").json;
  EXPECT_EQ(prompt_tokens(answer["usage"]), 446);
  EXPECT_TRUE(answer["open"].array().empty());
}

TEST(UsageDesk, WritesCsvWhereThatIsAccepted) {
  Used used;
  http::Headers headers;
  headers.set("accept", "text/csv");
  const Answer answer = used.usage("?group_by=tenant&to=2025-11-22", std::move(headers));
  EXPECT_EQ(answer.text.substr(0, answer.text.find('\n')),
            "tenant,requests,kept,prompt_tokens,cached_tokens,output_tokens,estimated_requests,estimated_prompt_tokens,"
            "estimated_output_tokens,cost_eur,energy_j,carbon_g");
  EXPECT_NE(answer.text.find("\nbank,6,0,330,165,42,0,0,0,"), std::string::npos) << answer.text;
  EXPECT_EQ(answer.headers.value_or("content-type", ""), "text/csv; charset=utf-8");
}

}  // namespace
}  // namespace tandem::api
