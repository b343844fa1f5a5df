// Keys of personal data that are lost, kept and destroyed as those of a file are, by a seed; and what must hold of
// them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "control/control.h"
#include "simulation/invariants.h"

namespace tandem::simulation {

// Stands in every personal value of a simulated world, and must stand nowhere that is durable.
inline constexpr std::string_view kInClear = "in-clear";

// The contract of control::Sealer without a disk: a key that was not kept dies with the process, what cannot be written
// now is an error, and destroying may stop half-way. Its cipher hides a value from a search for it, and from nobody
// else.
class SimulatedVault final : public control::Sealer, public inventory::Opener {
 public:
  explicit SimulatedVault(uint64_t seed) : random_(seed, 3) {}

  Result<void> seal(log::Event& event, const inventory::Snapshot& inventory, log::Offset offset) override;
  Result<void> keep() override;
  Result<void> destroy(std::span<const inventory::Erasure> erasures) override;
  std::optional<v1::Value> open(const inventory::EntityKey& entity, std::string_view attribute, uint64_t key,
                                std::string_view sealed) const override;

  void set_faults(double keep_fails, double destroy_fails) { keep_fails_ = keep_fails, destroy_fails_ = destroy_fails; }
  void crash();  // of the process: keys that were not kept are gone

  // For tests of the invariants.
  void leak() { leaks_ = true; }    // seals nothing from now on
  void spare() { spares_ = true; }  // says that it destroys, and does not
  void lose() { keys_.clear(); }    // all keys, as if the file were gone

 private:
  struct Key {
    inventory::EntityKey entity;
    log::Offset first = 0;  // nothing before this offset is sealed with it
    uint64_t secret = 0;
    bool destroyed = false;
    bool kept = false;
  };
  void seal_attributes(const inventory::EntityKey& entity,
                       google::protobuf::RepeatedPtrField<v1::Attribute>& attributes,
                       const inventory::Snapshot& inventory, log::Offset offset);
  uint64_t key_for(const inventory::EntityKey& entity, const inventory::Snapshot& inventory, log::Offset offset);

  Random random_;
  double keep_fails_ = 0, destroy_fails_ = 0;
  bool leaks_ = false, spares_ = false;
  std::map<uint64_t, Key> keys_;  // by number
  uint64_t numbered_ = 0;
};

// What is personal on the log, followed from outside: what was said of a person before the last erasure opens for
// nobody, and what was said since opens as what was said.
class PersonalWitness {
 public:
  // Takes in what is new on the log.
  Broken follow(const log::Log& log);
  // Of a core that runs: whatever was to be destroyed is by then.
  Broken check(const SimulatedVault& vault) const;
  // The readers' view of a state.
  Broken check_read(const control::State& state, const std::shared_ptr<const inventory::Opener>& vault) const;
  uint64_t erasures() const { return erased_.size(); }

 private:
  struct Sealed {
    inventory::EntityKey entity;
    std::string attribute;
    uint64_t key = 0;
    std::string bytes;
    log::Offset offset = 0;
  };
  Broken follow_event(const log::Event& event, log::Offset offset);

  log::Offset last_ = 0;
  std::vector<Sealed> sealed_;
  std::map<inventory::EntityKey, log::Offset> erased_;  // the last erasure of each
};

// A value that says whose it is.
std::string personal_value(const inventory::EntityKey& entity, std::string_view attribute, uint64_t number);

}  // namespace tandem::simulation
