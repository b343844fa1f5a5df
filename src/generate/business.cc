#include "generate/business.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/random.h"
#include "generate/reach.h"

namespace tandem::generate {
namespace {

enum class Scope : uint8_t { own, land, anywhere };  // one jurisdiction, both of the land's, all

struct Trade {
  const char* word;
  std::array<size_t, 3> sizes;  // of the models it uses
  PromiseMs promise;
  double quantile;
  int64_t priority;
  const char* data_class;
  Scope scope;
  double prompt, output, prefix_hit, upload_bytes;
  double per_million;
};
constexpr std::array<Trade, 8> kTrades{{
    {"bank", {kLarge, kMedium, kLarge}, {900, 60}, 0.95, 8, "personal", Scope::own, 900, 220, 0.35, 0, 1.1},
    {"games", {kTiny, kTiny, kSmall}, {150, 35}, 0.95, 5, "public", Scope::anywhere, 350, 60, 0.6, 0, 3},
    {"factory", {kSmall, kMedium, kSmall}, {400, 45}, 0.99, 6, "internal", Scope::land, 420, 90, 0.4, 0, 3},
    {"clinic", {kLarge, kMedium + 1, kMedium}, {1'500, 70}, 0.99, 9, "health", Scope::own, 2'000, 300, 0.2, 0, 0.8},
    {"office", {kMedium, kSmall, kSmall}, {1'200, 70}, 0.95, 7, "personal", Scope::own, 1'000, 240, 0.3, 0, 2},
    {"video", {kVision, kVision, kVision}, {700, 60}, 0.95, 4, "personal", Scope::land, 1'500, 60, 0, 10e6, 1.5},
    {"analytics", {kMixture, kLarge, kHuge}, {20'000, 200}, 0.9, 1, "public", Scope::anywhere, 1'600, 450, 0, 0, 1},
    {"college",
     {kMedium + 1, kHuge, kMixture},
     {4'000, 120},
     0.9,
     2,
     "internal",
     Scope::anywhere,
     700,
     160,
     0.1,
     0,
     0.5},
}};
constexpr size_t kTenantsLeast = 4;
constexpr int kRelaxations = 6;         // a promise that no pool keeps is made again, a third weaker each time
constexpr size_t kWaysKept = 64;        // of a demand, drawn: enough to see what fits together
constexpr double kUnplacedMax = 0.005;  // of the demands, at the load that counts as full
constexpr double kRateNoise = 0.5;      // lognormal, of people × habit
constexpr int kHalvings = 12;

struct Asked {
  double weight = 0;  // its rate before scaling
  size_t ways = 0;    // there are
  std::vector<WayToServe> kept = {};
};

class BusinessMaker {
 public:
  BusinessMaker(const World& world, uint64_t demands, uint64_t seed)
      : world_(world),
        reach_(world),
        tenant_random_(seed, kTenantStream),
        demand_random_(seed, kDemandStream),
        wanted_(demands) {}

  Business make(double load) {
    if (wanted_ == 0) return {};
    add_tenants();
    add_demands();
    set_rates(load);
    return std::move(result_);
  }

 private:
  std::vector<size_t> models_of(const Trade& trade) {
    std::vector<size_t> eligible;
    for (size_t i = 0; i < world_.catalogue.models.size(); ++i)
      if (std::find(trade.sizes.begin(), trade.sizes.end(), world_.catalogue.models[i].size_class) != trade.sizes.end())
        eligible.push_back(i);
    if (eligible.empty()) eligible.push_back(tenant_random_.below(world_.catalogue.models.size()));
    const size_t wanted = 1 + tenant_random_.below(std::min<size_t>(3, eligible.size()));
    std::vector<size_t> models;
    while (models.size() < wanted) {
      const size_t draw = tenant_random_.below(eligible.size());
      models.push_back(eligible[draw]);
      eligible.erase(eligible.begin() + static_cast<ptrdiff_t>(draw));
    }
    std::sort(models.begin(), models.end());
    return models;
  }

  std::vector<std::string> residency_of(const Trade& trade) {
    if (trade.scope == Scope::anywhere) return {};
    if (trade.scope == Scope::land) return {kHome, kNeighbour};
    const auto& regions = world_.equipment.regions;
    const bool neighbour = std::any_of(regions.begin(), regions.end(),
                                       [](const EquippedRegion& r) { return r.jurisdiction == kNeighbour; });
    return {neighbour && tenant_random_.chance(0.2) ? kNeighbour : kHome};
  }

  // As many as give every demand a tenant, region and model of its own, with as many again to choose from.
  void add_tenants() {
    const double demands = static_cast<double>(wanted_), regions = static_cast<double>(world_.equipment.regions.size());
    const size_t count = std::max({kTenantsLeast, static_cast<size_t>(0.8 * std::sqrt(demands)),
                                   static_cast<size_t>(std::ceil(2 * demands / regions))});
    for (size_t i = 0; i < count; ++i) {
      const Trade& trade = kTrades[i % kTrades.size()];
      const double size = 0.8 + 0.4 * tenant_random_.uniform();
      result_.tenants.push_back({.id = fmt::format("{}-{}", trade.word, i / kTrades.size() + 1),
                                 .name = fmt::format("{} {}", trade.word, i / kTrades.size() + 1),
                                 .data_class = trade.data_class,
                                 .residency = residency_of(trade),
                                 .models = models_of(trade),
                                 .promise = trade.promise,
                                 .quantile = trade.quantile,
                                 .priority = trade.priority,
                                 .prompt_tokens = std::round(trade.prompt * size),
                                 .output_tokens = std::round(trade.output * size),
                                 .prefix_hit = trade.prefix_hit,
                                 .upload_bytes = trade.upload_bytes,
                                 .per_million = trade.per_million});
    }
  }

  // The regions a tenant may have customers in, the populous ones likely first (Efraimidis & Spirakis, "Weighted random
  // sampling with a reservoir", IPL 2006: in the order of exponential draws over weights).
  std::vector<size_t> regions_of(const BusinessTenant& tenant) {
    std::vector<std::pair<double, size_t>> keyed;
    for (size_t i = 0; i < world_.equipment.regions.size(); ++i) {
      const EquippedRegion& region = world_.equipment.regions[i];
      const double key = demand_random_.exponential(1 / std::max(1.0, region.population));
      const auto& allowed = tenant.residency;
      if (allowed.empty() || std::find(allowed.begin(), allowed.end(), region.jurisdiction) != allowed.end())
        keyed.emplace_back(key, i);
    }
    std::sort(keyed.begin(), keyed.end());
    std::vector<size_t> regions;
    for (const auto& [key, region] : keyed) regions.push_back(region);
    return regions;
  }

  void add_demands() {
    struct Queue {
      std::vector<size_t> regions;
      size_t next = 0;
    };
    std::vector<Queue> queues;
    for (const BusinessTenant& tenant : result_.tenants) queues.push_back({regions_of(tenant)});
    std::vector<size_t> open(result_.tenants.size());
    std::iota(open.begin(), open.end(), size_t{0});
    while (result_.demands.size() < wanted_ && !open.empty()) {
      const size_t draw = demand_random_.below(open.size());
      Queue& queue = queues[open[draw]];
      const BusinessTenant& tenant = result_.tenants[open[draw]];
      const size_t models = tenant.models.size();
      if (queue.next == queue.regions.size() * models) {
        open[draw] = open.back();
        open.pop_back();
        continue;
      }
      add_demand(open[draw], queue.regions[queue.next / models], tenant.models[queue.next % models]);
      ++queue.next;
    }
  }

  // With its tenant's promise, or the nearest weaker one that some pool keeps; not at all where none does.
  void add_demand(size_t tenant, size_t region, size_t model) {
    const BusinessTenant& who = result_.tenants[tenant];
    PromiseMs promise = who.promise;
    std::vector<WayToServe> ways = reach_.ways(who, region, model, promise);
    for (int i = 0; i < kRelaxations && ways.empty(); ++i) {
      promise = {rounded_to(promise.ttft * 4 / 3, 2), rounded_to(promise.tpot * 4 / 3, 2)};
      ways = reach_.ways(who, region, model, promise);
    }
    if (ways.empty()) return;
    const double people = world_.equipment.regions[region].population * 1e-6;
    Asked asked{.weight = people * who.per_million * std::exp(demand_random_.normal(0, kRateNoise)),
                .ways = ways.size()};
    for (size_t i = 0; i < std::min(kWaysKept, ways.size()); ++i) {
      std::swap(ways[i], ways[i + demand_random_.below(ways.size() - i)]);
      asked.kept.push_back(ways[i]);
    }
    result_.demands.push_back({.tenant = tenant, .region = region, .model = model, .promise = promise});
    asked_.push_back(std::move(asked));
  }

  // How many demands are not served whole when each, those with the fewest pools first, takes what is freest.
  size_t unplaced(const std::vector<size_t>& order, double scale) const {
    std::vector<double> free(reach_.pools());
    for (size_t i = 0; i < free.size(); ++i) free[i] = reach_.accelerators(i);
    size_t count = 0;
    for (const size_t i : order) {
      double rate = asked_[i].weight * scale;
      while (rate > 0) {
        const auto best = std::max_element(asked_[i].kept.begin(), asked_[i].kept.end(),
                                           [&](const WayToServe& a, const WayToServe& b) {
                                             return free[a.pool] / a.accelerator_s < free[b.pool] / b.accelerator_s;
                                           });
        const double most = free[best->pool] / best->accelerator_s;
        if (most <= 1e-9) break;
        const double taken = std::min(rate, most);
        free[best->pool] -= taken * best->accelerator_s;
        rate -= taken;
      }
      count += rate > 0;
    }
    return count;
  }

  // The scale at which the grid is just full, found by halving its logarithm; then the load's share of it.
  void set_rates(double load) {
    std::vector<size_t> order(asked_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return asked_[a].ways < asked_[b].ways; });
    double there = 0, asked = 0;
    for (size_t i = 0; i < reach_.pools(); ++i) there += reach_.accelerators(i);
    for (const Asked& demand : asked_) {
      double least = demand.kept[0].accelerator_s;
      for (const WayToServe& way : demand.kept) least = std::min(least, way.accelerator_s);
      asked += demand.weight * least;
    }
    if (asked <= 0) return;
    double high = std::log(there / asked), low = high - std::log(1'000.0);
    const auto allowed = static_cast<size_t>(kUnplacedMax * static_cast<double>(asked_.size()));
    for (int i = 0; i < kHalvings; ++i) {
      const double middle = (low + high) / 2;
      (unplaced(order, std::exp(middle)) <= allowed ? low : high) = middle;
    }
    for (size_t i = 0; i < asked_.size(); ++i)
      result_.demands[i].rate_per_s = std::max(1e-6, rounded_to(asked_[i].weight * std::exp(low) * load, 3));
  }

  const World& world_;
  Reach reach_;
  Random tenant_random_, demand_random_;
  uint64_t wanted_;
  Business result_;
  std::vector<Asked> asked_;  // of each demand
};

}  // namespace

Business make_business(const World& world, uint64_t demands, double load, uint64_t seed) {
  return BusinessMaker(world, demands, seed).make(load);
}

}  // namespace tandem::generate
