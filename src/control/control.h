// The sequencer and the rules of a grid's state.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "control/accounts.h"
#include "grid/snapshot.h"
#include "inventory/branch.h"
#include "inventory/inventory.h"
#include "log/log.h"
#include "planner/schedule.h"
#include "tandem/v1/plan.pb.h"

namespace tandem::control {

// A job that the core waits for: its result comes back as an event, late, twice or never. It makes a plan, or a
// schedule of at most `periods_max` periods where that is above 0.
struct PendingPlan {
  std::string plan_id;
  log::Offset base = 0;
  uint64_t seed = 0;
  uint64_t work_limit = 0;
  bool anew = false;  // searches past the plan in force, and gives way to changes
  std::string reason;
  Instant requested_at;
  std::optional<planner::DayPeriod> hours = std::nullopt;  // that the plan shall be for; nothing: any
  uint32_t periods_max = 0;
  bool is_schedule() const { return periods_max > 0; }
  bool operator==(const PendingPlan&) const = default;
};

// All that is believed and decided. A copy is O(1).
struct State {
  inventory::Snapshot inventory;
  inventory::Branches branches;  // of the inventory
  // Projection of `inventory`, as old as the last change of a row; null where it was not asked for yet.
  std::shared_ptr<const grid::Snapshot> grid;
  std::shared_ptr<const v1::Plan> plan;  // accepted; null before the first
  log::Offset plan_offset = 0;           // where it was accepted
  Instant plan_at;                       // and when
  std::optional<PendingPlan> pending;    // at most one: a newer request replaces it
  log::Offset replan_after = 0;          // last change that a plan must take in; 0 when the plan is up to date
  Instant plan_not_before;               // after a plan was rejected or failed, when to ask for the next
  bool refused_as_is = false;  // a plan was rejected and nothing has changed since: a quick one would be again
  // In force: what each hour's plan is; null where nothing changes over the day, and before the first.
  std::shared_ptr<const v1::Schedule> schedule;
  log::Offset schedule_offset = 0;              // where it was accepted; 0 without one
  bool schedule_stale = false;                  // the grid has changed since it was made
  Instant schedule_not_before;                  // after one was refused or failed, when to ask for the next
  std::optional<planner::DayPeriod> preparing;  // the period whose replicas are started, that it may begin
  // Since when plans in force are drafts or mended ones; nothing where the grid was searched whole for the last.
  std::optional<Instant> unsearched_since;
  Accounts accounts;
  log::BatchHeader head;  // of the last batch folded
};

// What follows from an intake event in a state whose `grid` is fresh where a plan is proposed: the event itself, when
// it is admitted, and what it brings about, to be appended in that order; or the reason it is refused
// (invalid_argument, conflict, not_found, too_large), which changes nothing.
Result<std::vector<log::Event>> step(const State& state, log::Event event, Instant now);

// Takes in one event that stands on the log. Total. `State::grid` is left as it is: `refresh` makes it anew from what
// `changes` gathered since, which is only what the grid shows, or from nothing where there is none.
void fold(State& state, const log::Event& event, log::Offset offset, Instant at, inventory::ChangeSet& changes);
void refresh(State& state, const inventory::ChangeSet& changes);

State empty_state();

// The state after every event of the log, from nothing: no checkpoint, no decision. Errors: corrupt, io.
Result<State> replay(const log::Log& log);

// SHA-256 over what every version of the program folds the log to: it stays the same through an upgrade.
Digest state_hash(const State& state);
// And over the rest, by which this version tells when plans are due.
Digest whole_hash(const State& state);

// The clock, twice: as the log stamps its batches, which never goes back; and as it was read, which tells the hours.
struct Now {
  Instant time;
  Instant clock;
};

struct PlanningOptions {
  uint64_t work_limit = 10'000;
  uint32_t periods_max = 6;  // of a day that is planned in periods, [0, planner::kPeriodsMax]; 0 and 1: none is
};

// What is due in a state whatever comes in. A plan is asked for when something has changed since the last one and none
// is pending, and asked for again when one is overdue. After a change it is a quick one: the plan in force mended, and
// of a large grid, until a whole plan is there, a draft (planner::WorkLimit). The grid is searched whole at once after
// a draft, after it was quiet for kQuiet, after a quick plan was rejected that would be the same again, and at the
// latest kPostponedMax after plans began to be quick. Until then such a search gives way to changes.
// Where demand or radio reserve changes over the day a schedule is asked for when the plan in force is whole and was so
// for kQuiet; it gives way to any change, and once the grid is quiet after one it is made again, in place of the
// search.
inline constexpr Duration kQuiet = seconds(30);         // a burst of alarms is over by then
inline constexpr Duration kPostponedMax = minutes(10);  // changes then wait for the search: of a nation a minute or two
std::vector<log::Event> due(const State& state, Now now, const PlanningOptions& options);

// Of how many periods a schedule of that grid is at most, so that it fits an event of the log: about 0.6 KB of each
// plan a demand, with its reasons. In [0, planner::kPeriodsMax]; below 2 none is made.
inline constexpr size_t kScheduledDemandsMax = 24'000;  // times periods
uint32_t periods_fitting(const grid::Snapshot& grid);
// Where that is fewer than are wanted, and hours differ: why, for a person. Else empty.
std::string why_few_periods(const grid::Snapshot& grid, uint32_t periods_wanted);

// Where a moment stands in a schedule in force: in which of its periods, since when and until when.
struct PeriodAt {
  int period = 0;
  Instant begins_at, ends_at;
};
PeriodAt period_at(const v1::Schedule& schedule, Instant clock);
const v1::Plan& plan_at(const v1::Schedule& schedule, Instant clock);     // of that period
PeriodAt period_after(const v1::Schedule& schedule, const PeriodAt& at);  // the same again where there is one alone

// What the clock brings about, in a state whose `grid` is fresh where `is_turning`: the period begins that the schedule
// has now, where the grid bears its plan, else a plan for its hours is asked for, made from that; before it, by its
// lead, what it adds is started, and no longer where the clock was set back. `due` only then, if nothing is.
bool is_turning(const State& state, Instant clock);
std::vector<log::Event> turn(const State& state, Now now, const PlanningOptions& options);

// What a pending job starts from: the grid that its plan must hold for, and what was before, null where nothing was.
struct JobInput {
  std::shared_ptr<const grid::Snapshot> grid;
  std::shared_ptr<const v1::Plan> incumbent;
  std::shared_ptr<const v1::Schedule> schedule = nullptr;
};
JobInput input_of(const PendingPlan& pending, const State& state);

// Where checkpoints are kept. A checkpoint is a convenience: deleting every one loses nothing but time.
class CheckpointStore {
 public:
  virtual ~CheckpointStore() = default;
  // Durable and atomic: what `produce` gives to its sink, piece by piece.
  using Sink = std::function<void(std::string_view)>;
  virtual Result<void> write(log::Offset offset, const std::function<void(const Sink&)>& produce) = 0;
  // The newest that is whole and not after `at_most`; nothing when there is none.
  virtual Result<std::optional<std::string>> read(log::Offset at_most) const = 0;
};
// Files in a directory, made when it is not there; the newest three are kept.
std::unique_ptr<CheckpointStore> directory_checkpoints(std::filesystem::path directory);

// The state as it was after `offset`, from the nearest checkpoint of this log and what follows it; at the head of the
// log where that comes first. Errors: corrupt, io.
Result<State> state_at(const log::Log& log, const CheckpointStore& checkpoints, log::Offset offset);

// Takes about a second for 10⁶ entities; the state is immutable, so any thread may do it. Errors: io.
Result<void> write_checkpoint(const State& state, CheckpointStore& checkpoints);

// Keeps what is personal unreadable on the log. A key is of one entity and of one offset: whatever it seals stands at
// that offset or after it, so that destroying the keys of before an erasure leaves nothing readable of before it.
class Sealer {
 public:
  virtual ~Sealer() = default;
  // Puts sealed values in the place of personal ones in an event that was admitted and is to stand at `offset`. A key
  // of before the entity's last erasure in `inventory` is not used again.
  virtual Result<void> seal(log::Event& event, const inventory::Snapshot& inventory, log::Offset offset) = 0;
  // On return all keys that `seal` has used are durable. Before the events are.
  virtual Result<void> keep() = 0;
  // Destroys the keys of these entities from before the offset of each, for good. After the events of it are durable,
  // and again for all there are at every start: what is destroyed already stays so.
  virtual Result<void> destroy(std::span<const inventory::Erasure> erasures) = 0;
};

struct CoreOptions {
  log::Epoch epoch = 1;
  Sealer* sealer = nullptr;  // null: what is personal stands on the log as it came, for good
  PlanningOptions planning = {};
  bool append_beside = false;  // a batch is written on a thread of its own while the next is made
};

// The sequencer of one grid. Single-threaded: one thread calls it; what it publishes is immutable and may be read by
// any.
class Core {
 public:
  // Opens at the newest checkpoint of this log and replays the tail. Errors: fenced (a newer epoch has written),
  // corrupt, io.
  static Result<std::unique_ptr<Core>> open(log::Log& log, const CheckpointStore* checkpoints, CoreOptions options);
  virtual ~Core() = default;

  // Orders the intake into the log: steps each event on the state the events before it leave, appends, folds. A group
  // is admitted whole or refused whole, and its outcome is the offset of its last event, durable, or why it was
  // refused. An error of the log itself (fenced, full, io) refuses every group that is not durable and changes nothing;
  // after io, nothing more is taken until the log and the core are opened again, for only then is it known what was
  // stored. Batches are stamped with `now`, or, where the clock was set back, with the time before plus what has passed
  // since.
  virtual Result<std::vector<Result<log::Offset>>> submit(std::vector<std::vector<log::Event>> groups, Instant now) = 0;

  // Time passes: appends what is due.
  virtual Result<void> tick(Instant now) = 0;

  // While held no plan is asked for, for what comes in is not whole yet; periods begin all the same. At first it is
  // not.
  virtual void hold_plans(bool held) = 0;

  // With its grid: the first call after changes makes it, O(rows) where entities came or went.
  virtual const State& state() const = 0;

  // The state as it was after `offset`: from a recent one in memory, else the nearest checkpoint and replay.
  // Errors: not_found past the head, corrupt, io.
  virtual Result<State> state_at(log::Offset offset) const = 0;
  virtual log::Offset opened_from() const = 0;  // offset of the checkpoint; 0 where the whole log was replayed
};

}  // namespace tandem::control
