#include <algorithm>
#include <cmath>

#include "twin/twin.h"

namespace tandem::twin {

Milliseconds prefill_time(const grid::Profile& profile, double prompt_tokens, double prefix_hit) {
  return profile.prefill_overhead + Milliseconds(1e3 * prompt_tokens * (1 - prefix_hit) / profile.prefill_tokens_per_s);
}

ReplicaRate replica_rate(const grid::Profile& profile, const grid::OperatingPoint& point, double prompt_tokens,
                         double output_tokens, double prefix_hit) {
  const double prefill_ms = prefill_time(profile, prompt_tokens, prefix_hit).value();
  const double decode_ms = output_tokens * point.decode_per_token.value() / point.batch;
  return {.batch = point.batch,
          .decode_per_token = point.decode_per_token,
          .requests_per_s = 1e3 / (prefill_ms + decode_ms),
          .power = point.power};
}

double kv_requests_max(const grid::Model& model, const grid::Profile& profile, double prompt_tokens,
                       double output_tokens) {
  const double bytes = (prompt_tokens + output_tokens) * model.kv_bytes_per_token;
  return bytes > 0 ? profile.kv_memory.value() * 1e9 / bytes : 1e300;
}

double erlang_c(uint32_t servers, double utilization) {
  if (utilization >= 1 || servers == 0) return 1;
  if (utilization <= 0) return 0;
  const double inverse_offered = 1 / (servers * utilization);  // of Erlangs
  double inverse_b = 1;                                        // 1 / B(k, offered), from B(0) = 1
  for (uint32_t k = 1; k <= servers; ++k) {
    inverse_b = 1 + inverse_b * (k * inverse_offered);
    if (inverse_b > 1e30) return 0;  // B only falls as servers are added, and C ≤ B / (1 − ρ)
  }
  return 1 / (inverse_b * (1 - utilization) + utilization);
}

namespace {

double exceeded_at(double probability, double mean_ms, double tail) {
  return probability > tail ? mean_ms * std::log(probability / tail) : 0;
}

}  // namespace

Milliseconds queue_wait(uint32_t servers, double utilization, Milliseconds service_time, double quantile) {
  if (utilization >= 1 || servers == 0) return kForever;
  const double mean_ms = service_time.value() / (servers * (1 - utilization));
  return Milliseconds(exceeded_at(erlang_c(servers, utilization), mean_ms, 1 - quantile));
}

void Mix::add(const grid::Profile& profile, const grid::Demand& demand, double fraction) {
  const double rate = demand.rate_per_s * fraction;
  requests_per_s += rate;
  prefill_s_per_s += rate * prefill_time(profile, demand.prompt_tokens, demand.prefix_hit).value() * 1e-3;
  tokens_per_s += rate * demand.output_tokens;
}

Serving serve(const grid::OperatingPoint& point, uint32_t replicas, const Mix& mix) {
  Serving serving;
  const double step_ms = point.decode_per_token.value();
  const double prefill_share = replicas > 0 ? mix.prefill_s_per_s / replicas : 0;
  const double work = mix.prefill_s_per_s + mix.tokens_per_s * step_ms * 1e-3 / point.batch;
  serving.utilization = replicas > 0 ? work / replicas : work > 0 ? 1e300 : 0;
  serving.tpot = prefill_share < 1 ? Milliseconds(step_ms / (1 - prefill_share)) : kForever;
  serving.places = replicas * point.batch;
  serving.replicas = replicas;
  serving.prefill_share = prefill_share;
  if (mix.requests_per_s <= 0 || serving.utilization >= 1) return serving;
  const double prefill_ms = 1e3 * mix.prefill_s_per_s / mix.requests_per_s;
  const double request_ms = prefill_ms + mix.tokens_per_s / mix.requests_per_s * serving.tpot.value();
  serving.place_mean_ms = request_ms / (serving.places * (1 - serving.utilization));
  serving.prefill_mean_ms = prefill_ms / (replicas * (1 - prefill_share));
  return serving;
}

Milliseconds Serving::wait(double quantile) const {
  if (utilization >= 1) return kForever;
  const double tail = (1 - quantile) / 2;
  return Milliseconds(exceeded_at(erlang_c(places, utilization), place_mean_ms, tail) +
                      exceeded_at(erlang_c(replicas, prefill_share), prefill_mean_ms, tail));
}

bool Serving::waits_within(double quantile, Milliseconds most) const {
  if (utilization >= 1) return false;
  const double tail = (1 - quantile) / 2;
  const double for_prefills = exceeded_at(erlang_c(replicas, prefill_share), prefill_mean_ms, tail);
  if (for_prefills > most.value()) return false;
  const auto within = [&](double probability) {
    return for_prefills + exceeded_at(probability, place_mean_ms, tail) <= most.value();
  };
  constexpr uint32_t kFew = 16;
  return within(utilization) || (places > kFew && within(erlang_c(kFew, utilization))) ||
         within(erlang_c(places, utilization));
}

Watts average_power(const grid::OperatingPoint& point, Watts idle, double replicas, double utilization) {
  const double active = std::max(0.0, point.power.value() - idle.value());
  return Watts(replicas * (idle.value() + active * std::min(1.0, utilization)));
}

}  // namespace tandem::twin
