// What must hold whatever happens, checked from outside: a witness that follows the log itself, folds it with the same
// `fold` and trusts nothing the core says.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/control.h"
#include "log/log.h"

namespace tandem::simulation {

// What was broken, as a sentence; nothing when all holds.
using Broken = std::optional<std::string>;

class Witness {
 public:
  Witness();

  // Takes in what is new on the log. The log must still hold all it held before; new batches must be chained without a
  // gap, with time that does not go back; plans must be asked for, accepted and rejected as they may be.
  Broken follow(const log::Log& log);
  Broken follow_batch(const log::Batch& batch);

  // Reads the log from its beginning: every batch that was ever seen is there, and replay gives the state folded so
  // far.
  Broken check_whole(const log::Log& log) const;

  // A message was acknowledged at that offset: the event there is its sender's. (That it stays there is what `follow`
  // and `check_whole` see to.)
  Broken acknowledged(log::Offset offset, const std::string& actor) const;

  // The state of a live core is what its log says, and its projection is the one made anew.
  Broken check_live(const control::State& state) const;

  // The state that a core gives for an earlier offset.
  Broken check_past(log::Offset offset, const control::State& state) const;

  // Faults are healed and time has passed: nothing is pending, the accepted plan is of the latest state, and of the
  // hours that the clock shows where a schedule is in force.
  Broken check_settled(Instant clock) const;

  struct Plans {
    uint64_t requested = 0, accepted = 0, rejected = 0, failed = 0, schedules = 0, periods = 0;
  };
  uint64_t merges() const { return merges_; }
  const Plans& plans() const { return plans_; }
  log::Offset last() const { return state_.inventory.offset(); }
  const control::State& state() const { return state_; }

 private:
  Broken follow_event(const log::Event& event, log::Offset offset, Instant at);
  Broken check_acceptance(const v1::Plan& plan, log::Offset offset) const;
  Broken check_schedule(const v1::Schedule& schedule, log::Offset offset) const;
  Broken check_begin(const v1::PeriodBegun& begun, log::Offset offset) const;
  Broken check_preparation(const v1::PeriodPrepared& prepared, log::Offset offset) const;
  Broken check_branches() const;

  control::State state_;              // folded by the witness
  inventory::ChangeSet unprojected_;  // since state_.grid
  std::vector<Digest> headers_;       // hash of each batch
  std::vector<Digest> states_;        // after each offset; [0] before the first
  std::vector<std::string> actors_;   // of each offset; [0] empty
  Plans plans_;
  uint64_t merges_ = 0;  // into main or another branch
};

// The projection patched so far against one made anew; their offsets aside, since a patch is made only where something
// changed.
Broken check_projection(const control::State& state);

// A merge is all or nothing: after it, what the branch's edits touch is as in the branch where they say it, and nothing
// else is otherwise than before. `before` and `after` are of the parent.
Broken check_merge(const inventory::Branch& branch, const inventory::Snapshot& before,
                   const inventory::Snapshot& after);

// Each share of a demand runs where its tenant's data may be, by the rows alone.
Broken check_residency(const grid::Snapshot& grid, const v1::Plan& plan);

}  // namespace tandem::simulation
