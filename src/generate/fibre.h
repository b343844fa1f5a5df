// Ducts, the links that ride in them, the anchors, and the traffic that is there every day.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "generate/land.h"

namespace tandem::generate {

struct FibreNode {
  std::string id;
  size_t site = 0;
  const char* role = "router";
};

struct Duct {
  std::string id;
  std::string name;
  size_t a = 0, b = 0;  // sites
  double km = 0;        // of fibre
  double eur_per_gb = 0;
};

struct FibreLink {
  std::string id;
  size_t a = 0, b = 0;  // nodes
  double km = 0;
  double metric = 1;
  double capacity_gbps = 0;
  double eur_per_gb = 0;
  std::vector<size_t> ducts = {};
};

struct EverydayTraffic {
  size_t from = 0, to = 0;  // nodes
  double gbps = 0;
};

struct Fibre {
  std::vector<FibreNode> nodes;
  std::vector<Duct> ducts;
  std::vector<FibreLink> links;
  std::vector<EverydayTraffic> traffic;
  std::vector<size_t> router;                  // of each site: where its pools meet the network
  std::vector<std::optional<size_t>> gateway;  // of each site: its UPF or BNG
  std::vector<size_t> homes;                   // of each core or near-edge site: the core site its traffic goes up to
};
Fibre make_fibre(const Land& land, uint64_t seed);

inline constexpr double kMicrosecondsPerKm = 4.9;  // light in fibre

}  // namespace tandem::generate
