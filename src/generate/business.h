// Who asks what of which model, and what they were promised.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "generate/equipment.h"

namespace tandem::generate {

struct PromiseMs {
  double ttft = 0, tpot = 0;
  bool operator==(const PromiseMs&) const = default;
};

struct BusinessTenant {
  std::string id;
  std::string name;
  std::string data_class;
  std::vector<std::string> residency;  // empty: anywhere
  std::vector<size_t> models;
  PromiseMs promise;
  double quantile = 0.95;
  int64_t priority = 1;
  double prompt_tokens = 0, output_tokens = 0, prefix_hit = 0, upload_bytes = 0;
  double per_million = 0;  // requests a second of a million people, before all is scaled to the load
};

struct BusinessDemand {
  size_t tenant = 0, region = 0, model = 0;
  double rate_per_s = 0;
  PromiseMs promise;  // the tenant's own where it can be kept there
};

struct Business {
  std::vector<BusinessTenant> tenants;
  std::vector<BusinessDemand> demands;
};

struct World {
  const Land& land;
  const Fibre& fibre;
  const Equipment& equipment;
  const Catalogue& catalogue;
};
Business make_business(const World& world, uint64_t demands, double load, uint64_t seed);

}  // namespace tandem::generate
