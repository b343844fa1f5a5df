// The routing table and the decision made on it for every request.
//
// A decision passes hard gates first (model, tenant, health, residency of the site and of every path the packets may
// take, capacity, promise), then follows the plan's split among what passed, else takes the cheapest. Where nothing
// keeps the promise, the fastest that passes the other gates is taken and the decision says so.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
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
  std::string deployment;          // stable id
  std::string site;
  std::string pool;
  uint32_t site_position = 0;      // in RoutingTable::sites
  uint32_t model = 0;              // in RoutingTable::models
  grid::JurisdictionSet jurisdiction;  // of its site
  bool up = true;                  // site, node and pool are believed up
  std::string host;                // of its engine
  uint16_t port = 0;
  std::string base_path;           // put before /v1/…, e.g. "/pools/ber-h100"; may be empty
  bool emulated = false;           // answers come from our emulator, which says so
  uint32_t replicas = 0;
  uint32_t concurrency_max = 0;    // requests at once over all replicas before they queue
  double prefill_tokens_per_s = 0; // of one replica
  Milliseconds prefill_overhead;
  Milliseconds tpot;               // at the plan's operating point
  double euros_per_prompt_token = 0;   // at the plan's utilisation, energy included
  double euros_per_output_token = 0;
  double joules_per_output_token = 0;
};

// From a region to a site, over every path the packets may take (all ECMP branches).
struct Leg {
  bool reachable = false;
  Microseconds round_trip;         // access + backhaul + network, both ways, the longest branch
  grid::JurisdictionSet jurisdictions;  // touched on the way, the site's own included
  double euros_per_byte = 0;       // transport
};

// The share of a demand that the plan sends to a target.
struct Split {
  uint32_t target = 0;
  double fraction = 0;             // (0, 1]
};

struct Tenant {
  std::string id;
  grid::JurisdictionSet residency;
  grid::Promise promise;
  std::vector<uint32_t> models;    // allowed, ascending; empty: all
  uint32_t priority = 0;
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
  uint64_t offset = 0;             // of the snapshot it was made from
  std::string plan_id;             // of the plan it carries; empty before the first
  Instant published_at;
  Instant valid_until;             // residency-bound traffic fails closed after it
  std::vector<std::string> jurisdictions;
  std::vector<std::string> sites;
  std::vector<std::string> regions;
  std::vector<std::pair<std::string, uint32_t>> model_names;  // ids and aliases → position in models
  std::vector<std::string> models;
  std::vector<Tenant> tenants;
  std::vector<Key> keys;
  std::vector<PrefixEntry> prefixes;
  std::vector<Target> targets;
  std::vector<Leg> legs;           // regions × sites, region-major
  struct DemandSplit {
    uint32_t tenant = 0, region = 0, model = 0;
    std::vector<Split> splits;     // fractions sum to at most 1
    grid::Promise promise;
  };
  std::vector<DemandSplit> demand_splits;
};

class RoutingTable {
 public:
  explicit RoutingTable(TableRows rows);

  uint64_t offset() const { return rows_.offset; }
  const TableRows& rows() const { return rows_; }
  const std::vector<Target>& targets() const { return rows_.targets; }

  std::optional<uint32_t> find_tenant(const Digest& key_sha256, bool from_loopback) const;
  std::optional<uint32_t> find_model(std::string_view name) const;    // id or alias
  std::optional<uint32_t> find_region(std::string_view id) const;
  std::optional<uint32_t> find_region_by_address(const std::array<uint8_t, 16>& address) const;  // longest prefix
  std::optional<uint32_t> find_target(std::string_view deployment) const;
  // The set of those codes; nothing when one is not a jurisdiction of this grid.
  std::optional<grid::JurisdictionSet> find_jurisdictions(std::span<const std::string_view> codes) const;

  std::span<const uint32_t> targets_of_model(uint32_t model) const;
  const Leg& leg(uint32_t region, uint32_t site) const { return rows_.legs[region * rows_.sites.size() + site]; }
  // The plan's row for that demand, or null.
  const TableRows::DemandSplit* split(uint32_t tenant, uint32_t region, uint32_t model) const;

 private:
  TableRows rows_;
  std::vector<uint32_t> model_first_;    // CSR: targets by model
  std::vector<uint32_t> model_targets_;
  struct DigestHash {
    size_t operator()(const Digest& digest) const noexcept;
  };
  std::unordered_map<Digest, uint32_t, DigestHash> key_positions_;
  std::unordered_map<std::string, uint32_t> model_positions_;
  std::unordered_map<std::string, uint32_t> region_positions_;
  std::unordered_map<std::string, uint32_t> target_positions_;
  std::unordered_map<uint64_t, uint32_t> split_positions_;
  std::vector<PrefixEntry> prefixes_by_length_;  // longest first
};

struct RequestFacts {
  uint32_t tenant = 0;
  uint32_t region = 0;
  uint32_t model = 0;
  double prompt_tokens = 0;            // estimated where the tokenizer is not known
  double output_tokens = 0;            // expected; from max_tokens or the demand's mean
  double bytes = 0;                    // of the request body, for transport cost
  grid::JurisdictionSet allowed = grid::JurisdictionSet::all();  // tenant's residency, tightened by the request
  Milliseconds ttft;                   // promise
  Milliseconds tpot;
};

// What the gateway sees of a target right now.
struct TargetLive {
  uint32_t in_flight = 0;
  bool healthy = true;                 // not ejected
};

enum class Gate : uint8_t { none, model, tenant_model, down, unhealthy, excluded, unreachable, residency, path_residency, capacity, promise_ttft, promise_tpot };
std::string_view to_string(Gate gate);

enum class Reason : uint8_t {
  plan_split,        // the plan's share, among what passed every gate
  cheapest,          // no share in the plan; the lowest cost that passed every gate
  promise_at_risk,   // nothing keeps the promise; the fastest that passed the rest
  rejected,          // nothing may serve it; Decision::blocking says why
};
std::string_view to_string(Reason reason);

struct Decision {
  Reason reason = Reason::rejected;
  std::optional<uint32_t> target;
  Gate blocking = Gate::none;          // for rejected: the gate that the most promising target failed
  Microseconds predicted_ttft;         // round trip + queue + prefill
};

struct CandidateVerdict {
  uint32_t target = 0;
  bool chosen = false;
  Gate gate = Gate::none;              // none: it passed all
  Microseconds round_trip;
  Microseconds predicted_ttft;
  double euros = 0;                    // of this request there, transport included
  double plan_fraction = 0;
};

// `live` has one entry per target. `excluded` are targets already tried for this request. `draw` ∈ [0, 1) picks among
// the plan's shares: the caller's own random number. O(targets of the model); allocates nothing.
Decision decide(const RoutingTable& table, const RequestFacts& request, std::span<const TargetLive> live,
                std::span<const uint32_t> excluded, double draw);

// Every target of the model with the gate that ruled it out, the chosen first, then by cost. For people: allocates.
std::vector<CandidateVerdict> explain(const RoutingTable& table, const RequestFacts& request,
                                      std::span<const TargetLive> live, std::span<const uint32_t> excluded, double draw);

// The estimate of tokens in a text where no tokenizer is at hand: four bytes a token, which is within ~20 % for English
// under common BPE vocabularies; the engine's own count replaces it in `usage`.
double estimate_tokens(size_t text_bytes);

}  // namespace tandem::routing
