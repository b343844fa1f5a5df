#include "ingest/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <queue>
#include <set>

#include "base/text.h"
#include "ingest/country_codes.h"

namespace tandem::ingest {
namespace {

constexpr double kFibreMicrosecondsPerKm = 4.9;
constexpr double kLengthKmMin = 0.5;      // two nodes of one city
constexpr double kLengthKmUnknown = 100;  // where a file has neither geography nor delay
constexpr double kCapacityGbpsUnknown = 100;
constexpr double kCapacityGbpsMin = 10;  // older files have lines that no operator lights today
constexpr double kCapacityGbpsMax = 1e6;
constexpr double kLargestGbps = 400;  // of a file that states no unit
constexpr double kMetricMax = 4294967295.0;
constexpr size_t kSlugBytesMax = 60;  // leaves room for what is put behind it

// `wanted`, or with -2, -3, … behind it when it is taken.
std::string unique_id(std::string wanted, std::set<std::string>& taken) {
  if (wanted.size() > kSlugBytesMax) wanted.resize(kSlugBytesMax);
  while (wanted.ends_with('-')) wanted.pop_back();
  std::string id = wanted;
  for (size_t n = 2; !taken.insert(id).second; ++n) id = fmt::format("{}-{}", wanted, n);
  return id;
}

// "0_New_York" is New York: REPETITA puts the position before the name.
std::string readable(std::string_view label, size_t position) {
  const std::string prefix = fmt::format("{}_", position);
  if (label.starts_with(prefix) && label.size() > prefix.size()) label.remove_prefix(prefix.size());
  std::string name(label);
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

// Builds a Network from a Topology, step by step.
class NetworkMaker {
 public:
  NetworkMaker(const Topology& topology, const ImportOptions& options, ErrorSink& report,
               std::vector<std::string>& notes)
      : topology_(topology), options_(options), report_(report), notes_(notes) {}

  Network make() {
    network_.name = topology_.name;
    const Places places = place_nodes(topology_, report_, notes_);
    geographic_ = places.geographic;
    add_nodes(places.places);
    scale_ = capacity_scale();
    add_links();
    for (const NetworkLink& link : network_.links) {
      ++network_.nodes[link.a].degree;
      ++network_.nodes[link.b].degree;
    }
    retire_isolated();
    network_.traffic = scale_traffic(topology_, network_, notes_);
    return std::move(network_);
  }

 private:
  void add_nodes(const std::vector<grid::Place>& places) {
    std::set<std::string> taken;
    std::map<std::string, int> first_lines;
    std::set<std::string> unknown_countries;
    size_t without_country = 0;
    for (size_t i = 0; i < topology_.nodes.size(); ++i) {
      const TopologyNode& node = topology_.nodes[i];
      NetworkNode made;
      made.name = node.label.empty() ? fmt::format("junction {}", i) : readable(node.label, i);
      std::string id = slug(made.name);
      if (id.empty()) id = fmt::format("node-{}", i);
      made.id = unique_id(std::move(id), taken);
      const auto [first, fresh] = first_lines.try_emplace(made.name, node.line);
      if (!fresh)
        report_.warning(node.line, fmt::format("the label '{}' is also in line {}", made.name, first->second),
                        fmt::format("this node is '{}'", made.id));
      made.place = places[i];
      made.users = node.users;
      made.junction = node.junction || (node.label.empty() && !node.place);
      const auto code = node.country.empty() ? std::nullopt : country_code(node.country);
      made.jurisdiction = std::string(code.value_or(options_.jurisdiction));
      if (node.country.empty()) ++without_country;
      if (!node.country.empty() && !code && unknown_countries.insert(node.country).second)
        report_.warning(node.line, fmt::format("the country '{}' is not known", node.country),
                        fmt::format("its jurisdiction is {}", options_.jurisdiction));
      network_.nodes.push_back(std::move(made));
    }
    if (without_country > 0)
      notes_.push_back(
          fmt::format("{} of {} nodes name no country: their jurisdiction is {}; --jurisdiction says another.",
                      without_country, topology_.nodes.size(), options_.jurisdiction));
    limit_jurisdictions();
  }

  // Beyond the most that a grid can tell apart, the rarest become one.
  void limit_jurisdictions() {
    std::map<std::string, size_t> count;
    for (const NetworkNode& node : network_.nodes) ++count[node.jurisdiction];
    if (count.size() <= grid::kJurisdictionsMax - 1) return;
    std::vector<std::pair<size_t, std::string>> order;
    for (const auto& [code, nodes] : count) order.emplace_back(nodes, code);
    std::sort(order.rbegin(), order.rend());
    std::set<std::string> kept;
    for (size_t i = 0; i < grid::kJurisdictionsMax - 2; ++i) kept.insert(order[i].second);
    for (NetworkNode& node : network_.nodes)
      if (!kept.contains(node.jurisdiction)) node.jurisdiction = options_.jurisdiction;
    notes_.push_back(
        fmt::format("The file names {} countries: the rarest are {}.", count.size(), options_.jurisdiction));
  }

  // A node without a link can neither serve nor be served.
  void retire_isolated() {
    if (network_.links.empty()) return;
    for (size_t i = 0; i < network_.nodes.size(); ++i) {
      NetworkNode& node = network_.nodes[i];
      if (node.degree > 0) continue;
      node.junction = true;
      report_.warning(topology_.nodes[i].line, fmt::format("node '{}' has no link", node.name), "it serves nobody");
    }
  }

  // What the file's capacities are multiplied by to be Gbit/s.
  double capacity_scale() {
    if (topology_.capacity_unit == Topology::CapacityUnit::gbps) return 1;
    double largest = 0;
    for (const TopologyEdge& edge : topology_.edges) largest = std::max(largest, edge.capacity);
    if (largest == 0) return 1;
    notes_.push_back(fmt::format(
        "The file states no unit of capacity: capacities keep their ratio, the largest is {} Gbit/s.", kLargestGbps));
    return kLargestGbps / largest;
  }

  Gbps capacity(const TopologyEdge& edge) {
    const double given = edge.capacity * scale_;
    if (!(given > 0)) {
      ++unknown_capacities_;
      return Gbps(kCapacityGbpsUnknown);
    }
    if (given < kCapacityGbpsMin) ++raised_capacities_;
    return Gbps(std::clamp(given, kCapacityGbpsMin, kCapacityGbpsMax));
  }

  void add_links() {
    std::vector<bool> used(topology_.edges.size());
    std::map<std::pair<size_t, size_t>, std::vector<size_t>> by_ends;  // of directed edges, in the order of the file
    for (size_t i = 0; i < topology_.edges.size(); ++i)
      by_ends[{topology_.edges[i].from, topology_.edges[i].to}].push_back(i);
    std::set<std::string> taken;
    std::map<std::pair<size_t, size_t>, size_t> between;
    for (size_t i = 0; i < topology_.edges.size(); ++i) {
      const TopologyEdge& edge = topology_.edges[i];
      if (used[i]) continue;
      used[i] = true;
      if (edge.from == edge.to) {
        report_.warning(edge.line, fmt::format("this edge goes from '{}' to itself", topology_.nodes[edge.from].label),
                        "it is dropped");
        continue;
      }
      const TopologyEdge* reverse = topology_.directed ? take_reverse(by_ends, used, edge) : &edge;
      add_link(edge, reverse == nullptr ? edge : *reverse, taken);
      if (++between[std::minmax(edge.from, edge.to)] == 2)
        report_.warning(edge.line,
                        fmt::format("there is another edge between '{}' and '{}'", topology_.nodes[edge.from].label,
                                    topology_.nodes[edge.to].label),
                        "both are kept, as parallel links");
    }
    note_links();
  }

  const TopologyEdge* take_reverse(const std::map<std::pair<size_t, size_t>, std::vector<size_t>>& by_ends,
                                   std::vector<bool>& used, const TopologyEdge& edge) {
    const auto found = by_ends.find({edge.to, edge.from});
    if (found != by_ends.end()) {
      for (const size_t candidate : found->second) {
        if (used[candidate]) continue;
        used[candidate] = true;
        if (topology_.edges[candidate].weight != edge.weight)
          report_.warning(topology_.edges[candidate].line, "this edge and the one back have different weights",
                          "both directions get the weight of the first");
        return &topology_.edges[candidate];
      }
    }
    report_.warning(edge.line, "there is no edge back", "the link has the same capacity both ways");
    return nullptr;
  }

  void add_link(const TopologyEdge& edge, const TopologyEdge& reverse, std::set<std::string>& taken) {
    const NetworkNode& a = network_.nodes[edge.from];
    const NetworkNode& b = network_.nodes[edge.to];
    NetworkLink link;
    link.a = edge.from;
    link.b = edge.to;
    link.id = unique_id(a.id.substr(0, kSlugBytesMax / 2 - 1) + "--" + b.id.substr(0, kSlugBytesMax / 2 - 1), taken);
    link.capacity_ab = capacity(edge);
    link.capacity_ba = &reverse == &edge ? link.capacity_ab : capacity(reverse);
    double length = std::max(kLengthKmMin, grid::great_circle(a.place, b.place).value() * options_.route_factor);
    if (!geographic_) length = edge.delay_us > 0 ? edge.delay_us / kFibreMicrosecondsPerKm : kLengthKmUnknown;
    link.length = Kilometres(std::clamp(std::round(length * 1e3) / 1e3, 0.001, 50'000.0));
    link.delay = Microseconds(link.length.value() * kFibreMicrosecondsPerKm);
    link.igp_metric = std::clamp(edge.weight > 0 ? edge.weight : std::round(length), 1.0, kMetricMax);
    network_.links.push_back(std::move(link));
  }

  void note_links() {
    if (geographic_)
      notes_.push_back(fmt::format("Links are as long as the great circle x {:g}, at {} us/km; at least {} km.",
                                   options_.route_factor, kFibreMicrosecondsPerKm, kLengthKmMin));
    else
      notes_.push_back(
          fmt::format("Links take the file's delay; where it has none, {:g} km of fibre.", kLengthKmUnknown));
    if (unknown_capacities_ > 0)
      notes_.push_back(
          fmt::format("{} capacities are not known: {:g} Gbit/s.", unknown_capacities_, kCapacityGbpsUnknown));
    if (raised_capacities_ > 0)
      notes_.push_back(
          fmt::format("{} capacities are below {:g} Gbit/s and raised to it.", raised_capacities_, kCapacityGbpsMin));
  }

  const Topology& topology_;
  const ImportOptions& options_;
  ErrorSink& report_;
  std::vector<std::string>& notes_;
  Network network_;
  bool geographic_ = true;
  double scale_ = 1;
  size_t unknown_capacities_ = 0, raised_capacities_ = 0;
};

// Shortest paths from one node by metric: for each node the link it is reached by. O(E log V).
std::vector<size_t> tree_from(size_t source, const Network& network, const std::vector<std::vector<size_t>>& links_at) {
  constexpr size_t kNone = SIZE_MAX;
  std::vector<double> distance(network.nodes.size(), INFINITY);
  std::vector<size_t> by(network.nodes.size(), kNone);
  using Entry = std::pair<double, size_t>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  distance[source] = 0;
  queue.emplace(0, source);
  while (!queue.empty()) {
    const auto [d, node] = queue.top();
    queue.pop();
    if (d > distance[node]) continue;
    for (const size_t l : links_at[node]) {
      const NetworkLink& link = network.links[l];
      const size_t other = link.a == node ? link.b : link.a;
      if (d + link.igp_metric >= distance[other]) continue;
      distance[other] = d + link.igp_metric;
      by[other] = l;
      queue.emplace(distance[other], other);
    }
  }
  return by;
}

}  // namespace

Network make_network(const Topology& topology, const ImportOptions& options, ErrorSink& report,
                     std::vector<std::string>& notes) {
  return NetworkMaker(topology, options, report, notes).make();
}

std::vector<NetworkTraffic> scale_traffic(const Topology& topology, const Network& network,
                                          std::vector<std::string>& notes) {
  std::map<std::pair<size_t, size_t>, double> rates;
  for (const TopologyDemand& demand : topology.demands)
    if (demand.from != demand.to && demand.rate > 0) rates[{demand.from, demand.to}] += demand.rate;
  std::vector<NetworkTraffic> traffic;
  for (const auto& [ends, rate] : rates) traffic.push_back({ends.first, ends.second, Gbps(rate)});
  if (traffic.size() > kTrafficMax) {
    std::stable_sort(traffic.begin(), traffic.end(), [](const auto& x, const auto& y) { return x.rate > y.rate; });
    notes.push_back(fmt::format("The file has {} demands between nodes: the largest {} are background traffic.",
                                traffic.size(), kTrafficMax));
    traffic.resize(kTrafficMax);
    std::sort(traffic.begin(), traffic.end(),
              [](const auto& x, const auto& y) { return std::tie(x.from, x.to) < std::tie(y.from, y.to); });
  }
  std::vector<std::vector<size_t>> links_at(network.nodes.size());
  for (size_t l = 0; l < network.links.size(); ++l) {
    links_at[network.links[l].a].push_back(l);
    links_at[network.links[l].b].push_back(l);
  }
  std::vector<double> ab(network.links.size()), ba(network.links.size());
  std::vector<size_t> by;
  for (size_t i = 0; i < traffic.size(); ++i) {
    if (i == 0 || traffic[i].from != traffic[i - 1].from) by = tree_from(traffic[i].from, network, links_at);
    for (size_t at = traffic[i].to; at != traffic[i].from && by[at] != SIZE_MAX;) {
      const NetworkLink& link = network.links[by[at]];
      (link.b == at ? ab : ba)[by[at]] += traffic[i].rate.value();
      at = link.b == at ? link.a : link.b;
    }
  }
  double busiest = 0;
  for (size_t l = 0; l < network.links.size(); ++l)
    busiest =
        std::max({busiest, ab[l] / network.links[l].capacity_ab.value(), ba[l] / network.links[l].capacity_ba.value()});
  if (busiest == 0) return {};
  for (NetworkTraffic& t : traffic) t.rate = Gbps(t.rate.value() * kBusiestFill / busiest);
  notes.push_back(fmt::format(
      "The file's demands are background traffic, scaled so that the busiest link is {:g} % full on shortest paths.",
      kBusiestFill * 100));
  return traffic;
}

}  // namespace tandem::ingest
