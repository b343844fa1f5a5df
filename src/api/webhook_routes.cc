#include "api/webhook_routes.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include "api/change_feed.h"
#include "api/webhook.h"
#include "api/webhook_url.h"
#include "base/check.h"
#include "base/digest.h"
#include "grid/schema.h"

namespace tandem::api {

namespace asio = boost::asio;

namespace {

constexpr const char* kSource = "api:operator";
constexpr size_t kSecretBytesMin = 16;  // 128 bits where it is random
constexpr size_t kSecretBytesMax = 256;

// 256 bits of the system's randomness, as hexadecimal digits.
std::string random_hex() {
  Digest random;
  CHECK(RAND_bytes(random.bytes.data(), static_cast<int>(random.bytes.size())) == 1);
  return to_hex(random);
}

Result<std::string> read_text(const Json& body, std::string_view name) {
  const Json& value = body[name];
  if (value.is_null()) return std::string();
  if (value.is_string() && !value.text().empty()) return std::string(value.text());
  return fail(ErrorCode::invalid_argument, fmt::format("'{}' must be text", name), std::string(name));
}

Result<std::string> read_secret(const Json& body) {
  TANDEM_ASSIGN(std::string secret, read_text(body, "secret"));
  if (secret.empty() || (secret.size() >= kSecretBytesMin && secret.size() <= kSecretBytesMax)) return secret;
  return fail(
      ErrorCode::invalid_argument,
      fmt::format("a secret has {} to {} bytes; leave it out and one is made", kSecretBytesMin, kSecretBytesMax),
      "secret");
}

Result<std::vector<std::string>> read_kinds(const Json& body) {
  std::vector<std::string> names;
  if (!body["kinds"].is_null() && !body["kinds"].is_array())
    return fail(ErrorCode::invalid_argument, "'kinds' must be an array of names of kinds", "kinds");
  for (const Json& name : body["kinds"].array()) names.emplace_back(name.text());
  return parse_kinds(names);
}

Error no_such(const std::string& id) {
  return {ErrorCode::not_found, fmt::format("no webhook '{}'", id.substr(0, grid::kIdBytesMax)), "id"};
}

}  // namespace

// What a request asks for: the event that says so, and the secret to keep before it is said.
struct WebhookRoutes::Change {
  std::string id;
  std::string secret;  // empty: as it was
  bool is_new = false;
  log::Event event;
};

bool WebhookRoutes::serves(Operation operation) {
  switch (operation) {
    case Operation::get_webhooks:
    case Operation::post_webhook:
    case Operation::get_webhook:
    case Operation::patch_webhook:
    case Operation::delete_webhook: return true;
    default: return false;
  }
}

Json WebhookRoutes::view(const Published& published, const std::string& id) const {
  const Webhook webhook = find_webhook(published.state.inventory, id).value_or(Webhook{});
  const DeliveryStatus status = sender_.status(id).value_or(DeliveryStatus{});
  const log::Offset last = published.state.head.last();
  const log::Offset delivered = std::max(status.delivered, webhook.from - 1);
  return Json::Object{{"id", id},
                      {"url", webhook.url},
                      {"kinds", Json::Array(webhook.kinds.begin(), webhook.kinds.end())},
                      {"from", webhook.from},
                      {"delivered", delivered},
                      {"behind", last > delivered ? last - delivered : 0},
                      {"failures", status.failures},
                      {"last_error", status.last_error.empty() ? Json() : Json(status.last_error)},
                      {"last_attempt", status.last_attempt ? Json(format_rfc3339(*status.last_attempt)) : Json()},
                      {"has_secret", status.has_secret}};
}

Result<Json> WebhookRoutes::read(Operation operation, const Call& call) const {
  const Published& published = *call.published;
  if (operation == Operation::get_webhook) {
    if (!published.state.inventory.has(Webhook::kKind, call.parameters[0]))
      return tl::unexpected(no_such(call.parameters[0]));
    Json::Object answer = view(published, call.parameters[0]).object();
    answer["offset"] = published.state.head.last();
    return Json(std::move(answer));
  }
  Json::Array webhooks;
  for (const auto& [id, webhook] : webhooks_of(published.state.inventory)) webhooks.push_back(view(published, id));
  return Json(Json::Object{{"offset", published.state.head.last()}, {"webhooks", std::move(webhooks)}});
}

namespace {

// The offset from which events are to be delivered; 0 where the body does not say.
Result<log::Offset> read_from(const Json& body, log::Offset last) {
  const Json& from = body["from"];
  if (from.is_null()) return log::Offset{0};
  if (from.is_integer() && from.integer() >= 1 && static_cast<log::Offset>(from.integer()) <= last + 1)
    return static_cast<log::Offset>(from.integer());
  return fail(ErrorCode::invalid_argument,
              fmt::format("'from' must be the offset of the first event to deliver, 1 to {}", last + 1), "from");
}

Result<std::string> read_new_id(const Json& body, const inventory::Snapshot& believed) {
  TANDEM_ASSIGN(std::string id, read_text(body, "id"));
  if (id.empty()) id = "webhook-" + random_hex().substr(0, 12);
  if (const auto wrong = grid::check_id(id)) return fail(ErrorCode::invalid_argument, *wrong, "id");
  if (believed.has(Webhook::kKind, id))
    return fail(ErrorCode::conflict,
                fmt::format("there is a webhook '{}'; change it with PATCH or choose another id", id), "id");
  if (believed.size(Webhook::kKind) >= Webhook::kWebhooksMax)
    return fail(ErrorCode::too_large,
                fmt::format("there are {} webhooks, and no more are taken; remove one", Webhook::kWebhooksMax));
  return id;
}

}  // namespace

Result<WebhookRoutes::Change> WebhookRoutes::read_change(Operation operation, const Call& call) const {
  TANDEM_TRY(may_change(call.request));
  const inventory::Snapshot& believed = call.published->state.inventory;
  Change change;
  change.is_new = operation == Operation::post_webhook;
  change.event.set_actor(kSource);
  if (!change.is_new) {
    change.id = call.parameters[0];
    if (!believed.has(Webhook::kKind, change.id)) return tl::unexpected(no_such(change.id));
  }
  if (operation == Operation::delete_webhook) {
    v1::EntityRetracted& retracted = *change.event.mutable_entity_retracted();
    retracted.set_source(kSource);
    retracted.set_kind(std::string(Webhook::kKind));
    retracted.set_id(change.id);
    return change;
  }
  TANDEM_ASSIGN(const Json body, change.is_new ? read_object(call.request, {"id", "url", "kinds", "from", "secret"})
                                               : read_object(call.request, {"url", "kinds", "from", "secret"}));
  if (change.is_new) {
    TANDEM_ASSIGN(change.id, read_new_id(body, believed));
  }
  TANDEM_ASSIGN(change.secret, read_secret(body));
  if (change.secret.empty() && change.is_new) change.secret = random_hex();
  v1::FactsRecorded& facts = *change.event.mutable_facts_recorded();
  facts.set_source(kSource);
  facts.set_kind(std::string(Webhook::kKind));
  facts.set_id(change.id);
  TANDEM_ASSIGN(std::string url, read_text(body, "url"));
  if (change.is_new || !url.empty()) {
    TANDEM_TRY(parse_webhook_url(url));
    inventory::add_attribute(facts, "url", url);
  }
  TANDEM_ASSIGN(const std::vector<std::string> kinds, read_kinds(body));
  if (!body["kinds"].is_null())
    inventory::add_attribute(facts, "kinds", kinds.empty() ? Json() : Json(Json::Array(kinds.begin(), kinds.end())));
  const log::Offset last = call.published->state.head.last();
  TANDEM_ASSIGN(const log::Offset from, read_from(body, last));
  if (change.is_new || from > 0) {
    inventory::add_attribute(facts, "from_offset", from > 0 ? from : last + 1);
    inventory::add_attribute(facts, "placed_offset", last);
  }
  return change;
}

asio::awaitable<Result<Json>> WebhookRoutes::change(Operation operation, const Call& call) const {
  Result<Change> change = read_change(operation, call);
  if (!change) co_return tl::unexpected(change.error());
  const auto admitted = control::step(call.published->state, change->event, {});
  if (!admitted) co_return tl::unexpected(admitted.error());
  // The secret is kept before the log says that it is needed; what comes to nothing leaves none behind.
  if (!change->secret.empty()) {
    auto kept = sender_.keep_secret(change->id, change->secret);
    if (!kept) co_return tl::unexpected(kept.error());
  }
  std::vector<log::Event> events;
  events.push_back(std::move(change->event));
  const auto offset = co_await submit(core_, std::move(events));
  if (!offset) {
    if (change->is_new) sender_.forget(change->id);
    co_return tl::unexpected(offset.error());
  }
  Json::Object answer{{"id", change->id}};
  const auto now = core_.published();
  if (now->state.inventory.has(Webhook::kKind, change->id)) answer = view(*now, change->id).object();
  answer["offset"] = *offset;
  if (!change->secret.empty()) answer["secret"] = change->secret;
  co_return Json(std::move(answer));
}

asio::awaitable<void> WebhookRoutes::handle(Operation operation, const Call& call, http::ResponseWriter& writer) const {
  if (operation == Operation::get_webhooks || operation == Operation::get_webhook) {
    Result<Json> answer = read(operation, call);
    co_await respond_result(std::move(answer), writer);
    co_return;
  }
  Result<Json> answer = co_await change(operation, call);
  if (!answer) {
    co_await respond_failure(answer.error(), writer);
    co_return;
  }
  std::string body = to_json(*answer);
  co_await writer.respond_json(operation == Operation::post_webhook ? 201 : 200, std::move(body));
}

}  // namespace tandem::api
