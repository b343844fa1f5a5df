#include "twin/cold_start.h"

#include <gtest/gtest.h>

#include "support/drawn_grid.h"

namespace tandem::twin {
namespace {

using test_support::drawn_grid;

constexpr std::string_view kWorld = R"(
  accelerator x 80GB load=2
  model m 140GB
  tenant t *
)";

std::optional<ColdStart> start_at(const grid::Snapshot& s, std::string_view pool) {
  const Forecast carried = forecast(s, {});
  return ColdStarts(s, carried).of(s.pools.find(pool), s.models.find("m"));
}

TEST(ColdStart, WeightsTakeTheWaysCapacityAndThenTheirLoading) {
  const auto s = drawn_grid(std::string(kWorld) + "a-b 1ms 10G\nb-c 1ms 40G\nsite c DE store\npool p a x 8\n");
  const auto start = start_at(s, "p");
  ASSERT_TRUE(start);
  EXPECT_DOUBLE_EQ(start->transfer_s, 112);
  EXPECT_DOUBLE_EQ(start->load_s, 70);
  EXPECT_DOUBLE_EQ(start->ready_s(), 182);
}

TEST(ColdStart, TrafficInTheSameDirectionSlowsIt) {
  const std::string world = std::string(kWorld) + "a-b 1ms 10G\nsite b DE store\npool p a x 8\n";
  EXPECT_DOUBLE_EQ(start_at(drawn_grid(world + "traffic b a 5G\n"), "p")->transfer_s, 224);
  EXPECT_DOUBLE_EQ(start_at(drawn_grid(world + "traffic a b 5G\n"), "p")->transfer_s, 112) << "the other way is free";
  EXPECT_FALSE(start_at(drawn_grid(world + "traffic b a 10G\n"), "p")) << "nothing is left";
}

TEST(ColdStart, EqualCostWaysAreUsedTogether) {
  const auto s = drawn_grid(std::string(kWorld) +
                            "a-b 1ms 10G\na-c 1ms 10G\nb-d 1ms 10G\nc-d 1ms 10G\nsite d DE store\npool p a x 8\n");
  EXPECT_DOUBLE_EQ(start_at(s, "p")->transfer_s, 56);
}

TEST(ColdStart, TheNearestStoreThatIsUpServes) {
  const std::string world = std::string(kWorld) + "a-b 1ms 10G\nb-c 1ms 5G\nsite c DE store\npool p a x 8\n";
  EXPECT_DOUBLE_EQ(start_at(drawn_grid(world + "site b DE store\n"), "p")->transfer_s, 112);
  EXPECT_DOUBLE_EQ(start_at(drawn_grid(world + "site b DE store down\n" + "a-c 1ms 20G metric=5\n"), "p")->transfer_s,
                   56)
      << "a dark site's weights and its router are gone";
  EXPECT_EQ(start_at(drawn_grid(world + "site a DE store\n"), "p")->transfer_s, 0) << "they lie there";
  EXPECT_FALSE(start_at(drawn_grid(world + "site c DE store down\n"), "p"));
  EXPECT_EQ(start_at(drawn_grid(std::string(kWorld) + "a-b 1ms 10G\npool p a x 8\n"), "p")->transfer_s, 0)
      << "no store: weights lie everywhere";
}

}  // namespace
}  // namespace tandem::twin
