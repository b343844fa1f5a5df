// The twin's closed forms against the event simulation: one deployment, from quiet to full.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "base/random.h"
#include "replay/replay.h"
#include "support/drawn_grid.h"
#include "twin/twin.h"

namespace tandem::replay {
namespace {

struct ServedWork {
  const char* name;
  const char* profile;
  const char* demand;
};

constexpr ServedWork kChat{"chat, 70B on two H100",
                           "1:18ms 8:18.7ms 32:20.4ms tp=2 prefill=6304 overhead=15ms kv=1000GB",
                           "in=900 out=220 hit=0.35"};
constexpr ServedWork kAll[] = {
    kChat,
    {"chat, 8B, large batches", "1:7ms 8:7.6ms 32:9ms 128:14ms tp=2 prefill=30000 overhead=5ms kv=1000GB",
     "in=600 out=250"},
    {"long prompts, short answers", "1:18ms 8:18.7ms 32:20.4ms tp=2 prefill=6304 overhead=15ms kv=1000GB",
     "in=4000 out=150 hit=0.2"},
    {"writing, steep steps", "1:10ms 16:14ms 64:30ms tp=2 prefill=12000 overhead=10ms kv=1000GB", "in=200 out=600"},
    {"voice, batches of four", "1:9ms 4:9.5ms tp=2 prefill=12000 overhead=12ms kv=1000GB", "in=300 out=60 hit=0.5"}};

// With what their steps draw.
constexpr ServedWork kPowered[] = {
    {"chat, 70B on two H100",
     "1:18ms/770 8:18.7ms/1022 32:20.4ms/1190 64:22.7ms/1274 tp=2 prefill=6304 overhead=15ms kv=1000GB",
     "in=900 out=220 hit=0.35"},
    {"chat, slow steps", "1:56ms/384 8:60ms/512 32:70ms/596 tp=2 prefill=10143 overhead=15ms kv=1000GB",
     "in=400 out=250"},
    {"long prompts, short answers", "1:18ms/770 8:18.7ms/1022 32:20.4ms/1190 tp=2 prefill=6304 overhead=15ms kv=1000GB",
     "in=4000 out=150 hit=0.2"},
    {"writing, steep steps", "1:10ms/770 16:14ms/1106 64:30ms/1274 tp=2 prefill=12000 overhead=10ms kv=1000GB",
     "in=200 out=600"},
    {"voice, batches of four", "1:9ms/300 4:9.5ms/400 tp=2 prefill=12000 overhead=12ms kv=1000GB",
     "in=300 out=60 hit=0.5"}};

grid::Snapshot world_of(const ServedWork& work, double rate_per_s) {
  return test_support::drawn_grid(fmt::format(R"(
    a-b 1ms 10G
    region north a access=0ms backhaul=0ms
    accelerator gpu 2000GB idle=70
    pool p a gpu 64
    model m 70.6GB kv=1 context=131072
    profile m gpu {}
    tenant t *
    demand d t north m {}/s {})",
                                              work.profile, rate_per_s, work.demand));
}

v1::Plan one_deployment(const grid::Snapshot& grid, uint32_t replicas) {
  const grid::Profile& profile = grid.profiles[size_t{0}];
  v1::Plan plan;
  v1::PlannedDeployment* row = plan.add_deployments();
  row->set_id("d");
  row->set_pool("p");
  row->set_model("m");
  row->set_profile(profile.id);
  row->set_tensor_parallel(2);
  row->set_replicas(replicas);
  row->set_batch(profile.points.back().batch);
  v1::DemandPlan* planned = plan.add_demands();
  planned->set_demand("d");
  planned->add_splits()->set_deployment("d");
  planned->mutable_splits(0)->set_fraction(1);
  return plan;
}

// What the twin says of p95, over what is simulated.
struct Ratios {
  double ttft = 0, tpot = 0;
};

Ratios compare_at(const ServedWork& work, double variation, uint32_t replicas, double utilization, double requests) {
  const grid::Snapshot one = world_of(work, 1);
  const grid::Profile& profile = one.profiles[size_t{0}];
  const grid::Demand& asked = one.demands[size_t{0}];
  const double rate_per_s =
      utilization * replicas *
      twin::replica_rate(profile, profile.points.back(), asked.prompt_tokens, asked.output_tokens, asked.prefix_hit)
          .requests_per_s;
  const grid::Snapshot grid = world_of(work, rate_per_s);
  const grid::Demand& demand = grid.demands[size_t{0}];
  twin::Mix mix;
  const twin::RequestSizes sizes = twin::sizes_of(grid.profiles[size_t{0}], demand, {variation, variation});
  mix.add(sizes, rate_per_s);
  const twin::Serving serving =
      twin::serve(grid.profiles[size_t{0}], grid.profiles[size_t{0}].points.back(), replicas, mix);
  EXPECT_NEAR(serving.utilization, utilization, 1e-4);

  Options options;
  options.policy = Policy::compute_then_network;
  options.workload.sizes = variation > 0 ? Sizes::exponential : Sizes::fixed;
  options.warm_up_s = 500 / rate_per_s + 60;
  options.workload.duration_s = options.warm_up_s + requests / rate_per_s;
  const Report report = replay(grid, one_deployment(grid, replicas), options).value();
  EXPECT_EQ(report.all.served, report.all.requests);
  const auto ms = [](const Histogram& times) { return static_cast<double>(times.percentile(0.95)) * 1e-3; };
  const Ratios ratios{serving.ttft(sizes, 0.95).value() / ms(report.all.ttft_us),
                      serving.tpot_at(sizes, 0.95).value() / ms(report.all.tpot_us)};
  std::printf("%-28s cv %.0f, %2u replicas at %.1f: ttft %7.1f ms, simulated %7.1f; tpot %6.2f, simulated %6.2f\n",
              work.name, variation, replicas, utilization, serving.ttft(sizes, 0.95).value(), ms(report.all.ttft_us),
              serving.tpot_at(sizes, 0.95).value(), ms(report.all.tpot_us));
  return ratios;
}

struct Spread {
  int cases = 0, near = 0;  // near: both within 15 %
  double low = 1e300, high = 0;

  void add(double ratio) {
    ++cases;
    near += std::abs(ratio - 1) <= 0.15;
    low = std::min(low, ratio);
    high = std::max(high, ratio);
  }
};

// Measured, up to a utilisation of 0.7: exponential sizes within 10 %, alike ones 7 % early to 24 % late. At 0.9 places
// begin to run out, and few requests decide what p95 is.
TEST(TwinAgreement, ChatIsServedAsTheTwinSays) {
  for (const double variation : {0.0, 1.0}) {
    for (const uint32_t replicas : {1u, 4u, 16u}) {
      for (const double utilization : {0.1, 0.3, 0.5, 0.7, 0.9}) {
        SCOPED_TRACE(fmt::format("cv {}, {} replicas, {}", variation, replicas, utilization));
        const Ratios ratios = compare_at(kChat, variation, replicas, utilization, 6'000);
        EXPECT_GT(ratios.ttft, utilization < 0.8 ? 0.9 : 0.65);
        EXPECT_LT(ratios.ttft, utilization > 0.8 ? 1.7 : variation > 0 ? 1.12 : 1.3);
        EXPECT_GT(ratios.tpot, 0.95);
        EXPECT_LT(ratios.tpot, 1.3);
      }
    }
  }
}

// What the twin says of mean power over what is simulated.
double power_ratio(const ServedWork& work, uint32_t replicas, double utilization) {
  const grid::Profile profile = world_of(work, 1).profiles[size_t{0}];
  const grid::Demand asked = world_of(work, 1).demands[size_t{0}];
  const double rate_per_s =
      utilization * replicas *
      twin::replica_rate(profile, profile.points.back(), asked.prompt_tokens, asked.output_tokens, asked.prefix_hit)
          .requests_per_s;
  const grid::Snapshot grid = world_of(work, rate_per_s);
  twin::Mix mix;
  mix.add(grid.profiles[size_t{0}], grid.demands[size_t{0}], 1);
  const double said_w = twin::average_power(grid.profiles[size_t{0}], grid.profiles[size_t{0}].points.back(),
                                            grid.accelerators[size_t{0}].idle_power * 2, replicas, mix)
                            .value();
  Options options;
  options.policy = Policy::compute_then_network;
  options.warm_up_s = 100;
  options.workload.duration_s = options.warm_up_s + 4'000 / rate_per_s;
  const Report report = replay(grid, one_deployment(grid, replicas), options).value();
  const double drawn_w = report.energy_kwh * 3.6e6 / report.measured_s;
  std::printf("%-28s %2u replicas at %.2f: %7.1f W, simulated %7.1f: %.3f\n", work.name, replicas, utilization, said_w,
              drawn_w, said_w / drawn_w);
  return said_w / drawn_w;
}

// Measured: 0.993 to 1.031 of what is simulated, the most with a batch of one or two.
TEST(TwinAgreement, DrawsThePowerThatTheTwinSays) {
  for (const ServedWork& work : kPowered) {
    for (const uint32_t replicas : {1u, 3u, 16u}) {
      for (const double utilization : {0.02, 0.1, 0.3, 0.6, 0.9}) {
        const double ratio = power_ratio(work, replicas, utilization);
        EXPECT_GT(ratio, 0.98) << work.name << ", " << replicas << " replicas at " << utilization;
        EXPECT_LT(ratio, 1.04) << work.name << ", " << replicas << " replicas at " << utilization;
      }
    }
  }
}

// Every kind of work. Measured: 277 of 300 first tokens within 15 %, at least 0.51 of what is simulated (one size,
// places nearly full); 271 of 300 times per token, at least 0.70 (where prefills make it many times the bare step).
TEST(TwinAgreementSoak, EveryKindOfWorkIsServedAsTheTwinSays) {
  Spread ttft, tpot;
  for (const ServedWork& work : kAll) {
    for (const double variation : {0.0, 1.0}) {
      for (const uint32_t replicas : {1u, 2u, 4u, 8u, 16u}) {
        for (const double utilization : {0.1, 0.3, 0.5, 0.7, 0.8, 0.9}) {
          const Ratios ratios = compare_at(work, variation, replicas, utilization, 20'000);
          ttft.add(ratios.ttft);
          tpot.add(ratios.tpot);
        }
      }
    }
  }
  std::printf(
      "p95 the twin says over p95 simulated: first token %.2f to %.2f, %d of %d within 15 %%; per token %.2f to "
      "%.2f, %d of %d\n",
      ttft.low, ttft.high, ttft.near, ttft.cases, tpot.low, tpot.high, tpot.near, tpot.cases);
  EXPECT_GE(ttft.near, ttft.cases * 91 / 100);
  EXPECT_GE(ttft.low, 0.48);
  EXPECT_LE(ttft.high, 1.6);
  EXPECT_GE(tpot.near, tpot.cases * 88 / 100);
  EXPECT_GE(tpot.low, 0.65);
  EXPECT_LE(tpot.high, 1.8);
}

// One deployment, drawn at random, and as much work as the twin says it may be given for its promises.
struct AtTheLimit {
  std::string profile, demand;
  uint32_t replicas = 1, batch = 1;
  double rate_per_s = 0, utilization = 0;
};

double drawn_between(Random& random, double low, double high) {  // by orders of magnitude
  return low * std::exp(random.uniform() * std::log(high / low));
}

AtTheLimit at_the_limit(Random& random) {
  AtTheLimit drawn;
  double step_ms = drawn_between(random, 6, 30);
  uint32_t batch = 1;
  std::string points = fmt::format("1:{:.2f}ms", step_ms);
  const double growth = random.chance(0.3) ? 1.0 : 0.4;
  for (uint64_t more = 2 + random.below(3); more-- > 0;) {
    const auto times = static_cast<uint32_t>(2 + random.below(3));
    step_ms *= std::pow(times, growth * random.uniform() * (batch >= 8 ? 1 : 0.4));
    points += fmt::format(" {}:{:.2f}ms", batch *= times, step_ms);
  }
  drawn.profile = fmt::format("{} tp=2 prefill={:.0f} overhead={:.1f}ms kv=1000GB", points,
                              drawn_between(random, 2'000, 40'000), drawn_between(random, 2, 25));
  drawn.demand = fmt::format("in={:.0f} out={:.0f} hit={:.2f}", drawn_between(random, 60, 6'000),
                             drawn_between(random, 20, 800), random.chance(0.5) ? 0.6 * random.uniform() : 0.0);
  constexpr uint32_t kReplicas[] = {1, 2, 3, 4, 6, 8, 16};
  drawn.replicas = kReplicas[random.below(std::size(kReplicas))];

  const grid::Snapshot one = world_of({"", drawn.profile.c_str(), drawn.demand.c_str()}, 1);
  const grid::Profile& profile = one.profiles[size_t{0}];
  const grid::Demand& demand = one.demands[size_t{0}];
  const twin::RequestSizes sizes = twin::sizes_of(profile, demand);
  const double ttft_ms = std::ceil(twin::ttft_alone(sizes, 0.95).value() * drawn_between(random, 1.2, 10));
  const double tpot_ms = std::ceil(profile.points.front().decode_per_token.value() * drawn_between(random, 1.3, 4));
  drawn.demand += fmt::format(" ttft={}ms tpot={}ms", ttft_ms, tpot_ms);
  const grid::OperatingPoint* point = &profile.points.front();
  for (const grid::OperatingPoint& larger : profile.points)
    if (larger.decode_per_token.value() <= tpot_ms) point = &larger;
  drawn.batch = point->batch;
  double kept = 0, broken = 0.95;  // utilisation
  for (int i = 0; i < 30; ++i) {
    const double middle = (kept + broken) / 2;
    const double rate =
        middle * drawn.replicas *
        twin::replica_rate(profile, *point, demand.prompt_tokens, demand.output_tokens, demand.prefix_hit)
            .requests_per_s;
    twin::Mix mix;
    mix.add(sizes, rate);
    if (!twin::serve(profile, *point, drawn.replicas, mix).keeps({sizes, ttft_ms, tpot_ms, 0.95})) {
      broken = middle;
      continue;
    }
    kept = drawn.utilization = middle;
    drawn.rate_per_s = rate;
  }
  return drawn;
}

// What a planner leans on: with not one request to spare, as many are in time as the promise says, or nearly. Of 289
// drawn, 236 keep 0.95 and 274 at least 0.93; half reach 0.963.
TEST(TwinAgreementSoak, WhatTheTwinCallsKeptIsKept) {
  Random random(7);
  std::vector<double> in_time;  // of first tokens and of tokens, the worse
  int kept = 0, nearly = 0;
  for (int i = 0; i < 300; ++i) {
    const AtTheLimit drawn = at_the_limit(random);
    if (drawn.utilization < 0.05) continue;  // no room for a queue in the promise
    const grid::Snapshot grid =
        world_of({"", drawn.profile.c_str(), drawn.demand.c_str()}, std::round(drawn.rate_per_s * 1e6) * 1e-6);
    Options options;
    options.policy = Policy::compute_then_network;
    options.warm_up_s = 500 / drawn.rate_per_s + 60;
    options.workload.duration_s = options.warm_up_s + 20'000 / drawn.rate_per_s;
    v1::Plan plan = one_deployment(grid, drawn.replicas);
    plan.mutable_deployments(0)->set_batch(drawn.batch);
    const Report report = replay(grid, plan, options).value();
    const auto requests = static_cast<double>(report.all.requests);
    const auto missed =
        static_cast<double>(std::max(report.all.late, report.all.slow) + report.all.requests - report.all.served);
    in_time.push_back(1 - missed / requests);
    kept += report.demands_kept > 0;
    nearly += in_time.back() >= 0.93;
    if (in_time.back() < 0.9)
      std::printf("%.3f in time: %u replicas, batch %u at %.2f, %.1f/s %s; %s\n", in_time.back(), drawn.replicas,
                  drawn.batch, drawn.utilization, drawn.rate_per_s, drawn.demand.c_str(), drawn.profile.c_str());
  }
  std::sort(in_time.begin(), in_time.end());
  std::printf(
      "of %zu deployments at the limit of promises at 0.95: %d kept, %d to 0.93; in time at least %.3f, 5 %% of "
      "them under %.3f, half under %.3f\n",
      in_time.size(), kept, nearly, in_time.front(), in_time[in_time.size() / 20], in_time[in_time.size() / 2]);
  const auto share_of = [&](int part) { return part / static_cast<double>(in_time.size()); };
  EXPECT_GE(share_of(nearly), 0.93);
  EXPECT_GE(share_of(kept), 0.78);
  EXPECT_GE(in_time.front(), 0.8);
}

}  // namespace
}  // namespace tandem::replay
