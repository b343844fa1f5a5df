// The twin's closed forms against the event simulation: one deployment, from quiet to full.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

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

grid::Snapshot world_of(const ServedWork& work, double rate_per_s) {
  return test_support::drawn_grid(fmt::format(R"(
    a-b 1ms 10G
    region north a access=0ms backhaul=0ms
    accelerator gpu 2000GB
    pool p a gpu 64
    model m 70.6GB kv=1 context=131072
    profile m gpu {}
    tenant t *
    demand d t north m {}/s {} ttft=900ms tpot=60ms)",
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
        EXPECT_LT(ratios.ttft, utilization > 0.8 ? 1.4 : variation > 0 ? 1.12 : 1.3);
        EXPECT_GT(ratios.tpot, 0.95);
        EXPECT_LT(ratios.tpot, 1.3);
      }
    }
  }
}

// Every kind of work: nine in ten of the first tokens within 15 %. Beyond 0.8, where places run out, the twin can be
// far too early: writing on one replica at 0.9, twenty times.
TEST(TwinAgreementSoak, EveryKindOfWorkIsServedAsTheTwinSays) {
  Spread ttft, tpot;
  for (const ServedWork& work : kAll) {
    for (const double variation : {0.0, 1.0}) {
      for (const uint32_t replicas : {1u, 2u, 4u, 8u, 16u}) {
        for (const double utilization : {0.1, 0.3, 0.5, 0.7, 0.8}) {
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
  EXPECT_GE(ttft.near, ttft.cases * 85 / 100);
  EXPECT_GE(ttft.low, 0.48);
  EXPECT_LE(ttft.high, 1.6);
  EXPECT_GE(tpot.near, tpot.cases * 70 / 100);
  EXPECT_GE(tpot.low, 0.7);
  EXPECT_LE(tpot.high, 1.8);
}

}  // namespace
}  // namespace tandem::replay
