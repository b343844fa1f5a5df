#include "api/change_feed.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <set>

#include "api/call.h"
#include "api/webhook.h"
#include "base/text.h"
#include "inventory/inventory.h"
#include "log/print.h"
#include "ontology/ontology.h"

namespace tandem::api {

namespace asio = boost::asio;

namespace {

constexpr size_t kReadBytes = 256 * 1024;     // of the log at a time: a few ms, and little held for a slow listener
constexpr Duration kHeartbeat = seconds(15);  // under the 30 to 60 s after which proxies drop silent streams

std::string_view standing_text(v1::Standing standing) {
  switch (standing) {
    case v1::STANDING_DISCOVERED: return "discovered";
    case v1::STANDING_INTENDED: return "intended";
    default: return "observed";
  }
}

Json::Object facts_json(const v1::FactsRecorded& facts) {
  Json::Object attributes;
  for (const v1::Attribute& attribute : facts.attributes())
    attributes.insert_or_assign(attribute.name(), inventory::to_json_value(attribute.value()));
  Json::Object json{
      {"kind", facts.kind()}, {"id", facts.id()}, {"source", facts.source()}, {"attributes", std::move(attributes)}};
  json["standing"] = standing_text(facts.standing());
  if (facts.confidence() > 0) json["confidence"] = facts.confidence();
  if (facts.observed_at_ns() != 0) json["observed_at"] = format_rfc3339({facts.observed_at_ns()});
  if (facts.valid_from_ns() != 0) json["valid_from"] = format_rfc3339({facts.valid_from_ns()});
  if (facts.valid_to_ns() != 0) json["valid_to"] = format_rfc3339({facts.valid_to_ns()});
  return json;
}

// Where the stream begins: the first offset to send.
Result<log::Offset> read_start(const http::Request& request, log::Offset last) {
  const auto read = [&](std::string_view name, std::string_view text, log::Offset most) -> Result<log::Offset> {
    const auto offset = parse_integer(text);
    if (offset && *offset >= 0 && static_cast<log::Offset>(*offset) <= most) return static_cast<log::Offset>(*offset);
    return fail(ErrorCode::invalid_argument,
                fmt::format("'{}' must be an offset from 0 to {}; the log ends at {}", name, most, last),
                std::string(name));
  };
  // A client that reconnects sends what it asked for first as well: where it has come to counts.
  if (const auto id = request.headers.find("last-event-id")) {
    TANDEM_ASSIGN(const log::Offset seen, read("last-event-id", *id, last));
    return seen + 1;
  }
  if (const auto from = http::query_value(request.query, "from")) {
    TANDEM_ASSIGN(const log::Offset first, read("from", *from, last + 1));
    return std::max<log::Offset>(first, 1);
  }
  return last + 1;
}

Result<std::vector<std::string>> read_kinds(const http::Request& request) {
  const auto text = http::query_value(request.query, "kinds");
  std::vector<std::string> names;
  if (text)
    for (const std::string_view name : split(*text, ',')) names.emplace_back(name);
  return parse_kinds(names);
}

// One listener's place among all, given back however the stream ends.
struct Place {
  explicit Place(std::atomic<size_t>& counted) : count(counted), number(++counted) {}
  ~Place() { --count; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  std::atomic<size_t>& count;
  const size_t number;
};

}  // namespace

std::optional<Json> change_json(const log::Event& event, log::Offset offset, Instant at,
                                std::span<const std::string> kinds) {
  const auto wanted = [&](const std::string& kind) { return kinds.empty() || std::ranges::binary_search(kinds, kind); };
  Json::Object json;
  if (event.has_facts_recorded()) {
    if (!wanted(event.facts_recorded().kind())) return std::nullopt;
    json = facts_json(event.facts_recorded());
  } else if (event.has_entity_retracted()) {
    const v1::EntityRetracted& retracted = event.entity_retracted();
    if (!wanted(retracted.kind())) return std::nullopt;
    json = {{"kind", retracted.kind()}, {"id", retracted.id()}, {"source", retracted.source()}};
  } else if (event.has_entity_unseen()) {
    const v1::EntityUnseen& unseen = event.entity_unseen();
    if (!wanted(unseen.kind())) return std::nullopt;
    json = {{"kind", unseen.kind()}, {"id", unseen.id()}, {"source", unseen.source()}};
    if (unseen.observed_at_ns() != 0) json["observed_at"] = format_rfc3339({unseen.observed_at_ns()});
  } else if (event.has_personal_data_erased()) {
    const v1::PersonalDataErased& erased = event.personal_data_erased();
    if (!wanted(erased.kind())) return std::nullopt;
    json = {{"kind", erased.kind()}, {"id", erased.id()}};
  } else if (event.has_branch_merged() && event.branch_merged().parent().empty()) {
    // May change any kind: who listens reads again what has `changed` at this offset.
    json = {{"branch", event.branch_merged().name()}, {"edits", event.branch_merged().edits()}};
  } else {
    return std::nullopt;
  }
  json["offset"] = offset;
  json["at"] = format_rfc3339(at);
  json["actor"] = event.actor();
  json["event"] = log::describe(event).kind;
  return json;
}

Result<std::vector<std::string>> parse_kinds(std::span<const std::string> names) {
  if (names.size() > Webhook::kKindsMax)
    return fail(ErrorCode::invalid_argument, fmt::format("at most {} kinds are named", Webhook::kKindsMax), "kinds");
  const ontology::Ontology& known = ontology::Ontology::built_in();
  std::set<std::string> kinds;
  for (const std::string& name : names) {
    if (known.find(name) == nullptr) return fail(ErrorCode::invalid_argument, known.unknown_kind(name), "kinds");
    kinds.insert(name);
  }
  return std::vector<std::string>(kinds.begin(), kinds.end());
}

asio::awaitable<void> ChangeFeed::serve(const http::Request& request, log::Offset last, http::ResponseWriter& writer) {
  auto start = read_start(request, std::max(last, signal_.last()));
  auto kinds = read_kinds(request);
  if (!start || !kinds) {
    co_await respond_failure(start ? kinds.error() : start.error(), writer);
    co_return;
  }
  const Place place(listeners_);
  if (place.number > kListenersMax) {
    const Error full{ErrorCode::resource_exhausted, "too many listeners on the change feed; close one and try again",
                     ""};
    co_await respond_failure(full, writer);
    co_return;
  }
  co_await stream(*start, std::move(*kinds), writer);
}

asio::awaitable<void> ChangeFeed::stream(log::Offset next, std::vector<std::string> kinds,
                                         http::ResponseWriter& writer) {
  const auto waiter = signal_.join(co_await asio::this_coro::executor);
  writer.on_disconnect([waiter] { waiter->end(); });
  http::Headers headers = http::content_type("text/event-stream");
  headers.set("cache-control", "no-store");
  auto sent = co_await writer.start(200, std::move(headers));
  while (sent && !waiter->ended()) {
    const bool grown = co_await signal_.wait(*waiter, next, kHeartbeat);
    if (waiter->ended()) break;
    std::string piece;
    if (!grown) {
      // An id alone moves on what the client will ask for after a cut, past events that were not for it.
      piece = fmt::format("id: {}\n\n", next - 1);
    } else {
      const log::Offset end = signal_.last();  // no client is to name an offset that is not yet known of elsewhere
      const auto batches = log_.read(next, kReadBytes);
      if (!batches || batches->empty()) break;  // the client reconnects, and meets the reason there
      for (const log::Batch& batch : *batches) {
        if (batch.header.first > end) break;
        for (size_t i = 0; i < batch.events.size(); ++i) {
          const log::Offset offset = batch.header.first + i;
          if (offset < next) continue;
          if (const auto change = change_json(batch.events[i], offset, batch.header.at, kinds))
            piece += http::format_sse("change", std::to_string(offset), to_json(*change));
        }
        next = batch.header.last() + 1;
      }
    }
    sent = co_await writer.write(piece);
    co_await asio::post(asio::use_awaitable);  // others of this thread have their turn between two pieces
  }
}

}  // namespace tandem::api
