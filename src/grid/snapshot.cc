#include "grid/snapshot.h"

#include <numeric>

namespace tandem::grid {

Adjacency::Adjacency(size_t nodes, const Table<Link>& links) : first_(nodes + 1), arcs_(2 * links.size()) {
  for (const Link& link : links) {
    ++first_[link.a.value + 1];
    ++first_[link.b.value + 1];
  }
  std::partial_sum(first_.begin(), first_.end(), first_.begin());
  std::vector<uint32_t> next(first_.begin(), first_.end() - 1);
  for (size_t i = 0; i < links.size(); ++i) {
    const Link& link = links[i];
    arcs_[next[link.a.value]++] = {LinkIndex(i), link.b, true};
    arcs_[next[link.b.value]++] = {LinkIndex(i), link.a, false};
  }
}

bool Snapshot::usable(LinkIndex index) const {
  const Link& link = links[index];
  return link.carries() && usable(link.a) && usable(link.b);
}

bool Snapshot::operator==(const Snapshot& other) const {
  return offset == other.offset && name == other.name && simulated == other.simulated &&
         jurisdictions == other.jurisdictions && policy == other.policy && sites == other.sites &&
         nodes == other.nodes && shared_risk_groups == other.shared_risk_groups && links == other.links &&
         flex_algos == other.flex_algos && regions == other.regions && accelerators == other.accelerators &&
         pools == other.pools && models == other.models && profiles == other.profiles &&
         deployments == other.deployments && tenants == other.tenants && day_profiles == other.day_profiles &&
         demands == other.demands && trials == other.trials && traffic == other.traffic;
}

Snapshot make_snapshot(Rows rows, uint64_t offset) {
  CHECK(rows.jurisdictions.size() <= kJurisdictionsMax);
  Snapshot s;
  s.offset = offset;
  s.name = std::move(rows.name);
  s.simulated = rows.simulated;
  s.jurisdictions = std::move(rows.jurisdictions);
  s.policy = rows.policy;
  s.sites = Table(std::move(rows.sites));
  s.nodes = Table(std::move(rows.nodes));
  s.shared_risk_groups = Table(std::move(rows.shared_risk_groups));
  s.links = Table(std::move(rows.links));
  s.flex_algos = Table(std::move(rows.flex_algos));
  s.regions = Table(std::move(rows.regions));
  s.accelerators = Table(std::move(rows.accelerators));
  s.pools = Table(std::move(rows.pools));
  s.models = Table(std::move(rows.models));
  s.profiles = Table(std::move(rows.profiles));
  s.deployments = Table(std::move(rows.deployments));
  s.tenants = Table(std::move(rows.tenants));
  s.day_profiles = Table(std::move(rows.day_profiles));
  s.demands = Table(std::move(rows.demands));
  s.trials = Table(std::move(rows.trials));
  s.traffic = Table(std::move(rows.traffic));
  s.adjacency = std::make_shared<const Adjacency>(s.nodes.size(), s.links);
  return s;
}

Snapshot with_link(const Snapshot& snapshot, LinkIndex index, Link link, uint64_t offset) {
  CHECK(snapshot.links[index].a == link.a && snapshot.links[index].b == link.b);
  Snapshot patched = snapshot;
  patched.offset = offset;
  patched.links = snapshot.links.with(index, std::move(link));
  return patched;
}

Link without_member(Link link) {
  CHECK(link.members_up() > 0);
  const auto up = static_cast<double>(link.members_up());
  ++link.members_down;
  if (link.members_up() == 0) return link;
  link.capacity_ab = link.capacity_ab * ((up - 1) / up);
  link.capacity_ba = link.capacity_ba * ((up - 1) / up);
  return link;
}

Snapshot with_site(const Snapshot& snapshot, SiteIndex index, Site site, uint64_t offset) {
  Snapshot patched = snapshot;
  patched.offset = offset;
  patched.sites = snapshot.sites.with(index, std::move(site));
  return patched;
}

Snapshot with_node(const Snapshot& snapshot, NodeIndex index, Node node, uint64_t offset) {
  Snapshot patched = snapshot;
  patched.offset = offset;
  patched.nodes = snapshot.nodes.with(index, std::move(node));
  return patched;
}

std::string_view to_string(Tier tier) {
  static constexpr std::string_view kNames[] = {"device", "far_edge", "near_edge", "core", "cloud"};
  return kNames[static_cast<size_t>(tier)];
}

std::string_view to_string(State state) { return state == State::up ? "up" : "down"; }

std::string_view to_string(NodeRole role) {
  static constexpr std::string_view kNames[] = {"router", "switch", "server", "base_station", "upf", "bng"};
  return kNames[static_cast<size_t>(role)];
}

}  // namespace tandem::grid
