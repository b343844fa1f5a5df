#include "api/discrepancy_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "api/call.h"
#include "base/text.h"
#include "ontology/ontology.h"

namespace tandem::api {
namespace {

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }
Json number_or_null(const std::optional<double>& number) { return number ? Json(*number) : Json(); }
Json name_json(const inventory::Referrer& entity) { return Json::Object{{"kind", entity.kind}, {"id", entity.id}}; }

Json evidence_json(const inventory::Evidence& evidence) {
  return Json::Object{{"source", evidence.source},
                      {"standing", inventory::to_text(evidence.standing)},
                      {"attribute", text_or_null(evidence.attribute)},
                      {"value", evidence.value},
                      {"since", format_rfc3339(evidence.since)},
                      {"offset", evidence.offset},
                      {"believed", evidence.believed}};
}

Json verification_json(const inventory::Verification& verification) {
  return Json::Object{{"who", verification.who},
                      {"action", verification.action},
                      {"place", verification.place},
                      {"site", text_or_null(verification.site)},
                      {"latitude_deg", number_or_null(verification.latitude_deg)},
                      {"longitude_deg", number_or_null(verification.longitude_deg)}};
}

Json discrepancy_json(const inventory::Discrepancy& discrepancy) {
  Json::Array also, evidence;
  for (const inventory::Referrer& entity : discrepancy.also) also.push_back(name_json(entity));
  for (const inventory::Evidence& each : discrepancy.evidence) evidence.push_back(evidence_json(each));
  return Json::Object{{"id", discrepancy.id},
                      {"type", inventory::name_of(discrepancy.kind)},
                      {"about", name_json(discrepancy.about)},
                      {"also", std::move(also)},
                      {"attribute", text_or_null(discrepancy.attribute)},
                      {"summary", discrepancy.summary},
                      {"since", format_rfc3339(discrepancy.since)},
                      {"offset", discrepancy.offset},
                      {"evidence", std::move(evidence)},
                      {"verification", verification_json(discrepancy.verification)},
                      {"accepted_as", text_or_null(discrepancy.accepted_as)}};
}

Result<inventory::DiscrepancyKind> type_named(std::string_view name) {
  std::vector<std::string> known;
  for (const inventory::DiscrepancyKind kind : inventory::discrepancy_kinds()) {
    if (inventory::name_of(kind) == name) return kind;
    known.emplace_back(inventory::name_of(kind));
  }
  return fail(ErrorCode::invalid_argument, fmt::format("no such type; it is one of {}", fmt::join(known, ", ")),
              "type");
}

// Of a kind, and of one entity of it.
Result<void> read_entity(const http::Request& request, inventory::ReconcileOptions& options) {
  const auto kind = http::query_value(request.query, "kind");
  const auto id = http::query_value(request.query, "id");
  if (!kind && id) return fail(ErrorCode::invalid_argument, "'id' needs the entity's 'kind' beside it", "kind");
  if (!kind) return {};
  const ontology::Ontology& known = ontology::Ontology::built_in();
  if (!known.find(*kind)) return fail(ErrorCode::not_found, known.unknown_kind(*kind), "kind");
  if (id)
    options.about = inventory::Referrer{*kind, *id};
  else
    options.entity_kind = *kind;
  return {};
}

}  // namespace

Result<Json> discrepancies_view(const inventory::Snapshot& snapshot, Instant now, const http::Request& request) {
  inventory::ReconcileOptions options;
  TANDEM_ASSIGN(options.limit, read_count(request, "limit", kDiscrepanciesDefault, kDiscrepanciesMax));
  TANDEM_ASSIGN(options.accepted, read_flag(request, "accepted"));
  TANDEM_TRY(read_entity(request, options));
  if (const auto type = http::query_value(request.query, "type")) {
    TANDEM_ASSIGN(options.kind, type_named(*type));
  }
  TANDEM_TRY(inventory::reconcilable(snapshot, options));
  const inventory::Reconciliation result = inventory::reconcile(snapshot, now, options);
  Json::Array discrepancies;
  for (const inventory::Discrepancy& each : result.discrepancies) discrepancies.push_back(discrepancy_json(each));
  return Json(Json::Object{{"offset", snapshot.offset()},
                           {"found", uint64_t{result.found}},
                           {"accepted", uint64_t{result.accepted}},
                           {"discrepancies", std::move(discrepancies)}});
}

}  // namespace tandem::api
