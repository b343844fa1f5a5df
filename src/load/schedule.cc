#include "load/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tandem::load {
namespace {

constexpr double kDiurnalSwing = 0.8;
constexpr double kBurstFactor = 5, kBurstShare = 0.1;
constexpr double kBurstPeriodS = 60;
constexpr double kBurstPeriodsMin = 5;     // a short run has as many all the same
constexpr uint32_t kTokensMax = 1u << 20;  // a prompt of 4 MiB; contexts are smaller

bool in_range(double value, double low, double high) { return std::isfinite(value) && value >= low && value <= high; }

tl::unexpected<Error> invalid(std::string message) { return fail(ErrorCode::invalid_argument, std::move(message)); }

Result<void> check_weights(const std::vector<Weighted>& choices, std::string_view what) {
  for (const Weighted& choice : choices) {
    if (choice.name.empty()) return invalid(fmt::format("a {} must have a name", what));
    if (!in_range(choice.weight, 1e-9, 1e9))
      return invalid(fmt::format("the weight of {} '{}' must be over 0", what, choice.name));
  }
  return {};
}

Result<void> check_tokens(const TokenDistribution& tokens, std::string_view what) {
  if (!in_range(tokens.mean, 1, kTokensMax) || !in_range(tokens.log_deviation, 0, 5) || tokens.min < 1 ||
      tokens.max < tokens.min || tokens.max > kTokensMax)
    return invalid(
        fmt::format("{}: the mean is at least 1, the deviation of the logarithm between 0 and 5, and "
                    "1 ≤ min ≤ max ≤ {}",
                    what, kTokensMax));
  return {};
}

Result<void> check_trace(const LoadOptions& options) {
  if (options.trace.empty()) return invalid("the process 'trace' needs a trace of at least one request");
  Duration before{};
  for (const ingest::TraceRequest& request : options.trace) {
    if (request.arrival < before) return invalid("the trace's arrivals must ascend from its start");
    if (request.prompt_tokens < 1 || request.prompt_tokens > kTokensMax || request.output_tokens < 1 ||
        request.output_tokens > kTokensMax)
      return invalid(fmt::format("the trace's token counts must be between 1 and {}", kTokensMax));
    before = request.arrival;
  }
  return {};
}

uint32_t draw_tokens(const TokenDistribution& tokens, Random& random) {
  // The mean of a log-normal is e^(µ + σ²/2).
  const double sigma = tokens.log_deviation;
  const double drawn = tokens.mean * std::exp(random.normal(0, sigma) - sigma * sigma / 2);
  return static_cast<uint32_t>(std::clamp(std::round(drawn), double(tokens.min), double(tokens.max)));
}

uint32_t choose(const std::vector<Weighted>& choices, Random& random) {
  double total = 0;
  for (const Weighted& choice : choices) total += choice.weight;
  double left = random.uniform() * total;
  for (uint32_t i = 0; i + 1 < choices.size(); ++i) {
    left -= choices[i].weight;
    if (left < 0) return i;
  }
  return choices.empty() ? 0 : static_cast<uint32_t>(choices.size() - 1);
}

}  // namespace

Result<void> check_options(const LoadOptions& options) {
  if (options.models.empty()) return invalid("name at least one model");
  TANDEM_TRY(check_weights(options.models, "model"));
  TANDEM_TRY(check_weights(options.regions, "region"));
  TANDEM_TRY(check_tokens(options.prompt_tokens, "prompt tokens"));
  TANDEM_TRY(check_tokens(options.output_tokens, "output tokens"));
  if (!in_range(options.rate_per_s, 1e-6, 1e6))
    return invalid("the rate must be over 0 and at most 10⁶ requests a second");
  if (options.duration.ns <= 0 || options.duration > hours(24 * 365)) return invalid("the duration must be over 0");
  if (!in_range(options.speed_up, 1e-6, 1e6)) return invalid("the speed-up must be over 0");
  for (const auto& promise : {options.slo_ttft, options.slo_tpot})
    if (promise && !in_range(promise->value(), 1e-3, 1e9)) return invalid("the promises must be over 0 ms");
  if (options.outstanding_max < 1) return invalid("at least one request must be allowed under way");
  if (options.concurrency > options.outstanding_max)
    return invalid("the concurrency is over the limit of requests under way");
  if (options.process == Process::trace) TANDEM_TRY(check_trace(options));
  return {};
}

Schedule::Schedule(const LoadOptions& options)
    : options_(options), arrivals_(options.seed, 1), sizes_(options.seed, 2), choices_(options.seed, 3) {}

std::optional<PlannedRequest> Schedule::next() {
  const std::optional<Duration> at = next_arrival();
  if (!at) return std::nullopt;
  PlannedRequest request;
  request.number = count_++;
  request.at = *at;
  request.model = choose(options_.models, choices_);
  request.region = choose(options_.regions, choices_);
  if (options_.process == Process::trace) {
    const ingest::TraceRequest& recorded = options_.trace[static_cast<size_t>(request.number % options_.trace.size())];
    request.prompt_tokens = recorded.prompt_tokens;
    request.output_tokens = recorded.output_tokens;
  } else {
    request.prompt_tokens = draw_tokens(options_.prompt_tokens, sizes_);
    request.output_tokens = draw_tokens(options_.output_tokens, sizes_);
  }
  return request;
}

std::optional<Duration> Schedule::next_arrival() {
  if (gave_all()) return std::nullopt;
  const bool closed_loop = options_.concurrency > 0;
  if (closed_loop) return Duration{};  // when they are sent is the clients' doing; the trace's sizes come round again
  if (options_.process == Process::trace) {
    if (count_ >= options_.trace.size()) return std::nullopt;
    const double at_ns =
        static_cast<double>(options_.trace[static_cast<size_t>(count_)].arrival.ns) / options_.speed_up;
    if (at_ns >= static_cast<double>(options_.duration.ns)) return std::nullopt;
    return Duration{static_cast<int64_t>(at_ns)};
  }
  // Thinning (P. Lewis and G. Shedler, 1979): draw at the highest rate there is, keep each with rate / highest.
  const double highest = options_.process == Process::diurnal ? 1 + kDiurnalSwing
                         : options_.process == Process::burst ? kBurstFactor
                                                              : 1;
  const double duration_s = options_.duration.seconds();
  for (;;) {
    at_s_ += arrivals_.exponential(1 / (options_.rate_per_s * highest));
    if (at_s_ >= duration_s) return std::nullopt;
    if (arrivals_.uniform() * highest < relative_rate(at_s_ / duration_s)) break;
  }
  return Duration{static_cast<int64_t>(at_s_ * 1e9)};
}

// The rate over the mean rate, at a fraction of the duration.
double Schedule::relative_rate(double fraction) const {
  if (options_.process == Process::diurnal) return 1 - kDiurnalSwing * std::cos(2 * std::numbers::pi * fraction);
  if (options_.process != Process::burst) return 1;
  const double periods = std::max(kBurstPeriodsMin, std::round(options_.duration.seconds() / kBurstPeriodS));
  const double phase = fraction * periods - std::floor(fraction * periods);
  const bool in_burst = phase >= 1 - kBurstShare;
  return in_burst ? kBurstFactor : (1 - kBurstFactor * kBurstShare) / (1 - kBurstShare);
}

}  // namespace tandem::load
