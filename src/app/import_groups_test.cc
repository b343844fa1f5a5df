// A feed of several groups is cut between any two of them, sent again, and leaves what it leaves when it is not cut.
#include "app/import_groups.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "control/control.h"
#include "inventory/upsert.h"
#include "log/simulated_log.h"
#include "support/small_world.h"

namespace tandem::app {
namespace {

constexpr size_t kRacks = 4'100;  // three groups
constexpr const char* kFeed = "planning";

// What is believed and who says it, without when.
std::string told(const inventory::Snapshot& snapshot) {
  std::string all;
  for (const std::string& kind : snapshot.kinds())
    snapshot.for_each_json(kind, [&](const std::string& id, const Json::Object& attributes) {
      all += fmt::format("{}/{} {}\n", kind, id, to_json(attributes));
      for (const inventory::Claim& claim : snapshot.claims(kind, id))
        if (claim.holds)
          all += fmt::format("  {} {} {} {} {}\n", claim.attribute, claim.source, inventory::to_text(claim.standing),
                             to_json(inventory::to_json_value(claim)), claim.believed);
      for (const inventory::Presence& presence : snapshot.presences(kind, id))
        all += fmt::format("  seen by {}{}\n", presence.source, presence.unseen_since ? ", no longer" : "");
      return true;
    });
  return all;
}

class ImportedGrid {
 public:
  ImportedGrid() {
    open();
    std::vector<std::vector<log::Event>> groups;
    groups.push_back(test_support::small_world(3));
    EXPECT_TRUE(core_->submit(std::move(groups), pass())->front());
  }

  void open() {
    core_.reset();
    const auto head = log_.head();
    auto opened = control::Core::open(log_, nullptr, {.epoch = head->header.epoch + 1});
    ASSERT_TRUE(opened) << to_string(opened.error());
    core_ = std::move(*opened);
  }

  // Takes the feed in; false where it is cut after so many groups.
  bool import(size_t racks, size_t groups_max = SIZE_MAX, bool full = false) {
    inventory::UpsertOptions options;
    options.source = kFeed;
    options.actor = "operator:import";
    options.full = full;
    inventory::Upsert upsert(believed(), options);
    for (size_t i = 0; i < racks; ++i) {
      inventory::Row row;
      row.kind = "rack";
      row.id = fmt::format("r{}", i);
      row.attributes = {{"site", test_support::site_id(i % 3)}, {"height_u", 42}, {"name", fmt::format("Rack {}", i)}};
      upsert.add(std::move(row));
    }
    upsert.finish();
    EXPECT_TRUE(upsert.accepted());
    size_t groups = 0;
    bool ended = false;
    ImportGroups recording({kFeed, "operator:import", racks, open_import(believed(), kFeed).has_value()},
                           [&](std::vector<log::Event> group, bool last) -> Result<void> {
                             EXPECT_FALSE(ended) << "nothing follows the last";
                             ended = last;
                             if (groups == groups_max) return fail(ErrorCode::unavailable, "the program was killed");
                             ++groups;
                             std::vector<std::vector<log::Event>> one;
                             one.push_back(std::move(group));
                             TANDEM_ASSIGN(const auto outcomes, core_->submit(std::move(one), pass()));
                             return outcomes.front() ? Result<void>() : tl::unexpected(outcomes.front().error());
                           });
    Result<void> done;
    upsert.for_each_event(
        [&](log::Event event, size_t) { return (done = recording.add(std::move(event))).has_value(); });
    if (done) done = recording.finish();
    return done.has_value();
  }

  const inventory::Snapshot& believed() const { return core_->state().inventory; }

 private:
  Instant pass() { return now_ = now_ + seconds(1); }

  log::SimulatedLog log_{1};
  std::unique_ptr<control::Core> core_;
  Instant now_{1'790'000'000'000'000'000};
};

TEST(ImportGroups, AnImportThatIsCutAndSentAgainLeavesWhatOneThatIsNotCutDoes) {
  ImportedGrid whole;
  ASSERT_TRUE(whole.import(kRacks));
  EXPECT_TRUE(open_imports(whole.believed()).empty());
  const std::string wanted = told(whole.believed());
  for (size_t groups = 0; groups < 3; ++groups) {
    ImportedGrid cut;
    ASSERT_FALSE(cut.import(kRacks, groups)) << "it takes three groups";
    cut.open();
    EXPECT_EQ(cut.believed().size("rack"), groups * kImportGroupEvents)
        << "what was acknowledged is there, and no part of a group";
    EXPECT_EQ(open_import(cut.believed(), kFeed).has_value(), groups > 0)
        << "it is named as soon as a part of it is there";
    ASSERT_TRUE(cut.import(kRacks));
    EXPECT_TRUE(open_imports(cut.believed()).empty());
    EXPECT_EQ(told(cut.believed()), wanted) << "cut after " << groups << " groups";
  }
}

TEST(ImportGroups, WhatIsCutTwiceAndThenShrinksEndsToo) {
  ImportedGrid grid;
  ASSERT_FALSE(grid.import(kRacks, 1));
  grid.open();
  ASSERT_FALSE(grid.import(kRacks, 1));
  grid.open();
  EXPECT_EQ(open_imports(grid.believed()), std::vector<std::string>{kFeed});
  ASSERT_TRUE(grid.import(100, SIZE_MAX, /*full=*/true)) << "the rest of what was recorded is no longer seen";
  EXPECT_TRUE(open_imports(grid.believed()).empty());
  EXPECT_TRUE(grid.believed().presences("rack", "r100").front().unseen_since);
  EXPECT_FALSE(grid.believed().presences("rack", "r99").front().unseen_since);
}

TEST(ImportGroups, WhatFitsOneGroupNeedsNoMark) {
  ImportedGrid grid;
  ASSERT_TRUE(grid.import(kImportGroupEvents));
  EXPECT_EQ(grid.believed().size(kImportKind), 0u);
}

TEST(ImportGroups, AnySourceHasAnImportOfItsOwn) {
  EXPECT_EQ(import_id("import:csv"), "import:csv");
  EXPECT_NE(import_id("my feed"), import_id("my/feed"));
  for (const char* source : {"my feed", "Zählung", "a/b"}) EXPECT_EQ(import_id(source).size(), 23u) << source;
}

}  // namespace
}  // namespace tandem::app
