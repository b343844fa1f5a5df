// Webhooks as the inventory has them: entities of the kind "webhook". Internal to the module.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inventory/inventory.h"

namespace tandem::api {

struct Webhook {
  static constexpr std::string_view kKind = "webhook";
  static constexpr size_t kWebhooksMax = 100;    // each is a connection and a place in the log that is read on its own
  static constexpr size_t kUrlBytesMax = 2'000;  // what clients and proxies agree on, and a text of the inventory holds
  static constexpr size_t kKindsMax = 64;

  std::string url;
  std::vector<std::string> kinds;  // of entities, ascending; empty: all
  log::Offset from = 1;            // the first event to deliver
  log::Offset placed = 0;          // where the log ended when delivery was told to begin there: a later one starts anew
  log::Offset changed = 0;
  bool operator==(const Webhook&) const = default;
};

std::optional<Webhook> find_webhook(const inventory::Snapshot& believed, std::string_view id);
std::map<std::string, Webhook> webhooks_of(const inventory::Snapshot& believed);  // the first kWebhooksMax

}  // namespace tandem::api
