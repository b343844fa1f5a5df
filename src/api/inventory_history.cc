#include "api/inventory_history.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "api/call.h"
#include "base/text.h"

namespace tandem::api {
namespace {

Json time_json(const std::optional<Instant>& time) { return time ? Json(format_rfc3339(*time)) : Json(); }

Json claim_json(const inventory::Claim& claim, const inventory::Snapshot& believed) {
  return Json::Object{{"attribute", claim.attribute},
                      {"value", inventory::to_json_value(claim)},
                      {"source", claim.source},
                      {"standing", inventory::to_text(claim.standing)},
                      {"confidence", claim.confidence > 0 ? Json(claim.confidence) : Json()},
                      {"valid_from", format_rfc3339(claim.valid_from)},
                      {"valid_to", time_json(claim.valid_to)},
                      {"offset", claim.offset},
                      {"recorded_at", format_rfc3339(believed.time_at(claim.offset))},
                      {"holds", claim.holds},
                      {"believed", claim.believed}};
}

Json presence_json(const inventory::Presence& presence) {
  return Json::Object{{"source", presence.source},
                      {"first_seen", format_rfc3339(presence.first_seen)},
                      {"last_seen", format_rfc3339(presence.last_seen)},
                      {"unseen_since", time_json(presence.unseen_since)}};
}

// "<offset>.<attribute>": the last claim of the page before.
Result<std::pair<std::string, log::Offset>> read_claim_cursor(const http::Request& request) {
  const auto cursor = http::query_value(request.query, "cursor");
  if (!cursor) return std::pair(std::string(), log::Offset{0});
  const size_t dot = cursor->find('.');
  const auto offset = dot == std::string::npos ? std::nullopt : parse_integer(std::string_view(*cursor).substr(0, dot));
  if (!offset || *offset < 0)
    return fail(ErrorCode::invalid_argument,
                "this is no cursor; take `next` of the page before, or leave it out for the first page", "cursor");
  return std::pair(cursor->substr(dot + 1), static_cast<log::Offset>(*offset));
}

// One event as it concerns the entity.
struct Moment {
  std::string_view what = "said";  // "created", "retracted", "erased"
  std::string source;
  std::string_view standing;
  Json::Object attributes;
};

std::map<log::Offset, Moment, std::greater<>> moments_of(const std::vector<inventory::Claim>& claims,
                                                         const std::vector<inventory::Life>& lives,
                                                         const std::vector<log::Offset>& erasures) {
  std::map<log::Offset, Moment, std::greater<>> moments;
  for (const inventory::Claim& claim : claims) {
    Moment& moment = moments[claim.offset];
    moment.source = claim.source;
    moment.standing = inventory::to_text(claim.standing);
    moment.attributes[claim.attribute] = inventory::to_json_value(claim);
  }
  for (const inventory::Life& life : lives) {
    moments[life.created].what = "created";
    if (life.retracted != 0) moments[life.retracted].what = "retracted";
  }
  for (const log::Offset offset : erasures) moments[offset].what = "erased";
  return moments;
}

}  // namespace

Result<Json> claims_view(const inventory::Snapshot& believed, std::string_view kind, std::string_view id,
                         const http::Request& request) {
  TANDEM_ASSIGN(const size_t limit, read_count(request, "limit", kClaimsDefault, kClaimsMax));
  TANDEM_ASSIGN(const bool holding, read_flag(request, "holds"));
  TANDEM_ASSIGN(const auto after, read_claim_cursor(request));
  const auto attribute = http::query_value(request.query, "attribute");
  Json::Array claims, presences;
  Json next;
  const inventory::Claim* last = nullptr;
  const std::vector<inventory::Claim> all = believed.claims(kind, id);
  for (const inventory::Claim& claim : all) {
    const bool wanted = (!holding || claim.holds) && (!attribute || claim.attribute == *attribute) &&
                        std::pair(claim.attribute, claim.offset) > after;
    if (!wanted) continue;
    if (claims.size() == limit) {
      if (last != nullptr) next = fmt::format("{}.{}", last->offset, last->attribute);
      break;
    }
    claims.push_back(claim_json(claim, believed));
    last = &claim;
  }
  for (const inventory::Presence& presence : believed.presences(kind, id)) presences.push_back(presence_json(presence));
  return Json(Json::Object{{"offset", believed.offset()},
                           {"kind", kind},
                           {"id", id},
                           {"history_begins", believed.history_begins(kind)},
                           {"claims", std::move(claims)},
                           {"presences", std::move(presences)},
                           {"next", std::move(next)}});
}

Result<Json> timeline_view(const inventory::Snapshot& believed, std::string_view kind, std::string_view id,
                           const http::Request& request) {
  TANDEM_ASSIGN(const size_t limit, read_count(request, "limit", kTimelineDefault, kTimelineMax));
  TANDEM_ASSIGN(const size_t before, read_count(request, "before", SIZE_MAX, SIZE_MAX));
  Json::Array events;
  Json next;
  for (auto& [offset, moment] :
       moments_of(believed.claims(kind, id), believed.lives(kind, id), believed.erasures(kind, id))) {
    if (offset >= before) continue;
    if (events.size() == limit) {
      if (!events.empty()) next = events.back()["offset"];
      break;
    }
    events.push_back(Json::Object{{"offset", offset},
                                  {"at", format_rfc3339(believed.time_at(offset))},
                                  {"what", moment.what},
                                  {"source", moment.source.empty() ? Json() : Json(moment.source)},
                                  {"standing", moment.standing.empty() ? Json() : Json(moment.standing)},
                                  {"attributes", moment.attributes}});
  }
  return Json(Json::Object{{"offset", believed.offset()},
                           {"kind", kind},
                           {"id", id},
                           {"history_begins", believed.history_begins(kind)},
                           {"events", std::move(events)},
                           {"next", std::move(next)}});
}

}  // namespace tandem::api
