// A running grid, from the grid file that it is given on.
#include "app/grid_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <fstream>
#include <thread>

#include "app/inventory_remote.h"
#include "http/http.h"
#include "log/log.h"
#include "support/temporary_directory.h"

namespace tandem::app {
namespace {

namespace asio = boost::asio;

constexpr const char* kOneSite = R"(tandem: 1
name: one site
simulated: true
sites:
  - {id: a, tier: core, latitude_deg: 50, longitude_deg: 10, jurisdiction: DE, power_limit_kw: 100}
nodes:
  - {id: a-r, site: a, role: router}
accelerators:
  - {id: gpu, memory_gb: 80, idle_power_w: 60, peak_power_w: 700, price_eur_per_hour: 2}
pools:
  - {id: a-gpu, site: a, node: a-r, accelerator: gpu, count: 4}
models:
  - {id: m, parameters_billion: 8, weights_gb: 16, kv_bytes_per_token: 131072, context_tokens: 8192}
profiles:
  - {id: m-gpu, model: m, accelerator: gpu, prefill_tokens_per_s: 20000, kv_memory_gb: 50, source: made up,
     points: [{batch: 8, decode_ms_per_token: 10, power_w: 500}]}
regions:
  - {id: r, latitude_deg: 50, longitude_deg: 10, prefixes: [127.0.0.0/8], anchors: [{node: a-r, access_delay_us: 5000}]}
tenants:
  - {id: t, ttft_ms: 500, tpot_ms: 50,
     keys: [{sha256: "f77894fdfa58e447c57e077eaa9708e8e009c84dc6aba2db80461275e9b85be7", loopback_only: true}]}
)";

// So many demands of that site, the first of them of "t": two of one tenant, region and model would be one.
class StartedGrid {
 public:
  explicit StartedGrid(size_t demands) {
    std::ofstream yaml(file());
    yaml << kOneSite;
    const auto tenant_of = [](size_t i) { return i == 0 ? std::string("t") : fmt::format("t{}", i); };
    for (size_t i = 1; i < demands; ++i)
      yaml << fmt::format("  - {{id: {}, ttft_ms: 500, tpot_ms: 50}}\n", tenant_of(i));
    yaml << "demands:\n";
    for (size_t i = 0; i < demands; ++i)
      yaml << fmt::format(
          "  - {{id: d{}, tenant: {}, region: r, model: m, rate_per_s: 0.001, prompt_tokens: 100, output_tokens: 50}}\n",
          i, tenant_of(i));
    yaml.close();
    GridServerOptions options;
    options.data = data();
    options.port = 0;
    auto started = GridServer::start(options);
    EXPECT_TRUE(started) << to_string(started.error());
    server = std::move(*started);
    const auto applied = server->apply_grid_file(file());
    EXPECT_TRUE(applied) << to_string(applied.error());
  }
  std::string url() const { return fmt::format("http://127.0.0.1:{}", server->port()); }
  std::filesystem::path data() const { return directory_.path() / "data"; }

  std::unique_ptr<GridServer> server;

 private:
  std::filesystem::path file() const { return directory_.path() / "grid.yaml"; }
  test_support::TemporaryDirectory directory_;
};

// A file of more events than are recorded at once is one change: what it says of its first part is planned with the
// rest.
TEST(GridServer, PlansAGridOnceItsFileIsInWhole) {
  StartedGrid grid(2'100);
  const auto is_planned = [&] {
    return !ask_grid(grid.url(), "GET", "/api/v1/plan", {}).value_or(Json())["plan_id"].is_null();
  };
  for (int i = 0; i < 600 && !is_planned(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ASSERT_TRUE(is_planned());
  grid.server.reset();
  log::SqliteLogOptions options;
  options.directory = grid.data() / "log";
  const auto log = log::open_sqlite_log(options);
  ASSERT_TRUE(log) << to_string(log.error());
  log::Offset offset = 0, last_fact = 0, first_request = 0;
  while (true) {
    const auto batches = (*log)->read(offset + 1, 1u << 20);
    ASSERT_TRUE(batches);
    if (batches->empty()) break;
    for (const log::Batch& batch : *batches)
      for (const log::Event& event : batch.events) {
        ++offset;
        if (event.has_facts_recorded()) last_fact = offset;
        if (event.has_plan_requested() && first_request == 0) first_request = offset;
      }
  }
  EXPECT_GT(last_fact, 2'000u);
  EXPECT_GT(first_request, last_fact);
}

asio::awaitable<void> get(http::Client& client, uint16_t port, std::string target, Json& body) {
  http::ClientRequest request("GET", std::move(target), {}, {});
  request.headers.add("authorization", "Bearer sk-demo");
  http::Endpoint endpoint{"127.0.0.1", port};
  auto sent = co_await client.send(std::move(endpoint), std::move(request), {});
  if (!sent) co_return;
  const auto text = co_await sent->read_all(1u << 20);
  if (text) body = parse_json(*text).value_or(Json());
}

TEST(GridServer, ListsItsModelsSinceWhenItHasThem) {
  const SystemClock clock;
  const int64_t before_s = clock.now().ns / 1'000'000'000;
  const StartedGrid grid(1);
  asio::io_context context;
  http::Client client(context);
  Json models;
  asio::co_spawn(context, get(client, grid.server->port(), "/v1/models", models), [&](std::exception_ptr error) {
    EXPECT_FALSE(error);
    client.close();
  });
  context.run();
  ASSERT_EQ(models["data"].array().size(), 1u) << to_json(models);
  const int64_t created_s = models["data"].array()[0]["created"].integer();
  EXPECT_GE(created_s, before_s);
  EXPECT_LE(created_s, clock.now().ns / 1'000'000'000);
}

}  // namespace
}  // namespace tandem::app
