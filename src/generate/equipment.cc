#include "generate/equipment.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/random.h"

namespace tandem::generate {
namespace {

constexpr double kFarEdgePoolChance = 0.35;  // the other far-edge sites have no room
constexpr double kNearEdgePoolChance = 0.8;
constexpr double kPowerShortChance = 0.05;  // the feeds do not carry all that stands there
constexpr double kDistrictRegionChance = 0.25;
constexpr double kDistrictShare = 0.35;       // of a city's people, over its district regions
constexpr double kFurtherAnchorChance = 0.2;  // surfaces at the core though the city has a gateway

struct Offer {
  size_t accelerator;
  uint32_t least, step, steps;  // least + 0 … steps − 1 steps, drawn
};
constexpr std::array kCoreLarge{Offer{kH100, 16, 8, 4}, Offer{kA100, 16, 16, 2}, Offer{kH200, 8, 8, 3}};
constexpr std::array kCoreSmall{Offer{kL40s, 8, 8, 2}, Offer{kA100, 8, 8, 2}};
constexpr Offer kNearOffer{kL40s, 4, 2, 3};
constexpr Offer kFarOffer{kL4, 2, 2, 2};
constexpr std::array kCloudOffers{Offer{kH200, 16, 8, 2}, Offer{kMi300x, 48, 16, 3}};

class Equipper {
 public:
  Equipper(const Land& land, const Fibre& fibre, uint64_t seed)
      : land_(land), fibre_(fibre), pool_random_(seed, kPoolStream), region_random_(seed, kRegionStream) {}

  Equipment make() {
    const size_t first_cloud = land_.sites.size() - land_.cloud;
    for (size_t i = 0; i < land_.sites.size(); ++i) {
      watts_ = 0;
      if (i < land_.core)
        add_core_pools(i);
      else if (i < land_.cities)
        add_edge_pool(i, kNearOffer, kNearEdgePoolChance, 1);
      else if (i < first_cloud)
        add_edge_pool(i, kFarOffer, kFarEdgePoolChance, 1);
      else
        for (const Offer& offer : kCloudOffers) add_pool(i, offer, cloud_scale(), 0);
      const double head_room = pool_random_.chance(kPowerShortChance) ? 0.85 : 1.3;
      result_.power_limit_kw.push_back(rounded_by(watts_ * 1e-3 * head_room + 1, 0.1));
    }
    add_regions();
    return std::move(result_);
  }

 private:
  // A cloud is as large as the country that uses it.
  uint32_t cloud_scale() const { return static_cast<uint32_t>(1 + land_.core / 8); }

  void add_pool(size_t site, const Offer& offer, uint32_t scale, uint32_t reserve) {
    const uint32_t count = (offer.least + offer.step * static_cast<uint32_t>(pool_random_.below(offer.steps))) * scale;
    const AcceleratorType& type = accelerator_type(offer.accelerator);
    watts_ += count * type.peak_w;
    result_.pools.push_back(
        {fmt::format("{}-{}", land_.sites[site].id, type.id), site, offer.accelerator, count, reserve});
  }

  void add_core_pools(size_t site) {
    const Offer& large = kCoreLarge[pool_random_.below(kCoreLarge.size())];
    add_pool(site, large, 1, 0);
    const Offer& small = kCoreSmall[pool_random_.below(kCoreSmall.size())];
    if (small.accelerator != large.accelerator) add_pool(site, small, 1, 0);
  }

  void add_edge_pool(size_t site, const Offer& offer, double chance, uint32_t reserve) {
    if (pool_random_.chance(chance)) add_pool(site, offer, 1, reserve);
  }

  double backhaul_us(size_t from_site, size_t to_site) const {
    const double km = kilometres_between(land_.sites[from_site], land_.sites[to_site]) * 1.3;
    return rounded_by(100 + km * kMicrosecondsPerKm, 10);
  }

  // Where a site's traffic surfaces, the usual place first.
  std::vector<RegionAnchor> anchors_of(size_t site, double access_us) {
    const size_t city = land_.sites[site].city, home = fibre_.homes[city];
    const size_t other = home == 0 ? 1 : 0;
    std::vector<size_t> at;
    if (fibre_.gateway[city]) at.push_back(city);
    if (home != city) at.push_back(home);
    if (at.size() < 2) at.push_back(other);
    if (at[0] == city && at[1] == home && region_random_.chance(kFurtherAnchorChance)) std::swap(at[0], at[1]);
    std::vector<RegionAnchor> anchors;
    for (const size_t place : at) anchors.push_back({*fibre_.gateway[place], access_us, backhaul_us(site, place)});
    return anchors;
  }

  void add_region(size_t site, const std::string& name, double population) {
    const double access_us = rounded_by(3'000 + 2'500 * region_random_.uniform(), 100);  // 5G and fibre to the home
    const LandSite& at = land_.sites[site];
    result_.regions.push_back({"r-" + at.id, name, at.place, at.jurisdiction, population, anchors_of(site, access_us)});
  }

  void add_regions() {
    std::vector<std::vector<size_t>> districts(land_.cities);
    for (size_t i = land_.cities; i + land_.cloud < land_.sites.size(); ++i)
      if (region_random_.chance(kDistrictRegionChance)) districts[land_.sites[i].city].push_back(i);
    for (size_t city = 0; city < land_.cities; ++city) {
      const LandSite& at = land_.sites[city];
      const double outside = districts[city].empty() ? 0 : kDistrictShare;
      add_region(city, at.name, rounded_to(at.population * (1 - outside), 3));
      for (const size_t district : districts[city])
        add_region(district, land_.sites[district].name,
                   rounded_to(at.population * outside / static_cast<double>(districts[city].size()), 3));
    }
  }

  const Land& land_;
  const Fibre& fibre_;
  Random pool_random_, region_random_;
  double watts_ = 0;
  Equipment result_;
};

}  // namespace

Equipment make_equipment(const Land& land, const Fibre& fibre, uint64_t seed) {
  return Equipper(land, fibre, seed).make();
}

}  // namespace tandem::generate
