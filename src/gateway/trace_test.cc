#include "gateway/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "gateway/test_world.h"

namespace tandem::gateway {
namespace {

using testing::StartsWith;

const std::string kParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

TEST(Traceparent, ReadsAndWritesASpan) {
  const auto context = read_traceparent(kParent);
  ASSERT_TRUE(context);
  EXPECT_EQ(to_hex(context->trace_id), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(context->span_id, 0xb7ad6b7169203331);
  EXPECT_TRUE(context->sampled);
  EXPECT_EQ(to_traceparent(*context), kParent);
  EXPECT_TRUE(read_traceparent("01" + kParent.substr(2) + "-more")) << "a later version may say more";
}

TEST(Traceparent, RefusesWhatIsNone) {
  for (const std::string& bad : std::vector<std::string>{
           std::string(), kParent.substr(1), kParent + "-more", "ff" + kParent.substr(2), "0G" + kParent.substr(2),
           "00-00000000000000000000000000000000-b7ad6b7169203331-01",
           "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
           "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
           "00-0af7651916cd43dd8448eb211c80319c.b7ad6b7169203331-01", "01" + kParent.substr(2) + "more"})
    EXPECT_FALSE(read_traceparent(bad)) << bad;
}

TEST(Traceparent, TheRatioIsThatOfRandomIds) {
  Random random(7);
  size_t sampled = 0;
  for (int i = 0; i < 10'000; ++i) {
    TraceId id;
    for (uint8_t& byte : id.bytes) byte = static_cast<uint8_t>(random.next());
    if (is_sampled(id, 0.1)) ++sampled;
    EXPECT_TRUE(is_sampled(id, 1));
    EXPECT_FALSE(is_sampled(id, 0));
  }
  EXPECT_NEAR(static_cast<double>(sampled), 1'000, 150);
}

http::Headers parent(const std::string& value) {
  http::Headers headers;
  headers.add("authorization", "Bearer sk-acme");
  headers.add("traceparent", value);
  headers.add("tracestate", "vendor=1");
  return headers;
}

GatewayOptions traced(double ratio) {
  GatewayOptions options;
  options.trace_ratio = ratio;
  return options;
}

TEST(Trace, AClientsTraceGoesOnThroughTheAttempts) {
  TestWorld world(kThreeEngines, three_engines(), traced(0));
  world.engine("far").behaviour = Behaviour::fails;
  EXPECT_EQ(world.ask(chat(kWholeBody, parent(kParent))).status, 200);
  const auto trace = world.last().trace;
  ASSERT_NE(trace, nullptr) << "the client has it sampled";
  EXPECT_EQ(trace->parent_span_id, 0xb7ad6b7169203331);
  EXPECT_EQ(to_hex(trace->context.trace_id), "0af7651916cd43dd8448eb211c80319c");
  ASSERT_EQ(trace->attempts.size(), 2u);
  EXPECT_EQ(trace->attempts[0].deployment, "far");
  EXPECT_EQ(trace->attempts[0].status, 500);
  EXPECT_EQ(trace->attempts[0].error_type, "unavailable");
  EXPECT_EQ(trace->attempts[1].site, "par");
  EXPECT_EQ(trace->attempts[1].port, world.engine("b").port());
  EXPECT_EQ(trace->attempts[1].error_type, "");
  EXPECT_GE(trace->attempts[1].began.ns, trace->attempts[0].began.ns + trace->attempts[0].took.ns);
  const http::Request& asked = world.engine("b").requests.at(0);
  EXPECT_EQ(asked.headers.value_or("traceparent", ""),
            to_traceparent({trace->context.trace_id, trace->attempts[1].span_id, true}));
  EXPECT_EQ(asked.headers.value_or("tracestate", ""), "vendor=1");
}

TEST(Trace, BothEnginesOfAHedgeHaveASpan) {
  std::string drawing = kThreeEngines;
  drawing.replace(drawing.find("key=sk-acme"), 11, "key=sk-acme hedge=0.95");
  GatewayOptions options = traced(1);
  options.hedge_delay_min = milliseconds(1);
  TestWorld world(drawing, three_engines(), options);
  world.engine("far").behaviour = Behaviour::hangs;
  EXPECT_EQ(world.ask(chat(kStreamBody)).header("x-tandem-site"), "par");
  const auto trace = world.last().trace;
  ASSERT_EQ(trace->attempts.size(), 2u);
  EXPECT_EQ(trace->attempts[0].deployment, "far");
  EXPECT_EQ(trace->attempts[0].error_type, "cancelled");
  EXPECT_GT(trace->attempts[0].took.ns, 0);
  EXPECT_EQ(trace->attempts[1].deployment, "b");
  EXPECT_EQ(trace->attempts[1].status, 200);
  EXPECT_EQ(trace->attempts[1].error_type, "");
  EXPECT_GT(trace->attempts[1].began.ns, trace->attempts[0].began.ns);
  for (const auto& [name, attempt] : {std::pair("far", trace->attempts[0]), std::pair("b", trace->attempts[1])})
    EXPECT_EQ(world.engine(name).requests.at(0).headers.value_or("traceparent", ""),
              to_traceparent({trace->context.trace_id, attempt.span_id, true}));
}

TEST(Trace, OneThatIsNotSampledIsNamedButNotKept) {
  TestWorld world(kThreeEngines, three_engines(), traced(0));
  world.ask(chat(kWholeBody, parent("nonsense")));
  EXPECT_EQ(world.last().trace, nullptr);
  EXPECT_TRUE(world.last().trace_id);
  const http::Request& asked = world.engine("far").requests.at(0);
  EXPECT_THAT(std::string(asked.headers.value_or("traceparent", "")),
              StartsWith("00-" + to_hex(world.last().trace_id)));
  EXPECT_FALSE(asked.headers.find("tracestate")) << "of a trace that could not be read";
}

TEST(Trace, BeginsHereWithTheRatio) {
  TestWorld world(kThreeEngines, three_engines(), traced(1));
  world.ask(chat(kStreamBody));
  ASSERT_NE(world.last().trace, nullptr);
  EXPECT_EQ(world.last().trace->parent_span_id, 0u);
  EXPECT_EQ(world.last().trace->attempts.size(), 1u);
  EXPECT_GT(world.last().answer_bytes, 0u);
  EXPECT_EQ(world.last().request_bytes, kStreamBody.size());
}

TEST(Trace, WithoutTracingTheHeaderPassesAsItIs) {
  TestWorld world(kThreeEngines, three_engines());
  world.ask(chat(kWholeBody, parent(kParent)));
  EXPECT_EQ(world.engine("far").requests.at(0).headers.value_or("traceparent", ""), kParent);
  EXPECT_EQ(to_hex(world.last().trace_id), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(world.last().trace, nullptr);
}

}  // namespace
}  // namespace tandem::gateway
