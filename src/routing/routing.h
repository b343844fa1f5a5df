// The routing table and the decision made on it for every request.
//
// A decision passes hard gates first (model, tenant, residency of the site and of every path the packets may take,
// health, capacity, promise), then follows the plan's split among what passed, else takes the cheapest. Where nothing
// keeps the promise, the fastest that passes the other gates is taken and the decision says so.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/digest.h"
#include "base/time.h"
#include "base/units.h"
#include "grid/nouns.h"

namespace tandem::routing {

// A deployment that can answer: replicas of one model at one pool.
struct Target {
  std::string deployment;  // stable id
  std::string site;
  std::string pool;
  uint32_t site_position = 0;          // in RoutingTable::sites
  uint32_t model = 0;                  // in RoutingTable::models
  grid::JurisdictionSet jurisdiction;  // of its site
  bool up = true;                      // site, node and pool are believed up
  std::string host;                    // of its engine
  uint16_t port = 0;
  std::string base_path;  // put before /v1/…, e.g. "/pools/ber-h100"; may be empty
  bool emulated = false;  // answers come from our emulator, which says so
  uint32_t replicas = 0;
  uint32_t concurrency_max = 0;  // requests at once over all replicas before they queue
  uint32_t in_flight_kept = 0;  // requests at once, waiting ones too, at which promises are kept (twin.h); 0: not known
  double prefill_tokens_per_s = 0;  // of one replica; 0: not known, taken as instant
  Milliseconds prefill_overhead;
  Milliseconds tpot;                  // at the plan's operating point
  double euros_per_prompt_token = 0;  // at the plan's utilisation, energy included
  double euros_per_output_token = 0;
  double joules_per_output_token = 0;
  double joules_per_prompt_token = 0;  // of one that is not found in the prefix cache
  double carbon_g_per_joule = 0;       // CO2, of the power its site draws
  double kv_tokens = 0;                // that the KV memory of its replicas holds; 0: not known
};

// What a decision must know of a model beside its targets.
struct ModelTraits {
  std::optional<uint32_t> fallback;  // the model that may serve in its place; following them ends
  uint32_t context_tokens = 0;       // prompt + output; 0: not known, taken as endless
};

// A share of a model's requests that something else is tried with.
struct Trial {
  std::string id;
  grid::TrialMode mode = grid::TrialMode::shadow;
  uint32_t model = 0;
  uint32_t to_model = 0;            // may be the same
  std::optional<uint32_t> to_site;  // nothing: any
  double share_fraction = 0;        // of the model's clients, [0, 1]
};

// From a region to a site, over every path the packets may take (all ECMP branches of their algorithm).
struct Leg {
  bool reachable = false;
  Microseconds round_trip;              // access + backhaul + network, both ways, the longest branch
  grid::JurisdictionSet jurisdictions;  // touched on the way, the site's own included
  double euros_per_byte = 0;            // transport
};

// The share of a demand that the plan sends to a target.
struct Split {
  uint32_t target = 0;
  double fraction = 0;  // (0, 1]
};

struct Tenant {
  std::string id;
  grid::JurisdictionSet residency;
  grid::Promise promise;
  std::vector<uint32_t> models;  // allowed, ascending; empty: all
  uint32_t priority = 0;
  double weight = 1;  // among those of its priority, > 0
  grid::TenantLimits limits = {};
  bool fallbacks = false;     // a model's fallback may serve what it asks of the model
  double hedge_quantile = 0;  // of an engine's first tokens, after which a second is asked, [0, 1); 0: never
  uint32_t paths = 0;  // that its traffic takes, where the plan's row of its demand says no other: see TableRows::legs
};

struct Key {
  Digest sha256;
  uint32_t tenant = 0;
  bool loopback_only = false;
};

struct PrefixEntry {
  grid::Prefix prefix;
  uint32_t region = 0;
};

// What a table is made from; every position refers into the vectors here.
struct TableRows {
  uint64_t offset = 0;  // of the snapshot it was made from
  std::string plan_id;  // of the plan it carries; empty before the first
  Instant published_at;
  Instant valid_until;  // residency-bound traffic fails closed after it
  std::vector<std::string> jurisdictions;
  std::vector<std::string> sites;
  std::vector<std::string> regions;
  std::vector<std::pair<std::string, uint32_t>> model_names;  // ids and aliases → position in models
  std::vector<std::string> models;
  std::vector<Instant> models_known_at;   // by model, since when the grid has it; empty: not known
  std::vector<ModelTraits> model_traits;  // by model; empty: nothing is known of any
  std::vector<Tenant> tenants;
  std::vector<Key> keys;
  std::vector<PrefixEntry> prefixes;
  std::vector<Target> targets;
  // Whose paths `legs` has, ≥ 1: the IGP's own, which are 0, then those of each flex algorithm that some tenant or
  // demand takes; of each, regions × sites, region-major.
  uint32_t paths = 1;
  std::vector<Leg> legs;
  struct DemandSplit {
    uint32_t tenant = 0, region = 0, model = 0;
    std::vector<Split> splits;  // fractions sum to at most 1
    grid::Promise promise;
    double turned_away = 0;  // by the plan: a fraction of the demand, [0, 1]
    uint32_t paths = 0;      // that its traffic takes
  };
  std::vector<DemandSplit> demand_splits;
  bool admission_by_plan = false;  // requests are turned away as the plan says; else served where there is room
  std::vector<Trial> trials;       // at most grid::kTrialsMax
};

class SieveIndex;

class RoutingTable {
 public:
  // What a decision reads of a target, one cache line, kept by model in the order of a usual request's cost.
  struct Candidate {
    grid::JurisdictionSet jurisdiction;
    uint32_t target = 0;
    uint32_t site = 0;
    double euros_per_prompt_token = 0;
    double euros_per_output_token = 0;
    double prefill_us_per_token = 0;
    double tpot_ms = 0;
    float prefill_overhead_us = 0;
    uint32_t concurrency_max = 0;
    uint32_t in_flight_kept = 0;
    uint16_t replicas = 1;  // ≥ 1; more count as 65,535
    bool up = false;
  };
  // A share of the plan, as the decision reads it.
  struct Share {
    uint32_t candidate = 0;  // position for candidate_at
    double fraction = 0;
  };
  // The least of each price from one candidate to the last of its model: no later candidate can cost less.
  struct LeastPrices {
    double euros_per_prompt_token = 0;
    double euros_per_output_token = 0;
  };
  static constexpr size_t kBlockRows = 64;  // candidates of a model that a search looks at side by side
  struct Candidates {
    std::span<const Candidate> rows;
    std::span<const LeastPrices> least;  // of rows[i] and all after it
    uint32_t first = 0;                  // position of rows[0]
    uint32_t first_block = 0;            // among those of all models
  };

  // Rows that contradict each other (a position out of range, a negative price, a share of another model's target) are
  // a bug of whoever made them. Where a key, model name or prefix occurs twice, the first one counts.
  explicit RoutingTable(TableRows rows);

  uint64_t offset() const { return rows_.offset; }
  const TableRows& rows() const { return rows_; }
  const std::vector<Target>& targets() const { return rows_.targets; }

  std::optional<uint32_t> find_tenant(const Digest& key_sha256, bool from_loopback) const;
  std::optional<uint32_t> find_model(std::string_view name) const;  // id or alias
  std::optional<uint32_t> find_region(std::string_view id) const;
  std::optional<uint32_t> find_region_by_address(const std::array<uint8_t, 16>& address) const;  // longest prefix
  std::optional<uint32_t> find_target(std::string_view deployment) const;
  // The set of those codes; nothing when one is not a jurisdiction of this grid.
  std::optional<grid::JurisdictionSet> find_jurisdictions(std::span<const std::string_view> codes) const;
  bool may_use(uint32_t tenant, uint32_t model) const;
  const ModelTraits& traits(uint32_t model) const;

  std::span<const uint32_t> targets_of_model(uint32_t model) const;  // ascending
  const Leg& leg(uint32_t region, uint32_t site, uint32_t paths = 0) const {
    return rows_.legs[(size_t{paths} * rows_.regions.size() + region) * rows_.sites.size() + site];
  }
  // Whose paths a tenant's traffic from a region to a model takes, for `leg` and RequestFacts.
  uint32_t paths_of(uint32_t tenant, uint32_t region, uint32_t model) const;
  // The plan's row for that demand, or null.
  const TableRows::DemandSplit* split(uint32_t tenant, uint32_t region, uint32_t model) const;
  // The same as the decision reads it: empty where there is no row.
  std::span<const Share> shares(uint32_t tenant, uint32_t region, uint32_t model) const;

  Candidates candidates(uint32_t model) const;
  uint32_t position_of(uint32_t target) const { return candidate_positions_[target]; }
  const Candidate& candidate(uint32_t target) const { return candidates_[position_of(target)]; }
  const Candidate& candidate_at(uint32_t position) const { return candidates_[position]; }
  size_t blocks() const { return model_first_block_.back(); }  // of all models, the last of each less
  uint32_t lane_of(uint32_t position) const;                   // block × kBlockRows + place in it
  const SieveIndex& sieve_index() const { return *sieve_index_; }
  double least_euros_per_byte(uint32_t region, uint32_t paths) const {  // of its reachable legs
    return least_euros_per_byte_[paths * rows_.regions.size() + region];
  }

 private:
  struct DigestHash {
    size_t operator()(const Digest& digest) const noexcept;
  };
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };
  using Positions = std::unordered_map<std::string, uint32_t, TextHash, std::equal_to<>>;  // looked up, never iterated
  struct PrefixGroup {
    uint8_t length = 0;
    uint32_t first = 0;  // in prefixes_
    uint32_t count = 0;
  };

  void check_rows() const;
  void index_names();
  void index_prefixes();
  void index_targets();
  void index_legs();
  void index_splits();

  TableRows rows_;
  std::vector<uint32_t> model_first_;  // CSR: targets, and candidates, by model
  std::vector<uint32_t> model_targets_;
  std::vector<Candidate> candidates_;
  std::vector<LeastPrices> least_prices_;
  std::vector<uint32_t> candidate_positions_;  // by target
  std::vector<uint32_t> model_first_block_;    // CSR by model
  std::shared_ptr<const SieveIndex> sieve_index_;
  std::vector<double> least_euros_per_byte_;  // by paths, then region
  std::unordered_map<Digest, uint32_t, DigestHash> key_positions_;
  Positions model_positions_;
  Positions region_positions_;
  Positions target_positions_;
  // Open addressing, a power of two at most half full: one cache miss a lookup where chained buckets take three.
  struct SplitSlot {
    uint64_t key = UINT64_MAX;  // UINT64_MAX: free
    uint32_t row = 0;           // in rows_.demand_splits
    uint32_t first = 0;         // in shares_
    uint32_t count = 0;
  };
  const SplitSlot* find_split(uint64_t key) const;
  std::vector<SplitSlot> split_slots_;
  std::vector<Share> shares_;
  std::vector<PrefixEntry> prefixes_;       // masked; longest first, then by address
  std::vector<PrefixGroup> prefix_groups_;  // longest first
};

// A queue as long as all that runs means a wait of a whole service time, after which no promise on a first token in use
// today is kept: beyond that a target is full.
inline constexpr uint32_t kQueuePerConcurrency = 1;

// How much of a request's prompt the engine of a target most likely holds in its prefix cache.
struct PrefixHit {
  uint32_t target = 0;
  uint32_t tokens = 0;  // ≤ the prompt's
};

// The few targets with the most of a prompt, in no order.
struct PrefixHits {
  static constexpr size_t kMax = 8;  // enough to escape from some that are full
  std::array<PrefixHit, kMax> rows;
  uint32_t count = 0;

  std::span<const PrefixHit> all() const { return std::span(rows).first(count); }
  void offer(PrefixHit hit);  // kept if it is among the kMax with the most tokens; each target once
};

struct RequestFacts {
  uint32_t tenant = 0;
  uint32_t region = 0;
  uint32_t model = 0;
  uint32_t paths = 0;                                            // RoutingTable::paths_of these
  double prompt_tokens = 0;                                      // estimated where the tokenizer is not known
  double output_tokens = 0;                                      // expected; from max_tokens or the demand's mean
  double bytes = 0;                                              // of the request body, for transport cost
  grid::JurisdictionSet allowed = grid::JurisdictionSet::all();  // tenant's residency, tightened by the request
  Milliseconds ttft;                                             // promise; 0: none
  Milliseconds tpot;                                             // promise; 0: none
  // A target is full when as many wait in it, as a part of those it works on; at least one may. Less where the caller
  // has a queue of its own, in which it can still choose who goes next.
  double queue_per_concurrency = kQueuePerConcurrency;
  bool fallbacks = false;             // the model's fallbacks may serve it
  std::optional<uint32_t> only_site;  // nothing: any
  PrefixHits hits;

  bool is_promised() const { return ttft.value() > 0 || tpot.value() > 0; }
};

// A value that one thread writes and others read whenever they like; a plain load where it is read.
template <class T>
class Relaxed {
 public:
  constexpr Relaxed(T value = T{}) : value_(value) {}
  Relaxed(const Relaxed& other) : value_(other.load()) {}
  Relaxed& operator=(const Relaxed& other) { return value_.store(other.load(), std::memory_order_relaxed), *this; }
  T load() const { return value_.load(std::memory_order_relaxed); }
  operator T() const { return load(); }
  std::atomic<T>& atomic() { return value_; }

 private:
  std::atomic<T> value_;
};

// What the gateway sees of a target right now.
struct TargetLive {
  Relaxed<uint32_t> in_flight = 0;
  Relaxed<bool> healthy = true;                  // not ejected
  Relaxed<uint32_t> in_flight_max = UINT32_MAX;  // less while it starts slowly
  Relaxed<uint32_t> prefills = 0;                // of those in flight, requests whose first token is still to come
  Relaxed<uint32_t> prefill_tokens = 0;          // of their prompts, what is most likely not in its cache
};

// In the order in which a target is put through them; none: it passed all.
enum class Gate : uint8_t {
  none,
  model,           // no target has the model
  tenant_model,    // the tenant may not use it
  residency,       // the site lies outside the allowed jurisdictions
  down,            // site, node or pool
  unreachable,     // no path from the region
  path_residency,  // a path the packets may take touches another jurisdiction
  unhealthy,       // ejected after failures
  excluded,        // tried already for this request, or at another site than the one it is bound to
  capacity,        // no slots, the queue is as long as it may be, or it starts slowly
  promise_ttft,
  promise_tpot,
  plan,  // of the request, not of a target: the plan turns this share of its demand away
};
std::string_view to_string(Gate gate);

enum class Reason : uint8_t {
  plan_split,       // the plan's share, among what passed every gate
  cheapest,         // no share in the plan; the lowest cost that passed every gate
  promise_at_risk,  // nothing keeps the promise; the fastest that passed the rest
  rejected,         // nothing may serve it; Decision::blocking says why
  warm_prefix,      // it holds the beginning of the prompt, and answers no later than where the request would go else
  fallback,         // another model serves it; Decision::blocking says why the one that was asked does not
  baseline,         // not decided here: baseline.h
};
std::string_view to_string(Reason reason);

struct Decision {
  Reason reason = Reason::rejected;
  std::optional<uint32_t> target;
  Gate blocking = Gate::none;   // for rejected: the gate that the target which came furthest failed
  Microseconds predicted_ttft;  // round trip + queue + prefill of what is not in its cache
  uint32_t cached_tokens = 0;   // of the prompt, that its engine most likely has in its cache
};

struct CandidateVerdict {
  uint32_t target = 0;
  bool chosen = false;
  Gate gate = Gate::none;  // none: it passed all
  Microseconds round_trip;
  Microseconds predicted_ttft;
  uint32_t cached_tokens = 0;  // as in Decision
  double euros = 0;            // of this request there, transport included
  double plan_fraction = 0;
};

// The time until the first token, as the client sees it: round trip + wait + prefill. The wait is the longer of two.
// For a place: a request which finds n in flight at c servers waits not at all while n < c, else for (n − c + 1)
// departures, c / S of them a second, S being the service time (exact for exponential service: Gross et al.,
// Fundamentals of Queueing Theory, 4th ed., 2.3). S is taken from this request, prefill + output tokens × tpot, since
// the mix in flight is not known here; where others are longer, the wait is underestimated.
// For a replica that prefills nothing: not at all while fewer prompts than replicas are to be prefilled, else until the
// next replica is done, 1 / (replicas + 1) of a prompt where those under way are so far by chance, and as often as
// there are more of them than replicas; prompts are taken as their mean, steps of decoding in between are not counted.
Microseconds predict_ttft(const RoutingTable& table, const RequestFacts& request, uint32_t target,
                          const TargetLive& live);

// The least time to the first token at any target that may serve the request, were nothing waiting there; nothing where
// none may or has a slot. How many are taken, health and promise are not asked.
std::optional<Microseconds> soonest_ttft(const RoutingTable& table, const RequestFacts& request);

// Where the live states of a table's targets are kept, in the order of its candidates: what a decision reads one after
// another should lie so.
class RoomBits;
struct LivePointers {
  std::span<const TargetLive* const> rows;  // by RoutingTable::position_of
  const RoomBits* room = nullptr;           // which of them have some (room.h); null: each is looked at
};

// `live` has one entry per target, or says where each is kept. `excluded` are targets already tried for this
// request. `draw` ∈ [0, 1) picks among the plan's shares, of two where the first makes it wait, and what the plan turns
// away where that is refused; not of a request that has been tried somewhere: it was admitted. It is the caller's own
// random number. Of equal costs the faster wins. A target that holds the beginning of the prompt takes it where the
// plan has a share there, or it costs no more than the cheapest, and its first token comes no later than from where the
// request would go else. Where what was asked cannot keep the promise, the first of its fallbacks that can serves it,
// for whom that is allowed; where none can, what was asked for; where that cannot at all, the first fallback that can.
// O(shares of the demand) where the plan's are open, else O(targets of the model), less what cannot be cheaper than the
// best so far and, beyond the first few, what bounds rule out in passing; allocates nothing.
Decision decide(const RoutingTable& table, const RequestFacts& request, std::span<const TargetLive> live,
                std::span<const uint32_t> excluded, double draw);
Decision decide(const RoutingTable& table, const RequestFacts& request, LivePointers live,
                std::span<const uint32_t> excluded, double draw);

// Every target of the model, and of its fallbacks where they may serve it, with the gate that ruled it out, the chosen
// first, then by cost. For people: allocates.
std::vector<CandidateVerdict> explain(const RoutingTable& table, const RequestFacts& request,
                                      std::span<const TargetLive> live, std::span<const uint32_t> excluded,
                                      double draw);

// SHA-256 over all of a table that decisions depend on; when it was published and how long it is valid are left out, so
// that a table renewed is a table unchanged.
Digest digest(const RoutingTable& table);

// The estimate of tokens in a text where no tokenizer is at hand: four bytes a token, which is within ~20 % for English
// under common BPE vocabularies; the engine's own count replaces it in `usage`.
double estimate_tokens(size_t text_bytes);

}  // namespace tandem::routing
