// A model of one LLM engine: what happens to requests given to some replicas of a model on accelerators whose
// performance profile was measured. Pure and deterministic: it is told what time it is, and between two calls it
// computes what happened, step by step.
//
// The model is continuous batching in the manner of vLLM (W. Kwon et al., "Efficient Memory Management for Large
// Language Model Serving with PagedAttention", SOSP 2023) with chunked prefill (A. Agrawal et al., "Taming
// Throughput-Latency Tradeoff in LLM Inference with Sarathi-Serve", OSDI 2024):
//
// - One queue, first come first served, never bypassed. Its head goes, of the replicas with a free slot and enough KV
//   memory for the whole prompt and output (so nothing is ever preempted; an engine that allocates as it goes fits
//   somewhat more), to the one with the least prefill work before it, of those to the one with the fewest requests. So
//   do routers that know their replicas: vLLM's data-parallel client weighs a waiting request as four running ones,
//   endpoint pickers score queues. Counting requests alone sends prompts after each other to the replica that has just
//   lost some; taking turns makes of each replica a queue of its own (docs/BENCHMARKS.md has what both cost).
// - A replica runs steps. A step takes decode(b) + Σ prefill_overhead + c / prefill_rate, where b requests decode one
//   token each, c ≤ prefill_chunk_tokens prompt tokens are computed, and the overhead counts once for each prompt
//   begun. So a prompt of P tokens not in the cache, alone, takes prefill_overhead + P / prefill_rate to its first
//   token, then decode(1) a token; and prefills slow down those who are decoding, as they do in life.
// - decode(b) is linear between the profile's points, and is that of the first point below it. Nothing is extrapolated:
//   beyond the last point's batch, requests queue.
// - A request joins at the end of the step under way. A step keeps its length when a request in it is cancelled.
//
// Capacity: a replica is full when rate·(overhead + P / prefill_rate + outputs·decode(b)/b) = 1: prefill and decode
// share its time.
//
// Cost: O(log batch + replicas) for each change of a batch and each prefill step; nothing per token unless token events
// are asked for, and then O(requests decoding) for each advance. Memory is kept and reused: none is allocated once the
// largest load has been seen, prefix caches aside. Not modelled: preemption, speculative decoding.
//
// Prefix caches: by a fraction of every prompt (EngineOptions::prefix_hit), or, of a request that names its blocks, by
// what its replica holds of them: the last used, up to the replica's KV memory. No replica is chosen for its cache.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "grid/nouns.h"
#include "runtime/block_cache.h"

namespace tandem::runtime {

// What the model needs of a profile, in units of its arithmetic.
struct EngineProfile {
  // Why these: far above any engine built (vLLM batches hundreds), far below what would exhaust memory.
  static constexpr uint32_t kBatchMax = 65'536;

  std::vector<int64_t> decode_ns;   // by batch; [0] is 0; the last is the largest batch that runs
  std::vector<double> power_watts;  // by batch; [0] is not used
  double prefill_watts = 0;         // of steps that prefill: the most of any point
  double prefill_ns_per_token = 0;
  int64_t prefill_overhead_ns = 0;
  uint64_t kv_tokens = 0;  // that fit in one replica's KV memory

  uint32_t batch_max() const { return static_cast<uint32_t>(decode_ns.size() - 1); }

  // Up to a batch, or the profile's first point where that is larger. Errors: invalid_argument for figures out of the
  // ranges that grid/nouns.h states.
  static Result<EngineProfile> from(const grid::Model& model, const grid::Profile& profile,
                                    uint32_t batch_max = kBatchMax);

  bool operator==(const EngineProfile&) const = default;
};

struct EngineOptions {
  static constexpr uint32_t kReplicasMax = 4'096;

  uint32_t replicas = 1;                  // [1, kReplicasMax]
  double prefix_hit = 0;                  // fraction of prompt tokens found in cache, [0, 1)
  uint32_t prefill_chunk_tokens = 2'048;  // of all prompts in one step, ≥ 1; the usual setting for low latency
  // Requests that wait: at one a second and replica, a quarter of an hour of arrivals, longer than any client waits.
  uint32_t waiting_max = 1'024;
  bool token_events = false;  // false: only first tokens and finishes are told
};

struct EngineRequest {
  // Of prompt and of output. Far above any context; keeps all times within 64 bits.
  static constexpr uint32_t kTokensMax = 1u << 24;

  uint64_t tag = 0;            // the caller's own; returned in events
  uint32_t prompt_tokens = 1;  // [1, kTokensMax]
  uint32_t output_tokens = 1;  // [1, kTokensMax]
  // Hashes of the prompt up to the end of each of its blocks, which are of one length; none: not known. Read in the
  // call alone.
  std::span<const uint64_t> prefix_blocks = {};
};

// Names a request inside one engine until its finish or cancellation.
struct Ticket {
  uint32_t slot = UINT32_MAX;
  uint32_t generation = 0;
  bool operator==(const Ticket&) const = default;
};

struct EngineEvent {
  enum class Kind : uint8_t { first_token, tokens, finish };

  Kind kind = Kind::first_token;
  uint32_t tokens = 0;  // produced since the last event of this request; 1 for first_token, 0 allowed for finish
  uint64_t tag = 0;
  Duration at;  // when the last of them came; not later than the time advanced to
};

enum class Admission : uint8_t {
  accepted,
  queue_full,  // waiting_max wait already
  too_large,   // prompt and output exceed one replica's KV memory: it would wait for ever;
               // or a count is out of range
};

struct Submission {
  Admission admission = Admission::accepted;
  Ticket ticket;  // when accepted
};

class EngineModel {
 public:
  // Errors: invalid_argument for options out of range.
  static Result<EngineModel> create(EngineProfile profile, EngineOptions options);

  // All times are since one arbitrary start and must not go back from call to call.
  Submission submit(const EngineRequest& request, Duration now);

  // Frees what the request holds. False when it has finished (also at this very `now`) or was cancelled before.
  bool cancel(Ticket ticket, Duration now);

  // Everything that happened up to and including `now` and was not told before, each request's in order. The span is
  // valid until the next call.
  std::span<const EngineEvent> advance(Duration now);

  // When the next event comes if nothing is submitted or cancelled before; nothing when no request is running.
  std::optional<Duration> next_event_at() const;

  // More replicas take from the queue at once; the last ones over the new number take no more and run empty.
  void set_replicas(uint32_t replicas, Duration now);  // [1, kReplicasMax]

  void set_prefix_hit(double prefix_hit);  // [0, 1); of requests submitted from now on

  // Ends everything at once without events, as a loss of power does.
  void clear(Duration now);

  uint32_t running() const { return running_; }  // in a batch: prefilling or decoding
  uint32_t waiting() const { return waiting_count_; }
  uint32_t replicas() const { return active_replicas_; }
  uint64_t cached_tokens() const { return cached_tokens_; }  // of all prompts so far, found in their replica's blocks
  double kv_usage() const;                                   // [0, 1], over the replicas that take requests
  double energy_joules() const { return energy_joules_; }    // of steps done
  double busy_seconds() const { return busy_seconds_; }      // of all replicas, in steps done
  const EngineProfile& profile() const { return profile_; }
  const EngineOptions& options() const { return options_; }

 private:
  enum class Phase : uint8_t { free, waiting, prefilling, decoding };

  struct Sequence {
    uint64_t tag = 0;
    uint32_t prompt_tokens = 0;
    uint32_t output_tokens = 0;
    uint32_t prefill_left = 0;     // prompt tokens still to compute
    uint32_t prefill_in_step = 0;  // of them, computed by the step under way
    int64_t prefill_ns = 0;        // of all that was not in the cache
    uint32_t generation = 0;
    uint32_t replica = 0;
    uint32_t batch_position = 0;  // in Replica::decoding
    uint32_t reported = 0;        // output tokens told by events
    uint64_t first_step = 0;      // Replica::steps_done when the first token came
    bool prefill_begun = false;
    Phase phase = Phase::free;
  };

  struct Finish {
    uint64_t step = 0;  // of the replica, at whose end the last token comes
    uint32_t slot = 0;
    uint32_t generation = 0;
  };

  // Steps of equal length run back to back until something changes the batch: that is one stretch.
  struct Replica {
    int64_t start_ns = 0;  // of the stretch
    int64_t step_ns = 0;
    int64_t steps = 0;         // in the stretch; 0: it only waits for the next to begin
    bool has_prefill = false;  // then it is of one step
    uint32_t step_batch = 0;   // requests decoding in its steps
    uint64_t steps_done = 0;   // before the stretch
    uint64_t kv_used = 0;      // tokens
    uint32_t requests = 0;     // prefilling and decoding
    BlockCache cache;
    int64_t prefill_ns = 0;            // of the prompts not yet prefilled, whole
    std::vector<uint32_t> prefilling;  // slots, in order of arrival
    std::vector<uint32_t> decoding;    // slots, in no order
    std::vector<Finish> finishes;      // a heap, the earliest first; cancelled ones stay until they come up
  };

  EngineModel(EngineProfile profile, EngineOptions options);
  static constexpr int64_t kIdle = INT64_MAX;

  void start_call(int64_t now_ns);
  void run_until(int64_t now_ns);
  void end_stretch(uint32_t replica);
  void end_prefills(Replica& replica, int64_t at_ns);
  void end_finished(Replica& replica, int64_t at_ns);
  void begin_stretch(uint32_t replica, int64_t at_ns);
  int64_t begin_prefills(Replica& replica);
  void cut_stretch(uint32_t replica, int64_t at_ns);
  void admit_waiting(int64_t at_ns);
  std::optional<uint32_t> choose_replica(uint64_t kv_tokens) const;
  void assign(uint32_t slot, uint32_t replica, int64_t at_ns);
  void find_cached(uint32_t slot, Replica& replica);
  void start_decoding(uint32_t slot, Replica& replica);
  void finish(uint32_t slot, Replica& replica, int64_t at_ns);
  void report_tokens(int64_t now_ns);
  void leave_batch(uint32_t slot, Replica& replica);
  void release(uint32_t slot);
  uint32_t take_slot();
  bool live(uint32_t slot, uint32_t generation) const { return sequences_[slot].generation == generation; }

  EngineProfile profile_;
  EngineOptions options_;
  uint32_t active_replicas_;
  std::vector<Replica> replicas_;         // beyond active_replicas_: running empty
  std::vector<int64_t> stretch_ends_ns_;  // by replica; kIdle: nothing runs
  std::vector<Sequence> sequences_;
  std::vector<std::vector<uint64_t>> prefix_blocks_;  // by slot, of those that wait or run
  uint64_t cached_tokens_ = 0;
  std::vector<uint32_t> free_slots_;
  std::vector<Ticket> waiting_;  // from waiting_head_ on; cancelled ones stay until they come up
  size_t waiting_head_ = 0;
  uint32_t waiting_count_ = 0;  // without the cancelled ones
  uint32_t running_ = 0;
  double energy_joules_ = 0, busy_seconds_ = 0;
  int64_t now_ns_ = INT64_MIN;
  std::vector<EngineEvent> events_;
  bool told_ = false;  // events_ has been handed out
};

}  // namespace tandem::runtime
