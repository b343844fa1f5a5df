// The event loop: requests arrive, are routed, queue, are prefilled and decoded, and are counted.
#pragma once

#include <memory>
#include <vector>

#include "replay/event_heap.h"
#include "replay/router.h"
#include "runtime/engine.h"

namespace tandem::replay {

class Simulation {
 public:
  // Errors: invalid_argument for a profile that no engine can have.
  static Result<std::unique_ptr<Simulation>> create(const grid::Snapshot& snapshot, const v1::Plan& plan,
                                                    const Options& options);
  Report run();

 private:
  struct InFlight {
    int64_t sent_ns = 0, first_token_ns = 0;
    uint32_t demand = 0, target = 0;
    uint32_t prompt_tokens = 0, output_tokens = 0;
    uint32_t prefill_tokens = 0;  // of the prompt, as far as the router knows
    std::span<const uint64_t> prefix_blocks;
    bool counted = false;
  };
  struct Engine {
    std::unique_ptr<runtime::EngineModel> model;  // null: nothing is deployed
    int64_t wake_ns = INT64_MAX;                  // of the earliest wake in the heap
    uint32_t pool = 0, site = 0;
    uint32_t accelerators = 0;      // of all replicas
    Watts idle;                     // of a replica, IT
    double joules = 0, busy_s = 0;  // of steps while requests that count arrived
  };
  struct DemandCount {
    uint64_t requests = 0, in_time = 0, fast = 0;
    std::vector<std::pair<uint32_t, uint64_t>> served;  // by target
  };

  Simulation(const grid::Snapshot& snapshot, const v1::Plan& plan, const Options& options);
  Result<void> start_engines();
  void tell(int64_t now_ns) const;
  void arrive(const Arrival& arrival);
  void deliver(const SimulatedEvent& event);
  void drain(uint32_t target, int64_t now_ns);
  void finish(uint32_t slot, int64_t at_ns);
  void release(uint32_t slot);
  void end_prefill(const InFlight& request);  // as the router sees it
  void turn_away(const InFlight& request, std::string_view why);
  int64_t one_way_ns(uint32_t demand, uint32_t target) const {
    return one_way_ns_[leg_row_[demand] * sites_ + engines_[target].site];
  }
  void read_meters(int64_t now_ns, int sign);
  void count_costs();
  void count_links();
  void count_demands();

  const grid::Snapshot& snapshot_;
  const v1::Plan& plan_;
  const Options options_;
  std::shared_ptr<const routing::RoutingTable> table_;
  Router router_;
  std::vector<Engine> engines_;            // by target
  std::vector<routing::TargetLive> live_;  // by target
  std::vector<int64_t> one_way_ns_;        // as the table's legs
  std::vector<size_t> leg_row_;            // by demand: its region in its paths, `sites_` legs each
  size_t sites_ = 0;
  EventHeap heap_;
  std::vector<InFlight> in_flight_;
  std::vector<uint32_t> free_slots_;
  std::vector<DemandCount> demands_;
  std::vector<Tally> tenants_, sites_tally_;
  std::map<std::string, uint64_t, std::less<>> rejected_;
  double metered_s_ = 0;
  double transport_eur_ = 0;
  Report report_;
};

// The chance that at most `good` of so many independent tries are good, each with this chance: the binomial's tail.
double chance_of_at_most(uint64_t good, uint64_t tries, double chance);

}  // namespace tandem::replay
