// The order in which requests that wait for a full engine get their turn. Internal.
//
// Problem: tenants ask for more than there is; who is served next must not be who asks most often.
// Method: by class of priority first, strictly; in a class by virtual token counters, which hold what each tenant was
// served, prompt tokens once and output tokens twice, over its weight; the tenant with the least is next. One that had
// nothing waiting is lifted to the least of those who have, so that idling saves nothing up. Y. Sheng et al.,
// "Fairness in Serving Large Language Models", OSDI 2024 (VTC, algorithm 2): of two tenants that both wait all the
// time, the weighted services differ by no more than a bound that time does not move.
// Output is charged as expected when a request starts, and as it was when it has ended.
// Complexity: O(log tenants) a request; O(tenants waiting) to tell how many go before one.
// Fails by: a class is starved while those above it ask for all there is; its requests then end at their deadlines.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tandem::gateway {

class FairQueue {
 public:
  static constexpr double kOutputWeight = 2;      // of an output token against a prompt token, as in the paper
  static constexpr size_t kTenantsMax = 100'000;  // with a counter; beyond it those who wait for nothing begin anew

  struct Waiting {
    std::string_view tenant;  // of one that `arrive` was told of, as long as it waits
    uint32_t priority = 0;
    uint64_t group = 0;  // what it waits for: those of one group wait for the same
    // Begins the request if an engine has room for it, charges for it, and says whether. It no longer waits then.
    std::function<bool()> start;
    // Told to leave, for another of a higher class.
    std::function<void()> give_way;
    bool waits = false;
  };

  explicit FairQueue(size_t waiting_max) : waiting_max_(waiting_max) {}

  // A request of the tenant has come, whether or not it will wait. weight > 0.
  void arrive(std::string_view tenant, uint32_t priority, double weight);
  // It got this much; what was charged before may be corrected by a negative amount.
  void charge(std::string_view tenant, double prompt_tokens, double output_tokens);

  // False when there is no room: as many wait as may, none of a lower class. `waiting` stays where it is until it has
  // started, given way, or left.
  bool enter(Waiting& waiting);
  void leave(Waiting& waiting);  // no harm where it does not wait
  // How many of its group go before this one if it enters now and all are served in turn.
  size_t ahead_of(const Waiting& waiting) const;
  size_t waiting_in(uint64_t group) const;

  // Lets start what can, in order, looking at no more than `looks_max`; returns how many did.
  size_t serve(size_t looks_max);

  size_t size() const { return size_; }
  double counter(std::string_view tenant) const;  // 0 for one never heard of

 private:
  using Line = std::deque<Waiting*>;  // of one tenant in one class, the first first; never empty
  struct Tenant {
    double counter = 0;
    double weight = 1;
    std::map<uint32_t, Line> lines;  // by priority: one, unless that was changed while some waited
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Tenants = std::unordered_map<std::string, Tenant, Hash, std::equal_to<>>;  // looked up, or emptied of the idle
  // Classes by descending priority; in each, tenants by counter, then name.
  struct Place {
    uint32_t priority = 0;
    double counter = 0;
    std::string_view tenant;  // a key of tenants_
    Line* line = nullptr;
  };
  struct Before {
    bool operator()(const Place& a, const Place& b) const;
  };

  Tenants::iterator find_or_add(std::string_view tenant);
  void move_to(Tenants::iterator tenant, double counter);
  void remove(Waiting& waiting);
  // The first of the line that finds room; those that found none go to `passed`.
  Waiting* start_one(Line& line, std::vector<const Waiting*>& passed, size_t& looks);

  const size_t waiting_max_;
  size_t size_ = 0;
  double last_served_ = 0;  // the counter of the tenant that was served last, for when none waits
  Tenants tenants_;
  std::unordered_map<uint64_t, size_t> groups_;  // how many wait in each that has any
  std::set<Place, Before> order_;
};

}  // namespace tandem::gateway
