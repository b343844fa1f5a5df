// What flows now: takes the gateways' records, feeds the console, and hands the rows to the series store.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "api/api.h"
#include "app/serving_hour.h"
#include "base/histogram.h"
#include "base/time.h"
#include "gateway/gateway.h"
#include "series/series.h"

namespace tandem::app {

class ActivityMonitor final : public gateway::RecordSink, public api::Activity {
 public:
  // Records waiting to be taken in: a second of sealing at 100,000 requests/s, 80 MB. What comes beyond them is counted
  // as lost.
  static constexpr size_t kRecordsMax = 100'000;
  static constexpr size_t kDecisionsPerSecond = 20;  // shown live: more than an eye can follow

  // `sealed` puts the digests of sealed windows on the log, and says whether they are durable there.
  ActivityMonitor(const Clock& clock, series::Store& store, api::Feed& feed, Metrics& metrics,
                  const gateway::SharedState& gateways,
                  std::function<std::shared_ptr<const api::Published>()> published,
                  std::function<bool(const std::vector<v1::WindowSealed>&)> sealed);
  ~ActivityMonitor() override;  // closes the open window: all that was used is on the log

  void on_request(const gateway::SharedRecord& record) override;
  Deployment deployment(std::string_view id) const override;
  std::vector<v1::WindowSealed> open_usage() const override;
  Json serving(const api::ServingQuestion& question) const override;

 private:
  struct Second {                                                   // one second's worth
    std::map<std::pair<std::string, std::string>, uint64_t> flows;  // (region, site) → requests
    std::map<std::string, uint64_t, std::less<>> deployments;
    uint64_t requests = 0;
    uint64_t kept = 0;
    Histogram ttft_us;
  };
  static constexpr size_t kWindowSeconds = 5;  // what the console's rates are averaged over

  void run();
  void store(const gateway::RequestRecord& record);
  void take_in(std::span<const gateway::SharedRecord> records);
  void take_in_batch(std::span<const gateway::SharedRecord> records);
  void close_second(Instant now, Instant seal_before);
  Json flows_json() const;
  Json goodput_json() const;

  const Clock& clock_;
  series::Store& store_;
  api::Feed& feed_;
  const gateway::SharedState& gateways_;
  std::function<std::shared_ptr<const api::Published>()> published_;
  std::function<bool(const std::vector<v1::WindowSealed>&)> sealed_;
  Counter& dropped_;

  std::mutex mutex_;  // guards the next two
  std::condition_variable wake_;
  std::vector<gateway::SharedRecord> waiting_;
  bool stopping_ = false;

  mutable std::mutex window_mutex_;  // guards the next two; shared with the API's readers only
  std::deque<Second> window_;        // the last kWindowSeconds, the newest last
  ServingHour hour_{clock_.now()};

  Second open_;  // of the monitor's thread alone, as all that follows
  size_t decisions_shown_ = 0;
  std::thread thread_;
};

}  // namespace tandem::app
