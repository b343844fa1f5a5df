#include "runtime/engine.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace tandem::runtime {
namespace {

// Lists in which cancelled entries stay are swept when these outnumber the live ones by this much.
constexpr size_t kSweepSlack = 64;

struct LaterFinish {
  template <class Finish>
  bool operator()(const Finish& a, const Finish& b) const {
    return a.step != b.step ? a.step > b.step : a.slot > b.slot;
  }
};

}  // namespace

Result<EngineModel> EngineModel::create(EngineProfile profile, EngineOptions options) {
  if (profile.decode_ns.size() < 2 || profile.power_watts.size() != profile.decode_ns.size())
    return fail(ErrorCode::invalid_argument, "an engine needs a profile made by EngineProfile::from");
  if (options.replicas < 1 || options.replicas > EngineOptions::kReplicasMax)
    return fail(ErrorCode::invalid_argument, "an engine has between 1 and 4,096 replicas");
  if (!(options.prefix_hit >= 0 && options.prefix_hit < 1))
    return fail(ErrorCode::invalid_argument, "prefix_hit is a fraction in [0, 1)");
  if (options.prefill_chunk_tokens < 1 || options.prefill_chunk_tokens > EngineRequest::kTokensMax)
    return fail(ErrorCode::invalid_argument, "prefill_chunk_tokens is between 1 and 16,777,216");
  return EngineModel(std::move(profile), options);
}

EngineModel::EngineModel(EngineProfile profile, EngineOptions options)
    : profile_(std::move(profile)),
      options_(options),
      active_replicas_(options.replicas),
      replicas_(options.replicas),
      stretch_ends_ns_(options.replicas, kIdle) {}

Submission EngineModel::submit(const EngineRequest& request, Duration now) {
  start_call(now.ns);
  const uint64_t kv_tokens = uint64_t{request.prompt_tokens} + request.output_tokens;
  if (request.prompt_tokens < 1 || request.prompt_tokens > EngineRequest::kTokensMax || request.output_tokens < 1 ||
      request.output_tokens > EngineRequest::kTokensMax || kv_tokens > profile_.kv_tokens)
    return {Admission::too_large, {}};
  const std::optional<uint32_t> replica = waiting_count_ == 0 ? choose_replica(kv_tokens) : std::nullopt;
  if (!replica && waiting_count_ >= options_.waiting_max) return {Admission::queue_full, {}};

  const uint32_t slot = take_slot();
  Sequence& sequence = sequences_[slot];
  const uint32_t generation = sequence.generation;
  const auto cached = static_cast<uint32_t>(std::floor(request.prompt_tokens * options_.prefix_hit));
  sequence = {.tag = request.tag,
              .prompt_tokens = request.prompt_tokens,
              .output_tokens = request.output_tokens,
              .prefill_left = std::max(1u, request.prompt_tokens - cached),
              .generation = generation,
              .phase = Phase::waiting};
  prefix_blocks_.resize(sequences_.size());
  prefix_blocks_[slot].assign(request.prefix_blocks.begin(), request.prefix_blocks.end());
  if (!request.prefix_blocks.empty()) sequence.prefill_left = request.prompt_tokens;
  sequence.prefill_ns =
      profile_.prefill_overhead_ns + std::llround(sequence.prefill_left * profile_.prefill_ns_per_token);
  if (replica) {
    assign(slot, *replica, now.ns);
    run_until(now.ns);
  } else {
    waiting_.push_back({slot, generation});
    ++waiting_count_;
  }
  return {Admission::accepted, {slot, generation}};
}

bool EngineModel::cancel(Ticket ticket, Duration now) {
  start_call(now.ns);
  if (ticket.slot >= sequences_.size() || !live(ticket.slot, ticket.generation)) return false;
  const Sequence& sequence = sequences_[ticket.slot];
  if (sequence.phase == Phase::free) return false;
  if (sequence.phase == Phase::waiting) {
    --waiting_count_;
    release(ticket.slot);
    const auto gone = [this](Ticket t) { return !live(t.slot, t.generation); };
    if (waiting_.size() - waiting_head_ > 2 * size_t{waiting_count_} + kSweepSlack) {
      waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<ptrdiff_t>(waiting_head_));
      waiting_head_ = 0;
      std::erase_if(waiting_, gone);
    }
  } else {
    const uint32_t replica = sequence.replica;
    leave_batch(ticket.slot, replicas_[replica]);
    release(ticket.slot);
    cut_stretch(replica, now.ns);
  }
  admit_waiting(now.ns);  // also where a large request at the head of the queue has gone
  run_until(now.ns);
  return true;
}

std::span<const EngineEvent> EngineModel::advance(Duration now) {
  start_call(now.ns);
  if (options_.token_events) report_tokens(now.ns);
  told_ = true;
  return events_;
}

std::optional<Duration> EngineModel::next_event_at() const {
  int64_t earliest = kIdle;
  for (size_t r = 0; r < replicas_.size(); ++r) {
    if (stretch_ends_ns_[r] == kIdle) continue;
    int64_t end = stretch_ends_ns_[r];
    const Replica& replica = replicas_[r];
    if (options_.token_events && !replica.decoding.empty() && replica.steps > 1 && now_ns_ >= replica.start_ns)
      end = std::min(end, replica.start_ns + ((now_ns_ - replica.start_ns) / replica.step_ns + 1) * replica.step_ns);
    earliest = std::min(earliest, end);
  }
  if (earliest == kIdle) return std::nullopt;
  return Duration{earliest};
}

void EngineModel::set_replicas(uint32_t replicas, Duration now) {
  CHECK(replicas >= 1 && replicas <= EngineOptions::kReplicasMax);
  start_call(now.ns);
  active_replicas_ = replicas;
  options_.replicas = replicas;
  if (replicas > replicas_.size()) {
    replicas_.resize(replicas);
    stretch_ends_ns_.resize(replicas, kIdle);
  }
  admit_waiting(now.ns);
  run_until(now.ns);
}

void EngineModel::set_prefix_hit(double prefix_hit) {
  CHECK(prefix_hit >= 0 && prefix_hit < 1);
  options_.prefix_hit = prefix_hit;
}

void EngineModel::clear(Duration now) {
  start_call(now.ns);
  for (uint32_t slot = 0; slot < sequences_.size(); ++slot)
    if (sequences_[slot].phase != Phase::free) release(slot);
  for (Replica& replica : replicas_) {
    replica.kv_used = 0;
    replica.requests = 0;
    replica.prefill_ns = 0;
    replica.prefilling.clear();
    replica.decoding.clear();
    replica.finishes.clear();
    replica.cache.clear();
  }
  std::fill(stretch_ends_ns_.begin(), stretch_ends_ns_.end(), kIdle);
  waiting_.clear();
  waiting_head_ = 0;
  waiting_count_ = 0;
  running_ = 0;
}

double EngineModel::kv_usage() const {
  uint64_t used = 0;
  for (uint32_t r = 0; r < active_replicas_; ++r) used += replicas_[r].kv_used;
  return static_cast<double>(used) / (static_cast<double>(profile_.kv_tokens) * active_replicas_);
}

void EngineModel::start_call(int64_t now_ns) {
  CHECK(now_ns >= now_ns_);
  if (told_) events_.clear();
  told_ = false;
  now_ns_ = now_ns;
  run_until(now_ns);
}

void EngineModel::run_until(int64_t now_ns) {
  for (;;) {
    const auto next = std::min_element(stretch_ends_ns_.begin(), stretch_ends_ns_.end());
    if (*next > now_ns) return;
    end_stretch(static_cast<uint32_t>(next - stretch_ends_ns_.begin()));
  }
}

void EngineModel::end_stretch(uint32_t index) {
  Replica& replica = replicas_[index];
  const int64_t at_ns = stretch_ends_ns_[index];
  if (replica.steps > 0) {
    replica.steps_done += static_cast<uint64_t>(replica.steps);
    const double watts = replica.has_prefill ? profile_.prefill_watts : profile_.power_watts[replica.step_batch];
    const double seconds = static_cast<double>(at_ns - replica.start_ns) * 1e-9;
    energy_joules_ += watts * seconds;
    busy_seconds_ += seconds;
    if (replica.has_prefill) end_prefills(replica, at_ns);
    end_finished(replica, at_ns);
    replica.steps = 0;
    admit_waiting(at_ns);
  }
  begin_stretch(index, at_ns);
}

void EngineModel::end_prefills(Replica& replica, int64_t at_ns) {
  size_t kept = 0;
  for (size_t i = 0; i < replica.prefilling.size(); ++i) {
    const uint32_t slot = replica.prefilling[i];
    Sequence& sequence = sequences_[slot];
    if (sequence.prefill_in_step > 0) sequence.prefill_begun = true;
    sequence.prefill_left -= sequence.prefill_in_step;
    sequence.prefill_in_step = 0;
    if (sequence.prefill_left > 0) {
      replica.prefilling[kept++] = slot;
      continue;
    }
    events_.push_back({EngineEvent::Kind::first_token, 1, sequence.tag, {at_ns}});
    sequence.reported = 1;
    start_decoding(slot, replica);
  }
  replica.prefilling.resize(kept);
}

void EngineModel::start_decoding(uint32_t slot, Replica& replica) {
  Sequence& sequence = sequences_[slot];
  sequence.phase = Phase::decoding;
  replica.prefill_ns -= sequence.prefill_ns;
  sequence.first_step = replica.steps_done;
  sequence.batch_position = static_cast<uint32_t>(replica.decoding.size());
  replica.decoding.push_back(slot);
  if (replica.finishes.size() > 2 * replica.decoding.size() + kSweepSlack) {
    std::erase_if(replica.finishes, [this](const Finish& f) { return !live(f.slot, f.generation); });
    std::make_heap(replica.finishes.begin(), replica.finishes.end(), LaterFinish{});
  }
  replica.finishes.push_back({replica.steps_done + sequence.output_tokens - 1, slot, sequence.generation});
  std::push_heap(replica.finishes.begin(), replica.finishes.end(), LaterFinish{});
}

void EngineModel::end_finished(Replica& replica, int64_t at_ns) {
  while (!replica.finishes.empty()) {
    const Finish first = replica.finishes.front();
    if (live(first.slot, first.generation) && first.step > replica.steps_done) return;
    std::pop_heap(replica.finishes.begin(), replica.finishes.end(), LaterFinish{});
    replica.finishes.pop_back();
    if (live(first.slot, first.generation)) finish(first.slot, replica, at_ns);
  }
}

void EngineModel::finish(uint32_t slot, Replica& replica, int64_t at_ns) {
  const Sequence& sequence = sequences_[slot];
  events_.push_back({EngineEvent::Kind::finish, sequence.output_tokens - sequence.reported, sequence.tag, {at_ns}});
  leave_batch(slot, replica);
  release(slot);
}

void EngineModel::begin_stretch(uint32_t index, int64_t at_ns) {
  Replica& replica = replicas_[index];
  end_finished(replica, at_ns);  // cancelled ones at the top; none is due
  replica.start_ns = at_ns;
  replica.step_batch = static_cast<uint32_t>(replica.decoding.size());
  replica.has_prefill = !replica.prefilling.empty();
  if (!replica.has_prefill && replica.decoding.empty()) {
    stretch_ends_ns_[index] = kIdle;
    return;
  }
  replica.step_ns = profile_.decode_ns[replica.step_batch];
  replica.steps = 1;
  if (replica.has_prefill)
    replica.step_ns += begin_prefills(replica);
  else
    replica.steps = static_cast<int64_t>(replica.finishes.front().step - replica.steps_done);
  stretch_ends_ns_[index] = at_ns + replica.steps * replica.step_ns;
}

// Fills one step with prompt tokens, in order of arrival, and returns how long they take.
int64_t EngineModel::begin_prefills(Replica& replica) {
  uint32_t room = options_.prefill_chunk_tokens;
  int64_t overhead_ns = 0;
  for (const uint32_t slot : replica.prefilling) {
    if (room == 0) break;
    Sequence& sequence = sequences_[slot];
    sequence.prefill_in_step = std::min(room, sequence.prefill_left);
    room -= sequence.prefill_in_step;
    if (!sequence.prefill_begun) overhead_ns += profile_.prefill_overhead_ns;
  }
  const uint32_t tokens = options_.prefill_chunk_tokens - room;
  return std::max<int64_t>(1, overhead_ns + std::llround(tokens * profile_.prefill_ns_per_token));
}

// Ends the stretch with the step under way, so that the batch can change.
void EngineModel::cut_stretch(uint32_t index, int64_t at_ns) {
  Replica& replica = replicas_[index];
  if (stretch_ends_ns_[index] == kIdle) {
    replica.start_ns = at_ns;
    replica.steps = 0;
    stretch_ends_ns_[index] = at_ns;
  } else if (replica.steps > 0) {
    const int64_t steps = (at_ns - replica.start_ns + replica.step_ns - 1) / replica.step_ns;
    replica.steps = std::min(replica.steps, steps);
    stretch_ends_ns_[index] = replica.start_ns + replica.steps * replica.step_ns;
  }
}

void EngineModel::admit_waiting(int64_t at_ns) {
  for (; waiting_head_ < waiting_.size(); ++waiting_head_) {
    const Ticket head = waiting_[waiting_head_];
    if (!live(head.slot, head.generation)) continue;
    const Sequence& sequence = sequences_[head.slot];
    const auto replica = choose_replica(uint64_t{sequence.prompt_tokens} + sequence.output_tokens);
    if (!replica) break;
    --waiting_count_;
    assign(head.slot, *replica, at_ns);
  }
  if (waiting_head_ * 2 > waiting_.size()) {
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<ptrdiff_t>(waiting_head_));
    waiting_head_ = 0;
  }
}

std::optional<uint32_t> EngineModel::choose_replica(uint64_t kv_tokens) const {
  std::optional<uint32_t> best;
  for (uint32_t r = 0; r < active_replicas_; ++r) {
    const Replica& replica = replicas_[r];
    if (replica.requests >= profile_.batch_max() || replica.kv_used + kv_tokens > profile_.kv_tokens) continue;
    const auto load = [](const Replica& of) { return std::pair(of.prefill_ns, of.requests); };
    if (!best || load(replica) < load(replicas_[*best])) best = r;
  }
  return best;
}

void EngineModel::assign(uint32_t slot, uint32_t index, int64_t at_ns) {
  Sequence& sequence = sequences_[slot];
  Replica& replica = replicas_[index];
  sequence.phase = Phase::prefilling;
  sequence.replica = index;
  if (!prefix_blocks_[slot].empty()) find_cached(slot, replica);
  replica.prefilling.push_back(slot);
  replica.prefill_ns += sequence.prefill_ns;
  replica.kv_used += uint64_t{sequence.prompt_tokens} + sequence.output_tokens;
  ++replica.requests;
  ++running_;
  cut_stretch(index, at_ns);
}

void EngineModel::find_cached(uint32_t slot, Replica& replica) {
  Sequence& sequence = sequences_[slot];
  const std::vector<uint64_t>& blocks = prefix_blocks_[slot];
  const auto block_tokens = static_cast<uint32_t>((sequence.prompt_tokens + blocks.size() - 1) / blocks.size());
  const uint64_t known = replica.cache.take(blocks, block_tokens, profile_.kv_tokens) * block_tokens;
  const auto cached = static_cast<uint32_t>(std::min<uint64_t>(known, sequence.prompt_tokens - 1));
  cached_tokens_ += cached;
  sequence.prefill_left = sequence.prompt_tokens - cached;
  sequence.prefill_ns =
      profile_.prefill_overhead_ns + std::llround(sequence.prefill_left * profile_.prefill_ns_per_token);
}

void EngineModel::report_tokens(int64_t now_ns) {
  for (size_t r = 0; r < replicas_.size(); ++r) {
    const Replica& replica = replicas_[r];
    if (replica.decoding.empty() || replica.steps < 1) continue;
    const int64_t done = (now_ns - replica.start_ns) / replica.step_ns;
    const int64_t at_ns = replica.start_ns + done * replica.step_ns;
    for (const uint32_t slot : replica.decoding) {
      Sequence& sequence = sequences_[slot];
      const uint64_t produced = 1 + replica.steps_done + static_cast<uint64_t>(done) - sequence.first_step;
      if (produced <= sequence.reported) continue;
      const auto tokens = static_cast<uint32_t>(produced - sequence.reported);
      sequence.reported += tokens;
      events_.push_back({EngineEvent::Kind::tokens, tokens, sequence.tag, {at_ns}});
    }
  }
}

void EngineModel::leave_batch(uint32_t slot, Replica& replica) {
  Sequence& sequence = sequences_[slot];
  if (sequence.phase == Phase::prefilling) {
    std::erase(replica.prefilling, slot);
    replica.prefill_ns -= sequence.prefill_ns;
  } else {
    const uint32_t last = replica.decoding.back();
    replica.decoding[sequence.batch_position] = last;
    sequences_[last].batch_position = sequence.batch_position;
    replica.decoding.pop_back();
  }
  replica.kv_used -= uint64_t{sequence.prompt_tokens} + sequence.output_tokens;
  --replica.requests;
  --running_;
}

void EngineModel::release(uint32_t slot) {
  sequences_[slot].phase = Phase::free;
  ++sequences_[slot].generation;
  free_slots_.push_back(slot);
}

uint32_t EngineModel::take_slot() {
  if (free_slots_.empty()) {
    sequences_.emplace_back();
    return static_cast<uint32_t>(sequences_.size() - 1);
  }
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

}  // namespace tandem::runtime
