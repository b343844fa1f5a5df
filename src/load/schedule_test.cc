#include "load/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tandem::load {
namespace {

LoadOptions options(Process process = Process::steady) {
  LoadOptions o;
  o.models = {{"a", 3}, {"b", 1}};
  o.regions = {{"north", 1}, {"south", 1}};
  o.process = process;
  o.rate_per_s = 100;
  o.duration = seconds(100);
  return o;
}

ingest::TraceRequest recorded(Duration arrival, uint32_t prompt_tokens, uint32_t output_tokens) {
  return {.arrival = arrival, .prompt_tokens = prompt_tokens, .output_tokens = output_tokens, .prefix_blocks = {}};
}

std::vector<PlannedRequest> plan(const LoadOptions& o) {
  Schedule schedule(o);
  std::vector<PlannedRequest> planned;
  while (const auto request = schedule.next()) planned.push_back(*request);
  return planned;
}

// Requests in a part of the run, in fractions of its duration.
size_t count_between(const std::vector<PlannedRequest>& planned, const LoadOptions& o, double from, double to) {
  size_t n = 0;
  for (const PlannedRequest& request : planned) {
    const double at = request.at.seconds() / o.duration.seconds();
    n += at >= from && at < to;
  }
  return n;
}

TEST(Schedule, ASeedPlansTheSameEveryTimeAndAnotherDoesNot) {
  for (const Process process : {Process::steady, Process::diurnal, Process::burst}) {
    LoadOptions o = options(process);
    const auto first = plan(o);
    EXPECT_EQ(first, plan(o));
    o.seed = 2;
    EXPECT_NE(first, plan(o));
  }
}

TEST(Schedule, EndsAfterTheMostThereMayBe) {
  for (const Process process : {Process::steady, Process::diurnal, Process::burst, Process::trace}) {
    LoadOptions o = options(process);
    for (uint32_t i = 0; process == Process::trace && i < 20; ++i)
      o.trace.push_back(recorded(milliseconds(i), 1 + i, 1 + i));
    auto all = plan(o);
    o.requests_max = 7;
    all.resize(7);
    EXPECT_EQ(plan(o), all) << "the first of what would have come";
    o.concurrency = 3;
    EXPECT_EQ(plan(o).size(), 7u);
  }
}

TEST(Schedule, KeepsTheMeanRateAndTheOrder) {
  for (const Process process : {Process::steady, Process::diurnal, Process::burst}) {
    const auto planned = plan(options(process));
    EXPECT_NEAR(static_cast<double>(planned.size()), 10'000, 5 * std::sqrt(10'000.0));
    for (size_t i = 1; i < planned.size(); ++i) {
      EXPECT_GE(planned[i].at, planned[i - 1].at);
      EXPECT_EQ(planned[i].number, i);
    }
    EXPECT_LT(planned.back().at, seconds(100));
  }
}

TEST(Schedule, ADayHasANight) {
  const LoadOptions o = options(Process::diurnal);
  const auto planned = plan(o);
  EXPECT_GT(count_between(planned, o, 0.4, 0.6), 5 * count_between(planned, o, 0, 0.1));
}

TEST(Schedule, HalfOfTheRequestsComeInBursts) {
  const LoadOptions o = options(Process::burst);
  const auto planned = plan(o);
  size_t in_bursts = 0;
  for (int period = 0; period < 5; ++period)
    in_bursts += count_between(planned, o, 0.2 * period + 0.18, 0.2 * period + 0.2);
  EXPECT_NEAR(static_cast<double>(in_bursts), 5'000, 300);
}

TEST(Schedule, FollowsTheWeightsAndTheSizes) {
  const auto planned = plan(options());
  double first_model = 0, prompt = 0, north = 0;
  for (const PlannedRequest& request : planned) {
    first_model += request.model == 0;
    north += request.region == 0;
    prompt += request.prompt_tokens;
  }
  const auto n = static_cast<double>(planned.size());
  EXPECT_NEAR(first_model / n, 0.75, 0.03);
  EXPECT_NEAR(north / n, 0.5, 0.03);
  EXPECT_NEAR(prompt / n, 800, 60);  // a few draws lie over the upper bound
}

TEST(Schedule, AFixedSizeIsFixed) {
  LoadOptions o = options();
  o.output_tokens = {.mean = 77, .log_deviation = 0};
  for (const PlannedRequest& request : plan(o)) EXPECT_EQ(request.output_tokens, 77u);
}

TEST(Schedule, ReplaysATraceFaster) {
  LoadOptions o = options(Process::trace);
  o.trace = {recorded(seconds(0), 10, 1), recorded(seconds(30), 20, 2), recorded(seconds(30), 30, 3),
             recorded(seconds(2'000), 40, 4)};
  o.speed_up = 10;
  const auto planned = plan(o);
  ASSERT_EQ(planned.size(), 3u);  // the last would come after the duration
  EXPECT_EQ(planned[1].at, seconds(3));
  EXPECT_EQ(planned[2].at, seconds(3));
  EXPECT_EQ(planned[2].prompt_tokens, 30u);
  EXPECT_EQ(planned[2].output_tokens, 3u);
}

TEST(Schedule, OptionsOutOfRangeAreNamed) {
  const auto message = [](auto change) {
    LoadOptions o = options();
    change(o);
    const auto checked = check_options(o);
    return checked ? std::string() : checked.error().message;
  };
  EXPECT_EQ(message([](auto&) {}), "");
  EXPECT_NE(message([](auto& o) { o.models.clear(); }), "");
  EXPECT_NE(message([](auto& o) { o.models[0].weight = 0; }), "");
  EXPECT_NE(message([](auto& o) { o.regions[0].name = ""; }), "");
  EXPECT_NE(message([](auto& o) { o.rate_per_s = 0; }), "");
  EXPECT_NE(message([](auto& o) { o.rate_per_s = NAN; }), "");
  EXPECT_NE(message([](auto& o) { o.duration = {}; }), "");
  EXPECT_NE(message([](auto& o) { o.speed_up = -1; }), "");
  EXPECT_NE(message([](auto& o) { o.prompt_tokens.mean = 0; }), "");
  EXPECT_NE(message([](auto& o) { o.output_tokens.max = 0; }), "");
  EXPECT_NE(message([](auto& o) { o.slo_ttft = Milliseconds(0); }), "");
  EXPECT_NE(message([](auto& o) { o.outstanding_max = 0; }), "");
  EXPECT_NE(message([](auto& o) { o.concurrency = 5'000; }), "");
  EXPECT_NE(message([](auto& o) { o.process = Process::trace; }), "");
  EXPECT_NE(message([](auto& o) {
              o.process = Process::trace;
              o.trace = {recorded(seconds(2), 1, 1), recorded(seconds(1), 1, 1)};
            }),
            "");
}

}  // namespace
}  // namespace tandem::load
