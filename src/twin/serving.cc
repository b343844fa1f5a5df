#include <algorithm>
#include <cmath>
#include <limits>

#include "twin/decoding_range.h"
#include "twin/mix_range.h"
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
                       double output_tokens, const Variation& variation) {
  constexpr double kDeviations = 2;  // full batches that would exceed it: one in forty
  const double prompt_spread = variation.prompt * variation.prompt, output_spread = variation.output * variation.output;
  const double mean = prompt_tokens + output_tokens * (1 + output_spread);
  const double variance = prompt_tokens * prompt_tokens * prompt_spread +
                          output_tokens * output_tokens * output_spread * (1 + output_spread);
  const double bytes = mean * model.kv_bytes_per_token;
  if (bytes <= 0) return 1e300;
  // n requests with n · mean + 2 · √(n · variance) = what there is, by √n.
  const double room = profile.kv_memory.value() * 1e9 / bytes, half = kDeviations * std::sqrt(variance) / mean / 2;
  const double root = std::sqrt(half * half + room) - half;
  return root * root;
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

double Mix::work(const grid::OperatingPoint& point) const {
  return prefill_s_per_s + tokens_per_s * point.decode_per_token.value() * 1e-3 / point.batch;
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

// Something of the profile's points between them, level outside of them.
template <class Of>
double along(const grid::Profile& profile, double batch, Of of) {
  const grid::OperatingPoint* below = &profile.points.front();
  for (const grid::OperatingPoint& point : profile.points) {
    if (batch < point.batch && point.batch > below->batch) {
      const double part = std::max(0.0, (batch - below->batch) / (point.batch - below->batch));
      return of(*below) + part * (of(point) - of(*below));
    }
    below = &point;
  }
  return of(*below);
}

double step_at(const grid::Profile& profile, double batch) {  // d
  return along(profile, batch, [](const grid::OperatingPoint& point) { return point.decode_per_token.value(); });
}

double watts_at(const grid::Profile& profile, double batch) {
  return along(profile, batch, [](const grid::OperatingPoint& point) { return point.power.value(); });
}

// How many requests of a deployment decode at once: twin.h has the chain.
struct Chain {
  double replicas = 1;
  double places = 1;
  double held = 0;  // steps asked for, per ms of decoding
  double widening = 1;

  // The chance to be where all places are taken, which lies `beyond` states deep. The chain is summed from there down
  // in strides of a quarter of its deviation, each as its middle: within 2 % of the sum of all states.
  double full(const grid::Profile& profile, const Balance& at, double feedback, double beyond) const {
    const double mean = at.batch * replicas, deviation = std::sqrt(mean * widening / (1 - feedback));
    if (held <= 0 || places > mean + kFar * deviation) return 0;
    const double stride = std::max(1.0, std::floor(deviation / 4));
    double sum = 0, depth = 0;  // depth: the logarithm of a state's mass over that of the first full one
    for (double n = places; n >= 0.5;) {
      const double states = std::min(stride, std::max(1.0, std::floor(n)));
      const double middle = std::max(0.5, n - (states - 1) / 2);
      const double rise = std::log(middle / (held * replicas * step_at(profile, middle / replicas))) / widening;
      const double mass = states * std::exp(depth + rise * (states + 1) / 2);
      sum += mass;
      depth += rise * states;
      n -= states;
      if (n < mean && mass < 1e-4 * sum) break;
    }
    return beyond / (beyond + sum);
  }

  // At the least of any chain of no more places, which is asked for no fewer steps and no less deep, and widened by
  // this to `widening_most`: each state's mass is taken at its most.
  double full_least(const grid::Profile& profile, double mean, double widening_most, double beyond) const {
    if (held <= 0 || places > mean + kFarAtLeast * std::sqrt(mean * widening)) return 0;
    std::vector<double> rise;  // by state, from the first
    double most = 0;           // of requests for steps, of all states so far
    for (double n = places - std::floor(places) + (places > std::floor(places) ? 0 : 1); n <= places; ++n) {
      const double at = std::max(0.5, n);
      for (const grid::OperatingPoint& point : profile.points)
        if (point.batch * replicas <= at) most = std::max(most, point.batch / (held * point.decode_per_token.value()));
      most = std::max(most, at / (held * replicas * step_at(profile, at / replicas)));
      rise.push_back(std::log(most));
    }
    double sum = 0, depth = 0;
    for (size_t i = rise.size(); i-- > 0;) {
      depth += rise[i];
      sum += std::exp(depth / (depth > 0 ? widening : widening_most));
    }
    return beyond / (beyond + kStrides * sum);
  }

 private:
  static constexpr double kFarAtLeast = 4;  // where less is not worth telling
  static constexpr double kStrides = 1.1;   // of a sum of all states, that one in strides may be more
  static constexpr double kFar = 8;  // deviations beyond which even the steepest chain is full once in 10⁸ requests
};

// The chance that every replica has something to decode, where each prompt goes to the one with the fewest requests:
// that of as many as there are replicas, or more, taken as Poisson.
double all_decode(uint32_t replicas, double batch) {
  const double mean = batch * replicas, beyond = mean - replicas;
  if (beyond * std::abs(beyond) > 40 * mean || replicas > 256) return beyond > 0 ? 1 : 0;
  double fewer = 0, term = std::exp(-mean);
  for (uint32_t k = 0; k < replicas; term *= mean / ++k) fewer += term;
  return std::max(0.0, 1 - fewer);
}

// Sakasegawa's exponent: c servers at a share ρ wait ρ^(this − 1) / (c · (1 − ρ)) service times.
double pooling(double servers) { return std::sqrt(2 * (servers + 1)); }

// One replica's part of a mix, in ms.
struct Load {
  double replicas = 1;
  double share = 0;     // of its time, for prefills
  double arrivals = 0;  // a ms
  double steps = 0;     // of decoding, asked for a ms; the first token of an answer comes of its prefill
  double prefill_ms = 0, square_ms = 0;  // E[S], λ·E[S²]
  double full_step_ms = 0;
  Balance at;
  double feedback = 0;  // how much of a larger batch's ends its longer step takes back
};

double feedback_of(double batch, double step_ms, double slope_ms) { return std::min(0.95, batch * slope_ms / step_ms); }

Load load_of(const grid::Profile& profile, const grid::OperatingPoint& point, uint32_t replicas, const Mix& mix) {
  const double per_ms = 1e-3 / replicas;
  Load load{.replicas = static_cast<double>(replicas),
            .share = mix.prefill_s_per_s / replicas,
            .arrivals = mix.requests_per_s * per_ms,
            .steps = std::max(0.0, mix.tokens_per_s - mix.requests_per_s) * per_ms,
            .prefill_ms = 1e3 * mix.prefill_s_per_s / mix.requests_per_s,
            .square_ms = mix.prefill_square * 1e6 * per_ms,
            .full_step_ms = point.decode_per_token.value(),
            .at = {},
            .feedback = 0};
  load.at = balance(profile, point.batch, load.steps / (1 - load.share));
  load.feedback = feedback_of(load.at.batch, load.at.step_ms, load.at.slope_ms);
  return load;
}

void set_tpot(const Load& load, Serving& serving) {
  const double spread_ms = load.square_ms - load.share * load.prefill_ms * (1 - 1 / load.replicas);
  const TokenTime time = token_time({.replicas = load.replicas,
                                     .share = load.share,
                                     .spread_ms = spread_ms,
                                     .batch = load.at.batch,
                                     .step_ms = load.at.step_ms,
                                     .slope_ms = load.at.slope_ms,
                                     .full_step_ms = load.full_step_ms});
  serving.in_batch = load.at.batch;
  serving.step = Milliseconds(load.at.step_ms);
  serving.tpot = Milliseconds(time.mean_ms);
  serving.tpot_variance = time.variance;
  serving.tpot_drift = time.drift;
}

// Of the rest of a step and a step, 1 + U of them, or nothing of either, in steps². Concave.
double step_variance(double decoding) { return decoding * (7.0 / 3 - 2.25 * decoding); }

// All but the place. Returns what prefills of others take of it.
double set_wait(const Load& load, double decoding, Serving& serving) {
  const double share = load.share, own_step_ms = load.at.step_ms * decoding;
  const double seen_ms = own_step_ms / (1 - share) + load.square_ms / (1 - share * share);  // the step under way
  const double in_hand = std::min(1.0, load.arrivals * (load.prefill_ms + 1.5 * own_step_ms));
  const double prefills_ms =
      ((0.5 + share) * seen_ms - own_step_ms / 2) * std::pow(in_hand, pooling(load.replicas) - 2) / load.replicas;
  serving.wait_ms = 1.5 * own_step_ms + prefills_ms;
  serving.wait_variance = load.at.step_ms * load.at.step_ms * step_variance(decoding) +
                          prefills_ms * ((share > 0 ? load.square_ms / share : 0) + prefills_ms);
  return prefills_ms;
}

// The mean wait for a place where none is free.
void set_place(const Load& load, uint32_t batch_max, const Mix& mix, Serving& serving) {
  const double token_s = load.full_step_ms * 1e-3 / batch_max, work = mix.prefill_s_per_s + mix.tokens_per_s * token_s;
  const double square = mix.prefill_square + 2 * token_s * mix.prefill_token_s + token_s * token_s * mix.tokens_square;
  serving.place_ms = 1e3 * square / work / 2 / (load.replicas * (1 - serving.utilization));
}

// The chance of that; `prefills_ms`: as set_wait says.
void set_full(const Load& load, const grid::Profile& profile, uint32_t batch_max, double prefills_ms,
              Serving& serving) {
  const double share = load.share, free = 1 - serving.utilization;
  const double places = batch_max - load.arrivals * (prefills_ms + load.prefill_ms);  // less those that prefills take
  const Chain chain{
      .replicas = load.replicas,
      .places = std::max(1.0, places * load.replicas),
      .held = (load.steps + load.arrivals / 2) / (1 - share),  // half a step goes by before the prefill begins
      .widening = 1 + share / (1 - share) + load.arrivals * load.square_ms / (2 * (1 - share) * (1 - share))};
  serving.full = chain.full(profile, load.at, load.feedback, 1 / free);
}

// What is told of a deployment without working it out: false where there is no more to tell.
bool set_ends(const grid::OperatingPoint& point, uint32_t replicas, const Mix& mix, Serving& serving) {
  const double work = mix.work(point);
  serving.utilization = replicas > 0 ? work / replicas : work > 0 ? 1e300 : 0;
  serving.prefill_share = replicas > 0 ? mix.prefill_s_per_s / replicas : 0;
  serving.step = point.decode_per_token;
  serving.tpot = serving.utilization < 1 ? serving.step : kForever;
  return mix.requests_per_s > 0 && serving.utilization < 1;
}

}  // namespace

// A router sends no prompt to who decodes while another is idle, and what it sends to one of c replicas comes about c
// times as evenly as what it is given.
TokenTime token_time(const Decoding& at) {
  const double rest = 1 - at.share, mean_ms = at.step_ms / rest, stretch = at.slope_ms / rest;
  const double room_ms = (at.full_step_ms - at.step_ms) / rest / 2;  // two deviations, and the batch is full
  const double feedback = feedback_of(at.batch, at.step_ms, at.slope_ms);
  return {.mean_ms = mean_ms,
          .variance = std::pow(1 - std::exp(-at.batch), pooling(at.replicas) - 1) * mean_ms * at.spread_ms *
                      std::pow(rest, -2 / at.replicas),
          .drift = std::min(room_ms * room_ms, stretch * stretch * at.batch / (1 - feedback) / at.replicas)};
}

double prefill_wait(uint32_t replicas, double prefill_share) {
  if (prefill_share >= 1 || replicas == 0) return kForever.value();
  if (prefill_share <= 0) return 0;
  const double alone = (0.5 + prefill_share) * prefill_share / (1 - prefill_share * prefill_share);
  return alone * std::pow(prefill_share, pooling(replicas) - 2) / replicas;
}

Serving serve(const grid::Profile& profile, const grid::OperatingPoint& point, uint32_t replicas, const Mix& mix) {
  Serving serving;
  if (!set_ends(point, replicas, mix, serving)) return serving;
  const Load load = load_of(profile, point, replicas, mix);
  set_tpot(load, serving);
  const double prefills_ms = set_wait(load, all_decode(replicas, load.at.batch), serving);
  set_place(load, point.batch, mix, serving);
  set_full(load, profile, point.batch, prefills_ms, serving);
  return serving;
}

bool keeps_all(const grid::Profile& profile, const grid::OperatingPoint& point, uint32_t replicas, const Mix& mix,
               std::span<const Asked> asked) {
  Serving serving;
  const auto all = [&](bool (Serving::*kept)(const Asked&) const) {
    return std::ranges::all_of(asked, [&](const Asked& one) { return (serving.*kept)(one); });
  };
  if (!set_ends(point, replicas, mix, serving)) return all(&Serving::keeps);
  const Load load = load_of(profile, point, replicas, mix);
  const double mean_tpot_ms = load.at.step_ms / (1 - load.share);
  if (std::ranges::any_of(asked, [&](const Asked& one) { return one.tpot_ms < mean_tpot_ms; })) return false;
  set_tpot(load, serving);
  if (!all(&Serving::keeps_tpot)) return false;
  const double prefills_ms = set_wait(load, all_decode(replicas, load.at.batch), serving);
  if (!all(&Serving::keeps_ttft)) return false;  // were there always a place
  set_place(load, point.batch, mix, serving);
  serving.full = 1;
  if (all(&Serving::keeps_ttft)) return true;  // were there never one
  set_full(load, profile, point.batch, prefills_ms, serving);
  return all(&Serving::keeps_ttft);
}

namespace {

// Mixes from `least` to `most`, and what serve_least knows of one replica's part of them, in ms.
struct LoadRange {
  uint32_t replicas = 1;
  const Mix &least, &most;
  double share = 0, share_most = 0;  // of its time, for prefills
  double steps = 0;                  // of decoding, asked for a ms, at the least
  double prefills_ms = 0;            // that a prompt waits for, likewise
};

// The chance that no place is free, and the mean wait then, at the least.
void set_place_least(const grid::Profile& profile, const grid::OperatingPoint& point, double batch,
                     const LoadRange& range, Serving& serving) {
  const auto& [replicas, least, most, share, share_most, steps, prefills_ms] = range;
  const double per_ms = 1e-3 / replicas, free = 1 - least.work(point) / replicas;
  const double token_s = point.decode_per_token.value() * 1e-3 / point.batch;
  const double square =
      least.prefill_square + 2 * token_s * least.prefill_token_s + token_s * token_s * least.tokens_square;
  serving.place_ms = 1e3 * square / most.work(point) / 2 / (replicas * free);
  const auto widening = [per_ms](const Mix& mix, double of_prefills) {
    const double rest = std::max(1e-12, 1 - of_prefills);
    return 1 + of_prefills / rest + mix.requests_per_s * per_ms * mix.prefill_square * 1e6 * per_ms / (2 * rest * rest);
  };
  const double arrivals = least.requests_per_s * per_ms;
  const double prefill_ms = 1e3 * least.prefill_s_per_s / most.requests_per_s;
  const Chain chain{.replicas = static_cast<double>(replicas),
                    .places = std::max(1.0, point.batch - arrivals * (prefills_ms + prefill_ms)) * replicas,
                    .held = (steps + arrivals / 2) / (1 - share),
                    .widening = widening(least, share)};
  serving.full = chain.full_least(profile, batch * replicas, widening(most, share_most), 1 / free);
}

}  // namespace

Serving serve_least(const grid::Profile& profile, const grid::OperatingPoint& point, uint32_t replicas,
                    const Mix& least, const Mix& most) {
  const double per_ms = 1e-3 / replicas, pool = pooling(replicas);
  const double share = least.prefill_s_per_s / replicas, share_most = std::min(1.0, most.prefill_s_per_s / replicas);
  const double arrivals = least.requests_per_s * per_ms, square_ms = least.prefill_square * 1e6 * per_ms;
  const double steps = std::max(0.0, least.tokens_per_s - most.requests_per_s) * per_ms;
  const double steps_most = std::max(0.0, most.tokens_per_s - least.requests_per_s) * per_ms;
  const Balance low = balance(profile, point.batch, steps / (1 - share));
  const Balance high = balance(profile, point.batch, steps_most / std::max(1e-6, 1 - share_most));
  double step_ms = std::min(low.step_ms, high.step_ms), step_most_ms = std::max(low.step_ms, high.step_ms);
  double slope_ms = std::max(0.0, std::min(low.slope_ms, high.slope_ms));  // none known where they differ in more
  for (const grid::OperatingPoint& between : profile.points) {
    if (between.batch <= low.batch || between.batch >= high.batch) continue;
    step_ms = std::min(step_ms, between.decode_per_token.value());
    step_most_ms = std::max(step_most_ms, between.decode_per_token.value());
    slope_ms = 0;
  }
  if (low.batch * slope_ms > step_ms) slope_ms = 0;  // there, a larger batch takes less of a longer step back

  const double alone_ms = share_most * share_most / arrivals * (1 - 1.0 / replicas);
  const TokenTime time =
      token_time({.replicas = static_cast<double>(replicas),
                  .share = share,
                  .spread_ms = std::max(square_ms / replicas, square_ms - alone_ms),
                  .batch = low.batch,
                  .step_ms = step_ms,
                  .slope_ms = slope_ms,
                  .full_step_ms = std::max(0.0, point.decode_per_token.value() - step_most_ms) + step_ms});
  Serving serving;
  serving.tpot = Milliseconds(time.mean_ms);
  serving.tpot_variance = time.variance;
  serving.tpot_drift = slope_ms > 0 ? time.drift : 0;

  const double decoding = all_decode(replicas, low.batch), decoding_most = all_decode(replicas, high.batch);
  const double own_step_ms = step_ms * decoding;
  const double seen_ms = own_step_ms / (1 - share) + square_ms / (1 - share * share);
  const double in_hand = std::min(1.0, share + 1.5 * arrivals * own_step_ms);
  const double prefills_ms = ((0.5 + share) * seen_ms - own_step_ms / 2) * std::pow(in_hand, pool - 2) / replicas;
  serving.wait_ms = 1.5 * own_step_ms + prefills_ms;
  serving.wait_variance = step_ms * step_ms * std::min(step_variance(decoding), step_variance(decoding_most)) +
                          prefills_ms * (square_ms / share_most + prefills_ms);
  set_place_least(profile, point, low.batch, {replicas, least, most, share, share_most, steps, prefills_ms}, serving);
  return serving;
}

Mix less(const Mix& mix, const Mix& out) {
  const auto rest = [](double all, double part) { return std::max(0.0, all - part); };
  return {rest(mix.requests_per_s, out.requests_per_s),   rest(mix.prefill_s_per_s, out.prefill_s_per_s),
          rest(mix.tokens_per_s, out.tokens_per_s),       rest(mix.prefill_square, out.prefill_square),
          rest(mix.prefill_token_s, out.prefill_token_s), rest(mix.tokens_square, out.tokens_square)};
}

Mix larger(const Mix& a, const Mix& b) {
  return {std::max(a.requests_per_s, b.requests_per_s),   std::max(a.prefill_s_per_s, b.prefill_s_per_s),
          std::max(a.tokens_per_s, b.tokens_per_s),       std::max(a.prefill_square, b.prefill_square),
          std::max(a.prefill_token_s, b.prefill_token_s), std::max(a.tokens_square, b.tokens_square)};
}

bool may_keep(const grid::Profile& profile, const grid::OperatingPoint& point, uint32_t replicas,
              std::span<const Part> parts, double loss_max) {
  constexpr double kLenient = 1 + 1e-9;  // so that rounding breaks no promise
  if (loss_max < 0) return false;
  Mix all, dear, out;  // dear: what cannot be left out for nothing; out: the most of each component that may be
  for (const Part& part : parts) {
    all.add(part.asked.sizes, part.requests_per_s);
    if (part.loss <= 0) continue;
    dear.add(part.asked.sizes, part.requests_per_s);
    Mix of;
    of.add(part.asked.sizes, part.requests_per_s * loss_max * kLenient / part.loss);
    out = larger(out, of);
  }
  const Mix least = less(dear, out);
  if (replicas == 0 || least.requests_per_s <= 0 || least.prefill_s_per_s <= 0) return true;
  if (least.work(point) >= replicas) return false;
  Serving serving = serve_least(profile, point, replicas, least, all);
  serving.utilization = 0;
  return std::ranges::all_of(parts, [&](const Part& part) {
    if (part.loss <= loss_max * kLenient) return true;  // none of it need be served
    Asked asked = part.asked;
    asked.ttft_ms *= kLenient;
    asked.tpot_ms *= kLenient;
    return serving.keeps(asked);
  });
}

namespace {

// How many may wait for a place where there is always somebody who does, so that even the last of them is late no more
// than twice as often as promised: under any load but the heaviest most find fewer before them. Places become free one
// after another, as departures of a Poisson process (exactly so for exponential answers), so that the last but j waits
// for an Erlang time.
uint32_t line_kept(const grid::OperatingPoint& point, uint32_t replicas, const Mix& mix, std::span<const Asked> asked) {
  constexpr double kLastOfLine = 2;
  const double prefill_ms = 1e3 * mix.prefill_s_per_s / mix.requests_per_s;
  const double steps = std::max(0.0, mix.tokens_per_s / mix.requests_per_s - 1);
  const double apart_ms = (prefill_ms + steps * point.decode_per_token.value() / point.batch) / replicas;
  uint32_t line = point.batch * replicas;  // routing lets no more wait
  if (apart_ms <= 0) return line;
  for (const Asked& one : asked) {
    const double beyond_ms = one.ttft_ms - one.sizes.prefill_ms - point.decode_per_token.value();
    const double departures = std::max(0.0, beyond_ms / apart_ms);
    double term = std::exp(-departures), late = term;  // of a Poisson number: no more than `kept` departures
    uint32_t kept = 0;
    for (; kept < line && late <= kLastOfLine * (1 - one.quantile); late += term) term *= departures / ++kept;
    line = kept;
  }
  return line;
}

}  // namespace

uint32_t in_flight_kept(const grid::Profile& profile, const grid::OperatingPoint& point, uint32_t replicas,
                        const Mix& mix, std::span<const Asked> asked) {
  constexpr double kMostTimes = 64;
  if (mix.requests_per_s <= 0) return 0;
  double kept = 0, broken = kMostTimes;
  for (int i = 0; i < 20; ++i) {
    const double middle = (kept + broken) / 2;
    (keeps_all(profile, point, replicas, mix.scaled(middle), asked) ? kept : broken) = middle;
  }
  const Mix most = mix.scaled(std::max(1.0, kept));
  const Serving serving = serve(profile, point, replicas, most);
  if (serving.utilization >= 1) return 0;
  const double prefill_ms = 1e3 * most.prefill_s_per_s / most.requests_per_s;
  const double mean = replicas * serving.in_batch + most.requests_per_s * 1e-3 * (serving.wait_ms + prefill_ms);
  const auto held = static_cast<uint32_t>(std::ceil(mean + 2 * std::sqrt(mean) + 2));
  return std::min(held, point.batch * replicas + line_kept(point, replicas, mix, asked));
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

bool Serving::keeps_ttft(const Asked& asked) const {
  return asked.ttft_ms >= asked.sizes.prefill_ms + wait_ms && later(asked.sizes, asked.ttft_ms) <= 1 - asked.quantile;
}

bool Serving::keeps_tpot(const Asked& asked) const {
  return tpot_at(asked.sizes, asked.quantile).value() <= asked.tpot_ms;
}

bool Serving::keeps(const Asked& asked) const { return utilization < 1 && keeps_ttft(asked) && keeps_tpot(asked); }

namespace {

// Of steps that prefill.
double prefill_watts(const grid::Profile& profile) {
  double most = 0;
  for (const grid::OperatingPoint& point : profile.points) most = std::max(most, point.power.value());
  return most;
}

// The part of the replicas with nothing to decode: E[(1 − N / c)⁺] of a Poisson number N spread evenly.
double nothing_to_decode(uint32_t replicas, double batch) {
  const double mean = batch * replicas, beyond = mean - replicas;
  if (beyond * std::abs(beyond) > 40 * mean || replicas > 256) return std::max(0.0, 1 - batch);
  double fewer = 0, term = std::exp(-mean), last = 0;
  for (uint32_t k = 0; k < replicas; term *= mean / ++k) fewer += last = term;
  return std::clamp(last * batch - fewer * beyond / replicas, 0.0, 1.0);
}

}  // namespace

Watts average_power(const grid::Profile& profile, const grid::OperatingPoint& point, Watts idle, uint32_t replicas,
                    const Mix& mix) {
  if (replicas == 0 || mix.requests_per_s <= 0) return idle * replicas;
  const double prefill_w = std::max(idle.value(), prefill_watts(profile));
  if (mix.prefill_s_per_s >= replicas) return Watts(prefill_w * replicas);
  const Load load = load_of(profile, point, replicas, mix);
  const double batch = load.at.batch, decoding = std::max(1 - nothing_to_decode(replicas, batch), batch / point.batch);
  const double decode_w = std::max(idle.value(), batch > 0 ? watts_at(profile, batch / decoding) : 0);
  const double joined = -std::expm1(-load.arrivals * load.at.step_ms / (1 - load.share));
  const double rest_w = std::lerp(idle.value(), std::lerp(decode_w, prefill_w, joined), decoding);
  return Watts(replicas * std::lerp(rest_w, prefill_w, load.share));
}

double EnergyFloor::watts(const RequestSizes& sizes, double requests_per_s) const {
  return requests_per_s * (prefill_w * sizes.prefill_ms * 1e-3 + step_j * std::max(0.0, sizes.output_tokens - 1));
}

namespace {

// A step of a request takes d(b) · (P(y) − idle) / y joules, b ≤ y ≤ b / (1 − e^−b). Of a narrow range of b, the least
// of every factor.
double step_least_j(const grid::Profile& profile, Watts idle, double batch_max, double from, double to) {
  const double decoding = std::min(batch_max, to / -std::expm1(-to)), alone = std::max(1.0, from);
  double least_w = std::min(watts_at(profile, alone), watts_at(profile, decoding));
  for (const grid::OperatingPoint& between : profile.points)
    if (between.batch > alone && between.batch < decoding) least_w = std::min(least_w, between.power.value());
  const double least_ms = std::min(step_at(profile, from), step_at(profile, to));
  return 1e-3 * least_ms * std::max(0.0, least_w - idle.value()) / std::max(1.0, decoding);
}

constexpr int kEnergyParts = 64;  // between two points, that are told apart

}  // namespace

EnergyFloor energy_floor(const grid::Profile& profile, const grid::OperatingPoint& point, Watts idle,
                         double steps_per_ms_max) {
  const double most = balance(profile, point.batch, steps_per_ms_max).batch;
  double least_j = 1e300, low = 0;
  for (const grid::OperatingPoint& next : profile.points) {
    const double wide = (std::min<double>(next.batch, most) - low) / kEnergyParts;
    for (int part = 0; part < kEnergyParts && wide > 0; ++part)
      least_j = std::min(least_j, step_least_j(profile, idle, point.batch, low + part * wide, low + (part + 1) * wide));
    low = std::max<double>(low, next.batch);
    if (low >= most) break;
  }
  return {std::max(0.0, prefill_watts(profile) - idle.value()), least_j < 1e300 ? least_j : 0};
}

StepEnergy::StepEnergy(const grid::Profile& profile, Watts idle)
    : prefill_w_(std::max(0.0, prefill_watts(profile) - idle.value())) {
  double low = 0;
  for (const grid::OperatingPoint& next : profile.points) {
    const double wide = (next.batch - low) / kEnergyParts;
    for (int part = 0; part < kEnergyParts && wide > 0; ++part) {
      const double from = low + part * wide;
      parts_.push_back({from + wide, step_least_j(profile, idle, profile.points.back().batch, from, from + wide)});
    }
    low = std::max<double>(low, next.batch);
  }
}

double StepEnergy::least_j(double batch_from, double batch_to) const {
  auto part = std::ranges::lower_bound(parts_, batch_from, {}, &Part::batch_to);
  if (part == parts_.end()) return parts_.empty() ? 0 : parts_.back().least_j;
  double least = part->least_j;
  while (part->batch_to < batch_to && ++part != parts_.end()) least = std::min(least, part->least_j);
  return least;
}

double held_max(const grid::Profile& profile) {
  double most = 0;
  for (const grid::OperatingPoint& point : profile.points)
    most = std::max(most, point.batch / point.decode_per_token.value());
  return most;
}

DecodingLeast decoding_least(const grid::Profile& profile, const DecodingRange& range) {
  const uint32_t last = profile.points.back().batch;
  const Balance low = balance(profile, last, range.held_from), high = balance(profile, last, range.held_to);
  double step_ms = std::min(low.step_ms, high.step_ms), step_most_ms = std::max(low.step_ms, high.step_ms);
  double slope_ms = std::max(0.0, std::min(low.slope_ms, high.slope_ms)), full_ms = 1e300;
  for (const grid::OperatingPoint& point : profile.points) {
    if (point.batch >= low.batch) full_ms = std::min(full_ms, point.decode_per_token.value());
    if (point.batch <= low.batch || point.batch >= high.batch) continue;
    step_ms = std::min(step_ms, point.decode_per_token.value());
    step_most_ms = std::max(step_most_ms, point.decode_per_token.value());
    slope_ms = 0;  // none known where there are two
  }
  if (low.batch * slope_ms > step_ms) slope_ms = 0;  // there, a larger batch takes less of a longer step back
  const TokenTime time = token_time({.replicas = range.replicas,
                                     .share = range.share,
                                     .spread_ms = 1,
                                     .batch = low.batch,
                                     .step_ms = step_ms,
                                     .slope_ms = slope_ms,
                                     .full_step_ms = std::max(0.0, full_ms - step_most_ms) + step_ms});
  return {low.batch, high.batch, time.mean_ms, time.variance, slope_ms > 0 ? time.drift : 0};
}

double DecodingLeast::spread_most_ms(double tpot_ms, double quantile, double inverse_output) const {
  const double left_ms = tpot_ms * (1 + 1e-9) - mean_ms;
  if (left_ms < 0) return -1;
  const double deviations = std::max(0.0, -std::log1p(-quantile) - 1), each = variance * inverse_output;
  if (deviations <= 0) return std::numeric_limits<double>::infinity();
  const double room = left_ms * left_ms / (deviations * deviations) - drift;
  if (room < 0) return -1;
  return each > 0 ? room / each : std::numeric_limits<double>::infinity();
}

}  // namespace tandem::twin
