#include "app/activity_monitor.h"

#include <algorithm>
#include <utility>

#include "base/logging.h"

namespace tandem::app {
namespace {

constexpr Duration kSealDelay = seconds(5);
constexpr Duration kKeep = hours(24 * 30);  // samples and usage; their totals are on the log for good
// Between looks: a thousand records at 60,000 requests/s, few enough for a cache.
constexpr auto kRound = std::chrono::milliseconds(20);

series::Outcome outcome_of(gateway::Outcome outcome) {
  switch (outcome) {
    case gateway::Outcome::ok: return series::Outcome::completed;
    case gateway::Outcome::cancelled: return series::Outcome::cancelled;
    case gateway::Outcome::upstream_error:
    case gateway::Outcome::cut: return series::Outcome::failed;
    case gateway::Outcome::client_error:
    case gateway::Outcome::rejected: break;
  }
  return series::Outcome::rejected;
}

uint64_t whole_us(std::optional<Microseconds> time) {
  return time ? static_cast<uint64_t>(std::max(0.0, time->value())) : 0;
}

series::Usage usage_of(const gateway::RequestRecord& record) {
  series::Usage usage;
  usage.at = record.at + nanoseconds(static_cast<int64_t>(record.duration.value() * 1e3));
  usage.tenant = record.tenant;
  usage.model = record.model;
  usage.region = record.region;
  usage.site = record.site;
  usage.deployment = record.deployment;
  if (record.was_served()) {
    const auto whole = [](uint64_t tokens) { return static_cast<uint32_t>(std::min<uint64_t>(tokens, UINT32_MAX)); };
    usage.prompt_tokens = whole(record.prompt_tokens);
    usage.output_tokens = whole(record.output_tokens);
    usage.cached_tokens = whole(record.cached_tokens);
    usage.energy_j = record.energy_j;
    usage.carbon_g = record.carbon_g;
    usage.estimated = !record.tokens_counted;
  }
  usage.ttft_us = whole_us(record.ttft);
  usage.tpot_us = whole_us(record.tpot);
  usage.duration_us = whole_us(record.duration);
  usage.cost_eur = record.cost.value();
  usage.outcome = outcome_of(record.outcome);
  usage.kept = record.promise_kept;
  return usage;
}

bool served(const gateway::RequestRecord& record) { return !record.site.empty(); }

}  // namespace

ActivityMonitor::ActivityMonitor(const Clock& clock, series::Store& store, api::Feed& feed, Metrics& metrics,
                                 const gateway::SharedState& gateways,
                                 std::function<std::shared_ptr<const api::Published>()> published,
                                 std::function<bool(const std::vector<v1::WindowSealed>&)> sealed)
    : clock_(clock),
      store_(store),
      feed_(feed),
      gateways_(gateways),
      published_(std::move(published)),
      sealed_(std::move(sealed)),
      dropped_(
          metrics.counter("tandem_usage_records_dropped_total", "Records the series store could not take in time.")) {
  thread_ = std::thread([this] { run(); });
}

ActivityMonitor::~ActivityMonitor() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

// The request itself must not wait for what becomes of its record.
void ActivityMonitor::on_request(const gateway::SharedRecord& record) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() < kRecordsMax)
    waiting_.push_back(record);
  else
    dropped_.add();
}

api::Activity::Deployment ActivityMonitor::deployment(std::string_view id) const {
  Deployment result;
  for (const gateway::DeploymentStatus& status : gateways_.deployments())
    if (status.deployment == id) result.in_flight = status.in_flight;
  const std::lock_guard lock(window_mutex_);
  uint64_t requests = 0;
  for (const Second& second : window_)
    if (const auto found = second.deployments.find(id); found != second.deployments.end()) requests += found->second;
  result.requests_per_s = static_cast<double>(requests) / kWindowSeconds;
  return result;
}

void ActivityMonitor::run() {
  Duration second_ends = clock_.monotonic() + seconds(1);
  std::vector<gateway::SharedRecord> records;
  for (;;) {
    bool stopping = false;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kRound, [this] { return stopping_; });
      records.swap(waiting_);
      stopping = stopping_;
    }
    take_in(records);
    records.clear();
    if (stopping || clock_.monotonic() >= second_ends) {
      const Instant now = clock_.now();
      // What is open when it stops is closed before its time, so that all of it is on the log: rows that still come in
      // this minute, after a start, count in the next.
      close_second(now, stopping ? now + series::kWindow : now - kSealDelay);
      second_ends = second_ends + seconds(1);
    }
    if (stopping) return;
  }
}

// Where its queue is full the store takes in what is there first.
void ActivityMonitor::store(const gateway::RequestRecord& record) {
  auto stored = store_.append(usage_of(record));
  if (!stored && stored.error().code == ErrorCode::resource_exhausted && store_.flush())
    stored = store_.append(usage_of(record));
  if (!stored) dropped_.add();
}

void ActivityMonitor::take_in(std::span<const gateway::SharedRecord> records) {
  constexpr size_t kBatch = 64;  // few enough for the nearest cache
  for (; records.size() > kBatch; records = records.subspan(kBatch)) take_in_batch(records.first(kBatch));
  take_in_batch(records);
}

void ActivityMonitor::take_in_batch(std::span<const gateway::SharedRecord> records) {
  // Another processor wrote them, thousands of requests ago: they are fetched while those before them are worked on.
  const auto prefetch = [](const gateway::RequestRecord& record) {
    constexpr size_t kLineBytes = 64;
    const char* const bytes = reinterpret_cast<const char*>(&record);
    for (size_t at = 0; at < sizeof record; at += kLineBytes) __builtin_prefetch(bytes + at);
  };
  for (const gateway::SharedRecord& record : records) prefetch(*record);
  {
    const Instant now = clock_.now();
    const std::lock_guard lock(window_mutex_);
    for (const gateway::SharedRecord& record : records) hour_.add(*record, now);
  }
  for (const gateway::SharedRecord& shared : records) {
    const gateway::RequestRecord& record = *shared;
    store(record);
    ++open_.requests;
    if (record.promise_kept) ++open_.kept;
    if (record.ttft) open_.ttft_us.record(static_cast<uint64_t>(record.ttft->value()));
    if (served(record)) {
      ++open_.flows[{record.region, record.site}];
      ++open_.deployments[record.deployment];
    }
    if (decisions_shown_ < kDecisionsPerSecond) {
      ++decisions_shown_;
      feed_.publish("decision", to_json(gateway::to_json(record)));
    }
  }
}

void ActivityMonitor::close_second(Instant now, Instant seal_before) {
  decisions_shown_ = 0;
  {
    const std::lock_guard lock(window_mutex_);
    window_.push_back(std::exchange(open_, {}));
    if (window_.size() > kWindowSeconds) window_.pop_front();
  }
  if (const auto published = published_())
    feed_.publish("load", to_json(api::load_message(*published, flows_json(), goodput_json())));
  if (auto flushed = store_.flush(); !flushed) log_error("usage could not be flushed: {}", to_string(flushed.error()));
  // A window is sealed a little after its minute, for rows that were still under way.
  auto windows = store_.seal(seal_before);
  if (!windows) {
    log_error("a window could not be sealed: {}", to_string(windows.error()));
  } else if (!windows->empty() && sealed_(*windows)) {
    for (const v1::WindowSealed& window : *windows)
      if (auto confirmed = store_.confirm(window); !confirmed) log_error("{}", to_string(confirmed.error()));
  }
  if (auto expired = store_.expire(now - kKeep); !expired)
    log_error("old usage could not be removed: {}", to_string(expired.error()));
}

std::vector<v1::WindowSealed> ActivityMonitor::open_usage() const { return store_.unconfirmed_usage(); }

Json ActivityMonitor::serving(const api::ServingQuestion& question) const {
  const std::lock_guard lock(window_mutex_);
  return hour_.view(question, clock_.now());
}

Json ActivityMonitor::flows_json() const {
  std::map<std::pair<std::string, std::string>, uint64_t> sums;
  const std::lock_guard lock(window_mutex_);
  for (const Second& second : window_)
    for (const auto& [flow, requests] : second.flows) sums[flow] += requests;
  Json::Array flows;
  for (const auto& [flow, requests] : sums) {
    flows.push_back(
        Json::Object{{"region", flow.first},
                     {"site", flow.second},
                     {"requests_per_s", static_cast<double>(requests) / static_cast<double>(window_.size())}});
  }
  return flows;
}

Json ActivityMonitor::goodput_json() const {
  const std::lock_guard lock(window_mutex_);
  Histogram ttft;
  uint64_t requests = 0;
  uint64_t kept = 0;
  for (const Second& second : window_) {
    ttft.merge(second.ttft_us);
    requests += second.requests;
    kept += second.kept;
  }
  const auto milliseconds_at = [&](double quantile) -> Json {
    if (ttft.count() == 0) return nullptr;
    return static_cast<double>(ttft.percentile(quantile)) * 1e-3;
  };
  const auto span = static_cast<double>(window_.size());
  return Json::Object{
      {"requests_per_s", span > 0 ? static_cast<double>(requests) / span : 0.0},
      {"goodput_fraction", requests > 0 ? Json(static_cast<double>(kept) / static_cast<double>(requests)) : Json()},
      {"ttft_p50_ms", milliseconds_at(0.5)},
      {"ttft_p95_ms", milliseconds_at(0.95)}};
}

}  // namespace tandem::app
