// Personal data from its first saying to its erasure: where it stands, who reads it, what is left.
#include "vault/vault.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "support/branch_events.h"
#include "support/small_world.h"
#include "support/temporary_directory.h"
#include "vault/key_file.h"

namespace tandem::vault {
namespace {

using inventory::EntityKey;
using test_support::created;
using test_support::edited;
using test_support::fact;
using test_support::merged;

constexpr std::string_view kName = "Ada-Lovelace-in-clear";
constexpr std::string_view kMail = "ada@in-clear.example";
const Json kErased = Json::Object{{"erased", true}};

log::Event erasure(std::string_view id, std::string_view reason = "request 12") {
  log::Event event;
  event.set_actor("operator:test");
  event.mutable_personal_data_erased()->set_kind("contact");
  event.mutable_personal_data_erased()->set_id(std::string(id));
  event.mutable_personal_data_erased()->set_reason(std::string(reason));
  return event;
}

log::Event contact(std::string_view id, std::string_view name = kName) {
  return fact("contact", id, {{"name", name}, {"email", kMail}, {"role", "night shift"}});
}

// A grid with its data on disk, as often opened as one likes.
class World {
 public:
  World() { open(); }

  void open(bool with_keys = true) {
    close();
    log_ = std::move(*log::open_sqlite_log({.directory = directory_.path() / "log", .read_only = false}));
    vault_ = with_keys ? *open_vault({.directory = directory_.path() / "keys"}) : nullptr;
    control::CoreOptions options;
    options.epoch = ++epoch_;
    options.sealer = vault_.get();
    checkpoints_ = control::directory_checkpoints(directory_.path() / "checkpoints");
    auto core = control::Core::open(*log_, checkpoints_.get(), options);
    ASSERT_TRUE(core) << to_string(core.error());
    core_ = std::move(*core);
  }
  void close() {
    core_.reset();
    vault_.reset();
    log_.reset();
  }
  Result<log::Offset> try_record(std::vector<log::Event> events) {
    auto outcomes = core_->submit({std::move(events)}, now_ = now_ + seconds(1));
    if (!outcomes) return tl::unexpected(outcomes.error());
    return std::move(outcomes->front());
  }
  log::Offset record(std::vector<log::Event> events) {
    const auto offset = try_record(std::move(events));
    EXPECT_TRUE(offset) << to_string(offset.error());
    return offset.value_or(0);
  }
  void write_checkpoint() { ASSERT_TRUE(control::write_checkpoint(state(), *checkpoints_)); }

  const control::State& state() const { return core_->state(); }
  inventory::Snapshot sealed() const { return state().inventory; }
  inventory::Snapshot open_snapshot() const { return state().inventory.opened_by(vault_); }
  Json shown(const inventory::Snapshot& snapshot, std::string_view id, const std::string& attribute) const {
    const Json::Object attributes = snapshot.attributes("contact", id);
    const auto found = attributes.find(attribute);
    return found == attributes.end() ? Json() : found->second;
  }
  Json name(std::string_view id) const { return shown(open_snapshot(), id, "name"); }
  // Every file of the data directory that holds these bytes.
  std::vector<std::string> holding(std::string_view bytes) const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.path()))
      if (entry.is_regular_file() && read_file(entry.path(), 1u << 30)->find(bytes) != std::string::npos)
        names.push_back(entry.path().filename());
    return names;
  }
  std::vector<std::string> keys_on_disk() const {
    std::vector<std::string> keys;
    const auto file = KeyFile::open(directory_.path() / "keys" / "personal.keys", true);
    EXPECT_TRUE(file->for_each([&](uint64_t, SlotState state, const Slot& slot) {
      if (state == SlotState::key)
        keys.emplace_back(reinterpret_cast<const char*>(slot.key.bytes.data()), slot.key.bytes.size());
    }));
    return keys;
  }
  void expect_whole() const {
    const auto verified = log::verify_sqlite_log(directory_.path() / "log");
    ASSERT_TRUE(verified) << to_string(verified.error());
    EXPECT_TRUE(verified->damage.empty());
    EXPECT_EQ(verified->last, state().inventory.offset());
    const auto replayed = control::replay(*log_);
    ASSERT_TRUE(replayed);
    EXPECT_EQ(control::state_hash(*replayed), control::state_hash(state()));
  }
  Vault& vault() { return *vault_; }
  const std::filesystem::path& path() const { return directory_.path(); }

 private:
  test_support::TemporaryDirectory directory_;
  std::unique_ptr<log::Log> log_;
  std::shared_ptr<Vault> vault_;
  std::unique_ptr<control::CheckpointStore> checkpoints_;
  std::unique_ptr<control::Core> core_;
  log::Epoch epoch_ = 0;
  Instant now_{1'700'000'000'000'000'000};
};

TEST(Vault, WhatIsPersonalStandsNowhereInClear) {
  World world;
  world.record({contact("c-1")});
  world.write_checkpoint();
  EXPECT_TRUE(world.holding(kName).empty());
  EXPECT_TRUE(world.holding(kMail).empty());
  EXPECT_FALSE(world.holding("night shift").empty()) << "what is not personal is in clear";
  EXPECT_EQ(world.name("c-1"), Json(kName));
  EXPECT_EQ(world.shown(world.sealed(), "c-1", "role"), Json("night shift"));
  EXPECT_TRUE(world.shown(world.sealed(), "c-1", "name")["sealed"].is_string());
  world.open();
  EXPECT_EQ(world.name("c-1"), Json(kName)) << "after another start, from the checkpoint";
  world.expect_whole();
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(world.path() / "keys").permissions(), perms::owner_all);
  EXPECT_EQ(std::filesystem::status(world.path() / "keys" / "personal.keys").permissions(),
            perms::owner_read | perms::owner_write);
}

TEST(Vault, WhoRepeatsHimselfAddsNothing) {
  World world;
  world.record({contact("c-1")});
  const size_t claims = world.sealed().claims("contact", "c-1").size();
  world.record({contact("c-1")});
  world.open();
  world.record({contact("c-1")});
  EXPECT_EQ(world.sealed().claims("contact", "c-1").size(), claims);
  EXPECT_EQ(world.vault().keys(), 1u);
}

TEST(Vault, ErasedIsErasedEverywhereAndTheChainHolds) {
  World world;
  const log::Offset said = world.record({contact("c-1"), contact("c-2", "Charles")});
  world.record({contact("c-1", "Ada King")});
  world.record({test_support::retraction("contact", "c-2")});
  world.record({contact("c-2", "Charles again")});
  world.write_checkpoint();
  const std::vector<std::string> keys = world.keys_on_disk();
  ASSERT_EQ(keys.size(), 2u);
  ASSERT_EQ(world.holding(keys[0]).size(), 1u);

  const log::Offset erased = world.record({erasure("c-1")});
  EXPECT_TRUE(world.name("c-1").is_null());
  EXPECT_EQ(world.shown(world.open_snapshot(), "c-1", "role"), Json("night shift"));
  EXPECT_EQ(world.name("c-2"), Json("Charles again")) << "another's key";
  EXPECT_TRUE(world.shown(world.open_snapshot().as_of({.recorded = said, .valid = {}}), "c-1", "name").is_null());
  size_t gone = 0;
  for (const inventory::Claim& claim : world.open_snapshot().claims("contact", "c-1")) {
    EXPECT_EQ(claim.erased, claim.attribute != "role");
    gone += claim.erased;
    EXPECT_EQ(inventory::to_json_value(claim) == kErased, claim.erased);
  }
  EXPECT_EQ(gone, 3u);  // two names and one address
  EXPECT_EQ(world.open_snapshot().erasures("contact", "c-1"), (std::vector<log::Offset>{erased}));
  for (size_t at = 0; at + 16 <= keys[0].size(); at += 16) EXPECT_TRUE(world.holding(keys[0].substr(at, 16)).empty());
  EXPECT_EQ(world.keys_on_disk(), (std::vector<std::string>{keys[1]}));
  world.expect_whole();
  world.open();
  world.expect_whole();
  EXPECT_TRUE(world.name("c-1").is_null());
}

TEST(Vault, WhatIsSaidAfterAnErasureHasANewKey) {
  World world;
  world.record({contact("c-1")});
  world.record({erasure("c-1"), contact("c-1", "Back again")});  // of one batch
  EXPECT_EQ(world.name("c-1"), Json("Back again"));
  world.record({contact("c-1", "And again")});
  world.open();
  EXPECT_EQ(world.name("c-1"), Json("And again"));
  EXPECT_EQ(world.vault().keys(), 1u);
  world.record({erasure("c-1")});
  world.open();
  EXPECT_TRUE(world.name("c-1").is_null());
  EXPECT_EQ(world.vault().keys(), 0u);
  EXPECT_EQ(world.open_snapshot().erasures("contact", "c-1").size(), 2u);
}

// The program ended between the event and the keys: as a core without a vault leaves it.
TEST(Vault, AnErasureThatWasCutShortIsFinishedAtTheNextStart) {
  World world;
  world.record({contact("c-1"), contact("c-2")});
  world.open(/*with_keys=*/false);
  world.record({erasure("c-1")});
  world.close();
  EXPECT_EQ(world.keys_on_disk().size(), 2u);
  world.open();
  EXPECT_EQ(world.keys_on_disk().size(), 1u);
  EXPECT_TRUE(world.name("c-1").is_null());
  EXPECT_EQ(world.name("c-2"), Json(kName));
}

// A copy of the keys from before an erasure is put back, with the log as it is.
TEST(Vault, KeysThatArePutBackAreDestroyedAgain) {
  World world;
  world.record({contact("c-1")});
  const std::filesystem::path file = world.path() / "keys" / "personal.keys";
  const std::string before = *read_file(file, 1u << 20);
  world.record({erasure("c-1")});
  world.close();
  ASSERT_TRUE(write_file_durably(file, before));
  world.open();
  EXPECT_TRUE(world.keys_on_disk().empty());
  EXPECT_TRUE(world.name("c-1").is_null());
}

TEST(Vault, WithoutItsKeysItStaysSealed) {
  World world;
  world.record({contact("c-1")});
  world.close();
  std::filesystem::remove_all(world.path() / "keys");
  world.open();
  EXPECT_TRUE(world.name("c-1")["sealed"].is_string());
  world.record({contact("c-1", "Said anew")});
  EXPECT_EQ(world.name("c-1"), Json("Said anew"));
  world.expect_whole();
}

TEST(Vault, BranchesAreSealedAndErasedToo) {
  World world;
  world.record({contact("c-1")});
  world.record({created("b"), edited("b", {contact("c-1", "Ada in a branch"), contact("c-9", "Only in a branch")})});
  world.write_checkpoint();
  EXPECT_TRUE(world.holding("in a branch").empty());
  const auto in_branch = [&](std::string_view id) {
    const auto vault = *open_vault({.directory = world.path() / "keys", .read_only = true});
    return world.shown(world.state().branches.find("b")->head.opened_by(vault), id, "name");
  };
  EXPECT_EQ(in_branch("c-1"), Json("Ada in a branch"));
  world.record({erasure("c-9")});
  EXPECT_TRUE(in_branch("c-9").is_null());
  world.record({merged("b")});
  EXPECT_EQ(world.name("c-1"), Json("Ada in a branch"));
  EXPECT_TRUE(world.name("c-9").is_null());
  world.expect_whole();
}

TEST(Vault, SettledConflictsKeepSealedValues) {
  World world;
  world.record({contact("c-1")});
  world.record({created("b"), edited("b", {contact("c-1", "Ours")})});
  world.record({contact("c-1", "Theirs")});
  EXPECT_FALSE(world.try_record({merged("b")}));
  log::Event settled;
  settled.set_actor("operator:test");
  settled.mutable_branch_edited()->set_branch("b");
  v1::ConflictSettled& settlement = *settled.mutable_branch_edited()->add_edits()->mutable_settled();
  settlement.set_kind("contact");
  settlement.set_id("c-1");
  settlement.set_take(v1::ConflictSettled::TAKE_OURS);
  world.record({settled});
  world.record({merged("b")});
  EXPECT_EQ(world.name("c-1"), Json("Ours"));
  EXPECT_TRUE(world.holding("Theirs").empty());
}

TEST(Vault, WhatTheParentRemovedIsSaidAgainSealed) {
  World world;
  world.record({contact("c-1")});
  world.record({created("b"), edited("b", {fact("contact", "c-1", {{"role", "day shift"}})})});
  world.record({test_support::retraction("contact", "c-1")});
  log::Event settled;
  settled.set_actor("operator:test");
  settled.mutable_branch_edited()->set_branch("b");
  v1::ConflictSettled& settlement = *settled.mutable_branch_edited()->add_edits()->mutable_settled();
  settlement.set_kind("contact");
  settlement.set_id("c-1");
  settlement.set_take(v1::ConflictSettled::TAKE_OURS);
  world.record({settled});
  world.record({merged("b")});
  EXPECT_EQ(world.name("c-1"), Json(kName));
  EXPECT_TRUE(world.holding(kName).empty());
}

TEST(Vault, OnlyPeopleAreErased) {
  World world;
  log::Event event = erasure("x");
  event.mutable_personal_data_erased()->set_kind("rack");
  EXPECT_EQ(world.try_record({event}).error().code, ErrorCode::invalid_argument);
  event.mutable_personal_data_erased()->set_kind("no such");
  EXPECT_EQ(world.try_record({event}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(world.try_record({erasure(std::string(1'000, 'x'))}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(world.try_record({erasure("x", std::string(10'000, 'x'))}).error().code, ErrorCode::too_large);
  EXPECT_TRUE(world.try_record({erasure("nobody")})) << "a branch that is gone may have spoken of it";
}

// A key that was made for an event that never came to the log has a later offset than what is logged in its place: it
// may not seal that, for an erasure between the two would spare it.
TEST(Vault, AKeyIsNeverOfLaterThanWhatItSeals) {
  test_support::TemporaryDirectory directory;
  const auto vault = *open_vault({.directory = directory.path()});
  const inventory::Snapshot nothing;
  const auto key_at = [&](log::Offset offset) {
    log::Event event = contact("c-1");
    EXPECT_TRUE(vault->seal(event, nothing, offset));
    EXPECT_TRUE(vault->keep());
    return event.facts_recorded().attributes(0).value().sealed().key();
  };
  const uint64_t late = key_at(9), early = key_at(5);
  EXPECT_NE(late, early);
  EXPECT_NE(key_at(7), late);
  const inventory::Erasure erased{{"contact", "c-1"}, 8};
  ASSERT_TRUE(vault->destroy({&erased, 1}));
  EXPECT_EQ(vault->keys(), 1u);
  EXPECT_EQ(key_at(10), late);
}

TEST(Vault, OneWriterAtATime) {
  test_support::TemporaryDirectory directory;
  EXPECT_EQ(open_vault({.directory = directory.path(), .read_only = true}).error().code, ErrorCode::not_found);
  const auto vault = open_vault({.directory = directory.path()});
  ASSERT_TRUE(vault);
  EXPECT_EQ(open_vault({.directory = directory.path()}).error().code, ErrorCode::conflict);
  EXPECT_TRUE(open_vault({.directory = directory.path(), .read_only = true}));
}

}  // namespace
}  // namespace tandem::vault
