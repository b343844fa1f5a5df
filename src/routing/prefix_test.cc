#include "routing/prefix.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/random.h"
#include "routing/drawn_table.h"
#include "routing/routing.h"

namespace tandem::routing {
namespace {

std::string text_of(size_t bytes, uint64_t seed) {
  Random random(seed);
  std::string text(bytes, ' ');
  for (char& letter : text) letter = static_cast<char>('a' + random.below(26));
  return text;
}

std::vector<PrefixPoint> points_of(std::string_view text, size_t piece = SIZE_MAX) {
  PrefixHasher hasher;
  for (size_t at = 0; at < text.size(); at += std::min(piece, text.size() - at)) hasher.add(text.substr(at, piece));
  return {hasher.points().begin(), hasher.points().end()};
}

bool same(const PrefixPoint& a, const PrefixPoint& b) { return a.hash == b.hash && a.tokens == b.tokens; }

TEST(PrefixHasher, DependsOnTheTextAndNotOnItsParts) {
  const std::string text = text_of(40'000, 1);
  const auto whole = points_of(text);
  ASSERT_GT(whole.size(), 10u);
  for (const size_t piece : {1, 7, 63, 64, 65, 1'000, 1'024, 9'999}) {
    const auto pieces = points_of(text, piece);
    ASSERT_EQ(pieces.size(), whole.size()) << piece;
    for (size_t i = 0; i < whole.size(); ++i) EXPECT_TRUE(same(pieces[i], whole[i])) << piece << " " << i;
  }
}

TEST(PrefixHasher, SharesPointsUpToTheFirstDifference) {
  const std::string text = text_of(40'000, 1);
  const auto whole = points_of(text);
  for (const size_t at : {0, 1'023, 1'024, 5'000, 39'000}) {
    std::string other = text;
    other[at] ^= 1;
    const auto points = points_of(other);
    for (size_t i = 0; i < whole.size(); ++i)
      EXPECT_EQ(points[i].hash == whole[i].hash, size_t{whole[i].tokens} * 4 <= at) << at << " " << i;
  }
  const auto longer = points_of(text + text_of(9'000, 2));
  for (size_t i = 0; i < whole.size(); ++i) EXPECT_TRUE(same(longer[i], whole[i]));
}

TEST(PrefixHasher, PointsLieAnEighthApartAndEnd) {
  EXPECT_TRUE(points_of(text_of(1'023, 1)).empty());
  EXPECT_EQ(points_of(text_of(1'024, 1)).size(), 1u);
  const auto points = points_of(std::string(16 << 20, 'x'));
  ASSERT_EQ(points.size(), PrefixHasher::kPointsMax);
  EXPECT_GT(points.back().tokens, 1'000'000u);
  for (size_t i = 1; i < points.size(); ++i) {
    EXPECT_GE(points[i].tokens, points[i - 1].tokens + 256);
    EXPECT_LE(points[i].tokens, std::max(points[i - 1].tokens + 256.0, points[i - 1].tokens * 1.126));
  }
  std::vector<PrefixPoint> blocks;
  for (uint32_t i = 1; i <= 1'000; ++i) blocks.push_back({i, i * 512});
  const auto kept = thinned(blocks);
  EXPECT_LE(kept.size(), PrefixHasher::kPointsMax);
  EXPECT_EQ(kept.front().tokens, 512u);
  EXPECT_GT(kept.back().tokens, 512 * 800u);
}

constexpr PrefixIndex::Engine kFirst{.number = 3, .replicas = 1, .kv_tokens = 100'000};
constexpr PrefixIndex::Engine kSecond{.number = 9, .replicas = 1, .kv_tokens = 100'000};

std::map<uint32_t, uint32_t> found(const PrefixIndex& index, const std::vector<PrefixPoint>& prompt,
                                   Duration now = seconds(1)) {
  std::map<uint32_t, uint32_t> tokens;
  index.find(prompt, now, [&](uint32_t engine, uint32_t known) { tokens[engine] = known; });
  return tokens;
}

TEST(PrefixIndex, FindsHowMuchOfAPromptAnEngineHas) {
  PrefixIndex index;
  const std::string shared = text_of(8'192, 1);
  const auto first = points_of(shared + text_of(8'192, 2)), second = points_of(shared + text_of(8'192, 3));
  EXPECT_TRUE(found(index, first).empty());
  index.note(first, kFirst, 4'096, seconds(1));
  EXPECT_EQ(found(index, first), (std::map<uint32_t, uint32_t>{{3, first.back().tokens}}));
  EXPECT_EQ(found(index, second), (std::map<uint32_t, uint32_t>{{3, 2'048}}));
  index.note(second, kSecond, 4'096, seconds(1));
  EXPECT_EQ(found(index, second), (std::map<uint32_t, uint32_t>{{3, 2'048}, {9, second.back().tokens}}));
  index.forget(3);
  EXPECT_EQ(found(index, second), (std::map<uint32_t, uint32_t>{{9, second.back().tokens}}));
  index.note(first, kFirst, 4'096, seconds(2));
  EXPECT_EQ(found(index, first, seconds(2)).at(3), first.back().tokens) << "what comes after it was forgotten counts";
}

TEST(PrefixIndex, AnEngineKeepsWhatItsMemoryHolds) {
  PrefixIndex index;
  const auto old = points_of(text_of(8'192, 1)), other = points_of(text_of(8'192, 2));
  index.note(old, kFirst, 2'048, seconds(1));
  index.note(other, kFirst, 90'000, seconds(1));
  EXPECT_EQ(found(index, old).count(3), 1u);
  index.note(old, kFirst, 0, seconds(1));
  index.note(other, kFirst, 90'000, seconds(1));
  EXPECT_EQ(found(index, old).count(3), 1u) << "it was used again in between";
  index.note(other, kFirst, 20'000, seconds(1));
  EXPECT_EQ(found(index, old).count(3), 0u);
  EXPECT_EQ(found(index, other).count(3), 1u);
  EXPECT_EQ(found(index, other, seconds(600)).count(3), 1u);
  EXPECT_EQ(found(index, other, seconds(602)).count(3), 0u) << "too old";
}

TEST(PrefixIndex, EachReplicaHasItsOwn) {
  PrefixIndex index;
  const auto prompt = points_of(text_of(8'192, 1));
  const PrefixIndex::Engine engine{.number = 0, .replicas = 4, .kv_tokens = 0};
  index.note(prompt, engine, 0, seconds(1));
  EXPECT_NEAR(found(index, prompt).at(0), 2'048 / 4, 1);
  for (int i = 0; i < 40; ++i) index.note(prompt, engine, 0, seconds(1));
  EXPECT_GT(found(index, prompt).at(0), 2'040u);
}

TEST(PrefixIndex, ForgetsTheOldestWhereItIsFull) {
  PrefixIndex index(64);
  std::vector<std::vector<PrefixPoint>> prompts;
  for (uint64_t i = 0; i < 100; ++i) {
    prompts.push_back(points_of(text_of(1'024, i)));
    index.note(prompts.back(), kFirst, 0, seconds(static_cast<int64_t>(i)));
  }
  size_t old = 0, recent = 0;
  for (size_t i = 0; i < 100; ++i) (i < 50 ? old : recent) += found(index, prompts[i], seconds(100)).size();
  EXPECT_LE(old + recent, 64u);
  EXPECT_LT(2 * old, recent);
}

// Two engines of one model, the same but for the price of the second; a third of another model.
constexpr std::string_view kTwins = R"(
  jurisdiction DE FR
  region north
  site ber DE
  site par FR
  model small
  model other
  tenant acme
  target a ber small concurrency=10 prefill=10000 prompt_cost=1 output_cost=1
  target b par small concurrency=10 prefill=10000 prompt_cost=1.2 output_cost=1.2
  target c par other concurrency=10 prefill=10000
  leg north ber rtt=2
  leg north par rtt=4
)";

struct Twins {
  explicit Twins(std::string_view more = "") : table(draw_table(std::string(kTwins) + std::string(more))) {
    live.resize(3);
    request.prompt_tokens = 4'000;  // 400 ms of prefill
    request.output_tokens = 100;
  }
  Decision decide(double draw = 0) const { return routing::decide(table, request, live, {}, draw); }
  RoutingTable table;
  RequestFacts request;
  std::vector<TargetLive> live;
};

TEST(WarmPrefix, AnEngineThatHoldsThePromptTakesIt) {
  Twins twins;
  EXPECT_EQ(twins.decide().target, 0u);
  twins.request.hits.offer({1, 3'000});
  EXPECT_EQ(twins.decide().target, 1u);
  EXPECT_EQ(twins.decide().reason, Reason::warm_prefix);
  EXPECT_EQ(twins.decide().cached_tokens, 3'000u);
  EXPECT_DOUBLE_EQ(twins.decide().predicted_ttft.value(), 4'000 + 100'000);
  twins.request.hits.offer({0, 2'000});
  EXPECT_EQ(twins.decide().target, 1u) << "it holds more";
  twins.request.hits.offer({0, 3'500});
  EXPECT_EQ(twins.decide().target, 0u);
  EXPECT_EQ(twins.decide().reason, Reason::cheapest) << "it would be it anyway";
  EXPECT_EQ(twins.decide().cached_tokens, 3'500u);
  const auto verdicts = explain(twins.table, twins.request, twins.live, {}, 0);
  EXPECT_EQ(verdicts[0].cached_tokens, 3'500u);
  EXPECT_TRUE(verdicts[0].chosen);
}

TEST(WarmPrefix, ALoadedEngineIsLeftForAColdOne) {
  Twins twins;
  twins.request.hits.offer({1, 3'000});  // 300 ms less
  twins.live[1].prefills = 1;
  twins.live[1].prefill_tokens = 5'900;  // half of them still to come, most likely: 295 ms
  EXPECT_EQ(twins.decide().target, 1u);
  twins.live[1].prefill_tokens = 6'100;
  EXPECT_EQ(twins.decide().target, 0u) << "it would wait for longer than the cache saves";
  twins.live[0] = twins.live[1];
  EXPECT_EQ(twins.decide().target, 1u) << "so it would at the other";
  twins.live[1].in_flight = twins.live[0].in_flight = 10;
  EXPECT_EQ(twins.decide().target, 1u) << "both are full";
}

TEST(WarmPrefix, PassesTheGatesFirst) {
  Twins twins;
  twins.request.hits.offer({1, 3'000});
  twins.request.allowed = {1};
  EXPECT_EQ(twins.decide().target, 0u) << "abroad";
  twins.request.allowed = grid::JurisdictionSet::all();
  twins.live[1].healthy = false;
  EXPECT_EQ(twins.decide().target, 0u);
  Twins other;
  other.request.hits.offer({2, 4'000});
  EXPECT_EQ(other.decide().target, 0u) << "an engine of another model";
}

TEST(WarmPrefix, KeepsToThePlanWhereItIsOpenAndToThePriceElse) {
  Twins planned("  split acme north small a=1\n");
  planned.request.hits.offer({1, 3'900});
  EXPECT_EQ(planned.decide().target, 0u) << "the plan has nothing there";
  Twins shared("  split acme north small a=0.9 b=0.1\n");
  shared.request.hits.offer({1, 3'900});
  EXPECT_EQ(shared.decide(0.5).target, 1u);
  Twins dear;
  dear.request.hits.offer({1, 500});
  EXPECT_EQ(dear.decide().target, 0u) << "an eighth of the prompt does not make up for the price";
}

TEST(WarmPrefix, KeepsAPromiseThatAColdEngineWouldBreak) {
  Twins twins;
  twins.request.ttft = Milliseconds(200);
  EXPECT_EQ(twins.decide().reason, Reason::promise_at_risk);
  twins.request.hits.offer({1, 3'000});
  EXPECT_EQ(twins.decide().target, 1u);
  EXPECT_EQ(twins.decide().reason, Reason::warm_prefix);
  twins.request.ttft = Milliseconds(50);
  EXPECT_EQ(twins.decide().target, 1u) << "late, but less so";
  EXPECT_EQ(twins.decide().reason, Reason::promise_at_risk);
}

TEST(PrefixHits, KeepsTheMost) {
  PrefixHits hits;
  for (uint32_t i = 1; i <= 20; ++i) hits.offer({i, i});
  hits.offer({20, 5});
  ASSERT_EQ(hits.count, PrefixHits::kMax);
  uint32_t sum = 0;
  for (const PrefixHit& hit : hits.all()) sum += hit.tokens;
  EXPECT_EQ(sum, 13u + 14 + 15 + 16 + 17 + 18 + 19 + 20);
}

}  // namespace
}  // namespace tandem::routing
