// The search for a plan: demands are placed one by one at the least marginal cost, then the plan is improved by moves
// that are kept only when they pay.
//
// Problem: capacitated facility location with integer modules (replicas) and shared resources: accelerators of a pool,
// power of a site, arcs of the network. NP-hard. Method: greedy construction at several weights of opening cost, local
// search (relocate a demand, close a deployment, open one), then ruin and recreate (Schrimpf et al., J. Comput. Phys.
// 2000). Complexity: a placement costs O(options of the demand); a sweep of local search O(demands + deployments +
// candidates) moves. Fails by stopping at a local optimum: the plan's bound says how far from the best it can be at
// most.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "base/random.h"
#include "planner/bound.h"
#include "planner/few.h"
#include "planner/problem.h"

namespace tandem::planner {

// What the demands of one deployment ask of it together.
struct Requirements {
  static constexpr size_t kAskedMax = 8;  // none of which implies another; further ones join the nearest

  twin::Mix mix;
  uint32_t points = UINT32_MAX;
  double tpot_ms = std::numeric_limits<double>::infinity();  // the least promised
  std::array<twin::Asked, kAskedMax> asked;
  size_t asked_count = 0;

  void add(const Problem& problem, const Option& option, uint32_t share);
};

// How a deployment would run to meet its requirements at the least cost.
struct Fit {
  Gate blocked = Gate::none;  // none: it can
  uint32_t replicas = 0;
  uint32_t point = 0;       // position among the profile's
  double eur_per_hour = 0;  // accelerators, energy and moves
};

// How a search counts what engines draw above idle. What they draw is concave in the load: a part of a demand saves
// nothing where it leaves and costs much where it comes, so that a search which counts it from the start is soon stuck.
enum class Energy : uint8_t {
  full_batches,  // by work, as if batches were full
  drawn,         // as plans are priced (twin::average_power)
};

struct Member {
  uint32_t option = 0;
  uint32_t share = 0;  // 1 … kWhole
};

struct Deployed {
  std::vector<Member> members;  // in order of arrival
  Requirements requirements;
  Fit fit;
  double work = 0;  // replicas, if they could be bought in fractions
};

// No smaller part of a demand is placed by itself: less is noise beside what a forecast is worth.
inline constexpr uint32_t kLeastPart = kWhole / 1024;

struct Placement {
  std::vector<Member> members;  // of one demand
  uint32_t unserved = kWhole;
};

class Search {
 public:
  Search(Problem& problem, uint64_t seed, uint64_t iterations_max, std::stop_token stop);

  // From nothing; steered by the candidates' guides, and where they are heeded by their doubts.
  void construct(double opening_weight, bool heed_doubts);
  // Likewise, in an order and with an opening weight that are drawn.
  void construct_at_random();
  // From nothing: of each model its promises, from the strictest on, parted so that each part costs least on a
  // profile of its own. One that is strict keeps whoever shares its replicas from full batches, and what is lenient
  // moves away from it only where all of it does, which no demand by itself would pay for.
  void construct_by_promise();
  // Into an empty plan: what of the incumbent still passes every gate; then the rest is placed.
  void adopt();
  void improve();
  void improve_in_turns();  // as if batches were full, then as what is drawn says, which counts from then on
  // Ruin and recreate, until nothing better is found for a while. True when it gave up, false at a limit.
  bool improve_further(uint64_t iterations);
  // The demands of those deployments, and what is left out of others they could serve, decided anew as a program of
  // their own (few.h), within that many nodes and until stopped. True when the plan is better for it.
  bool decide_anew(std::vector<uint32_t> candidates, uint32_t nodes_max);
  // What is left of everything, were some models not there.
  struct Spare {
    std::vector<uint32_t> accelerators;
    std::vector<double> kilowatts, arc_gbps;
    std::vector<double> all() const;  // accelerators of each pool, then kilowatts of each site
  };
  Spare spare_beside(std::span<const uint32_t> models) const;
  struct Taken {
    uint32_t resource = 0;  // position in Spare::all
    double amount = 0;      // accelerators or kW, > 0
  };
  std::vector<Taken> taken_by(uint32_t model) const;  // ascending by resource
  // Those demands, each once, go where the shares say, and what finds no room there elsewhere, where the plan is better
  // for it; a share without an option does not count. True when it is.
  bool replace(std::vector<uint32_t> demands, const std::vector<ServedShare>& shares);
  // What was left out is placed anew among the options there are now.
  void place_left_out();
  // After restoration rows were added: what they do not bear is taken out.
  void heed_rows();

  // The plan as it stands, to come back to.
  struct State {
    std::vector<Deployed> deployed;
    std::vector<Placement> placements;
    std::vector<uint32_t> pool_used;
    std::vector<double> site_kw_used, arc_gbps;
    double objective = 0;
    Energy energy = Energy::full_batches;
  };
  State state() const { return {deployed_, placements_, pool_used_, site_kw_used_, arc_gbps_, objective_, energy_}; }
  void set_state(State state);
  double spent_on(uint32_t model) const;  // of the objective
  Known known() const;                    // energy as the plan is priced
  double cost() const;  // as the policy counts and the plan is priced: without precedence, moves included

  // From now on, the plan as it stands too. At first as if batches were full.
  void count(Energy energy);

  uint64_t iterations() const { return iterations_; }
  uint64_t iterations_max() const { return iterations_max_; }
  bool at_limit() const { return iterations_ >= iterations_max_ || stop_.stop_requested(); }

  double objective() const { return objective_; }
  const Deployed& deployed(uint32_t candidate) const { return deployed_[candidate]; }
  const Placement& placement(uint32_t demand) const { return placements_[demand]; }
  uint32_t accelerators_free(uint32_t pool) const { return problem_.pool_spare[pool] - pool_used_[pool]; }
  double rejection_eur_per_hour(uint32_t demand) const {
    return penalty(demand, 0, kWhole);
  }  // as the objective counts it

  // Serving that share more of the demand with the option: what it adds per hour, or what blocks it.
  struct Quote {
    Fit fit;
    double added_eur_per_hour = 0;
    uint32_t arc = UINT32_MAX;  // or row, that has no room for it where that blocks
  };
  Quote quote(uint32_t option, uint32_t share);
  // Takes the demand out and puts it back as it was: what `look` sees in between is the plan without it.
  template <class Look>
  void without(uint32_t demand, Look look) {
    const Mark mark = begin();
    if (take_out(demand)) look();
    roll_back(mark);
  }

 private:
  struct Mark {
    size_t deployed, placements, used, numbers;
    double objective;
  };
  Mark begin() const {
    return {old_deployed_.size(), old_placements_.size(), old_used_.size(), old_numbers_.size(), objective_};
  }
  void roll_back(const Mark& mark);
  void commit();

  void reset();
  Fit fit(uint32_t candidate, const Requirements& requirements) const;
  Fit fit_within(uint32_t candidate, const Requirements& requirements, uint32_t most, Gate scarce) const;
  // Whether so many replicas at that point would keep what is asked, with that mix to serve.
  static bool keeps_promises(const Requirements& requirements, const twin::Mix& mix, const grid::Profile& profile,
                             const grid::OperatingPoint& point, uint32_t replicas);
  double running_cost(const Candidate& candidate, const twin::Mix& mix, uint32_t replicas,
                      const grid::OperatingPoint* point, Energy energy) const;
  double running_cost(uint32_t candidate, Energy energy) const;  // of what stands
  uint32_t links_allow(const Option& option, uint32_t share, uint32_t* narrowest = nullptr);
  void set_fit(uint32_t candidate, const Fit& fit);
  void add_arcs(const Option& option, double share);
  void put(uint32_t option, uint32_t share, const Fit& fit);
  bool take_out(std::span<const uint32_t> demands);  // each once, all of it
  bool take_out(uint32_t demand) { return take_out({&demand, 1}); }
  void take_off(uint32_t demand);
  std::vector<uint32_t> demands_on(uint32_t candidate) const;
  void clear(uint32_t candidate);
  // Of what joins a deployment; its requirements and fit with them.
  void put_all(uint32_t candidate, const std::vector<Member>& members, const Requirements& requirements,
               const Fit& fit);
  bool put_back(uint32_t candidate, const std::vector<Member>& members);
  bool links_hold(const std::vector<Member>& members);  // of what stands
  bool put_decided(const FewDeployments& few, const FewDecided& decided, FewJudged* judged);
  double bearable(uint32_t candidate, const Requirements& requirements, uint32_t replicas, uint32_t point) const;
  double penalty(uint32_t demand, uint32_t from, uint32_t to) const;
  double owed(uint32_t demand) const;

  void place(uint32_t demand, double opening_weight, uint32_t forbidden);
  double opening_weight_at(uint32_t candidate, double opening_weight) const;
  bool place_part(uint32_t demand, double opening_weight, uint32_t forbidden);
  std::vector<uint32_t> left_out_in_order() const;
  bool place_all(std::span<const uint32_t> demands, double opening_weight, uint32_t forbidden, double below);
  void sort_largest_first(std::vector<uint32_t>& demands) const;

  bool may_go_on();
  bool keep_if(bool better, const Mark& mark);  // the move since the mark: else it is undone
  bool relocate_all();
  bool spread_all();
  void spread(uint32_t demand);
  bool close_all();
  bool open_all();
  bool shrink_all();
  bool merge_all();
  bool merge(uint32_t candidate);
  bool join(uint32_t candidate, const std::vector<Member>& members);
  double paid(uint32_t demand, uint32_t but) const;
  bool worth_opening(uint32_t candidate) const;
  bool open(uint32_t candidate);
  bool ruin_and_recreate();
  bool place_at_random(std::vector<uint32_t>& demands, double below);
  bool rebuild_model();
  bool more_left_out() const;
  double to_beat(const Mark& mark) const;  // the objective that a move since the mark must get below

  struct Joining {  // of what one deployment serves, to another
    std::vector<Member> members;
    Requirements requirements;
    Fit fit;
    double gain_eur_per_hour = -std::numeric_limits<double>::infinity();  // estimated
  };
  Joining joining(uint32_t from, uint32_t to, std::vector<uint32_t>& shares) const;

  struct Part;  // of a model's demands, by promise
  std::vector<std::vector<uint32_t>> by_promise(uint32_t model) const;
  std::vector<uint32_t> typical_candidates(uint32_t model) const;
  std::vector<Part> part_by_promise(uint32_t model) const;
  bool join_most(uint32_t model, uint32_t slot, std::vector<uint32_t>& demands);

  Problem& problem_;
  Random random_;
  uint64_t iterations_ = 0, iterations_max_;
  std::stop_token stop_;
  Energy energy_ = Energy::full_batches;
  bool warm_ = false;
  uint32_t since_best_ = 0;  // ruins since the last that paid
  bool heeds_doubts_ = false;
  double blink_ = 0;  // chance that an option is overlooked

  std::vector<Deployed> deployed_;     // by candidate
  std::vector<Placement> placements_;  // by demand
  std::vector<uint32_t> pool_used_;    // accelerators
  std::vector<double> site_kw_used_, arc_gbps_;
  double objective_ = 0;

  // What the moves since the last commit replaced, newest last.
  std::vector<std::pair<uint32_t, Deployed>> old_deployed_;
  std::vector<std::pair<uint32_t, Placement>> old_placements_;
  std::vector<std::pair<uint32_t, uint32_t>> old_used_;
  std::vector<std::pair<double*, double>> old_numbers_;
};

}  // namespace tandem::planner
