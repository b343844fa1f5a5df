// Small grids for tests, drawn in a few lines of text. One fact a line:
//
//   a-b 10ms 100G            a link between the nodes a and b (declared by being named, each at a site of its own
//   name);
//                            further: metric=5 cost=0.02 (€/GB) back=40G (capacity b→a) members=4 members_min=3 down
//                            group=duct-1,duct-2 (shared-risk groups, declared by being named) admin=red,blue te=7
//   algo 128 delay           a flex algorithm over igp, delay or te; further: exclude=red any=red,blue all=blue
//                            nodes=a,b,c (its participants)
//   overload a b             routers that no path goes through
//   site x DE                a site's jurisdiction; further: power=40kW price=0.2 pue=1.3 carbon=300 store down
//   region north a           a region anchored at node a; further: access=2ms backhaul=1ms anchor=b (a second anchor)
//   accelerator h100 80GB    further: idle=100W peak=700W price=2.5 load=1.6 (GB/s of weights)
//   pool p1 a h100 8         8 accelerators at node a; further: reserve=2 url=http://…
//   model m 16GB             weights; further: kv=131072 (bytes a token) context=8192 alias=name
//   profile m h100 1:10ms 8:12ms/400W 32:20ms   operating points; further: tp=2 prefill=20000 overhead=5ms kv=40GB
//   tenant acme DE,FR        residency, * for everywhere; further: priority=2 ttft=800ms tpot=60ms quantile=0.95
//   model=m demand d acme north m 5/s     further: in=500 out=200 up=2000 down=50000 hit=0.2 ttft=800ms tpot=60ms
//                                 quantile=0.95 priority=1 diversity=link|node|shared_risk|node_and_shared_risk
//                                 flex=128
//   pin m p1 2               two replicas the operator pins
//   traffic a b 10G
//   policy headroom=0.8 penalty=0.05 move=0.5 restore=links:1,srlgs:1,nodes:1 restore_headroom=1 repairs
//
// Links have metric 1 unless they say otherwise; tenants and demands promise 1 s and 100 ms at 0.95. A drawing that is
// wrong stops the test.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "grid/snapshot.h"

namespace tandem::test_support {

class DrawnGrid {
 public:
  explicit DrawnGrid(std::string_view text) {
    rows_.name = "drawn";
    read_jurisdictions(text);
    for (const std::string_view line : split(text, '\n'))
      if (std::vector<std::string_view> words = words_of(line); !words.empty()) read(std::move(words));
  }
  grid::Rows rows() const { return rows_; }

 private:
  using Words = std::vector<std::string_view>;

  static Words words_of(std::string_view line) {
    Words words;
    for (const std::string_view word : split(line.substr(0, line.find('#')), ' '))
      if (!trim(word).empty()) words.push_back(trim(word));
    return words;
  }

  // "12.5ms" → 12.5, "100G" → 100.
  static double number(std::string_view word) {
    const size_t end = std::min(word.find_first_not_of("0123456789.+-"), word.size());
    const auto value = parse_number(word.substr(0, end));
    CHECK(value.has_value());
    return *value;
  }
  static double milliseconds(std::string_view word) {
    return number(word) * (word.ends_with("us") ? 1e-3 : word.ends_with("ms") ? 1 : 1e3);
  }

  // The value of "key=value" among the words, or the fallback.
  static std::string_view option(const Words& words, std::string_view key, std::string_view fallback) {
    for (const std::string_view word : words)
      if (word.size() > key.size() && word.starts_with(key) && word[key.size()] == '=')
        return word.substr(key.size() + 1);
    return fallback;
  }
  static bool flag(const Words& words, std::string_view name) {
    return std::find(words.begin(), words.end(), name) != words.end();
  }
  static grid::State state(const Words& words) { return flag(words, "down") ? grid::State::down : grid::State::up; }

  template <class Row>
  static Index<Row> find(const std::vector<Row>& rows, std::string_view id) {
    const auto found = std::find_if(rows.begin(), rows.end(), [&](const Row& row) { return row.id == id; });
    CHECK(found != rows.end());
    return Index<Row>(static_cast<size_t>(found - rows.begin()));
  }

  void read_jurisdictions(std::string_view text) {
    std::set<std::string> codes{"XX"};
    for (const std::string_view line : split(text, '\n')) {
      const Words words = words_of(line);
      if (words.size() < 3) continue;
      if (words[0] == "site") codes.emplace(words[2]);
      if (words[0] == "tenant" && words[2] != "*")
        for (const std::string_view code : split(words[2], ',')) codes.emplace(code);
    }
    rows_.jurisdictions.assign(codes.begin(), codes.end());
  }
  uint8_t jurisdiction(std::string_view code) const {
    const auto found = std::find(rows_.jurisdictions.begin(), rows_.jurisdictions.end(), code);
    CHECK(found != rows_.jurisdictions.end());
    return static_cast<uint8_t>(found - rows_.jurisdictions.begin());
  }
  grid::JurisdictionSet residency(std::string_view codes) const {
    if (codes == "*") return grid::JurisdictionSet::all();
    grid::JurisdictionSet set;
    for (const std::string_view code : split(codes, ',')) set.bits |= uint64_t{1} << jurisdiction(code);
    return set;
  }

  // The node of that name, with its site, made when it is new.
  grid::NodeIndex node(std::string_view id) {
    for (size_t i = 0; i < rows_.nodes.size(); ++i)
      if (rows_.nodes[i].id == id) return grid::NodeIndex(i);
    grid::Site site;
    site.id = site.name = id;
    site.jurisdiction = jurisdiction("XX");
    site.power_limit = site.cooling_limit = Kilowatts(1e6);
    grid::Node node;
    node.id = id;
    node.site = grid::SiteIndex(rows_.sites.size());
    rows_.sites.push_back(std::move(site));
    rows_.nodes.push_back(std::move(node));
    return grid::NodeIndex(rows_.nodes.size() - 1);
  }

  void read(const Words& words) {
    static const std::map<std::string_view, void (DrawnGrid::*)(const Words&)> kReaders = {
        {"site", &DrawnGrid::read_site},
        {"region", &DrawnGrid::read_region},
        {"accelerator", &DrawnGrid::read_accelerator},
        {"pool", &DrawnGrid::read_pool},
        {"model", &DrawnGrid::read_model},
        {"profile", &DrawnGrid::read_profile},
        {"tenant", &DrawnGrid::read_tenant},
        {"demand", &DrawnGrid::read_demand},
        {"pin", &DrawnGrid::read_pin},
        {"traffic", &DrawnGrid::read_traffic},
        {"overload", &DrawnGrid::read_overload},
        {"algo", &DrawnGrid::read_algo},
        {"policy", &DrawnGrid::read_policy}};
    const auto reader = kReaders.find(words[0]);
    reader == kReaders.end() ? read_link(words) : (this->*reader->second)(words);
  }

  void read_link(const Words& words) {
    const auto ends = split(words[0], '-');
    CHECK(ends.size() == 2 && words.size() >= 3);
    grid::Link link;
    link.id = words[0];
    for (int copy = 2;
         std::any_of(rows_.links.begin(), rows_.links.end(), [&](const auto& l) { return l.id == link.id; }); ++copy)
      link.id = std::string(words[0]) + "/" + std::to_string(copy);
    link.a = node(ends[0]);
    link.b = node(ends[1]);
    link.delay = Microseconds(milliseconds(words[1]) * 1e3);
    link.capacity_ab = Gbps(number(words[2]));
    link.capacity_ba = Gbps(number(option(words, "back", words[2])));
    link.igp_metric = number(option(words, "metric", "1"));
    link.cost = EurosPerGigabyte(number(option(words, "cost", "0")));
    link.te_metric = number(option(words, "te", "0"));
    link.admin_groups = names(option(words, "admin", ""));
    link.members = static_cast<uint32_t>(number(option(words, "members", "1")));
    link.members_min = static_cast<uint32_t>(number(option(words, "members_min", "1")));
    for (const std::string_view group : split(option(words, "group", ""), ','))
      if (!group.empty()) link.shared_risk_groups.push_back(shared_risk_group(group));
    link.state = state(words);
    rows_.links.push_back(std::move(link));
  }
  grid::SharedRiskGroupIndex shared_risk_group(std::string_view id) {
    auto& groups = rows_.shared_risk_groups;
    const auto found = std::find_if(groups.begin(), groups.end(), [&](const auto& group) { return group.id == id; });
    if (found != groups.end()) return grid::SharedRiskGroupIndex(static_cast<size_t>(found - groups.begin()));
    groups.push_back({std::string(id), std::string(id)});
    return grid::SharedRiskGroupIndex(groups.size() - 1);
  }
  // The position of the word among the choices, which must hold it.
  template <class Choice>
  static Choice choice(std::string_view word, const std::vector<std::string_view>& choices) {
    const auto found = std::find(choices.begin(), choices.end(), word);
    CHECK(found != choices.end());
    return static_cast<Choice>(found - choices.begin());
  }
  // Ascending.
  static std::vector<std::string> names(std::string_view text) {
    std::set<std::string> all;
    for (const std::string_view name : split(text, ','))
      if (!name.empty()) all.emplace(name);
    return {all.begin(), all.end()};
  }
  void read_algo(const Words& words) {
    CHECK(words.size() >= 3);
    grid::FlexAlgo algo;
    algo.id = algo.name = words[1];
    algo.metric = choice<grid::PathMetric>(words[2], {"igp", "delay", "te"});
    algo.exclude_any = names(option(words, "exclude", ""));
    algo.include_any = names(option(words, "any", ""));
    algo.include_all = names(option(words, "all", ""));
    for (const std::string& id : names(option(words, "nodes", ""))) algo.participants.push_back(node(id));
    std::sort(algo.participants.begin(), algo.participants.end());
    rows_.flex_algos.push_back(std::move(algo));
  }
  void read_overload(const Words& words) {
    CHECK(words.size() >= 2);
    for (size_t i = 1; i < words.size(); ++i) rows_.nodes[node(words[i]).value].overload = true;
  }
  void read_site(const Words& words) {
    CHECK(words.size() >= 3);
    grid::Site& site = rows_.sites[rows_.nodes[node(words[1]).value].site.value];
    site.jurisdiction = jurisdiction(words[2]);
    site.power_limit = site.cooling_limit = Kilowatts(number(option(words, "power", "1000000")));
    site.cooling_limit = Kilowatts(number(option(words, "cooling", "1000000")));
    site.power_price = EurosPerKilowattHour(number(option(words, "price", "0")));
    site.pue = number(option(words, "pue", "1"));
    site.carbon = GramsPerKilowattHour(number(option(words, "carbon", "0")));
    site.model_store = std::find(words.begin(), words.end(), "store") != words.end();
    site.state = state(words);
  }
  void read_region(const Words& words) {
    CHECK(words.size() >= 3);
    grid::Region region;
    region.id = region.name = words[1];
    const Microseconds access(milliseconds(option(words, "access", "0ms")) * 1e3);
    const Microseconds backhaul(milliseconds(option(words, "backhaul", "0ms")) * 1e3);
    region.anchors.push_back({node(words[2]), access, backhaul});
    if (const auto second = option(words, "anchor", ""); !second.empty())
      region.anchors.push_back({node(second), access, backhaul});
    rows_.regions.push_back(std::move(region));
  }
  void read_accelerator(const Words& words) {
    CHECK(words.size() >= 3);
    grid::Accelerator accelerator;
    accelerator.id = accelerator.name = words[1];
    accelerator.memory = Gigabytes(number(words[2]));
    accelerator.idle_power = Watts(number(option(words, "idle", "0")));
    accelerator.peak_power = Watts(number(option(words, "peak", "1000")));
    accelerator.price = EurosPerHour(number(option(words, "price", "1")));
    accelerator.load_gb_per_s = number(option(words, "load", "1.6"));
    rows_.accelerators.push_back(std::move(accelerator));
  }
  void read_pool(const Words& words) {
    CHECK(words.size() >= 5);
    grid::Pool pool;
    pool.id = words[1];
    pool.node = node(words[2]);
    pool.site = rows_.nodes[pool.node.value].site;
    pool.accelerator = find(rows_.accelerators, words[3]);
    pool.count = static_cast<uint32_t>(number(words[4]));
    if (const auto reserve = option(words, "reserve", ""); !reserve.empty())
      pool.radio_reserve.push_back({8, 20, static_cast<uint32_t>(number(reserve))});
    pool.engine_url = option(words, "url", "");
    rows_.pools.push_back(std::move(pool));
  }
  void read_model(const Words& words) {
    CHECK(words.size() >= 3);
    grid::Model model;
    model.id = model.name = words[1];
    model.weights = Gigabytes(number(words[2]));
    model.parameters_billion = model.weights.value() / 2;
    model.kv_bytes_per_token = number(option(words, "kv", "100000"));
    model.context_tokens = static_cast<uint32_t>(number(option(words, "context", "32768")));
    if (const auto alias = option(words, "alias", ""); !alias.empty()) model.aliases.emplace_back(alias);
    rows_.models.push_back(std::move(model));
  }
  void read_profile(const Words& words) {
    CHECK(words.size() >= 4);
    grid::Profile profile;
    profile.tensor_parallel = static_cast<uint32_t>(number(option(words, "tp", "1")));
    profile.id = std::string(words[1]) + "-" + std::string(words[2]) + "-tp" + std::to_string(profile.tensor_parallel);
    profile.model = find(rows_.models, words[1]);
    profile.accelerator = find(rows_.accelerators, words[2]);
    profile.prefill_tokens_per_s = number(option(words, "prefill", "20000"));
    profile.prefill_overhead = Milliseconds(milliseconds(option(words, "overhead", "0ms")));
    profile.kv_memory = Gigabytes(number(option(words, "kv", "40GB")));
    for (const std::string_view word : words) {
      if (const size_t colon = word.find(':');
          colon != std::string_view::npos && word.find('=') == std::string_view::npos) {
        const size_t slash = word.find('/');
        profile.points.push_back({static_cast<uint32_t>(number(word)),
                                  Milliseconds(milliseconds(word.substr(colon + 1, slash - colon - 1))),
                                  Watts(slash == std::string_view::npos ? 0 : number(word.substr(slash + 1)))});
      }
    }
    CHECK(!profile.points.empty());
    rows_.profiles.push_back(std::move(profile));
  }
  static grid::Promise promise(const Words& words) {
    return {Milliseconds(milliseconds(option(words, "ttft", "1s"))),
            Milliseconds(milliseconds(option(words, "tpot", "100ms"))), number(option(words, "quantile", "0.95"))};
  }
  void read_tenant(const Words& words) {
    CHECK(words.size() >= 3);
    grid::Tenant tenant;
    tenant.id = tenant.name = words[1];
    tenant.residency = residency(words[2]);
    tenant.promise = promise(words);
    tenant.priority = static_cast<uint32_t>(number(option(words, "priority", "0")));
    if (const auto model = option(words, "model", ""); !model.empty())
      tenant.models.push_back(find(rows_.models, model));
    rows_.tenants.push_back(std::move(tenant));
  }
  void read_demand(const Words& words) {
    CHECK(words.size() >= 6);
    grid::Demand demand;
    demand.id = words[1];
    demand.tenant = find(rows_.tenants, words[2]);
    demand.region = find(rows_.regions, words[3]);
    demand.model = find(rows_.models, words[4]);
    demand.rate_per_s = number(words[5]);
    demand.prompt_tokens = number(option(words, "in", "500"));
    demand.output_tokens = number(option(words, "out", "200"));
    demand.upload_bytes = number(option(words, "up", "2000"));
    demand.download_bytes = number(option(words, "down", "50000"));
    demand.prefix_hit = number(option(words, "hit", "0"));
    demand.promise = promise(words);
    demand.priority = static_cast<uint32_t>(number(option(words, "priority", "0")));
    demand.diversity = choice<grid::Diversity>(option(words, "diversity", "none"),
                                               {"none", "link", "node", "shared_risk", "node_and_shared_risk"});
    if (const auto algo = option(words, "flex", ""); !algo.empty()) demand.flex_algo = find(rows_.flex_algos, algo);
    rows_.demands.push_back(std::move(demand));
  }
  void read_pin(const Words& words) {
    CHECK(words.size() >= 4);
    grid::Deployment pin;
    pin.id = "pin-" + std::string(words[1]) + "-" + std::string(words[2]);
    pin.model = find(rows_.models, words[1]);
    pin.pool = find(rows_.pools, words[2]);
    pin.tensor_parallel = static_cast<uint32_t>(number(option(words, "tp", "1")));
    pin.replicas = static_cast<uint32_t>(number(words[3]));
    rows_.deployments.push_back(std::move(pin));
  }
  void read_traffic(const Words& words) {
    CHECK(words.size() >= 4);
    grid::Traffic traffic;
    traffic.id = std::string(words[1]) + ">" + std::string(words[2]);
    traffic.from = node(words[1]);
    traffic.to = node(words[2]);
    traffic.rate = Gbps(number(words[3]));
    rows_.traffic.push_back(std::move(traffic));
  }
  void read_policy(const Words& words) {
    rows_.policy.link_headroom = number(option(words, "headroom", "0.8"));
    rows_.policy.rejection_penalty = Euros(number(option(words, "penalty", "0.05")));
    rows_.policy.move_penalty = Euros(number(option(words, "move", "0.5")));
    for (const std::string_view asked : split(option(words, "restore", ""), ','))
      if (!asked.empty())
        rows_.policy.restoration.cases.push_back(
            choice<grid::RestorationCase>(asked, {"links:1", "srlgs:1", "nodes:1"}));
    rows_.policy.resident_repairs = flag(words, "repairs");
    rows_.policy.restoration.link_headroom = number(option(words, "restore_headroom", "1"));
  }

  grid::Rows rows_;
};

inline grid::Rows drawn_rows(std::string_view text) { return DrawnGrid(text).rows(); }
inline grid::Snapshot drawn_grid(std::string_view text, uint64_t offset = 1) {
  return grid::make_snapshot(drawn_rows(text), offset);
}

}  // namespace tandem::test_support
