// The nouns of a grid as typed rows. Rows refer to each other by dense index within one Snapshot; `id` is the stable
// name, unique among rows of its kind. Zero values are meaningful only where a comment says so.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/index.h"
#include "base/units.h"

namespace tandem::grid {

enum class Tier : uint8_t { device, far_edge, near_edge, core, cloud };
enum class State : uint8_t { up, down };
enum class NodeRole : uint8_t { router, switch_, server, base_station, upf, bng };

// Jurisdictions of one snapshot, by their position in Snapshot::jurisdictions. At most 64: there are ~60
// data-protection regimes worth telling apart, and a set must be one machine word on the request path.
struct JurisdictionSet {
  uint64_t bits = 0;
  static constexpr JurisdictionSet all() { return {UINT64_MAX}; }
  constexpr bool contains(JurisdictionSet other) const { return (other.bits & ~bits) == 0; }
  constexpr bool empty() const { return bits == 0; }
  constexpr JurisdictionSet operator|(JurisdictionSet other) const { return {bits | other.bits}; }
  constexpr JurisdictionSet operator&(JurisdictionSet other) const { return {bits & other.bits}; }
  constexpr bool operator==(const JurisdictionSet&) const = default;
};
inline constexpr size_t kJurisdictionsMax = 64;

struct Site {
  std::string id;
  std::string name;
  Tier tier = Tier::core;
  Degrees latitude;          // [−90, 90], WGS 84
  Degrees longitude;         // [−180, 180]
  uint8_t jurisdiction = 0;  // position in Snapshot::jurisdictions
  Kilowatts power_limit;     // IT load the feeds can carry; ≥ 0
  std::vector<std::string> power_feeds;
  EurosPerKilowattHour power_price;
  GramsPerKilowattHour carbon;  // of the power it draws
  double pue = 1;               // total power / IT power, ≥ 1 (ISO/IEC 30134-2)
  Kilowatts cooling_limit;      // heat that can be removed; ≥ 0
  bool model_store = false;     // models' weights are kept here for all sites
  State state = State::up;
  bool operator==(const Site&) const = default;
};
using SiteIndex = Index<Site>;

struct Node {
  std::string id;
  SiteIndex site;
  NodeRole role = NodeRole::router;
  bool overload = false;  // no path goes through it (ISO/IEC 10589 overload bit); it still sends and is still reached
  State state = State::up;
  bool operator==(const Node&) const = default;
};
using NodeIndex = Index<Node>;

// A duct, span or other thing whose loss takes several links at once.
struct SharedRiskGroup {
  std::string id;
  std::string name;
  bool operator==(const SharedRiskGroup&) const = default;
};
using SharedRiskGroupIndex = Index<SharedRiskGroup>;

struct Link {
  std::string id;
  NodeIndex a;
  NodeIndex b;
  Gbps capacity_ab;       // of the members that are up, > 0; of one where none is
  Gbps capacity_ba;       // likewise
  Microseconds delay;     // one way, ≥ 0
  Kilometres length;      // of fibre, not of the map; 0 where not known
  double igp_metric = 1;  // ≥ 1; paths minimise its sum
  double te_metric = 0;   // ≥ 1, for flex algorithms that ask for it; 0: none is announced
  EurosPerGigabyte cost;  // of carrying one gigabyte
  std::vector<SharedRiskGroupIndex> shared_risk_groups;
  std::vector<std::string> admin_groups;  // colours that flex algorithms choose links by; ascending, each once
  // Physical links used as one (IEEE 802.1AX), all alike. One alone is a bundle of one member.
  uint32_t members = 1;       // ≥ 1
  uint32_t members_min = 1;   // [1, members]; with fewer up the whole bundle is down
  uint32_t members_down = 0;  // [0, members]
  State state = State::up;

  uint32_t members_up() const { return members - members_down; }
  bool carries() const { return state == State::up && members_up() >= members_min; }
  bool operator==(const Link&) const = default;
};
using LinkIndex = Index<Link>;

// What shortest paths minimise. `delay`: whole microseconds, as IS-IS and OSPF announce it (RFC 8570, RFC 7471).
enum class PathMetric : uint8_t { igp, delay, te };

// A topology of its own, and what its shortest paths minimise (RFC 9350): its participants, and those links between
// them that have none of the groups excluded, one at least of `include_any`, all of `include_all`, and the metric.
struct FlexAlgo {
  std::string id;  // its number, "128" to "255"
  std::string name;
  PathMetric metric = PathMetric::igp;
  // Admin groups; ascending, each once. Empty: no such rule.
  std::vector<std::string> exclude_any, include_any, include_all;
  std::vector<NodeIndex> participants;  // ascending; empty: all nodes
  bool operator==(const FlexAlgo&) const = default;
};
using FlexAlgoIndex = Index<FlexAlgo>;  // not valid(): the IGP's own shortest paths

// Where a region's traffic surfaces (UPF or BNG).
struct Anchor {
  NodeIndex node;
  Microseconds access_delay;    // one way, device to base station or access node
  Microseconds backhaul_delay;  // one way, from there to the anchor
  bool operator==(const Anchor&) const = default;
};

// An IPv4 or IPv6 prefix; IPv4 is held as ::ffff:a.b.c.d, its length counted from there (0..32 → 96..128).
struct Prefix {
  std::array<uint8_t, 16> address{};
  uint8_t length = 0;  // [0, 128]
  bool operator==(const Prefix&) const = default;
};

struct Region {
  std::string id;
  std::string name;
  Degrees latitude;
  Degrees longitude;
  double population = 0;  // people, ≥ 0
  std::vector<Prefix> prefixes;
  std::vector<Anchor> anchors;  // at least one; the first that is up and connected is used
  double utc_offset_hour = 0;   // its clock is ahead of UTC by, [−12, 14]
  bool operator==(const Region&) const = default;
};
using RegionIndex = Index<Region>;

struct Accelerator {
  std::string id;
  std::string name;
  Gigabytes memory;            // > 0
  Watts idle_power;            // ≥ 0
  Watts peak_power;            // ≥ idle_power
  EurosPerHour price;          // of one accelerator for one hour, amortised, without energy
  double load_gb_per_s = 1.6;  // of weights, from the site's storage into one replica's accelerators, > 0
  bool operator==(const Accelerator&) const = default;
};
using AcceleratorIndex = Index<Accelerator>;

// Accelerators kept for the radio network between two hours of the day, UTC; from > to wraps over midnight.
struct RadioReserve {
  double from_hour = 0;  // [0, 24)
  double to_hour = 0;    // [0, 24]
  uint32_t accelerators = 0;
  bool operator==(const RadioReserve&) const = default;
};

struct Pool {
  std::string id;
  SiteIndex site;
  NodeIndex node;  // where its traffic meets the network
  AcceleratorIndex accelerator;
  uint32_t count = 0;
  std::vector<RadioReserve> radio_reserve;
  std::string engine_url;  // of a real OpenAI-compatible server; empty: emulated
  bool operator==(const Pool&) const = default;
};
using PoolIndex = Index<Pool>;

struct Model {
  std::string id;
  std::string name;
  std::vector<std::string> aliases;  // further names that requests may use
  std::string version;
  double parameters_billion = 0;  // > 0
  Gigabytes weights;              // memory of one replica's weights
  double kv_bytes_per_token = 0;  // ≥ 0
  uint32_t context_tokens = 0;    // prompt + output, > 0
  std::string fallback;           // id of a model that may serve in its place; empty: none
  bool operator==(const Model&) const = default;
};
using ModelIndex = Index<Model>;

// One row of a measured profile: what a replica does when `batch` requests run at once.
struct OperatingPoint {
  uint32_t batch = 1;             // ≥ 1, ascending within a profile
  Milliseconds decode_per_token;  // time between tokens of one request, > 0
  Watts power;                    // of all the replica's accelerators together
  bool operator==(const OperatingPoint&) const = default;
};

struct Profile {
  std::string id;
  ModelIndex model;
  AcceleratorIndex accelerator;
  uint32_t tensor_parallel = 1;        // accelerators per replica, ≥ 1
  double prefill_tokens_per_s = 0;     // > 0, one replica
  Milliseconds prefill_overhead;       // fixed cost of a prefill, ≥ 0
  Gigabytes kv_memory;                 // for KV cache over the whole replica, > 0
  std::vector<OperatingPoint> points;  // at least one
  std::string source;                  // where the figures come from
  bool operator==(const Profile&) const = default;
};
using ProfileIndex = Index<Profile>;

// A credential, stored only as its SHA-256.
struct ApiKey {
  Digest sha256;
  bool loopback_only = false;  // accepted only from 127.0.0.0/8 and ::1
  bool operator==(const ApiKey&) const = default;
};

// A promise on latency: at most these at this quantile of requests.
struct Promise {
  Milliseconds ttft;       // time to first token, as the client sees it, > 0
  Milliseconds tpot;       // time per output token after the first, > 0
  double quantile = 0.95;  // (0, 1)
  bool operator==(const Promise&) const = default;
};

// What the two ways of traffic that asks for them must not have in common. `link`: no link. `node`: no link, and no
// node between their ends. `shared_risk`: no link, and no shared-risk group.
enum class Diversity : uint8_t { none, link, node, shared_risk, node_and_shared_risk };

// What a tenant may use at most, all gateways together. 0: no limit.
struct TenantLimits {
  uint32_t requests_per_minute = 0;
  uint32_t tokens_per_minute = 0;  // prompt and output together
  Euros budget_per_month{0};       // at the table's prices; months are those of UTC
  bool any() const { return requests_per_minute > 0 || tokens_per_minute > 0 || budget_per_month.value() > 0; }
  bool operator==(const TenantLimits&) const = default;
};

struct Tenant {
  std::string id;
  std::string name;
  std::vector<ApiKey> keys;
  JurisdictionSet residency = JurisdictionSet::all();  // where its data may be processed or pass
  std::string data_class;                              // the operator's own word: public, personal, health, …
  std::vector<ModelIndex> models;                      // allowed; empty: all
  Promise promise;                                     // where a demand or a request states none
  uint32_t priority = 0;                               // larger is served first
  Diversity diversity = Diversity::none;               // where a demand states none
  FlexAlgoIndex flex_algo;                             // likewise; not valid(): the IGP's own paths
  double weight = 1;  // its share among those of its priority when engines are full, > 0
  TenantLimits limits;
  bool fallbacks = false;     // a model's fallback may serve what it asks of the model
  double hedge_quantile = 0;  // of an engine's first tokens, after which a second engine is asked, [0, 1); 0: never
  bool operator==(const Tenant&) const = default;
};
using TenantIndex = Index<Tenant>;

inline constexpr size_t kHoursOfDay = 24;

// How a demand rises and falls over a day, by the hours of its region's clock.
struct DayProfile {
  std::string id;
  std::string name;
  std::array<double, kHoursOfDay> rate_fraction{};  // of the busiest hour's rate, [0, 1]
  bool operator==(const DayProfile&) const = default;
};
using DayProfileIndex = Index<DayProfile>;

// What a tenant's users in a region are expected to ask of a model.
struct Demand {
  std::string id;
  TenantIndex tenant;
  RegionIndex region;
  ModelIndex model;
  double rate_per_s = 0;      // requests, ≥ 0; in its busiest hour where it has a day profile
  double prompt_tokens = 0;   // mean, ≥ 1
  double output_tokens = 0;   // mean, ≥ 1
  double upload_bytes = 0;    // per request, mean, ≥ 0
  double download_bytes = 0;  // per request, mean, ≥ 0
  double prefix_hit = 0;      // fraction of prompt tokens found in cache, [0, 1)
  Promise promise;
  uint32_t priority = 0;
  DayProfileIndex day_profile;  // not valid(): the same rate all day
  Diversity diversity = Diversity::none;
  FlexAlgoIndex flex_algo;  // whose paths its traffic takes; not valid(): the IGP's own
  bool operator==(const Demand&) const = default;
};
using DemandIndex = Index<Demand>;

enum class TrialMode : uint8_t {
  shadow,  // the candidate is sent a copy of the request, and its answer is compared and thrown away
  canary,  // the candidate serves the request
};

// A share of the requests of a model that a candidate is tried with: another model, another site, or both.
struct Trial {
  std::string id;
  std::string name;
  TrialMode mode = TrialMode::shadow;
  ModelIndex model;
  ModelIndex to_model;        // not valid(): the same
  SiteIndex to_site;          // not valid(): wherever the request would go
  double share_fraction = 0;  // of the model's clients, [0, 1]
  bool operator==(const Trial&) const = default;
};
using TrialIndex = Index<Trial>;
inline constexpr size_t kTrialsMax = 64;  // of a grid: each has metrics and histograms of its own

// Traffic that is there whatever we decide.
struct Traffic {
  std::string id;
  NodeIndex from;
  NodeIndex to;
  Gbps rate;  // ≥ 0
  bool operator==(const Traffic&) const = default;
};

// A replica set the operator pins by hand: the planner keeps it and pays for it.
struct Deployment {
  std::string id;
  PoolIndex pool;
  ModelIndex model;
  uint32_t tensor_parallel = 1;
  uint32_t replicas = 1;
  bool operator==(const Deployment&) const = default;
};

// Every failure of one thing of a kind, after which plans must still fit the links.
enum class RestorationCase : uint8_t { links, shared_risk_groups, nodes };

struct Restoration {
  std::vector<RestorationCase> cases;  // empty: none is asked for
  double link_headroom = 1;            // fraction of a link's capacity that may be filled in any of them, (0, 1]
  bool operator==(const Restoration&) const = default;
};

// The operator's own limits on what a plan may do.
struct Policy {
  double link_headroom = 0.8;      // fraction of a link's capacity that plans may fill, (0, 1]
  Euros rejection_penalty{0.05};   // per request that is turned away, > 0
  Euros move_penalty{0.5};         // per replica started or stopped by a new plan, ≥ 0
  bool admission_by_plan = false;  // what a plan turns away is refused, also where there is room for it just now
  Restoration restoration = {};
  bool resident_repairs = false;  // what any one failure of a link or node diverts must stay within residencies too
  bool operator==(const Policy&) const = default;
};

}  // namespace tandem::grid
