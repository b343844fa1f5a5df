#include "app/checkpoint_writer.h"

#include <gtest/gtest.h>

#include "support/small_world.h"

namespace tandem::app {
namespace {

// Remembers at which offsets it was written.
class Offsets final : public control::CheckpointStore {
 public:
  Result<void> write(log::Offset offset, const std::function<void(const Sink&)>&) override {
    written.push_back(offset);
    return {};
  }
  Result<std::optional<std::string>> read(log::Offset) const override { return std::nullopt; }
  std::vector<log::Offset> written;
};

control::State state_at(log::Offset offset) {
  control::State state;
  state.inventory.fold(test_support::site_fact(0), offset, {});
  return state;
}

TEST(CheckpointWriter, WritesWhereEnoughHappenedSinceTheLast) {
  Offsets store;
  {
    CheckpointWriter writer(store, 5'000);
    writer.offer(state_at(14'999));
  }
  EXPECT_TRUE(store.written.empty());
  {
    CheckpointWriter writer(store, 5'000);
    writer.offer(state_at(15'000));
  }
  EXPECT_EQ(store.written, std::vector<log::Offset>{15'000});
}

// What a start replays counts, so that a grid that never runs for long writes checkpoints too.
TEST(CheckpointWriter, CountsFromTheNewestCheckpointNotFromTheStart) {
  Offsets store;
  for (const log::Offset head : {4'000u, 8'000u, 12'000u}) {
    CheckpointWriter writer(store, 0);
    writer.offer(state_at(head));
  }
  EXPECT_EQ(store.written, std::vector<log::Offset>{12'000});
}

}  // namespace
}  // namespace tandem::app
