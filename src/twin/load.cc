#include "twin/twin.h"

namespace tandem::twin {
namespace {

constexpr double kGigabit = 1e-9;

class Loads {
 public:
  explicit Loads(const grid::Snapshot& snapshot)
      : snapshot_(snapshot), networks_(snapshot), ab_(snapshot.links.size()), ba_(snapshot.links.size()) {}

  void add_background() {
    for (const grid::Traffic& traffic : snapshot_.traffic) {
      const auto tree = networks_.tree({}, traffic.from);
      if (tree->reachable(traffic.to))
        add(tree->shares_to(traffic.to), traffic.rate.value());
      else
        undelivered_gbps_ += traffic.rate.value();
    }
  }

  void add_demands(const Assignment& assignment) {
    for (const Assignment::Share& share : assignment.shares) {
      const grid::Demand& demand = snapshot_.demands[share.demand];
      const grid::NodeIndex node = snapshot_.pools[share.pool].node;
      const double up = demand.rate_per_s * share.fraction * demand.upload_bytes * 8 * kGigabit;
      const double back = demand.rate_per_s * share.fraction * demand.download_bytes * 8 * kGigabit;
      if (add_along(demand.region, share.primary, node, up, back)) continue;
      if (add_along(demand.region, share.second, node, up, back)) continue;
      const RegionReach reach = networks_.reach(demand.flex_algo, demand.region);
      if (!reach.reachable(node)) {
        undelivered_gbps_ += up + back;
        continue;
      }
      add(reach.tree->shares_to(node), up);
      add(reach.tree->shares_back(node), back);
    }
  }

  Forecast finish() const {
    Forecast forecast;
    forecast.undelivered = Gbps(undelivered_gbps_);
    for (size_t i = 0; i < ab_.size(); ++i) {
      const grid::Link& link = snapshot_.links[i];
      forecast.links.push_back({Gbps(ab_[i]), Gbps(ba_[i])});
      forecast.utilization_ab.push_back(ab_[i] / link.capacity_ab.value());
      forecast.utilization_ba.push_back(ba_[i] / link.capacity_ba.value());
    }
    return forecast;
  }

 private:
  void add(const std::vector<PathTree::ArcShare>& shares, double gbps) {
    for (const PathTree::ArcShare& share : shares)
      (share.forward ? ab_ : ba_)[share.link.value] += gbps * share.fraction;
  }

  // False where the links are none, or are no way from the region's anchor to the node now.
  bool add_along(grid::RegionIndex region, const std::vector<grid::LinkIndex>& links, grid::NodeIndex node, double up,
                 double back) {
    const auto anchor = links.empty() ? std::nullopt : active_anchor(snapshot_, region);
    if (!anchor) return false;
    grid::NodeIndex at = anchor->node;
    for (const grid::LinkIndex index : links) {
      const grid::Link& link = snapshot_.links[index];
      if (!snapshot_.usable(index) || !snapshot_.usable(link.a) || !snapshot_.usable(link.b)) return false;
      if (at != link.a && at != link.b) return false;
      at = at == link.a ? link.b : link.a;
    }
    if (at != node) return false;
    at = anchor->node;
    for (const grid::LinkIndex index : links) {
      const grid::Link& link = snapshot_.links[index];
      const bool forward = at == link.a;
      (forward ? ab_ : ba_)[index.value] += up;
      (forward ? ba_ : ab_)[index.value] += back;
      at = forward ? link.b : link.a;
    }
    return true;
  }

  const grid::Snapshot& snapshot_;
  Networks networks_;
  std::vector<double> ab_, ba_;  // Gbit/s by link
  double undelivered_gbps_ = 0;
};

}  // namespace

Forecast forecast(const grid::Snapshot& snapshot, const Assignment& assignment) {
  Loads loads(snapshot);
  loads.add_background();
  loads.add_demands(assignment);
  return loads.finish();
}

}  // namespace tandem::twin
