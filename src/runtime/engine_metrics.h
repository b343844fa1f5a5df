// The metrics of one pool's engines under the names vLLM gives them (vLLM, "Production Metrics"), so that dashboards
// and autoscalers made for it work. Internal to the module.
#pragma once

#include <string>
#include <string_view>

#include "base/metrics.h"
#include "base/time.h"

namespace tandem::runtime {

// The series of one model. References stay valid as long as the Metrics they came from.
class EngineMetrics {
 public:
  EngineMetrics(Metrics& metrics, const std::string& model);

  void set_load(double running, double waiting, double kv_usage);
  void first_token(Duration since_submission, uint32_t prompt_tokens);
  void tokens(Duration since_last, uint32_t count);  // `count` ≥ 1 came together since the last ones
  void finished(Duration since_submission, bool limited);
  void aborted();  // cancelled by its client

 private:
  EngineMetrics(Metrics& metrics, const Labels& model);

  Gauge& running_;
  Gauge& waiting_;
  Gauge& kv_usage_;
  Gauge& gpu_cache_usage_;  // the older name of the same
  BucketHistogram& first_token_seconds_;
  BucketHistogram& per_token_seconds_;
  BucketHistogram& whole_seconds_;
  Counter& prompt_tokens_;
  Counter& output_tokens_;
  Counter& stopped_;
  Counter& limited_;
  Counter& aborted_;
};

}  // namespace tandem::runtime
