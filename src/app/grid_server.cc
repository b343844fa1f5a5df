#include "app/grid_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <map>
#include <thread>

#include "api/api.h"
#include "api/change_feed.h"
#include "api/open_inference.h"
#include "api/search_index.h"
#include "api/webhook_sender.h"
#include "app/activity_monitor.h"
#include "app/checkpoint_writer.h"
#include "app/core_thread.h"
#include "app/emulated_engines.h"
#include "app/engine_handover.h"
#include "app/grid_file_events.h"
#include "app/history_keeper.h"
#include "app/import_groups.h"
#include "app/listen.h"
#include "app/personal_keys.h"
#include "app/plan_worker.h"
#include "app/search_follower.h"
#include "base/calendar.h"
#include "base/file.h"
#include "base/logging.h"
#include "base/text.h"
#include "gateway/gateway.h"
#include "gateway/tenant_gate.h"
#include "http/tls_listener.h"
#include "ingest/ingest.h"
#include "log/log.h"
#include "runtime/emulator.h"
#include "runtime/predictor.h"
#include "series/series.h"
#include "telemetry/access_log.h"
#include "telemetry/span_exporter.h"

namespace tandem::app {

namespace asio = boost::asio;

namespace {

constexpr Duration kDrain = seconds(5);     // for requests under way at a stop
constexpr size_t kLogMessagesMax = 50;      // of one commit, told to the console: more scroll past unread
constexpr size_t kLogReadBytes = 1u << 20;  // of what was just committed, to tell the console
constexpr size_t kEventsPerGroup = 2'000;   // of a grid file: half of what a batch of the log holds

// A request's record to each who wants it.
class RecordFan final : public gateway::RecordSink {
 public:
  void add(gateway::RecordSink& sink) { sinks_.push_back(&sink); }
  void on_request(const gateway::SharedRecord& record) override {
    for (gateway::RecordSink* sink : sinks_) sink->on_request(record);
  }

 private:
  std::vector<gateway::RecordSink*> sinks_;
};

// One thread of the gateway and the API: its own io_context, client, and listener on the shared port.
struct Front {
  asio::io_context context{1};
  http::Client client{context};
  RecordFan records;
  std::unique_ptr<gateway::Gateway> gateway;
  std::unique_ptr<gateway::TenantGate> gate;  // of predictions
  std::unique_ptr<http::Server> server;
  std::unique_ptr<http::TlsListener> tls;  // before the server; null: none
  std::thread thread;
};

class RunningGrid final : public GridServer, public CoreObserver, public api::DecisionSource {
 public:
  explicit RunningGrid(const Clock* clock) : clock_(clock != nullptr ? *clock : machine_clock_) {}
  ~RunningGrid() override { stop(); }

  Result<void> open(const GridServerOptions& options);
  Result<size_t> apply_grid_file(const std::filesystem::path& file) override;
  bool empty() const override { return core_->published()->state.head.last() == 0; }
  Result<void> check_site() const override;
  uint16_t port() const override { return fronts_.front()->server->port(); }
  uint16_t tls_port() const override { return fronts_.front()->tls ? fronts_.front()->tls->port() : 0; }
  void reload() override;
  void stop() override;

 private:
  Result<void> open_engines();
  Result<void> open_core(const GridServerOptions& options);
  Result<void> open_predictor(const GridServerOptions& options);
  Result<void> open_surfaces(const GridServerOptions& options);
  Result<void> open_telemetry(const GridServerOptions& options);
  Result<void> open_fronts(const GridServerOptions& options);
  Result<void> open_tls(const GridServerOptions& options);
  asio::awaitable<void> dispatch(Front& front, const http::Request& request, http::ResponseWriter& writer);

  // CoreObserver, on the core's thread.
  void before_publish(const control::State& state) override;
  void published(const api::Published* before, const std::shared_ptr<const api::Published>& now) override;
  void committed(log::Offset first, log::Offset last) override;
  void plan_wanted(const control::PendingPlan& wanted, const control::State& state) override;

  // api::DecisionSource, on any thread.
  Json recent(size_t count_max) const override;
  std::optional<Json> explain(std::string_view id) const override;
  Json trials() const override;

  void submit_quietly(std::vector<log::Event> events, const char* what);
  void power_sites(const grid::Snapshot& grid);
  void run_engines(const grid::Snapshot& grid, const v1::Plan& plan);
  void tell_spending(const api::Published& now, bool with_open);
  void tell_few_periods(const grid::Snapshot& grid);
  void tell_listeners(const grid::Snapshot& before, const grid::Snapshot& after);

  uint32_t periods_max_ = 0;              // of a day, as it was asked for
  std::optional<uint32_t> periods_told_;  // how many a grid had room for when that was last looked at
  std::string site_;                      // where this process stands, as it was told; empty: it was not
  SystemClock machine_clock_;
  const Clock& clock_;
  Metrics metrics_;
  api::Feed feed_;
  gateway::SharedState gateways_;
  std::unique_ptr<log::Log> log_;
  std::shared_ptr<vault::Vault> vault_;
  api::LogSignal signal_;
  api::SearchIndex search_;
  std::unique_ptr<api::ChangeFeed> changes_;
  std::unique_ptr<api::WebhookSender> webhooks_;
  std::unique_ptr<control::CheckpointStore> checkpoints_;
  std::unique_ptr<CheckpointWriter> checkpoint_writer_;
  std::unique_ptr<series::Store> series_;
  asio::io_context engines_context_{1};
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> engines_work_;
  std::unique_ptr<runtime::EngineHost> engines_;
  std::thread engines_thread_;
  std::vector<std::string> dark_sites_;  // cut at the engines, ascending; of the core's thread
  EngineHandover handover_{[this](const grid::Snapshot& grid, const v1::Plan& plan) { run_engines(grid, plan); }};
  std::unique_ptr<runtime::Predictor> predictor_;  // null: no models are served
  std::unique_ptr<api::OpenInference> inference_;
  std::unique_ptr<PlanWorker> planner_;
  std::unique_ptr<CoreThread> core_;
  std::unique_ptr<SearchFollower> search_follower_;
  std::unique_ptr<HistoryKeeper> history_keeper_;
  std::unique_ptr<ActivityMonitor> activity_;
  std::shared_ptr<http::ServerCertificate> certificate_;  // null: no TLS
  std::unique_ptr<telemetry::AccessLog> access_log_;      // null: none
  std::unique_ptr<telemetry::SpanExporter> exporter_;     // null: requests are not traced
  std::unique_ptr<api::Api> api_;
  std::vector<std::unique_ptr<Front>> fronts_;
};

Result<void> RunningGrid::open(const GridServerOptions& options) {
  site_ = options.site;
  periods_max_ = options.periods_max;
  TANDEM_TRY(open_engines());
  TANDEM_TRY(open_predictor(options));
  TANDEM_TRY(open_core(options));
  TANDEM_TRY(open_telemetry(options));
  return open_fronts(options);
}

Result<void> RunningGrid::open_engines() {
  TANDEM_ASSIGN(engines_, runtime::EngineHost::listen(engines_context_, clock_, {}));
  engines_work_.emplace(engines_context_.get_executor());
  engines_thread_ = std::thread([this] { engines_context_.run(); });
  return {};
}

Result<void> RunningGrid::open_predictor(const GridServerOptions& options) {
  if (!options.model_repository.empty()) {
    runtime::PredictorOptions predictor_options;
    predictor_options.repository = options.model_repository;
    predictor_options.library = options.onnxruntime;
    predictor_options.threads = options.prediction_threads;
    predictor_options.memory_bytes_max = options.prediction_memory_mb << 20;
    TANDEM_ASSIGN(predictor_, runtime::Predictor::open(std::move(predictor_options), clock_, metrics_));
  }
  inference_ = std::make_unique<api::OpenInference>(
      predictor_.get(), api::OpenInferenceOptions{.version = TANDEM_VERSION, .site = options.site});
  return {};
}

Result<void> RunningGrid::open_core(const GridServerOptions& options) {
  log::SqliteLogOptions log_options;
  log_options.directory = options.data / "log";
  TANDEM_ASSIGN(log_, log::open_sqlite_log(log_options));
  TANDEM_ASSIGN(vault_, keys_of(options.data));
  checkpoints_ = control::directory_checkpoints(options.data / "checkpoints");
  TANDEM_ASSIGN(series_, series::Store::open({.directory = options.data / "series"}));
  TANDEM_ASSIGN(const log::Head head, log_->head());
  control::CoreOptions core_options;
  core_options.epoch = head.header.epoch + 1;
  core_options.sealer = vault_.get();
  core_options.planning.periods_max = options.periods_max;
  TANDEM_ASSIGN(std::unique_ptr<control::Core> core, control::Core::open(*log_, checkpoints_.get(), core_options));
  for (const std::string& source : open_imports(core->state().inventory))
    log_warning("an import of '{}' has not come to its end: part of it may be missing; import it again", source);
  checkpoint_writer_ = std::make_unique<CheckpointWriter>(*checkpoints_, core->opened_from());
  planner_ = std::make_unique<PlanWorker>(
      clock_, [this](log::Event event) { submit_quietly({std::move(event)}, "what a planning job brought back"); });
  CoreThreadOptions thread_options;
  thread_options.opener = vault_;
  thread_options.emulator = {"127.0.0.1", engines_->port(), "", true};
  core_ = std::make_unique<CoreThread>(std::move(core), clock_, thread_options, *this);
  activity_ = std::make_unique<ActivityMonitor>(
      clock_, *series_, feed_, metrics_, gateways_, [this] { return core_->published(); },
      [this](const std::vector<v1::WindowSealed>& windows) {
        // One at a time: a busy window is several events of megabytes. A window written twice counts once.
        for (const v1::WindowSealed& window : windows)
          for (v1::WindowSealed& part : series::parts_of(window)) {
            log::Event event;
            event.set_actor("core");
            *event.mutable_window_sealed() = std::move(part);
            if (auto logged = core_->submit_and_wait({std::move(event)}); !logged) {
              log_error("usage could not be logged and is kept: {}", to_string(logged.error()));
              return false;
            }
          }
        return true;
      });
  TANDEM_TRY(open_surfaces(options));
  core_->start();
  history_keeper_ = std::make_unique<HistoryKeeper>(
      clock_, [this] { return core_->published(); },
      [this](std::vector<log::Event> events) {
        submit_quietly(std::move(events), "the end of what is kept of the past");
      });
  return {};
}

Result<void> RunningGrid::open_surfaces(const GridServerOptions& options) {
  TANDEM_ASSIGN(const log::Head head, log_->head());
  signal_.grew(head.last);
  changes_ = std::make_unique<api::ChangeFeed>(*log_, signal_);
  TANDEM_ASSIGN(webhooks_, api::WebhookSender::open(
                               *log_, signal_, clock_, metrics_,
                               {.directory = options.data / "webhooks", .authorities = options.webhook_authorities}));
  search_follower_ = std::make_unique<SearchFollower>(search_);
  api_ = std::make_unique<api::Api>(api::ApiParts{*core_, *this, *activity_, feed_, *changes_, search_, *webhooks_,
                                                  *log_, metrics_, clock_, inference_.get(), options.periods_max,
                                                  options.baseline ? routing::to_string(*options.baseline) : "tandem"});
  return {};
}

Result<void> RunningGrid::open_telemetry(const GridServerOptions& options) {
  if (!options.access_log.empty()) {
    telemetry::AccessLogOptions log_options;
    log_options.file = options.access_log;
    TANDEM_ASSIGN(access_log_, telemetry::AccessLog::open(std::move(log_options), metrics_));
  }
  if (options.otlp_endpoint.empty()) return {};
  telemetry::SpanExporterOptions exporter_options;
  TANDEM_ASSIGN(exporter_options.endpoint, telemetry::parse_otlp_endpoint(options.otlp_endpoint));
  exporter_options.instance = fmt::format("{}:{}", options.address, options.port);
  exporter_ = std::make_unique<telemetry::SpanExporter>(std::move(exporter_options), metrics_);
  return {};
}

void RunningGrid::reload() {
  if (access_log_) access_log_->reopen();
  if (!certificate_) return;
  if (const auto reloaded = certificate_->reload(); !reloaded)
    log_error("the certificate in use stays: {}", to_string(reloaded.error()));
  else
    log_info("the certificate was read anew, valid until {}", format_rfc3339(certificate_->not_after()));
}

Result<void> RunningGrid::open_tls(const GridServerOptions& options) {
  if (options.tls_address.empty()) return {};
  TANDEM_TRY(check_port_is_free({options.tls_address, options.tls_port}, "--tls-listen"));
  TANDEM_ASSIGN(certificate_, http::ServerCertificate::load(options.tls_certificate, options.tls_key));
  http::TlsListenerOptions tls_options;
  tls_options.address = options.tls_address;
  tls_options.port = options.tls_port;
  tls_options.reuse_port = options.gateway_threads > 1;
  for (auto& front : fronts_) {
    TANDEM_ASSIGN(front->tls, http::TlsListener::listen(front->context, tls_options, certificate_, *front->server));
    tls_options.port = front->tls->port();
  }
  return {};
}

Result<void> RunningGrid::open_fronts(const GridServerOptions& options) {
  TANDEM_TRY(check_port_is_free({options.address, options.port}, "--listen"));
  uint16_t port = options.port;
  for (unsigned i = 0; i < options.gateway_threads; ++i) {
    auto front = std::make_unique<Front>();
    gateway::GatewayOptions gateway_options;
    gateway_options.number = i;
    gateway_options.seed = static_cast<uint64_t>(clock_.now().ns) + i;
    if (exporter_) gateway_options.trace_ratio = options.trace_ratio;
    gateway_options.baseline = options.baseline;
    gateway_options.trusted_proxies = options.trusted_proxies;
    if (options.baseline) gateway_options.waiting_max = 0;
    front->records.add(*activity_);
    if (access_log_) front->records.add(access_log_->lane());
    if (exporter_) front->records.add(exporter_->lane());
    front->gateway = std::make_unique<gateway::Gateway>(front->context, gateways_, front->client, metrics_, clock_,
                                                        front->records, gateway_options);
    front->gate = std::make_unique<gateway::TenantGate>(
        gateways_, metrics_, clock_, front->records,
        gateway::TenantGateOptions{.site = options.site, .trusted_proxies = options.trusted_proxies, .number = i});
    http::ServerOptions server_options;
    server_options.address = options.address;
    server_options.port = port;
    server_options.reuse_port = options.gateway_threads > 1;
    server_options.trusted_users = options.local_users;
    Front& own = *front;
    TANDEM_ASSIGN(front->server,
                  http::Server::listen(front->context, server_options,
                                       [this, &own](const http::Request& request, http::ResponseWriter& writer) {
                                         return dispatch(own, request, writer);
                                       }));
    port = front->server->port();
    fronts_.push_back(std::move(front));
  }
  TANDEM_TRY(open_tls(options));
  for (auto& front : fronts_) front->thread = std::thread([&context = front->context] { context.run(); });
  return {};
}

asio::awaitable<void> RunningGrid::dispatch(Front& front, const http::Request& request, http::ResponseWriter& writer) {
  if (request.target.starts_with("/v1/")) return front.gateway->handle(request, writer);
  if (request.target == "/v2" || request.target.starts_with("/v2/"))
    return inference_->handle(request, writer, *front.gate);
  return api_->handle(request, writer);
}

void RunningGrid::stop() {
  for (auto& front : fronts_)
    asio::post(front->context, [&front = *front] {
      if (front.tls) front.tls->close();
      front.server->close(kDrain);
      front.gateway->close();
      front.client.close();
    });
  for (auto& front : fronts_)
    if (front->thread.joinable()) front->thread.join();
  predictor_.reset();
  access_log_.reset();  // writes what waits
  exporter_.reset();
  api_.reset();  // what it does aside ends before what that is for
  history_keeper_.reset();
  activity_.reset();         // its last windows go through the core
  if (core_) core_->stop();  // its thread calls what follows until it has ended
  planner_.reset();
  core_.reset();  // writes nothing: what was acknowledged is on the log
  search_follower_.reset();
  webhooks_.reset();
  checkpoint_writer_.reset();
  if (engines_work_) {
    engines_work_.reset();
    engines_context_.stop();
    engines_thread_.join();
  }
  fronts_.clear();
}

Result<void> RunningGrid::check_site() const {
  const auto published = core_->published();
  const auto& sites = published->state.grid->sites;
  if (site_.empty() || sites.find(site_).valid()) return {};
  std::vector<std::string> ids;
  for (const grid::Site& site : sites) ids.push_back(site.id);
  const auto meant = nearest(site_, ids);
  return fail(ErrorCode::not_found,
              fmt::format("--site: the grid has no site '{}'{}", site_.substr(0, 64),
                          meant ? fmt::format("; did you mean '{}'?", *meant) : "; name one by its id"));
}

Result<size_t> RunningGrid::apply_grid_file(const std::filesystem::path& file) {
  TANDEM_ASSIGN(const std::string bytes, read_file(file, ingest::kGridFileBytesMax));
  ingest::GridFile parsed = ingest::parse_grid_file(bytes, file.string());
  if (has_errors(parsed.diagnostics)) {
    std::string all;
    for (const Diagnostic& diagnostic : parsed.diagnostics) all += "\n  " + to_string(diagnostic);
    return fail(ErrorCode::invalid_argument, fmt::format("the grid file has errors and was not taken in:{}", all));
  }
  const std::vector<log::Event> events = grid_file_events(parsed.entities, core_->published()->state.inventory);
  const auto held = core_->hold_plans();  // of half a grid
  for (size_t start = 0; start < events.size(); start += kEventsPerGroup) {
    const size_t end = std::min(events.size(), start + kEventsPerGroup);
    std::vector<log::Event> group(events.begin() + static_cast<ptrdiff_t>(start),
                                  events.begin() + static_cast<ptrdiff_t>(end));
    TANDEM_TRY(core_->submit_and_wait(std::move(group)));
  }
  return events.size();
}

void RunningGrid::power_sites(const grid::Snapshot& grid) {
  std::vector<std::string> dark;
  for (const grid::Site& site : grid.sites)
    if (site.state == grid::State::down) dark.push_back(site.id);
  std::sort(dark.begin(), dark.end());
  for (const std::string& site : dark)
    if (!std::binary_search(dark_sites_.begin(), dark_sites_.end(), site)) engines_->cut_site(site);
  for (const std::string& site : dark_sites_)
    if (!std::binary_search(dark.begin(), dark.end(), site)) engines_->restore_site(site);
  dark_sites_ = std::move(dark);
}

void RunningGrid::before_publish(const control::State& state) {
  power_sites(*state.grid);
  handover_.before_publish(state);
}

void RunningGrid::run_engines(const grid::Snapshot& grid, const v1::Plan& plan) {
  if (auto set = engines_->set_engines(emulated_engines(grid, plan)); !set)
    log_error("the plan's engines could not be started: {}", to_string(set.error()));
}

// Before the first plan every request is refused: whoever started the program should know.
void tell_of_first_plan(const api::Published* before, const api::Published& now) {
  const auto awaits = [](const api::Published& one) { return !one.state.plan && one.state.pending; };
  const bool awaited = before != nullptr && awaits(*before);
  if (awaits(now) && !awaited) log_info("the first plan is being made: requests are answered once it is in force");
  if (awaited && now.state.plan)
    log_info("{} is in force: {} deployments, {:.2f} EUR/h", now.state.plan->id(), now.state.plan->deployments_size(),
             now.state.plan->cost_eur_per_hour());
}

void RunningGrid::published(const api::Published* before, const std::shared_ptr<const api::Published>& now) {
  tell_of_first_plan(before, *now);
  checkpoint_writer_->offer(now->state);
  // What is personal is neither sent out nor searched for.
  const inventory::Snapshot sealed = now->state.inventory.opened_by(nullptr);
  webhooks_->follow(sealed);
  search_follower_->offer(sealed);
  const bool new_table = before == nullptr || before->table != now->table;
  if (new_table) gateways_.publish(now->table);
  handover_.published(*now->state.grid);
  if (new_table || !before->state.accounts.shares_all(now->state.accounts)) tell_spending(*now, before == nullptr);
  const bool same = before != nullptr && before->state.grid == now->state.grid && before->state.plan == now->state.plan;
  if (same) return;
  if (before != nullptr) tell_listeners(*before->state.grid, *now->state.grid);
  if (now->state.plan && (before == nullptr || before->state.plan != now->state.plan)) {
    feed_.publish("plan", to_json(api::plan_message(*now)));
    tell_few_periods(*now->state.grid);
  }
  if (now->state.head.last() == 0) return;
  log::Event event;
  event.set_actor("core");
  v1::RoutingTablePublished& table = *event.mutable_routing_table_published();
  table.set_from_offset(now->table->offset());
  table.set_plan_id(now->table->rows().plan_id);
  table.set_valid_until_ns(now->table->rows().valid_until.ns);
  table.set_sha256(std::string(routing::digest(*now->table).view()));
  submit_quietly({std::move(event)}, "a published routing table");
}

// What a former process served and could not put on the log is known only when this one starts; from then on the
// gateways know it themselves.
void RunningGrid::tell_spending(const api::Published& now, bool with_open) {
  const Instant month = begin_of_month(clock_.now());
  std::map<std::string, uint64_t> open;
  if (with_open)
    for (const v1::WindowSealed& window : activity_->open_usage())
      if (window.from_ns() >= month.ns && !now.state.accounts.counted(Instant{window.from_ns()}))
        for (const v1::UsageTotal& total : window.usage())
          open[total.tenant()] += control::sums_of(total).cost_nano_eur;
  std::vector<gateway::Spending> spending;
  for (const routing::Tenant& tenant : now.table->rows().tenants) {
    if (tenant.limits.budget_per_month.value() <= 0) continue;
    const uint64_t billed = now.state.accounts.month_of(tenant.id, month).cost_nano_eur;
    spending.push_back({tenant.id, billed + (with_open ? open[tenant.id] : 0)});
  }
  if (!spending.empty()) gateways_.note_spending(month, spending);
}

void RunningGrid::tell_few_periods(const grid::Snapshot& grid) {
  const uint32_t fitting = control::periods_fitting(grid);
  if (std::exchange(periods_told_, fitting) == fitting) return;
  if (const std::string why = control::why_few_periods(grid, periods_max_); !why.empty()) log_warning("{}", why);
}

void RunningGrid::tell_listeners(const grid::Snapshot& before, const grid::Snapshot& after) {
  if (feed_.listeners() == 0) return;
  if (const auto message = api::grid_message(before, after)) feed_.publish("grid", to_json(*message));
  if (const auto message = api::state_message(before, after)) feed_.publish("state", to_json(*message));
}

void RunningGrid::committed(log::Offset first, log::Offset last) {
  signal_.grew(last);
  if (feed_.listeners() == 0) return;
  const auto batches = log_->read(first, kLogReadBytes);
  if (!batches) {
    log_error("the log was written and cannot be read: {}", to_string(batches.error()));
    return;
  }
  size_t told = 0;
  for (const log::Batch& batch : *batches)
    for (size_t i = 0; i < batch.events.size() && told < kLogMessagesMax; ++i, ++told)
      feed_.publish("log", to_json(api::log_message(batch.events[i], batch.header.first + i, batch.header.at)));
}

void RunningGrid::plan_wanted(const control::PendingPlan& wanted, const control::State& state) {
  planner_->want(wanted, control::input_of(wanted, state));
}

Json RunningGrid::recent(size_t count_max) const {
  std::vector<gateway::RequestRecord> records;
  for (const auto& front : fronts_)
    for (gateway::RequestRecord& record : front->gateway->recent(count_max)) records.push_back(std::move(record));
  std::stable_sort(records.begin(), records.end(), [](const auto& a, const auto& b) { return a.at > b.at; });
  if (records.size() > count_max) records.resize(count_max);
  Json::Array list;
  for (const gateway::RequestRecord& record : records) list.push_back(gateway::to_json(record));
  return list;
}

std::optional<Json> RunningGrid::explain(std::string_view id) const {
  for (const auto& front : fronts_)
    if (const auto story = front->gateway->explain_decision(id)) return gateway::to_json(*story);
  return std::nullopt;
}

Json RunningGrid::trials() const {
  std::vector<gateway::TrialReport> reports;
  for (const auto& front : fronts_)
    for (gateway::TrialReport& report : front->gateway->trials()) reports.push_back(std::move(report));
  Json::Array list;
  for (const gateway::TrialReport& report : gateway::added_up(reports)) list.push_back(gateway::to_json(report));
  return list;
}

void RunningGrid::submit_quietly(std::vector<log::Event> events, const char* what) {
  core_->submit(std::move(events), [what](Result<log::Offset> result) {
    // Late and overtaken results are refused with `conflict`: that is how it should be.
    if (!result && result.error().code != ErrorCode::conflict)
      log_warning("{} was not logged: {}", what, to_string(result.error()));
  });
}

}  // namespace

Result<std::unique_ptr<GridServer>> GridServer::start(const GridServerOptions& options) {
  auto grid = std::make_unique<RunningGrid>(options.clock);
  TANDEM_TRY(grid->open(options));
  return grid;
}

}  // namespace tandem::app
