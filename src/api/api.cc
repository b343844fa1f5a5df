#include "api/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "api/assets.h"
#include "api/branch_routes.h"
#include "api/call.h"
#include "api/change_feed.h"
#include "api/desk.h"
#include "api/inventory_routes.h"
#include "api/open_inference.h"
#include "api/query_desk.h"
#include "api/questions.h"
#include "api/routes.h"
#include "api/usage_desk.h"
#include "api/views.h"
#include "api/webhook_routes.h"
#include "base/text.h"
#include "inventory/inventory.h"
#include "routing/freshness.h"

namespace tandem::api {

namespace asio = boost::asio;

namespace {

// Of each desk's questions one runs; more than these would wait longer than a caller does.
constexpr int kWhatIfsHeldMax = 4, kReplaysHeldMax = 4, kSchedulesHeldMax = 2, kSearchesHeldMax = 2;
constexpr size_t kThreadsAside = 2;        // long reads: as many at once as leave the request path its cores
constexpr size_t kDecisionsMax = 1'000;    // a page of them is ~1 MB
constexpr size_t kEventsMax = 1'000;       // of the log, a page
constexpr size_t kLogBytesMax = 4u << 20;  // read from disk for one page, a batch at the least
constexpr size_t kFactsMax = 4'096;        // as a batch of the log holds

Result<grid::State> read_state(std::string_view text) {
  if (text == "up") return grid::State::up;
  if (text == "down") return grid::State::down;
  return fail(ErrorCode::invalid_argument, "'state' must be \"up\" or \"down\"");
}

Result<log::Event> state_event(const Call& call, std::string_view kind) {
  TANDEM_TRY(may_change(call.request));
  const grid::Snapshot& grid = *call.published->state.grid;
  if (!grid.simulated) {
    return fail(ErrorCode::permission_denied,
                "only a simulated grid is cut or powered down by hand; set 'simulated: true' in its file if it is one");
  }
  const std::string& id = call.parameters.front();
  const bool known = kind == "site" ? grid.sites.find(id).valid() : grid.links.find(id).valid();
  if (!known) return fail(ErrorCode::not_found, fmt::format("no {} '{}' in this grid", kind, id.substr(0, 128)));
  TANDEM_ASSIGN(const Json body, parse_json(call.request.body));
  TANDEM_ASSIGN(const grid::State state, read_state(body["state"].text()));
  log::Event event;
  event.set_actor("operator:api");
  v1::FactsRecorded& facts = *event.mutable_facts_recorded();
  facts.set_source("simulation");
  facts.set_kind(std::string(kind));
  facts.set_id(id);
  v1::Attribute& attribute = *facts.add_attributes();
  attribute.set_name("state");
  attribute.mutable_value()->set_text(std::string(to_string(state)));
  return event;
}

Result<log::Event> fact_event(const Json& fact, std::string_view source, size_t position) {
  const std::string where = fmt::format("facts[{}]", position);
  if (!fact["kind"].is_string() || !fact["id"].is_string() || !fact["attributes"].is_object())
    return fail(ErrorCode::invalid_argument, "a fact needs 'kind' and 'id', both text, and 'attributes', an object",
                where);
  log::Event event;
  event.set_actor(fmt::format("api:{}", source));
  v1::FactsRecorded& facts = *event.mutable_facts_recorded();
  facts.set_source(fmt::format("api:{}", source));
  facts.set_kind(std::string(fact["kind"].text()));
  facts.set_id(std::string(fact["id"].text()));
  if (!fact["observed_at"].is_null()) {
    TANDEM_ASSIGN(const Instant observed, parse_rfc3339(fact["observed_at"].text()));
    facts.set_observed_at_ns(observed.ns);
  }
  for (const auto& [name, value] : fact["attributes"].object()) inventory::add_attribute(facts, name, value);
  return event;
}

Result<std::vector<log::Event>> fact_events(const Call& call) {
  TANDEM_TRY(may_change(call.request));
  TANDEM_ASSIGN(const Json body, parse_json(call.request.body));
  if (!body["source"].is_string() || body["source"].text().empty())
    return fail(ErrorCode::invalid_argument, "'source' must name who says so");
  const Json::Array& facts = body["facts"].array();
  if (facts.empty()) return fail(ErrorCode::invalid_argument, "'facts' must be an array with at least one fact");
  if (facts.size() > kFactsMax)
    return fail(ErrorCode::too_large, fmt::format("{} facts at once; send at most {}", facts.size(), kFactsMax));
  std::vector<log::Event> events;
  for (size_t i = 0; i < facts.size(); ++i) {
    TANDEM_ASSIGN(log::Event event, fact_event(facts[i], body["source"].text(), i));
    events.push_back(std::move(event));
  }
  return events;
}

// What is emulated says so, wherever its figures are shown.
Json engines_json(const routing::RoutingTable* table) {
  int64_t all = 0, emulated = 0;
  if (table != nullptr) {
    for (const routing::Target& target : table->targets()) {
      ++all;
      emulated += target.emulated ? 1 : 0;
    }
  }
  return Json::Object{{"all", all}, {"emulated", emulated}};
}

}  // namespace

struct Api::Routes {
  explicit Routes(const ApiParts& its_parts)
      : parts(its_parts),
        inventory(parts.core, parts.search, parts.clock, aside),
        queries(parts.clock),
        replays(parts.clock, kReplaysHeldMax, "too many simulations wait already; try again in a moment"),
        schedules(parts.clock, kSchedulesHeldMax, "too many schedules wait already; try again in a minute"),
        whatifs(parts.clock, kWhatIfsHeldMax, "too many what-ifs wait already; try again in a moment"),
        engineering(parts.clock, kSearchesHeldMax, "traffic engineering is asked for too often; try again in a minute"),
        usage(parts.core, parts.activity, aside),
        branches(parts.core, aside),
        webhooks(parts.core, parts.webhooks) {
    const Labels policy{{"policy", std::string(parts.policy)}};
    parts.metrics
        .gauge("tandem_gateway_policy", "1 for where requests go: tandem, or a baseline to measure against", policy)
        .set(1);
  }
  ~Routes() { aside.join(); }

  ApiParts parts;
  boost::asio::thread_pool aside{kThreadsAside};
  InventoryRoutes inventory;
  QueryDesk queries;
  Desk replays, schedules, whatifs, engineering;
  UsageDesk usage;
  BranchRoutes branches;
  WebhookRoutes webhooks;

  Result<Json> read(Operation operation, const Call& call) const;
  Result<Json> read_log(const Call& call) const;
  Result<Json> preview(const Call& call, Thing thing) const;
  Result<std::vector<log::Event>> events(Operation operation, const Call& call) const;
  asio::awaitable<void> read_aside(Operation operation, const Call& call, http::ResponseWriter& writer);
  asio::awaitable<void> record(Operation operation, const Call& call, http::ResponseWriter& writer) const;
  Result<Json> ready(const Call& call) const;
  Result<Json> serving(const Call& call) const;
  void measure_table(const Published* published) const;
  void measure_grid(const Published* published) const;
};

Result<Json> Api::Routes::read_log(const Call& call) const {
  TANDEM_ASSIGN(const size_t limit, read_count(call.request, "limit", 100, kEventsMax));
  const log::Offset last = call.published->state.head.last();
  const log::Offset fallback = last > limit ? last - limit + 1 : 1;
  TANDEM_ASSIGN(const size_t from, read_count(call.request, "from", fallback, SIZE_MAX));
  TANDEM_ASSIGN(const std::vector<log::Batch> batches, parts.log.read(std::max<size_t>(from, 1), kLogBytesMax));
  TANDEM_ASSIGN(const bool brief, read_flag(call.request, "brief"));
  return events_view(batches, std::max<size_t>(from, 1), limit, brief);
}

Result<Json> Api::Routes::preview(const Call& call, Thing thing) const {
  TANDEM_ASSIGN(const grid::State state, read_state(http::query_value(call.request.query, "state").value_or("down")));
  return state_preview(*call.published, thing, call.parameters.front(), state);
}

Result<Json> Api::Routes::ready(const Call& call) const {
  const auto& table = call.published->table;
  if (!table) return fail(ErrorCode::unavailable, "no routing table is published yet");
  const control::State& state = call.published->state;
  if (state.head.last() == 0) return fail(ErrorCode::unavailable, "no grid has been taken in yet");
  // Also while what was planned of half a grid is refused, and before the next is asked for.
  const bool has_demands = state.inventory.size("pool") > 0 && state.inventory.size("demand") > 0;
  if (table->rows().plan_id.empty() && (state.pending || call.published->plans_held || has_demands))
    return fail(ErrorCode::unavailable, "the first plan is being made: before it no model runs anywhere");
  const routing::Freshness fresh = routing::freshness(*table, parts.clock.now());
  Json::Object answer{{"offset", call.published->state.head.last()},
                      {"table_offset", table->offset()},
                      {"plan_id", table->rows().plan_id},
                      {"table_valid_until", format_rfc3339(table->rows().valid_until)},
                      {"table_age_s", fresh.age.seconds()},
                      {"serving_on_last_table", fresh.overdue},
                      {"residency_assured", !fresh.stale},
                      {"policy", parts.policy}};
  return answer;
}

Result<Json> Api::Routes::serving(const Call& call) const {
  ServingQuestion question;
  TANDEM_ASSIGN(const size_t minutes_asked, read_count(call.request, "minutes", 60, 60));
  question.minutes = static_cast<uint32_t>(std::max<size_t>(minutes_asked, 1));
  question.site = http::query_value(call.request.query, "site").value_or("");
  question.tenant = http::query_value(call.request.query, "tenant").value_or("");
  if (!question.site.empty() && !question.tenant.empty())
    return fail(ErrorCode::invalid_argument, "name a 'site' or a 'tenant', not both", "tenant");
  Json::Object hour = parts.activity.serving(question).object();
  hour["engines"] = engines_json(call.published->table.get());
  return Json(std::move(hour));
}

// How old the table is that requests are served on, as of this look.
void Api::Routes::measure_table(const Published* published) const {
  if (published == nullptr || !published->table) return;
  const routing::Freshness fresh = routing::freshness(*published->table, parts.clock.now());
  parts.metrics.gauge("tandem_gateway_table_age_seconds", "Since the routing table in force was published")
      .set(fresh.age.seconds());
  parts.metrics.gauge("tandem_gateway_table_overdue", "1: the core should have renewed the routing table by now")
      .set(fresh.overdue ? 1 : 0);
  parts.metrics
      .gauge("tandem_gateway_table_stale", "1: the table's validity is over, residency-bound requests are refused")
      .set(fresh.stale ? 1 : 0);
}

// What is down, and what the plan in force comes to, as of this look.
void Api::Routes::measure_grid(const Published* published) const {
  if (published == nullptr) return;
  const control::State& state = published->state;
  const auto set = [this](std::string_view name, std::string_view help, double value) {
    parts.metrics.gauge(name, help).set(value);
  };
  const auto down = [](const auto& rows) {
    double count = 0;
    for (const auto& row : rows) count += row.state == grid::State::down;
    return count;
  };
  set("tandem_log_offset", "Of the last event", static_cast<double>(state.head.last()));
  set("tandem_grid_links_down", "Links whose state is down", down(state.grid->links));
  set("tandem_grid_sites_down", "Sites whose state is down", down(state.grid->sites));
  set("tandem_plan_pending", "1: a plan or a schedule is being made", state.pending ? 1 : 0);
  if (!state.plan) return;
  const auto is_rejected = [](const v1::DemandPlan& demand) { return demand.rejected() > 0; };
  set("tandem_plan_offset", "Log offset at which the plan in force was accepted",
      static_cast<double>(state.plan_offset));
  set("tandem_plan_cost_eur_per_hour", "Of the plan in force", state.plan->cost_eur_per_hour());
  set("tandem_plan_bound_eur_per_hour", "No plan can cost less", state.plan->bound_eur_per_hour());
  set("tandem_plan_demands_rejected", "Demands that the plan in force turns away, in whole or in part",
      static_cast<double>(std::ranges::count_if(state.plan->demands(), is_rejected)));
}

Result<Json> Api::Routes::read(Operation operation, const Call& call) const {
  const Published& published = *call.published;
  switch (operation) {
    case Operation::get_grid: {
      Json::Object grid = grid_view(published).object();
      grid["policy"] = parts.policy;
      return Json(std::move(grid));
    }
    case Operation::get_site: return site_view(published, parts.activity, call.parameters.front());
    case Operation::get_link: return link_view(published, call.parameters.front());
    case Operation::preview_site: return preview(call, Thing::site);
    case Operation::preview_link: return preview(call, Thing::link);
    case Operation::get_plan: return plan_view(published, parts.clock.now());
    case Operation::get_schedule: return schedule_view(published, parts.clock.now(), parts.periods_max);
    case Operation::get_predictive_models:
      if (parts.predictions == nullptr) return Json(Json::Object{{"models", Json::Array{}}});
      return parts.predictions->models_view();
    case Operation::get_decisions: {
      TANDEM_ASSIGN(const size_t limit, read_count(call.request, "limit", 50, kDecisionsMax));
      return Json(Json::Object{{"decisions", parts.decisions.recent(limit)}});
    }
    case Operation::get_trials:
      return Json(Json::Object{{"offset", published.state.head.last()}, {"trials", parts.decisions.trials()}});
    case Operation::get_decision: {
      auto explained = parts.decisions.explain(call.parameters.front());
      if (!explained)
        return fail(ErrorCode::not_found,
                    "that decision is not, or no longer, kept; recent ones are at /api/v1/decisions");
      return std::move(*explained);
    }
    case Operation::get_log: return read_log(call);
    case Operation::get_serving: return serving(call);
    case Operation::get_ontology: return ontology_view(http::query_value(call.request.query, "kind").value_or(""));
    case Operation::get_openapi: return openapi_document();
    case Operation::get_health: return Json(Json::Object{{"status", "ok"}});
    case Operation::get_ready: return ready(call);
    default: break;
  }
  return fail(ErrorCode::internal, "an operation without a reader");
}

Result<std::vector<log::Event>> Api::Routes::events(Operation operation, const Call& call) const {
  if (operation == Operation::post_facts) return fact_events(call);
  TANDEM_ASSIGN(log::Event event, state_event(call, operation == Operation::set_site_state ? "site" : "link"));
  return std::vector<log::Event>{std::move(event)};
}

// What of a nation is megabytes, or takes a second to judge: the thread that serves others has its time.
asio::awaitable<void> Api::Routes::read_aside(Operation operation, const Call& call, http::ResponseWriter& writer) {
  auto text = co_await run_aside(aside, [&]() -> Result<std::string> {
    TANDEM_ASSIGN(const Json answer, read(operation, call));
    return to_json(answer);
  });
  co_await respond_text(std::move(text), false, writer);
}

asio::awaitable<void> Api::Routes::record(Operation operation, const Call& call, http::ResponseWriter& writer) const {
  auto what = events(operation, call);
  if (!what) {
    co_await writer.respond_error(what.error());
    co_return;
  }
  auto offset = co_await submit(parts.core, std::move(*what));
  Result<Json> answer = offset ? Result<Json>(Json::Object{{"offset", *offset}})
                               : Result<Json>(tl::unexpected(std::move(offset.error())));
  co_await respond_result(std::move(answer), writer);
}

Api::Api(const ApiParts& parts) : routes_(new Routes(parts)) {}

Api::~Api() = default;

namespace {

// As console/src/route.ts has them: who types one as a path is sent to it.
constexpr std::array<std::string_view, 15> kConsolePages{
    "map",         "plan",      "day",           "whatif",   "te",    "replay",   "serving", "trials",
    "predictions", "inventory", "discrepancies", "branches", "query", "ontology", "log"};

// The console's pages are told apart after the `#`, so its document is at / alone: a path mistyped by a probe or a
// client is a 404, and not a page that looks like success.
const Asset* find_asset(std::string_view path) {
  const auto assets = console_assets();
  const auto found = std::ranges::find(assets, path == "/" ? "/index.html" : path, &Asset::path);
  return found == assets.end() ? nullptr : &*found;
}

asio::awaitable<void> serve_asset(const Asset& asset, const http::Request& request, http::ResponseWriter& writer) {
  const bool gzip = request.headers.value_or("accept-encoding", "").find("gzip") != std::string_view::npos;
  http::Headers headers = http::content_type(asset.content_type);
  // Vite names what is under /assets/ by its content.
  headers.set("cache-control", asset.path.starts_with("/assets/") ? "public, max-age=31536000, immutable" : "no-cache");
  headers.set("vary", "accept-encoding");
  headers.set("x-content-type-options", "nosniff");
  headers.set(
      "content-security-policy",
      "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; worker-src 'self' blob:; "
      "connect-src 'self'; frame-ancestors 'none'");
  if (gzip) headers.set("content-encoding", "gzip");
  std::string body(gzip ? asset.gzip : asset.identity);
  co_await writer.respond(200, std::move(headers), std::move(body));
}

// There is nothing at this path, or not by this method; `allowed` are those by which there is.
asio::awaitable<void> refuse(const http::Request& request, const std::string& allowed, http::ResponseWriter& writer) {
  http::Headers headers = http::json_headers();
  if (allowed.empty()) {
    const Error error(ErrorCode::not_found,
                      "nothing is at this path; the console is at /, the API is described at /api/v1/openapi.json");
    std::string body = http::json_error_body(error);
    co_await writer.respond(404, std::move(headers), std::move(body));
    co_return;
  }
  headers.set("allow", allowed);
  if (request.method == "OPTIONS") {
    headers.remove("content-type");
    co_await writer.respond(204, std::move(headers), std::string());
    co_return;
  }
  const Error error(ErrorCode::invalid_argument,
                    fmt::format("{} is not allowed at this path; use {}", request.method, allowed));
  std::string body = http::json_error_body(error);
  co_await writer.respond(405, std::move(headers), std::move(body));
}

}  // namespace

asio::awaitable<void> Api::handle(const http::Request& request, http::ResponseWriter& writer) {
  Match found = match(request.method, request.target);
  if (found.route == nullptr) {
    const bool reading = request.method == "GET" || request.method == "HEAD";
    const Asset* asset = reading && found.allowed.empty() ? find_asset(request.target) : nullptr;
    if (asset != nullptr) {
      co_await serve_asset(*asset, request, writer);
      co_return;
    }
    if (reading && std::ranges::find(kConsolePages, request.target.substr(1)) != kConsolePages.end()) {
      http::Headers headers;
      headers.set("location", "/#" + request.target);
      co_await writer.respond(302, std::move(headers), std::string());
      co_return;
    }
    co_await refuse(request, found.allowed, writer);
    co_return;
  }
  // Probes and scrapers may add what they like.
  if (const auto known = check_query(*found.route, request.query); !known && request.target.starts_with("/api/")) {
    co_await respond_failure(known.error(), writer);
    co_return;
  }
  const Operation operation = found.route->operation;
  Call call{request, std::move(found.parameters), routes_->parts.core.published()};
  const bool needs_state = operation != Operation::get_health && operation != Operation::get_metrics;
  if (needs_state && !call.published) {
    const Error error{ErrorCode::unavailable, "the grid is still being read; try again in a moment", ""};
    co_await writer.respond_error(error);
    co_return;
  }
  if (InventoryRoutes::serves(operation)) {
    co_await routes_->inventory.handle(operation, call, writer);
    co_return;
  }
  if (BranchRoutes::serves(operation)) {
    co_await routes_->branches.handle(operation, call, writer);
    co_return;
  }
  if (WebhookRoutes::serves(operation)) {
    co_await routes_->webhooks.handle(operation, call, writer);
    co_return;
  }
  switch (operation) {
    case Operation::post_query: co_await routes_->queries.answer(call, writer); co_return;
    case Operation::post_replay: co_await routes_->replays.answer(read_replay(call), writer); co_return;
    case Operation::post_schedule: co_await routes_->schedules.answer(read_schedule(call), writer); co_return;
    case Operation::post_te: co_await routes_->engineering.answer(read_te(call), writer); co_return;
    case Operation::post_whatif: co_await routes_->whatifs.answer(read_whatif(call), writer); co_return;
    case Operation::get_usage: co_await routes_->usage.answer(call, writer); co_return;
    case Operation::get_stream: co_await routes_->parts.feed.serve(writer); co_return;
    case Operation::get_changes:
      co_await routes_->parts.changes.serve(request, call.published->state.head.last(), writer);
      co_return;
    case Operation::get_metrics: {
      http::Headers headers = http::content_type("text/plain; version=0.0.4; charset=utf-8");
      routes_->measure_table(call.published.get());
      routes_->measure_grid(call.published.get());
      std::string text = routes_->parts.metrics.prometheus_text();
      co_await writer.respond(200, std::move(headers), std::move(text));
      co_return;
    }
    case Operation::set_site_state:
    case Operation::set_link_state:
    case Operation::post_facts: co_await routes_->record(operation, call, writer); co_return;
    case Operation::get_grid:
    case Operation::get_plan:
    case Operation::get_schedule:
    case Operation::get_log:
    case Operation::preview_site:
    case Operation::preview_link: co_await routes_->read_aside(operation, call, writer); co_return;
    default: {
      auto answer = routes_->read(operation, call);
      co_await respond_result(std::move(answer), writer);
    }
  }
}

}  // namespace tandem::api
