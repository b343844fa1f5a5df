// A foreign network equipped to serve: tiers, accelerators, regions, tenants and demands by seeded rules
// (docs/IMPORT.md).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "base/digest.h"
#include "base/random.h"
#include "base/text.h"
#include "ingest/catalogue.h"
#include "ingest/network.h"

namespace tandem::ingest {
namespace {

constexpr double kCoreShare = 0.15, kNearEdgeShare = 0.35;  // of the serving sites, by degree; the rest is far edge
constexpr size_t kCoreSitesMin = 2;
constexpr double kFarEdgePoolChance = 0.5;
constexpr double kPeopleForUser = 100;      // that a user of a list stands for; a site without any has one's people
constexpr double kDemandFill = 0.4;         // of what the accelerators sustain, below
constexpr size_t kResidentRegionsMax = 20;  // that ask for the large model

// Requests a second that one accelerator sustains of 400 prompt and 150 output tokens on the 8B model, and of 900 and
// 200 on the 70B model: from the catalogue's largest batch, 1 / (prefill + output tokens x ms per token / batch).
constexpr double kSmallModelL4 = 1.7, kSmallModelL40s = 7, kSmallModelH100 = 22, kLargeModelH100 = 2.2;

struct TierRule {
  const char* tier;
  const char* accelerator;
  int64_t count_min, count_step;  // count_min + 0, 1 or 2 steps, drawn
  double peak_w;                  // of one accelerator, for the site's power
  double power_price, pue;
};
constexpr TierRule kCore{"core", "h100-80gb", 8, 8, 700, 0.18, 1.25};
constexpr TierRule kNearEdge{"near_edge", "l40s", 4, 2, 350, 0.22, 1.4};
constexpr TierRule kFarEdge{"far_edge", "l4", 2, 1, 72, 0.26, 1.6};
constexpr TierRule kJunction{"far_edge", nullptr, 0, 0, 0, 0.26, 1.6};

// A division by a whole number gives the double nearest to the decimal, so that it is written short.
double rounded(double value, double step) {
  return step < 1 ? std::round(value / step) / std::round(1 / step) : std::round(value / step) * step;
}

class GridMaker {
 public:
  GridMaker(const Network& network, const ImportOptions& options, Imported& result)
      : network_(network), options_(options), random_(options.seed), result_(result) {}

  void make() {
    add("grid", "grid", {{"name", network_.name}, {"simulated", true}});
    assign_tiers();
    for (size_t i = 0; i < network_.nodes.size(); ++i) add_site(i);
    for (const NetworkLink& link : network_.links) add_link(link);
    add_regions();
    for (grid::Entity& entity : parse_grid_file(kCatalogue, "catalogue").entities)
      result_.entities.push_back(std::move(entity));
    add_tenants();
    add_demands();
    for (const NetworkTraffic& t : network_.traffic) add_traffic(t);
    result_.notes.push_back(
        fmt::format("Tiers by number of links, accelerators, {}demands by rule and draw, seed {}: see "
                    "docs/IMPORT.md.",
                    counted_ ? "" : "populations and ", options_.seed));
  }

 private:
  void add(std::string_view kind, std::string id, Json::Object attributes) {
    result_.entities.push_back({std::string(kind), std::move(id), std::move(attributes)});
  }

  static std::string router(const NetworkNode& node) { return node.id + "-r1"; }

  // The best connected are core; ties fall by draw.
  void assign_tiers() {
    std::vector<std::pair<size_t, uint32_t>> rank(network_.nodes.size());  // degree, draw
    for (size_t i = 0; i < rank.size(); ++i) rank[i] = {network_.nodes[i].degree, random_.next()};
    for (size_t i = 0; i < rank.size(); ++i)
      if (!network_.nodes[i].junction) serving_.push_back(i);
    if (serving_.empty()) {  // nothing but junctions: then they serve
      serving_.resize(network_.nodes.size());
      std::iota(serving_.begin(), serving_.end(), size_t{0});
    }
    std::stable_sort(serving_.begin(), serving_.end(), [&](size_t a, size_t b) { return rank[a] > rank[b]; });
    const auto share = [&](double fraction) {
      return static_cast<size_t>(std::ceil(fraction * static_cast<double>(serving_.size())));
    };
    const size_t core = std::max(std::min(kCoreSitesMin, serving_.size()), share(kCoreShare));
    const size_t near_edge = core + share(kNearEdgeShare);
    rules_.assign(network_.nodes.size(), &kJunction);
    for (size_t i = 0; i < serving_.size(); ++i)
      rules_[serving_[i]] = i < core ? &kCore : i < near_edge ? &kNearEdge : &kFarEdge;
  }

  void add_site(size_t position) {
    const NetworkNode& node = network_.nodes[position];
    const TierRule& rule = *rules_[position];
    int64_t count = rule.count_min + static_cast<int64_t>(random_.below(3)) * rule.count_step;
    if (&rule == &kFarEdge && !random_.chance(kFarEdgePoolChance)) count = 0;
    const double kilowatts = rounded(static_cast<double>(count) * rule.peak_w * 1e-3 * 1.3 + 1, 0.1);
    add("site", node.id,
        {{"name", node.name},
         {"tier", rule.tier},
         {"latitude_deg", rounded(node.place.latitude.value(), 1e-5)},
         {"longitude_deg", rounded(node.place.longitude.value(), 1e-5)},
         {"jurisdiction", node.jurisdiction},
         {"power_limit_kw", kilowatts},
         {"power_price_eur_per_kwh", rule.power_price},
         {"carbon_g_per_kwh", 300.0},
         {"pue", rule.pue}});
    add("node", router(node), {{"site", node.id}});
    if (count > 0)
      add("pool", node.id + "-" + rule.accelerator,
          {{"site", node.id}, {"node", router(node)}, {"accelerator", rule.accelerator}, {"count", count}});
    const double n = static_cast<double>(count);
    if (&rule == &kCore) large_rate_ += n / 2 * kLargeModelH100;
    small_rate_ += n * (&rule == &kCore ? kSmallModelH100 / 2 : &rule == &kNearEdge ? kSmallModelL40s : kSmallModelL4);
  }

  void add_link(const NetworkLink& link) {
    Json::Object attributes{{"a", router(network_.nodes[link.a])},
                            {"b", router(network_.nodes[link.b])},
                            {"capacity_gbps", link.capacity_ab.value()},
                            {"length_km", link.length.value()},
                            {"igp_metric", link.igp_metric},
                            {"cost_eur_per_gb", rounded(0.0008 + link.length.value() * 4e-6, 1e-6)}};
    if (link.capacity_ba != link.capacity_ab) attributes["capacity_reverse_gbps"] = link.capacity_ba.value();
    add("link", link.id, std::move(attributes));
  }

  // One for each serving site, anchored there and, where that is lost, at its nearest neighbour by fibre.
  void add_regions() {
    std::map<size_t, std::pair<double, size_t>> nearest;
    for (const NetworkLink& link : network_.links) {
      for (const auto& [from, to] : {std::pair(link.a, link.b), std::pair(link.b, link.a)}) {
        const auto [entry, fresh] = nearest.try_emplace(from, link.length.value(), to);
        if (!fresh) entry->second = std::min(entry->second, {link.length.value(), to});
      }
    }
    population_.assign(network_.nodes.size(), 0);
    counted_ = std::ranges::any_of(network_.nodes, [](const NetworkNode& node) { return node.users > 0; });
    for (size_t i = 0; i < serving_.size(); ++i) {
      const size_t position = serving_[i];
      const NetworkNode& node = network_.nodes[position];
      const double drawn = 1e5 * (1 + static_cast<double>(node.degree)) * (0.5 + random_.uniform());
      population_[position] = counted_ ? std::max(1.0, node.users) * kPeopleForUser : rounded(drawn, 1'000);
      Json::Array prefixes{fmt::format("10.{}.{}.0/24", i / 256, i % 256), fmt::format("2001:db8:{:x}::/48", i)};
      if (i == 0) prefixes = {prefixes[0], prefixes[1], "127.0.0.0/8", "::1/128"};
      Json::Array anchors{
          Json::Object{{"node", router(node)}, {"access_delay_us", 4000.0}, {"backhaul_delay_us", 200.0}}};
      if (const auto other = nearest.find(position); other != nearest.end())
        anchors.push_back(
            Json::Object{{"node", router(network_.nodes[other->second.second])},
                         {"access_delay_us", 4000.0},
                         {"backhaul_delay_us", rounded(200 + std::min(5e5, other->second.first * 4.9), 1)}});
      add("region", node.id,
          {{"name", node.name},
           {"latitude_deg", rounded(node.place.latitude.value(), 1e-5)},
           {"longitude_deg", rounded(node.place.longitude.value(), 1e-5)},
           {"population", population_[position]},
           {"prefixes", std::move(prefixes)},
           {"anchors", std::move(anchors)}});
    }
  }

  // One whose data may go anywhere, and one bound to the jurisdiction that most sites are in.
  void add_tenants() {
    std::map<std::string, size_t> count;
    for (const size_t position : serving_) ++count[network_.nodes[position].jurisdiction];
    for (const auto& [code, sites] : count)
      if (home_.empty() || sites > count[home_]) home_ = code;
    const auto key = [](std::string_view text) {
      return Json::Array{Json::Object{{"sha256", to_hex(sha256(text))}, {"loopback_only", true}}};
    };
    add("tenant", "demo",
        {{"name", "Demonstration"},
         {"keys", key("sk-demo")},
         {"data_class", "public"},
         {"ttft_ms", 1500.0},
         {"tpot_ms", 100.0},
         {"priority", int64_t{3}}});
    add("tenant", "resident",
        {{"name", "Resident"},
         {"keys", key("sk-resident-example")},
         {"residency", Json::Array{home_}},
         {"data_class", "personal"},
         {"ttft_ms", 1200.0},
         {"tpot_ms", 60.0},
         {"priority", int64_t{6}}});
  }

  void add_demands() {
    std::vector<size_t> residents;
    for (const size_t position : serving_)
      if (network_.nodes[position].jurisdiction == home_ && residents.size() < kResidentRegionsMax)
        residents.push_back(position);
    spread("demo", "llama-3.1-8b", serving_, small_rate_ * kDemandFill, 400, 150);
    spread("resident", "llama-3.3-70b", residents, large_rate_ * kDemandFill, 900, 200);
  }

  void spread(const std::string& tenant, const std::string& model, const std::vector<size_t>& regions, double rate,
              double prompt, double output) {
    double people = 0;
    for (const size_t position : regions) people += population_[position];
    for (const size_t position : regions) {
      const std::string& region = network_.nodes[position].id;
      add("demand", fmt::format("{}-{}", tenant, region),
          {{"tenant", tenant},
           {"region", region},
           {"model", model},
           {"rate_per_s", std::max(0.01, rounded(rate * population_[position] / people, 0.01))},
           {"prompt_tokens", prompt},
           {"output_tokens", output},
           {"prefix_hit", 0.2}});
    }
  }

  void add_traffic(const NetworkTraffic& traffic) {
    const NetworkNode& from = network_.nodes[traffic.from];
    const NetworkNode& to = network_.nodes[traffic.to];
    add("traffic", fmt::format("{}--{}", from.id, to.id),
        {{"from", router(from)}, {"to", router(to)}, {"rate_gbps", rounded(traffic.rate.value(), 1e-6)}});
  }

  const Network& network_;
  const ImportOptions& options_;
  Random random_;
  Imported& result_;
  std::vector<size_t> serving_;         // nodes that serve and are served, best connected first
  std::vector<const TierRule*> rules_;  // of each node
  std::vector<double> population_;
  bool counted_ = false;  // where users are is known
  std::string home_;
  double small_rate_ = 0, large_rate_ = 0;  // requests per second that the accelerators sustain
};

bool has_places(std::string_view header) {
  std::string lower(header);
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return lower.find("latitude") != std::string::npos && lower.find("longitude") != std::string::npos;
}

TopologyFormat detect(std::string_view bytes, std::string_view file_name) {
  if (file_name.ends_with(".gml")) return TopologyFormat::topology_zoo;
  if (file_name.ends_with(".graphml")) return TopologyFormat::graphml;
  if (file_name.ends_with(".graph")) return TopologyFormat::repetita;
  const std::string_view head = bytes.substr(0, 4096);
  if (head.starts_with("?SNDlib")) return TopologyFormat::sndlib;
  if (head.find("<graphml") != std::string_view::npos) return TopologyFormat::graphml;
  if (head.find("graph [") != std::string_view::npos) return TopologyFormat::topology_zoo;
  if (has_places(head.substr(0, head.find('\n')))) return TopologyFormat::site_list;
  if (head.starts_with("NODES ") && head.find("label x y") != std::string_view::npos) return TopologyFormat::repetita;
  return TopologyFormat::automatic;
}

Topology parse(std::string_view bytes, std::string_view file_name, TopologyFormat format, const ImportOptions& options,
               std::vector<Diagnostic>& diagnostics) {
  Topology topology;
  switch (format) {
    case TopologyFormat::topology_zoo: topology = parse_topology_zoo(bytes, file_name, diagnostics); break;
    case TopologyFormat::graphml: topology = parse_graphml(bytes, file_name, diagnostics); break;
    case TopologyFormat::sndlib: topology = parse_sndlib(bytes, file_name, diagnostics); break;
    case TopologyFormat::repetita:
      topology = parse_repetita(bytes, file_name, diagnostics);
      if (!options.demands.empty() && !has_errors(diagnostics))
        parse_repetita_demands(options.demands, options.demands_file_name, topology, diagnostics);
      break;
    case TopologyFormat::site_list:
      topology = parse_site_list(bytes, file_name, diagnostics);
      if (!options.users.empty() && !has_errors(diagnostics))
        parse_site_users(options.users, options.users_file_name, topology, diagnostics);
      break;
    case TopologyFormat::automatic:
      diagnostics.push_back({Diagnostic::Severity::error, std::string(file_name), 0,
                             "this is no topology that is known",
                             "give GML or GraphML of the Topology Zoo, SNDlib native, REPETITA or a list of sites, or "
                             "say which with --format"});
  }
  if (!has_errors(diagnostics) && topology.nodes.empty())
    diagnostics.push_back({Diagnostic::Severity::error, std::string(file_name), 0, "the topology has no node",
                           "there is nothing to import"});
  return topology;
}

// The last part of a path without its ending.
std::string stem(std::string_view path) {
  path = path.substr(path.rfind('/') + 1);
  return clean_label(to_utf8(path.substr(0, std::min(path.rfind('.'), path.size()))));
}

bool options_good(const ImportOptions& options, std::string_view file_name, std::vector<Diagnostic>& diagnostics) {
  const auto refuse = [&](std::string message, std::string fix) {
    diagnostics.push_back({Diagnostic::Severity::error, std::string(file_name), 0, std::move(message), std::move(fix)});
  };
  if (!(options.route_factor >= 1 && options.route_factor <= 5))
    refuse(fmt::format("the route factor is {}", options.route_factor), "give a number from 1 to 5");
  const auto capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (options.jurisdiction.size() != 2 || !capital(options.jurisdiction[0]) || !capital(options.jurisdiction[1]))
    refuse("the jurisdiction is no code", "give an ISO 3166 alpha-2 code such as DE");
  return !has_errors(diagnostics);
}

// Brings every entity to its canonical form. What this finds is a figure of the file that no grid can have.
void check(Imported& result, std::string_view file_name) {
  std::vector<grid::EntityProblem> found;
  for (size_t i = 0; i < result.entities.size(); ++i) {
    grid::Entity& entity = result.entities[i];
    std::vector<grid::Problem> problems;
    entity.attributes = grid::check_attributes(*grid::find_kind(entity.kind), entity.attributes, problems);
    for (grid::Problem& problem : problems) found.push_back({i, std::move(problem)});
  }
  if (found.empty()) found = grid::make_rows(result.entities).problems;
  for (const auto& [i, problem] : found) {
    const std::string who = i == grid::EntityProblem::kNoEntity
                                ? std::string()
                                : fmt::format("{} '{}': ", result.entities[i].kind, result.entities[i].id);
    result.diagnostics.push_back({problem.severity, std::string(file_name), 0, who + problem.message, problem.fix});
  }
}

}  // namespace

std::optional<TopologyFormat> topology_format(std::string_view name) {
  if (name == "auto") return TopologyFormat::automatic;
  if (name == "topology-zoo") return TopologyFormat::topology_zoo;
  if (name == "graphml") return TopologyFormat::graphml;
  if (name == "sndlib") return TopologyFormat::sndlib;
  if (name == "repetita") return TopologyFormat::repetita;
  if (name == "site-list") return TopologyFormat::site_list;
  return std::nullopt;
}

Imported import_topology(std::string_view bytes, std::string_view file_name, TopologyFormat format,
                         const ImportOptions& options) {
  Imported result;
  if (!options_good(options, file_name, result.diagnostics)) return result;
  if (format == TopologyFormat::automatic) format = detect(bytes, file_name);
  const Topology topology = parse(bytes, file_name, format, options, result.diagnostics);
  if (has_errors(result.diagnostics)) return result;
  ErrorSink report(file_name, result.diagnostics);
  if (format == TopologyFormat::site_list)
    result.notes.push_back(
        fmt::format("The list has no links: {} were laid between neighbouring sites.", topology.edges.size()));
  if (!options.users.empty()) result.notes.push_back(fmt::format("Users are those of {}.", options.users_file_name));
  Network network = make_network(topology, options, report, result.notes);
  if (network.name.empty()) network.name = stem(file_name);
  GridMaker(network, options, result).make();
  check(result, file_name);
  if (has_errors(result.diagnostics)) result.entities.clear();
  return result;
}

}  // namespace tandem::ingest
