#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <iterator>
#include <map>

#include "control/control.h"
#include "control/replay.h"

namespace tandem::control {
namespace {

constexpr size_t kRecentStates = 64;         // kept to look back a moment; each shares nearly all with the next
constexpr size_t kStaleChangesMax = 50'000;  // past it, making the grid anew is cheaper than knowing what changed

// One batch in the making: the state it leads to, and what it holds.
struct Draft {
  State state;
  inventory::ChangeSet changes;  // that `state.grid` does not show yet, beyond what it did not show at the start
  bool grid_fresh = false;       // it shows all
  std::vector<log::Event> events;
  size_t bytes = 0;  // of what was admitted

  void take(log::Event event, Instant at) {
    fold(state, event, state.inventory.offset() + 1, at, changes);
    events.push_back(std::move(event));
  }
};

// A batch on its way to the log, and what follows once it is there.
struct Writing {
  Draft draft;  // without its events
  std::vector<inventory::Erasure> erasures;
  size_t outcomes = 0;  // of the groups up to and with those of the batch
  std::future<Result<log::BatchHeader>> appended;
};

Result<size_t> size_of(const std::vector<log::Event>& events) {
  size_t bytes = 0;
  for (const log::Event& event : events) {
    const size_t size = event.ByteSizeLong();
    if (size > log::kEventBytesMax)
      return fail(ErrorCode::too_large,
                  fmt::format("an event of {} bytes; at most {} are taken", size, log::kEventBytesMax));
    bytes += size;
  }
  return bytes;
}

// The newest checkpoint that decodes and stands on this log; an empty state when there is none.
State newest_checkpoint(const log::Log& log, const CheckpointStore& checkpoints, log::Offset at_most) {
  for (;;) {
    const auto bytes = checkpoints.read(at_most);
    if (!bytes || !*bytes) return empty_state();
    auto state = decode_checkpoint(**bytes);
    if (!state || state->head.count == 0) return empty_state();
    const auto batches = log.read(state->head.first, 1);
    if (batches && !batches->empty() && batches->front().header == state->head) return std::move(*state);
    // Of another log: look further back, wherever its head says that it stands.
    const log::Offset stands = std::min({at_most, state->inventory.offset(), state->head.first});
    if (stands == 0) return empty_state();
    at_most = stands - 1;
  }
}

bool proposes(const log::Event& event) { return event.has_plan_proposed() || event.has_schedule_proposed(); }

std::vector<inventory::Erasure> erasures_of(const std::vector<log::Event>& events, log::Offset first) {
  std::vector<inventory::Erasure> erasures;
  for (size_t i = 0; i < events.size(); ++i)
    if (events[i].has_personal_data_erased())
      erasures.push_back({{events[i].personal_data_erased().kind(), events[i].personal_data_erased().id()}, first + i});
  return erasures;
}

class Sequencer final : public Core {
 public:
  Sequencer(log::Log& log, const CheckpointStore* checkpoints, CoreOptions options, State state,
            log::Offset opened_from)
      : log_(log), checkpoints_(checkpoints), options_(options), state_(std::move(state)), opened_from_(opened_from) {
    recent_.emplace(state_.inventory.offset(), state_);
  }

  Result<std::vector<Result<log::Offset>>> submit(std::vector<std::vector<log::Event>> groups, Instant now) override;
  Result<void> tick(Instant now) override;
  void hold_plans(bool held) override { plans_held_ = held; }
  const State& state() const override;
  Result<State> state_at(log::Offset offset) const override;
  log::Offset opened_from() const override { return opened_from_; }

 private:
  void pass_time(Instant now);
  Result<log::Offset> admit(Draft& draft, std::vector<log::Event> group) const;
  Result<log::Offset> admit_one(Draft& draft, log::Event event) const;
  void refresh_grid(Draft& draft) const;
  Result<void> begin_append(Draft& draft, size_t outcomes);
  Result<void> await_append(Draft& next);
  void take_over(Draft draft, const log::BatchHeader& header);

  log::Log& log_;
  const CheckpointStore* checkpoints_;
  CoreOptions options_;
  // The grid follows on asking, so that a load of many batches projects once. Recent states have none until then.
  mutable State state_;
  mutable inventory::ChangeSet stale_;  // what `state_.grid` does not show yet
  mutable std::map<log::Offset, State> recent_;
  log::Offset opened_from_;
  std::optional<Writing> writing_;
  size_t durable_ = 0;  // groups of this submission whose outcome is settled
  bool plans_held_ = false;
  std::optional<Error> failed_;
  std::optional<Instant> clock_;  // as it was last read
  Instant time_;                  // what batches are stamped with
};

// The log's time is the clock's, but never goes back: where the clock is set back, it goes on from where it was at the
// clock's pace, so that what waits for a while does not wait for the clock to catch up.
void Sequencer::pass_time(Instant now) {
  if (clock_ && now > *clock_) time_ = time_ + (now - *clock_);
  clock_ = now;
  time_ = std::max({time_, now, state_.head.at});
}

Result<log::Offset> Sequencer::admit_one(Draft& draft, log::Event event) const {
  if (proposes(event)) refresh_grid(draft);
  TANDEM_ASSIGN(std::vector<log::Event> events, step(draft.state, std::move(event), time_));
  TANDEM_ASSIGN(const size_t bytes, size_of(events));
  draft.bytes += bytes;
  const log::Offset offset = draft.state.inventory.offset() + 1;
  for (log::Event& following : events) {
    const inventory::Snapshot& before = draft.state.inventory;
    if (options_.sealer) TANDEM_TRY(options_.sealer->seal(following, before, before.offset() + 1));
    draft.take(std::move(following), time_);
  }
  return offset;
}

// A group of several is tried on a draft of its own, so that one that is refused half-way leaves nothing behind.
Result<log::Offset> Sequencer::admit(Draft& draft, std::vector<log::Event> group) const {
  if (group.empty()) return fail(ErrorCode::invalid_argument, "there is no event in it");
  if (group.size() > log::kBatchEventsMax / 2)
    return fail(ErrorCode::too_large,
                fmt::format("{} events at once; send at most {}", group.size(), log::kBatchEventsMax / 2));
  if (group.size() == 1) return admit_one(draft, std::move(group.front()));
  if (std::ranges::any_of(group, proposes)) refresh_grid(draft);
  Draft trial;
  trial.state = draft.state;
  trial.grid_fresh = draft.grid_fresh;
  log::Offset last = 0;
  for (log::Event& event : group) {
    TANDEM_ASSIGN(last, admit_one(trial, std::move(event)));
  }
  draft.state = std::move(trial.state);
  draft.grid_fresh = trial.grid_fresh;
  draft.bytes += trial.bytes;
  for (const inventory::Change& change : trial.changes) draft.changes.add(change);
  std::ranges::move(trial.events, std::back_inserter(draft.events));
  return last;
}

// With all that the draft's grid does not show: what was stale before it, the batch that is being written, its own.
void Sequencer::refresh_grid(Draft& draft) const {
  if (!draft.grid_fresh) {
    if (!writing_ || !writing_->draft.grid_fresh) refresh(draft.state, stale_);
    if (writing_) refresh(draft.state, writing_->draft.changes);
  }
  refresh(draft.state, draft.changes);
  draft.changes.clear();
  draft.grid_fresh = true;
}

// Sends the draft to the log, once the batch before it is there, and leaves the draft of the next batch in its place.
Result<void> Sequencer::begin_append(Draft& draft, size_t outcomes) {
  TANDEM_TRY(await_append(draft));
  if (options_.sealer) TANDEM_TRY(options_.sealer->keep());
  Writing writing;
  writing.erasures = erasures_of(draft.events, state_.inventory.offset() + 1);
  writing.outcomes = outcomes;
  const auto append = [this, previous = state_.head,
                       at = time_](const std::vector<log::Event>& events) -> Result<log::BatchHeader> {
    const log::EncodedBatch batch = log::encode_batch(previous, options_.epoch, at, events);
    TANDEM_TRY(log_.append(batch));
    return batch.header;
  };
  const auto when = options_.append_beside ? std::launch::async : std::launch::deferred;
  writing.appended = std::async(when, append, std::exchange(draft.events, {}));
  Draft next;
  next.state = draft.state;
  writing.draft = std::exchange(draft, std::move(next));
  writing_ = std::move(writing);
  return {};
}

// Waits until the batch that is being written is durable, and takes over what it leads to. After an error nothing of it
// has happened, and `next`, which stands on it, must not.
Result<void> Sequencer::await_append(Draft& next) {
  if (!writing_) return {};
  const Result<log::BatchHeader> header = writing_->appended.get();
  Writing written = std::move(*writing_);
  writing_.reset();
  if (!header) {
    if (header.error().code == ErrorCode::io || header.error().code == ErrorCode::fenced) failed_ = header.error();
    return tl::unexpected(header.error());
  }
  take_over(std::move(written.draft), *header);
  next.state.head = state_.head;
  if (!state_.grid && !next.grid_fresh) next.state.grid.reset();
  if (options_.sealer && !written.erasures.empty()) {
    // That it was erased stands on the log, and may not be said while it is not so: a new start tries again.
    if (auto destroyed = options_.sealer->destroy(written.erasures); !destroyed) {
      failed_ = destroyed.error();
      return destroyed;
    }
  }
  durable_ = written.outcomes;
  return {};
}

void Sequencer::take_over(Draft draft, const log::BatchHeader& header) {
  draft.state.head = header;
  state_ = std::move(draft.state);
  if (draft.grid_fresh) stale_.clear();
  for (const inventory::Change& change : draft.changes) stale_.add(change);
  if (stale_.size() > kStaleChangesMax) {
    state_.grid.reset();
    stale_.clear();
  }
  State& kept = recent_.insert_or_assign(state_.inventory.offset(), state_).first->second;
  if (!stale_.empty()) kept.grid.reset();
  if (recent_.size() > kRecentStates) recent_.erase(recent_.begin());
}

Result<std::vector<Result<log::Offset>>> Sequencer::submit(std::vector<std::vector<log::Event>> groups, Instant now) {
  if (failed_) return tl::unexpected(*failed_);
  pass_time(now);
  std::vector<Result<log::Offset>> outcomes;
  outcomes.reserve(groups.size());
  durable_ = 0;
  Draft draft;
  draft.state = state_;
  const auto flush = [&]() -> Result<void> {
    // At a period's begin the next `tick` says what is wanted: what it has may stand.
    if (!plans_held_ && !is_turning(draft.state, now))
      for (log::Event& event : due(draft.state, {time_, now}, options_.planning)) draft.take(std::move(event), time_);
    return draft.events.empty() ? Result<void>() : begin_append(draft, outcomes.size());
  };
  const auto refuse_rest = [&](const Error& error) {
    for (size_t i = durable_; i < outcomes.size(); ++i) outcomes[i] = tl::unexpected(error);
    outcomes.resize(groups.size(), tl::unexpected(error));
  };
  Result<void> flushed;
  for (std::vector<log::Event>& group : groups) {
    // What a group brings about (verdicts, one request) fits the other half of the batch.
    const bool full =
        draft.events.size() + group.size() > log::kBatchEventsMax / 2 || draft.bytes > log::kBatchBytesMax / 4;
    if (full) flushed = flush();
    if (!flushed) break;
    outcomes.push_back(admit(draft, std::move(group)));
  }
  if (flushed) flushed = flush();
  // Also after an error, what is on its way is waited for: it may be durable.
  if (auto awaited = await_append(draft); flushed) flushed = awaited;
  if (flushed) return outcomes;
  if (durable_ == 0) return tl::unexpected(flushed.error());
  refuse_rest(flushed.error());
  return outcomes;
}

Result<void> Sequencer::tick(Instant now) {
  if (failed_) return tl::unexpected(*failed_);
  pass_time(now);
  std::vector<log::Event> events;
  if (is_turning(state_, now)) events = turn(state(), {time_, now}, options_.planning);
  if (plans_held_) std::erase_if(events, [](const log::Event& event) { return event.has_plan_requested(); });
  if (events.empty() && !plans_held_) events = due(state_, {time_, now}, options_.planning);
  if (events.empty()) return {};
  Draft draft;
  draft.state = state_;
  for (log::Event& event : events) draft.take(std::move(event), time_);
  TANDEM_TRY(begin_append(draft, 0));
  return await_append(draft);
}

const State& Sequencer::state() const {
  if (state_.grid && stale_.empty()) return state_;
  refresh(state_, stale_);
  stale_.clear();
  recent_.insert_or_assign(state_.inventory.offset(), state_);
  return state_;
}

Result<State> Sequencer::state_at(log::Offset offset) const {
  if (offset > state_.inventory.offset())
    return fail(ErrorCode::not_found, fmt::format("offset {} is past the head, {}", offset, state_.inventory.offset()));
  const auto after = recent_.upper_bound(offset);
  if (after == recent_.begin() && checkpoints_ != nullptr) return control::state_at(log_, *checkpoints_, offset);
  State from = after == recent_.begin() ? empty_state() : std::prev(after)->second;
  TANDEM_TRY(replay_onto(from, log_, offset));
  return from;
}

}  // namespace

Result<State> state_at(const log::Log& log, const CheckpointStore& checkpoints, log::Offset offset) {
  State state = newest_checkpoint(log, checkpoints, offset);
  TANDEM_TRY(replay_onto(state, log, offset));
  return state;
}

Result<std::unique_ptr<Core>> Core::open(log::Log& log, const CheckpointStore* checkpoints, CoreOptions options) {
  TANDEM_ASSIGN(const log::Head head, log.head());
  if (head.header.epoch > options.epoch)
    return fail(ErrorCode::fenced,
                fmt::format("epoch {} has written to this log; this writer's is {}", head.header.epoch, options.epoch));
  State state = checkpoints != nullptr ? newest_checkpoint(log, *checkpoints, head.last) : empty_state();
  const log::Offset opened_from = state.inventory.offset();
  TANDEM_TRY(replay_onto(state, log, UINT64_MAX));
  if (state.inventory.offset() != head.last)
    return fail(ErrorCode::corrupt, fmt::format("the log ends at offset {}, but its events end at {}", head.last,
                                                state.inventory.offset()));
  if (options.sealer) {
    std::vector<inventory::Erasure> erasures;
    state.inventory.for_each_erasure([&](const inventory::Erasure& erasure) { erasures.push_back(erasure); });
    TANDEM_TRY(options.sealer->destroy(erasures));
  }
  return std::make_unique<Sequencer>(log, checkpoints, options, std::move(state), opened_from);
}

}  // namespace tandem::control
