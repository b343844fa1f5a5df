#include "runtime/engine_metrics.h"

namespace tandem::runtime {
namespace {

// The bucket bounds of vLLM's own histograms, in seconds.
const std::vector<double> kFirstTokenBounds{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
                                            1,     2.5,   5,    7.5,  10,   20,   40,   80,  160,  640, 2560};
const std::vector<double> kPerTokenBounds{0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5,
                                          0.75, 1,     2.5,  5,     7.5, 10,   20,  40,  80};
const std::vector<double> kWholeBounds{0.3, 0.5, 0.8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                                       30,  40,  50,  60, 120, 240, 480, 960, 1920, 7680};

Counter& success(Metrics& metrics, const Labels& model, const char* reason) {
  Labels labels = model;
  labels.emplace_back("finished_reason", reason);
  return metrics.counter("vllm:request_success_total", "Count of successfully processed requests.", labels);
}

}  // namespace

EngineMetrics::EngineMetrics(Metrics& metrics, const std::string& model)
    : EngineMetrics(metrics, Labels{{"model_name", model}}) {}

EngineMetrics::EngineMetrics(Metrics& metrics, const Labels& model)
    : running_(metrics.gauge("vllm:num_requests_running", "Number of requests in model execution batches.", model)),
      waiting_(metrics.gauge("vllm:num_requests_waiting", "Number of requests waiting to be processed.", model)),
      kv_usage_(metrics.gauge("vllm:kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", model)),
      gpu_cache_usage_(metrics.gauge("vllm:gpu_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", model)),
      first_token_seconds_(metrics.histogram("vllm:time_to_first_token_seconds",
                                             "Histogram of time to first token in seconds.", model, kFirstTokenBounds)),
      per_token_seconds_(metrics.histogram("vllm:time_per_output_token_seconds",
                                           "Histogram of time per output token in seconds.", model, kPerTokenBounds)),
      whole_seconds_(metrics.histogram("vllm:e2e_request_latency_seconds",
                                       "Histogram of end to end request latency in seconds.", model, kWholeBounds)),
      prompt_tokens_(metrics.counter("vllm:prompt_tokens_total", "Number of prefill tokens processed.", model)),
      output_tokens_(metrics.counter("vllm:generation_tokens_total", "Number of generation tokens processed.", model)),
      stopped_(success(metrics, model, "stop")),
      limited_(success(metrics, model, "length")),
      aborted_(success(metrics, model, "abort")) {}

void EngineMetrics::set_load(double running, double waiting, double kv_usage) {
  running_.set(running);
  waiting_.set(waiting);
  kv_usage_.set(kv_usage);
  gpu_cache_usage_.set(kv_usage);
}

void EngineMetrics::first_token(Duration since_submission, uint32_t prompt_tokens) {
  first_token_seconds_.record(since_submission.seconds());
  prompt_tokens_.add(prompt_tokens);
  output_tokens_.add();
}

void EngineMetrics::tokens(Duration since_last, uint32_t count) {
  per_token_seconds_.record(since_last.seconds() / count, count);
  output_tokens_.add(count);
}

void EngineMetrics::finished(Duration since_submission, bool limited) {
  whole_seconds_.record(since_submission.seconds());
  (limited ? limited_ : stopped_).add();
}

void EngineMetrics::aborted() { aborted_.add(); }

}  // namespace tandem::runtime
