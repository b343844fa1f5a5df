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

double quantile_of(double mean, double variance, double quantile) {
  const double deviations = std::max(0.0, -std::log1p(-quantile) - 1);
  return mean + deviations * std::sqrt(variance);
}

RequestSizes sizes_of(const grid::Profile& profile, const grid::Demand& demand, const Variation& variation) {
  const double prefill_ms = prefill_time(profile, demand.prompt_tokens, demand.prefix_hit).value();
  const double prefill_deviation = (prefill_ms - profile.prefill_overhead.value()) * variation.prompt;
  const double tokens = std::max(1.0, demand.output_tokens), spread = variation.output * variation.output;
  // Of exponential answers of n tokens on average, E[1 / tokens] over those of more than one is ln(n) / n; of those all
  // alike, 1 / n.
  const double inverse = (1 + spread * std::max(0.0, std::log(tokens) - 1)) / tokens;
  return {.prefill_ms = prefill_ms,
          .prefill_variance = prefill_deviation * prefill_deviation,
          .output_tokens = demand.output_tokens,
          .output_variance = demand.output_tokens * demand.output_tokens * spread,
          .inverse_output = std::min(1.0, inverse)};
}

Milliseconds ttft_alone(const RequestSizes& sizes, double quantile) {
  return Milliseconds(quantile_of(sizes.prefill_ms, sizes.prefill_variance, quantile));
}

void Mix::add(const RequestSizes& sizes, double rate) {
  requests_per_s += rate;
  prefill_s_per_s += rate * sizes.prefill_ms * 1e-3;
  tokens_per_s += rate * sizes.output_tokens;
  prefill_square += rate * (sizes.prefill_ms * sizes.prefill_ms + sizes.prefill_variance) * 1e-6;
  prefill_token_s += rate * sizes.prefill_ms * 1e-3 * sizes.output_tokens;
  tokens_square += rate * (sizes.output_tokens * sizes.output_tokens + sizes.output_variance);
}

Mix Mix::scaled(double factor) const {
  return {requests_per_s * factor, prefill_s_per_s * factor, tokens_per_s * factor,
          prefill_square * factor, prefill_token_s * factor, tokens_square * factor};
}

void Mix::add(const grid::Profile& profile, const grid::Demand& demand, double fraction) {
  add(sizes_of(profile, demand), demand.rate_per_s * fraction);
}

namespace {

struct Balance {
  double batch = 0;     // requests decoding at once
  double step_ms = 0;   // d(batch)
  double slope_ms = 0;  // of d there
};

// batch = held · d(batch), with d linear between the profile's points and level below the first; at most the limit.
Balance balance(const grid::Profile& profile, uint32_t batch_max, double held) {
  double batch = profile.points.front().batch, step = profile.points.front().decode_per_token.value(), slope = 0;
  if (held * step <= batch) return {held * step, step, 0};
  for (const grid::OperatingPoint& next : profile.points) {
    if (next.batch > batch_max) break;
    if (next.batch <= batch) continue;
    slope = (next.decode_per_token.value() - step) / (next.batch - batch);
    if (held * slope < 1) {
      const double balanced = held * (step - slope * batch) / (1 - held * slope);
      if (balanced <= next.batch) return {balanced, step + slope * (balanced - batch), slope};
    }
    batch = next.batch;
    step = next.decode_per_token.value();
  }
  return {batch, step, slope};
}

// Sakasegawa's exponent: c servers at a share ρ wait ρ^(this − 1) / (c · (1 − ρ)) service times.
double pooling(double servers) { return std::sqrt(2 * (servers + 1)); }

}  // namespace

double prefill_wait(uint32_t replicas, double prefill_share) {
  if (prefill_share >= 1 || replicas == 0) return kForever.value();
  if (prefill_share <= 0) return 0;
  const double alone = (0.5 + prefill_share) * prefill_share / (1 - prefill_share * prefill_share);
  return alone * std::pow(prefill_share, pooling(replicas) - 2) / replicas;
}

Serving serve(const grid::Profile& profile, const grid::OperatingPoint& point, uint32_t replicas, const Mix& mix) {
  Serving serving;
  const double full_step_ms = point.decode_per_token.value();
  const double work = mix.prefill_s_per_s + mix.tokens_per_s * full_step_ms * 1e-3 / point.batch;
  serving.utilization = replicas > 0 ? work / replicas : work > 0 ? 1e300 : 0;
  serving.prefill_share = replicas > 0 ? mix.prefill_s_per_s / replicas : 0;
  serving.step = point.decode_per_token;
  serving.tpot = serving.utilization < 1 ? serving.step : kForever;
  if (mix.requests_per_s <= 0 || serving.utilization >= 1) return serving;

  const double per_ms = 1e-3 / replicas, share = serving.prefill_share;  // of one replica
  const double arrivals = mix.requests_per_s * per_ms, prefill_ms = share / arrivals;
  const double square_ms = mix.prefill_square * 1e6 * per_ms;  // λ·E[S²]
  // The first token of an answer comes of its prefill.
  const double steps = std::max(0.0, mix.tokens_per_s - mix.requests_per_s) * per_ms;
  const Balance at = balance(profile, point.batch, steps / (1 - share));
  const double decoding = 1 - std::exp(-at.batch);  // the chance that anything does, in one replica
  const double stretch = at.slope_ms / (1 - share), feedback = std::min(0.95, at.batch * at.slope_ms / at.step_ms);
  serving.in_batch = at.batch;
  serving.step = Milliseconds(at.step_ms);
  serving.tpot = Milliseconds(at.step_ms / (1 - share));
  // A router sends no prompt to who decodes while another is idle.
  serving.tpot_variance = std::pow(decoding, pooling(replicas) - 1) * serving.tpot.value() * square_ms *
                          std::pow(1 - share, -2.0 / replicas);
  serving.tpot_drift = stretch * stretch * at.batch / (1 - feedback) / replicas;

  const double own_step_ms = at.step_ms * decoding;
  const double seen_ms = own_step_ms / (1 - share) + square_ms / (1 - share * share);  // the step under way
  const double in_hand = std::min(1.0, arrivals * (prefill_ms + 1.5 * own_step_ms));
  const double prefills_ms =
      ((0.5 + share) * seen_ms - own_step_ms / 2) * std::pow(in_hand, pooling(replicas) - 2) / replicas;
  serving.wait_ms = 1.5 * own_step_ms + prefills_ms;
  serving.wait_variance =
      own_step_ms * own_step_ms / 12 + prefills_ms * ((share > 0 ? square_ms / share : 0) + prefills_ms);

  const double busy = share + steps * full_step_ms / point.batch, token_s = full_step_ms * 1e-3 / point.batch;
  const double taken = std::min(1.0, (at.batch + in_hand) / point.batch);
  const double square = mix.prefill_square + 2 * token_s * mix.prefill_token_s + token_s * token_s * mix.tokens_square;
  serving.full = std::pow(taken, pooling(static_cast<double>(replicas) * point.batch) - 1);
  serving.place_ms = 1e3 * square / work / 2 / (replicas * (1 - busy));
  return serving;
}

// The chance that the first token comes after `ms`, at least the mean.
double Serving::later(const RequestSizes& sizes, double ms) const {
  const double beyond = ms - sizes.prefill_ms - wait_ms, deviation = std::sqrt(sizes.prefill_variance + wait_variance);
  return (deviation > 0 ? std::exp(-1 - beyond / deviation) : 0) +
         (place_ms > 0 ? full * std::exp(-beyond / place_ms) : 0);
}

// Where that falls to 1 − quantile: it is convex, so that Newton's steps from the left never pass it.
Milliseconds Serving::ttft(const RequestSizes& sizes, double quantile) const {
  if (utilization >= 1) return kForever;
  const double mean = sizes.prefill_ms + wait_ms, variance = sizes.prefill_variance + wait_variance;
  const double deviation = std::sqrt(variance);
  double ms = quantile_of(mean, variance, quantile);
  for (int i = 0; i < 100; ++i) {
    const double above = later(sizes, ms) - (1 - quantile);
    const double slope = (deviation > 0 ? std::exp(-1 - (ms - mean) / deviation) / deviation : 0) +
                         (place_ms > 0 ? full * std::exp(-(ms - mean) / place_ms) / place_ms : 0);
    if (above <= 0 || slope <= 0) break;
    ms += above / slope;
    if (above / slope <= 1e-9 * ms) break;
  }
  return Milliseconds(ms);
}

Milliseconds Serving::tpot_at(const RequestSizes& sizes, double quantile) const {
  if (utilization >= 1) return kForever;
  return Milliseconds(quantile_of(tpot.value(), tpot_variance * sizes.inverse_output + tpot_drift, quantile));
}

bool Serving::keeps(const Asked& asked) const {
  return utilization < 1 && asked.ttft_ms >= asked.sizes.prefill_ms + wait_ms &&
         later(asked.sizes, asked.ttft_ms) <= 1 - asked.quantile &&
         tpot_at(asked.sizes, asked.quantile).value() <= asked.tpot_ms;
}

Watts average_power(const grid::OperatingPoint& point, Watts idle, double replicas, double utilization) {
  const double active = std::max(0.0, point.power.value() - idle.value());
  return Watts(replicas * (idle.value() + active * std::min(1.0, utilization)));
}

}  // namespace tandem::twin
