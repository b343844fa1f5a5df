#include "api/webhook.h"

#include <algorithm>

namespace tandem::api {
namespace {

Webhook webhook_of(const inventory::Entity& entity) {
  Webhook webhook;
  const auto offset = [&](std::string_view name, log::Offset fallback) {
    const v1::Value* value = entity.find(name);
    return value != nullptr && value->integer() >= 0 ? static_cast<log::Offset>(value->integer()) : fallback;
  };
  if (const v1::Value* url = entity.find("url")) webhook.url = url->text();
  if (const v1::Value* kinds = entity.find("kinds"))
    for (const v1::Value& kind : kinds->list().items()) webhook.kinds.push_back(kind.text());
  std::ranges::sort(webhook.kinds);
  webhook.from = std::max<log::Offset>(offset("from_offset", 1), 1);
  webhook.placed = offset("placed_offset", 0);
  webhook.changed = entity.changed;
  return webhook;
}

}  // namespace

std::optional<Webhook> find_webhook(const inventory::Snapshot& believed, std::string_view id) {
  const auto entity = believed.find(Webhook::kKind, id);
  return entity ? std::optional(webhook_of(*entity)) : std::nullopt;
}

std::map<std::string, Webhook> webhooks_of(const inventory::Snapshot& believed) {
  std::map<std::string, Webhook> webhooks;
  believed.for_each(Webhook::kKind, [&](const inventory::Entity& entity) {
    webhooks.emplace(entity.id, webhook_of(entity));
    return webhooks.size() < Webhook::kWebhooksMax;
  });
  return webhooks;
}

}  // namespace tandem::api
