#include "generate/fibre.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <queue>
#include <set>

#include "base/check.h"
#include "base/random.h"
#include "generate/routes.h"

namespace tandem::generate {
namespace {

constexpr double kLandRouteFactor = 1.3;  // fibre over great circle, along roads and railways
constexpr double kSeaRouteFactor = 1.15;  // submarine cables run straighter
constexpr size_t kRingSites = 6;          // near-edge sites on one ring
constexpr size_t kDistrictSites = 5;      // far-edge sites on one ring or chain
constexpr double kDistrictRingChance = 0.65;
constexpr double kGatewayChance = 0.6;  // of a near-edge site: it has a BNG of its own
constexpr double kGbpsPerMillion = 11;  // everyday traffic down, at the busy hour; a quarter of it up
constexpr double kEverydayFill = 0.35;  // of a link's capacity, so that a failure's detour still fits
constexpr std::array kCapacities{10.0,   25.0,   100.0,  200.0,  400.0,  800.0,    1200.0,
                                 1600.0, 2400.0, 3200.0, 4800.0, 6400.0, 12'800.0, 25'600.0};

using Pair = std::pair<size_t, size_t>;

class FibreMaker {
 public:
  FibreMaker(const Land& land, uint64_t seed) : land_(land), random_(seed, kFibreStream) {}

  Fibre make() {
    add_nodes();
    add_core();
    add_rings();
    add_districts();
    add_sea_cables();
    add_express();
    add_traffic();
    set_capacities();
    return std::move(fibre_);
  }

 private:
  double km_between(size_t a, size_t b) const { return kilometres_between(land_.sites[a], land_.sites[b]); }

  double bearing(size_t from, size_t to) const {
    const grid::Place a = land_.sites[from].place, b = land_.sites[to].place;
    return std::atan2(b.latitude.value() - a.latitude.value(), (b.longitude.value() - a.longitude.value()) * 0.65);
  }

  size_t add_node(size_t site, const char* name, const char* role) {
    fibre_.nodes.push_back({fmt::format("{}-{}", land_.sites[site].id, name), site, role});
    return fibre_.nodes.size() - 1;
  }

  void add_inside(const char* name, size_t a, size_t b) {
    fibre_.links.push_back(
        {.id = fmt::format("{}-{}", land_.sites[fibre_.nodes[a].site].id, name), .a = a, .b = b, .km = 0.2});
  }

  void add_nodes() {
    fibre_.gateway.resize(land_.sites.size());
    for (size_t i = 0; i < land_.sites.size(); ++i) {
      const size_t r1 = add_node(i, "r1", "router");
      fibre_.router.push_back(r1);
      if (i < land_.core) {
        const size_t r2 = add_node(i, "r2", "router"), upf = add_node(i, "upf", "upf");
        add_inside("r1-r2", r1, r2);
        add_inside("upf-r1", upf, r1);
        add_inside("upf-r2", upf, r2);
        fibre_.gateway[i] = upf;
      } else if (i < land_.cities && random_.chance(kGatewayChance)) {
        fibre_.gateway[i] = add_node(i, "bng", "bng");
        add_inside("bng-r1", *fibre_.gateway[i], r1);
      }
    }
  }

  // The router a fibre ends on: at core sites the two in turn.
  size_t end_router(size_t site) { return fibre_.router[site] + (site < land_.core ? turn_[site]++ % 2 : 0); }

  void add_link(std::string id, size_t a, size_t b, std::vector<size_t> ducts, double metric_less) {
    FibreLink link{.id = std::move(id), .a = end_router(a), .b = end_router(b)};
    for (const size_t duct : ducts) {
      link.km += fibre_.ducts[duct].km;
      link.eur_per_gb += fibre_.ducts[duct].eur_per_gb;
    }
    link.km = rounded_by(link.km, 0.1);
    link.eur_per_gb = rounded_by(link.eur_per_gb, 1e-5);
    link.metric = std::max(1.0, std::round(link.km * kMicrosecondsPerKm / 10) - metric_less);
    link.ducts = std::move(ducts);
    fibre_.links.push_back(std::move(link));
  }

  // A duct and the link in it; parallel ones are numbered.
  void add_span(size_t a, size_t b, double route_factor = kLandRouteFactor, double sea_eur_per_gb = 0) {
    const size_t times = ++spans_[std::minmax(a, b)];
    const std::string ends =
        fmt::format("{}-{}{}", land_.sites[a].id, land_.sites[b].id, times > 1 ? fmt::format("-{}", times) : "");
    const double detour = times > 1 ? 1.4 : 1;  // the other way round
    const double km = std::max(1.0, rounded_by(km_between(a, b) * route_factor * detour, 0.1));
    fibre_.ducts.push_back({.id = "duct-" + ends,
                            .name = fmt::format("{} - {}", land_.sites[a].name, land_.sites[b].name),
                            .a = a,
                            .b = b,
                            .km = km,
                            .eur_per_gb = sea_eur_per_gb > 0 ? sea_eur_per_gb : 0.0008 + km * 4e-6});
    add_link(ends, a, b, {fibre_.ducts.size() - 1}, 0);
  }

  // Gabriel graph: two sites are joined where no third lies within the circle that has them at its ends. It contains
  // the minimum spanning tree, so it is connected; bridges then get a second way.
  void add_core() {
    std::vector<Pair> edges;
    for (size_t a = 0; a < land_.core; ++a)
      for (size_t b = a + 1; b < land_.core; ++b) {
        const double ab = km_between(a, b);
        bool empty = true;
        for (size_t c = 0; empty && c < land_.core; ++c)
          empty =
              c == a || c == b || km_between(a, c) * km_between(a, c) + km_between(b, c) * km_between(b, c) >= ab * ab;
        if (empty) edges.emplace_back(a, b);
      }
    for (size_t i = 0; i < edges.size(); ++i)  // edges that are added are no bridges, so the end may move
      if (const auto side = side_without(edges, i)) edges.push_back(shortest_between(edges, *side));
    for (const auto& [a, b] : edges) add_span(a, b);
  }

  // Which core sites are cut off from the first when an edge is lost; nothing when none are.
  std::optional<std::vector<bool>> side_without(const std::vector<Pair>& edges, size_t lost) const {
    std::vector<bool> seen(land_.core, false);
    std::vector<size_t> open{0};
    seen[0] = true;
    while (!open.empty()) {
      const size_t at = open.back();
      open.pop_back();
      for (size_t i = 0; i < edges.size(); ++i) {
        if (i == lost || (edges[i].first != at && edges[i].second != at)) continue;
        const size_t other = edges[i].first == at ? edges[i].second : edges[i].first;
        if (!seen[other]) open.push_back(other);
        seen[other] = true;
      }
    }
    if (std::find(seen.begin(), seen.end(), false) == seen.end()) return std::nullopt;
    return seen;
  }

  Pair shortest_between(const std::vector<Pair>& edges, const std::vector<bool>& near_side) const {
    Pair best{SIZE_MAX, SIZE_MAX}, twin{SIZE_MAX, SIZE_MAX};
    double best_km = std::numeric_limits<double>::infinity();
    for (size_t a = 0; a < land_.core; ++a)
      for (size_t b = a + 1; b < land_.core; ++b) {
        if (near_side[a] == near_side[b]) continue;
        if (std::find(edges.begin(), edges.end(), Pair(a, b)) != edges.end()) {
          twin = {a, b};
        } else if (km_between(a, b) < best_km) {
          best = {a, b};
          best_km = km_between(a, b);
        }
      }
    return best.first == SIZE_MAX ? twin : best;
  }

  std::vector<size_t> cores_by_distance(size_t site) const {
    std::vector<size_t> cores(land_.core);
    std::iota(cores.begin(), cores.end(), size_t{0});
    std::stable_sort(cores.begin(), cores.end(),
                     [&](size_t a, size_t b) { return km_between(site, a) < km_between(site, b); });
    return cores;
  }

  // From one core site over a few near-edge sites, each time the nearest of those left, to another core site.
  void add_rings() {
    std::vector<std::vector<size_t>> around(land_.core);
    for (size_t i = 0; i < land_.core; ++i) fibre_.homes.push_back(i);
    for (size_t i = land_.core; i < land_.cities; ++i) {
      const std::vector<size_t> cores = cores_by_distance(i);
      around[cores[0]].push_back(i);
      fibre_.homes.push_back(cores[0]);
    }
    for (size_t core = 0; core < land_.core; ++core) {
      auto& sites = around[core];
      std::stable_sort(sites.begin(), sites.end(),
                       [&](size_t a, size_t b) { return bearing(core, a) < bearing(core, b); });
      for (size_t start = 0; start < sites.size(); start += kRingSites)
        add_ring(core, {sites.begin() + static_cast<ptrdiff_t>(start),
                        sites.begin() + static_cast<ptrdiff_t>(std::min(sites.size(), start + kRingSites))});
    }
  }

  void add_ring(size_t core, std::vector<size_t> sites) {
    size_t at = core;
    while (!sites.empty()) {
      const auto next = std::min_element(sites.begin(), sites.end(),
                                         [&](size_t a, size_t b) { return km_between(at, a) < km_between(at, b); });
      add_span(at, *next);
      at = *next;
      sites.erase(next);
    }
    const std::vector<size_t> cores = cores_by_distance(at);
    add_span(at, cores[0] == core ? cores[1] : cores[0]);
  }

  // Far-edge sites of a city: rings that start and end there, or chains that end in the open.
  void add_districts() {
    std::vector<std::vector<size_t>> around(land_.cities);
    for (size_t i = land_.cities; i + land_.cloud < land_.sites.size(); ++i) around[land_.sites[i].city].push_back(i);
    for (size_t city = 0; city < land_.cities; ++city) {
      auto& sites = around[city];
      std::stable_sort(sites.begin(), sites.end(),
                       [&](size_t a, size_t b) { return bearing(city, a) < bearing(city, b); });
      for (size_t start = 0; start < sites.size(); start += kDistrictSites) {
        const size_t end = std::min(sites.size(), start + kDistrictSites);
        size_t at = city;
        for (size_t i = start; i < end; ++i) {
          add_span(at, sites[i]);
          at = sites[i];
        }
        if (random_.chance(kDistrictRingChance)) add_span(at, city);
      }
    }
  }

  void add_sea_cables() {
    const size_t first = land_.sites.size() - land_.cloud;
    for (size_t i = first; i < land_.sites.size(); ++i) {
      const std::vector<size_t> cores = cores_by_distance(i);
      const double eur_per_gb = i == first ? 0.005 : 0.012;
      add_span(cores[0], i, kSeaRouteFactor, eur_per_gb);
      if (i == first)
        add_span(cores[1], i, kSeaRouteFactor, eur_per_gb);
      else
        add_span(first, i, kSeaRouteFactor, eur_per_gb);
    }
  }

  // Wavelengths between the largest core sites that run through without stopping, over the shortest way of land ducts.
  void add_express() {
    const size_t wanted = land_.core / 2;
    std::vector<std::pair<double, Pair>> pairs;
    for (size_t a = 0; a < land_.core; ++a)
      for (size_t b = a + 1; b < land_.core; ++b)
        if (!spans_.contains({a, b})) pairs.push_back({-land_.sites[a].population * land_.sites[b].population, {a, b}});
    std::sort(pairs.begin(), pairs.end());
    if (pairs.size() > wanted) pairs.resize(wanted);
    for (const auto& [weight, ends] : pairs) {
      std::vector<size_t> ducts = duct_path(ends.first, ends.second);
      if (ducts.size() < 2) continue;
      add_link(fmt::format("{}-{}-express", land_.sites[ends.first].id, land_.sites[ends.second].id), ends.first,
               ends.second, std::move(ducts), 3);
    }
  }

  std::vector<size_t> duct_path(size_t from, size_t to) const {
    std::map<size_t, std::vector<size_t>> at_site;
    for (size_t i = 0; i < fibre_.ducts.size(); ++i) {
      const Duct& duct = fibre_.ducts[i];
      if (duct.a >= land_.cities || duct.b >= land_.cities) continue;
      at_site[duct.a].push_back(i);
      at_site[duct.b].push_back(i);
    }
    std::vector<double> km(land_.cities, std::numeric_limits<double>::infinity());
    std::vector<size_t> duct_in(land_.cities, SIZE_MAX);
    std::priority_queue<std::pair<double, size_t>, std::vector<std::pair<double, size_t>>, std::greater<>> open;
    km[from] = 0;
    open.emplace(0, from);
    while (!open.empty()) {
      const auto [so_far, at] = open.top();
      open.pop();
      if (so_far > km[at]) continue;
      for (const size_t i : at_site[at]) {
        const Duct& duct = fibre_.ducts[i];
        const size_t other = duct.a == at ? duct.b : duct.a;
        if (so_far + duct.km >= km[other]) continue;
        km[other] = so_far + duct.km;
        duct_in[other] = i;
        open.emplace(km[other], other);
      }
    }
    std::vector<size_t> path;
    for (size_t at = to; at != from && duct_in[at] != SIZE_MAX;) {
      path.push_back(duct_in[at]);
      at = fibre_.ducts[path.back()].a == at ? fibre_.ducts[path.back()].b : fibre_.ducts[path.back()].a;
    }
    std::reverse(path.begin(), path.end());
    return path;
  }

  // By population: half between a city's gateway and its core site, half with the largest core site, where content is.
  void add_traffic() {
    std::map<Pair, double> gbps;
    for (size_t city = 0; city < land_.cities; ++city) {
      const size_t home = fibre_.homes[city];
      const size_t gateway = fibre_.gateway[city].value_or(*fibre_.gateway[home]);
      const double down = land_.sites[city].population * 1e-6 * kGbpsPerMillion / 2;
      for (const size_t core : {home, home == 0 ? size_t{1} : size_t{0}}) {
        const size_t other = *fibre_.gateway[core];
        if (other == gateway) continue;
        gbps[{other, gateway}] += down;
        gbps[{gateway, other}] += down / 4;
      }
    }
    for (const auto& [ends, rate] : gbps)
      fibre_.traffic.push_back({ends.first, ends.second, std::max(0.1, rounded_by(rate, 0.1))});
  }

  void set_capacities() {
    const Routes routes(land_, fibre_);
    std::vector<double> load(2 * fibre_.links.size(), 0);
    for (size_t i = 0; i < fibre_.traffic.size();) {
      const size_t from = fibre_.traffic[i].from;
      const Routes::Tree tree = routes.tree_from(from);
      for (; i < fibre_.traffic.size() && fibre_.traffic[i].from == from; ++i)
        for (size_t at = fibre_.traffic[i].to; at != from;) {
          const size_t arc = tree.arc_in[at];
          load[arc] += fibre_.traffic[i].gbps;
          at = arc % 2 == 0 ? fibre_.links[arc / 2].a : fibre_.links[arc / 2].b;
        }
    }
    for (size_t i = 0; i < fibre_.links.size(); ++i) {
      FibreLink& link = fibre_.links[i];
      const size_t outer = std::max(fibre_.nodes[link.a].site, fibre_.nodes[link.b].site);
      const bool inside = link.ducts.empty();
      const double least = outer < land_.core                          ? (inside ? 800 : 400)
                           : outer < land_.cities                      ? 200
                           : outer + land_.cloud >= land_.sites.size() ? 200
                           : random_.chance(0.7)                       ? 100
                                                                       : 25;
      const double wanted = std::max(least, std::max(load[2 * i], load[2 * i + 1]) / kEverydayFill);
      const auto step = std::lower_bound(kCapacities.begin(), kCapacities.end(), wanted);
      link.capacity_gbps = step == kCapacities.end() ? std::ceil(wanted / 800) * 800 : *step;
    }
  }

  const Land& land_;
  Random random_;
  Fibre fibre_;
  std::map<size_t, size_t> turn_;  // of each core site: the router the next fibre ends on
  std::map<Pair, size_t> spans_;   // how many between two sites
};

}  // namespace

Fibre make_fibre(const Land& land, uint64_t seed) { return FibreMaker(land, seed).make(); }

}  // namespace tandem::generate
