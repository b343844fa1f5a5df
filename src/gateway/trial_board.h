// Shadows and canaries: what is tried with a share of a model's requests, and how both sides did. Internal.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/metrics.h"
#include "gateway/trial_report.h"
#include "routing/routing.h"

namespace tandem::gateway {

// Where a client stands among all clients of a tenant for what is named `what`, uniform on [0, 1) over clients: the
// same at every gateway and after every start.
double place_of_client(std::string_view what, std::string_view tenant, std::string_view client);

// The trials of a model that a client takes part in.
struct TrialParts {
  const routing::Trial* canary = nullptr;       // that is to serve it; null: none
  std::vector<const routing::Trial*> compared;  // canaries that it is measured against, not being served by one
  std::vector<const routing::Trial*> shadows;   // that get a copy
  bool any() const { return canary != nullptr || !compared.empty() || !shadows.empty(); }
};
TrialParts trials_for(const routing::RoutingTable& table, const routing::RequestFacts& facts, std::string_view client);

// The facts of the request as the candidate of a trial sees it.
routing::RequestFacts facts_for(const routing::RoutingTable& table, const routing::Trial& trial,
                                const routing::RequestFacts& facts);

// What both sides of each trial came to, at one gateway. Noted on the gateway's thread, read on any.
class TrialBoard {
 public:
  explicit TrialBoard(Metrics& metrics) : metrics_(metrics) {}

  void note(const routing::RoutingTable& table, const routing::Trial& trial, TrialSide side, const TrialSample& sample);
  std::vector<TrialReport> reports(const routing::RoutingTable& table) const;  // of the trials of the table

 private:
  struct Entry {
    TrialTally base, candidate;
  };
  // Another model or site is another trial, also under the same id.
  static std::string key_of(const routing::RoutingTable& table, const routing::Trial& trial);

  Metrics& metrics_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;  // looked up; at most grid::kTrialsMax
};

}  // namespace tandem::gateway
