// Requests simulated over a snapshot, under the policy that would run it or one that it is measured against.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/histogram.h"
#include "base/json.h"
#include "base/result.h"
#include "grid/snapshot.h"
#include "ingest/trace.h"
#include "tandem/v1/plan.pb.h"

namespace tandem::replay {

// What is deployed, and where requests go.
enum class Policy : uint8_t {
  tandem,       // the joint plan; the gateway's decision for each request
  nearest,      // every demand at the nearest pool by anchor that still has room, sized for its promise per token
  least_load,   // the joint plan's replicas; the emptiest that may serve
  round_robin,  // the joint plan's replicas; each replica that may serve in turn
  cheapest,     // the joint plan's replicas; the cheapest with a place free
  prefix_hash,  // the joint plan's replicas; by the hash of the prompt's beginning, as far as there is room
  compute_then_network,  // the best plan on a network without delay, cost or limits, then shortest paths
  centralise,            // the joint plan of core and cloud sites alone; the gateway's decision
};
std::string_view to_string(Policy policy);
std::optional<Policy> policy_named(std::string_view name);  // "compute-then-network"
std::vector<Policy> all_policies();

enum class Sizes : uint8_t { fixed, exponential };  // of prompts and outputs, around each demand's means

struct Workload {
  const ingest::Trace* trace = nullptr;  // arrivals and sizes; null: Poisson. Time is scaled so that its mean rate is
                                         // what the demands ask; sizes keep its shape about each demand's means; a
                                         // trace that ends begins anew; where it names the blocks of prompts,
                                         // replicas keep those they have computed, and whoever asks with half of a
                                         // prompt that has been seen is of the same demand
  Sizes sizes = Sizes::exponential;      // without a trace; the Azure traces vary about as much
  double rate_factor = 1;                // of the demands' rates, > 0
  double duration_s = 600;               // > 0, of arrivals
  uint64_t requests_max = 10'000'000;    // arrivals end there if sooner
};

struct Progress {
  Policy policy = Policy::tandem;
  std::optional<double> simulated;  // of the arrivals, [0, 1]; nothing: its plan is being made
};

struct Options {
  Policy policy = Policy::tandem;
  Workload workload;
  uint64_t seed = 1;
  double warm_up_s = 30;        // arrivals before it are served and not counted
  uint64_t plan_work = 10'000;  // iterations of the plans that are made
  std::stop_token stop;         // ends plans with the best so far, and a simulation with `unavailable`
  std::function<void(const Progress&)> progress = {};  // told now and then, on the thread that simulates
};

// Of all requests, of a tenant or of a site.
struct Tally {
  uint64_t requests = 0;                 // that asked; for a site: that were sent there
  uint64_t served = 0;                   // to the last token
  uint64_t good = 0;                     // within both promises
  uint64_t late = 0, slow = 0;           // of those served: first token too late; tokens too slow (may be both)
  Histogram ttft_us, tpot_us;            // of those served; per-token time is a request's mean after the first
  double ttft_sum_us = 0;                // exact, for means that are compared with theory
  std::optional<grid::Promise> promise;  // of a tenant; its demands may have their own
};

struct Report {
  Policy policy = Policy::tandem;
  uint64_t seed = 0;
  double rate_factor = 1;  // of the demands' rates, for which the plan was made
  double measured_s = 0;   // of arrivals
  uint64_t simulated = 0;  // requests, warm-up included
  Tally all;
  std::map<std::string, Tally> tenants, sites;
  std::map<std::string, uint64_t> rejected;  // by gate or reason; each is a miss
  uint64_t unfinished = 0;                   // an hour after the last arrival; each is a miss
  // A demand is kept when the promised quantile of its requests had the first token in time, and that quantile its
  // tokens: the promise is of the one and of the other. A request not served counts against both.
  uint32_t demands_kept = 0, demands_broken = 0;
  // Of the demands that the plan serves whole: those whose promises it says are kept.
  uint32_t planned_kept = 0, planned_and_kept = 0;
  // Those of them with so few requests in time that chance alone would hardly leave it at that (one in a hundred, were
  // the promise just kept and requests independent): in a short replay a promise kept to its edge may look broken.
  struct Refuted {
    std::string demand;
    uint64_t requests = 0, in_time = 0;  // the lesser of first tokens and of times per token
    double quantile = 0;                 // promised
  };
  std::vector<Refuted> refuted;
  uint64_t residency_violations = 0;  // requests whose site, or a path to it, lies outside the tenant's residency
  uint64_t prompt_tokens = 0, output_tokens = 0;  // of requests served
  // Of a trace that says which blocks prompts are made of: tokens of all prompts, warm-up included, that their replica
  // had in its cache.
  uint64_t cached_tokens = 0;
  uint64_t good_output_tokens = 0;
  uint32_t replicas = 0, accelerators = 0;
  uint32_t central_accelerators = 0;  // of them, at core and cloud sites
  uint32_t moves = 0;                 // replicas that differ from the joint plan's
  double accelerators_eur_per_hour = 0, energy_eur_per_hour = 0, transport_eur_per_hour = 0;
  double energy_kwh = 0;  // with PUE
  double carbon_kg = 0;
  std::string worst_link;  // by utilisation, background and what was served; empty without links
  double worst_link_utilization = 0;

  double goodput() const;  // [0, 1]
  double eur_per_hour() const { return accelerators_eur_per_hour + energy_eur_per_hour + transport_eur_per_hour; }
  double eur_per_million_tokens() const;       // output tokens served; 0 without
  double eur_per_million_good_tokens() const;  // of requests within their promises
  double joules_per_token() const;
};

// Errors: invalid_argument for options out of range or a trace without requests; not_found when no demand asks
// anything.
Result<Report> replay(const grid::Snapshot& snapshot, const Options& options);

// The same with a plan that is there already; the policy says only where requests go.
Result<Report> replay(const grid::Snapshot& snapshot, const v1::Plan& plan, const Options& options);

// One policy after another on the same requests. `joint` is the joint plan where one is there already; null: it is
// made.
Result<std::vector<Report>> compare(const grid::Snapshot& snapshot, const Options& options,
                                    const std::vector<Policy>& policies, const v1::Plan* joint = nullptr);

// Which of the reports is best: most goodput, where that is equal within a thousandth the least cost per good token.
// A sentence that says so, and says where centralising wins.
std::string verdict(const std::vector<Report>& reports);

Json to_json_report(const Report& report);
// For people: one policy closely, or several beside each other; `width` of the terminal, 0: as wide as it is.
std::string to_table(const Report& report, size_t width);
std::string to_table(const std::vector<Report>& reports, size_t width);

}  // namespace tandem::replay
