#include "generate/routes.h"

#include <algorithm>
#include <limits>
#include <queue>

namespace tandem::generate {
namespace {

constexpr double kUnreached = std::numeric_limits<double>::infinity();

}  // namespace

uint64_t bit_of(const std::string& jurisdiction) { return uint64_t{1} << (jurisdiction[1] - 'A'); }

Routes::Routes(const Land& land, const Fibre& fibre) {
  std::vector<size_t> degree(fibre.nodes.size() + 1, 0);
  for (const FibreLink& link : fibre.links) {
    ++degree[link.a + 1];
    ++degree[link.b + 1];
  }
  for (size_t i = 1; i < degree.size(); ++i) degree[i] += degree[i - 1];
  first_ = degree;
  arcs_.resize(2 * fibre.links.size());
  for (size_t i = 0; i < fibre.links.size(); ++i) {
    const FibreLink& link = fibre.links[i];
    arcs_[degree[link.a]++] = {link.b, 2 * i, link.metric, link.km};
    arcs_[degree[link.b]++] = {link.a, 2 * i + 1, link.metric, link.km};
  }
  for (const FibreNode& node : fibre.nodes) bit_.push_back(bit_of(land.sites[node.site].jurisdiction));
}

Routes::Tree Routes::tree_from(size_t source) const {
  const size_t nodes = bit_.size();
  Tree tree{std::vector<double>(nodes, kUnreached),
            std::vector<double>(nodes, 0),
            std::vector<uint64_t>(nodes, 0),
            std::vector<size_t>(nodes, SIZE_MAX),
            {}};
  using Entry = std::pair<double, size_t>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> frontier;
  tree.metric[source] = 0;
  frontier.emplace(0, source);
  while (!frontier.empty()) {
    const auto [metric, node] = frontier.top();
    frontier.pop();
    if (metric > tree.metric[node]) continue;
    tree.order.push_back(node);
    tree.jurisdictions[node] = bit_[node];
    for (size_t i = first_[node]; i < first_[node + 1]; ++i) {
      const Arc& arc = arcs_[i];
      if (metric + arc.metric < tree.metric[arc.to]) {
        tree.metric[arc.to] = metric + arc.metric;
        tree.arc_in[arc.to] = arc.arc;
        frontier.emplace(metric + arc.metric, arc.to);
      }
      if (tree.metric[arc.to] + arc.metric != metric) continue;  // else a branch that leads here
      tree.jurisdictions[node] |= tree.jurisdictions[arc.to];
      tree.km[node] = std::max(tree.km[node], tree.km[arc.to] + arc.km);
    }
  }
  return tree;
}

}  // namespace tandem::generate
