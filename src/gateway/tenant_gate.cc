#include "gateway/tenant_gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gateway/live_board.h"
#include "gateway/request_headers.h"
#include "gateway/tenant_limits.h"

namespace tandem::gateway {
namespace {

TenantGate::Refusal refusal_of(ApiError error, const http::Request& request) {
  TenantGate::Refusal refusal;
  refusal.error = {error.code, std::move(error.message)};
  if (auto id = request_id(request.headers)) refusal.headers.add("x-request-id", *id);
  if (error.retry_after_s > 0) refusal.headers.add("retry-after", fmt::format("{}", error.retry_after_s));
  return refusal;
}

grid::JurisdictionSet everywhere(const routing::TableRows& rows) {
  if (rows.jurisdictions.size() == grid::kJurisdictionsMax) return grid::JurisdictionSet::all();
  return {(uint64_t{1} << rows.jurisdictions.size()) - 1};
}

// This site, and every way there from where the request comes from, must lie where its data may be.
Checked<std::monostate> check_residency(const routing::RoutingTable& table, uint32_t tenant,
                                        const http::Request& request, const TenantGateOptions& options, Instant now) {
  const auto allowed = allowed_jurisdictions(table, tenant, request.headers);
  if (!allowed) return tl::unexpected(allowed.error());
  const routing::TableRows& rows = table.rows();
  if (allowed->contains(everywhere(rows))) return {};
  if (now > rows.valid_until)
    return refuse(ErrorCode::unavailable,
                  "The routing table is out of date, so the residency of this request cannot be assured.", {},
                  "residency_not_assured");
  const auto site = std::find(rows.sites.begin(), rows.sites.end(), options.site);
  if (site == rows.sites.end())
    return refuse(ErrorCode::permission_denied,
                  options.site.empty()
                      ? "This request is bound to jurisdictions, and it is not said at which site predictions are made "
                        "here; --site says it."
                      : fmt::format("This request is bound to jurisdictions, and there is no site '{}' in the grid.",
                                    options.site),
                  {}, "residency");
  const auto region = find_region(table, request, options.trusted_proxies);
  if (!region) return tl::unexpected(region.error());
  const routing::Leg& leg = table.leg(region->region, static_cast<uint32_t>(site - rows.sites.begin()));
  if (leg.reachable && allowed->contains(leg.jurisdictions)) return {};
  return refuse(ErrorCode::permission_denied,
                fmt::format("Predictions are made at site '{}', which this request's residency, or that of a way "
                            "there, does not allow.",
                            options.site),
                {}, "residency");
}

}  // namespace

TenantGate::TenantGate(SharedState& shared, Metrics& metrics, const Clock& clock, RecordSink& sink,
                       TenantGateOptions options)
    : shared_(shared), metrics_(metrics), clock_(clock), sink_(sink), options_(std::move(options)) {}
TenantGate::~TenantGate() = default;

const std::shared_ptr<const BoundTable>& TenantGate::table() {
  shared_.board_->refresh(bound_, table_version_);
  return bound_;
}

TenantGate::Admitted<uint32_t> TenantGate::find_tenant(const http::Request& request) {
  if (table() == nullptr)
    return tl::unexpected(Refusal{{ErrorCode::unavailable, "The gateway has no routing table yet."}, http::Headers()});
  auto tenant = authenticate(*bound_->table, request);
  if (!tenant) return tl::unexpected(refusal_of(std::move(tenant.error()), request));
  return *tenant;
}

TenantGate::Admitted<std::string> TenantGate::identify(const http::Request& request) {
  const auto tenant = find_tenant(request);
  if (!tenant) return tl::unexpected(tenant.error());
  return bound_->table->rows().tenants[*tenant].id;
}

TenantGate::Admitted<TenantGate::Visit> TenantGate::admit(const http::Request& request) {
  Visit visit;
  visit.arrived = clock_.monotonic();
  visit.record.at = clock_.now();
  visit.record.site = options_.site;
  const auto refused = [&](Refusal refusal) {
    visit.record.status = describe(refusal.error.code).http_status;
    visit.record.refused = describe(refusal.error.code).name;
    visit.record.outcome = visit.record.status < 500 && refusal.error.code != ErrorCode::quota_exceeded
                               ? Outcome::client_error
                               : Outcome::rejected;
    conclude(std::move(visit));
    return tl::unexpected(std::move(refusal));
  };
  const auto tenant = find_tenant(request);
  if (!tenant) return refused(tenant.error());
  const routing::RoutingTable& table = *bound_->table;
  const routing::Tenant& row = table.rows().tenants[*tenant];
  visit.record.offset = table.offset();
  visit.record.tenant = row.id;
  visit.meter = bound_->meters[*tenant];
  if (auto id = request_id(request.headers)) visit.headers.add("x-request-id", *id);
  if (visit.meter != nullptr) {
    auto within = check_budget(row.limits, visit.meter->spent_nano_eur(visit.record.at), row.id, visit.record.at);
    if (!within) return refused(refusal_of(std::move(within.error()), request));
    if (row.limits.requests_per_minute > 0) {
      const auto standing = visit.meter->requests.take(row.limits.requests_per_minute, 1, visit.arrived);
      add_standing(visit.headers, kRequestHeaders, row.limits.requests_per_minute, standing);
      if (!standing.admitted)
        return refused(
            refusal_of(over_limit(row.id, "requests", row.limits.requests_per_minute, 1, standing).value(), request));
    }
  }
  auto resident = check_residency(table, *tenant, request, options_, visit.record.at);
  if (!resident) return refused(refusal_of(std::move(resident.error()), request));
  return visit;
}

void TenantGate::conclude(Visit visit) {
  RequestRecord& record = visit.record;
  record.duration = Microseconds(static_cast<double>((clock_.monotonic() - visit.arrived).ns) * 1e-3);
  if (record.outcome == Outcome::ok) {
    record.attempts = 1;
    record.tokens_counted = true;  // there are none
    record.promise_kept = true;
    if (visit.meter != nullptr && record.cost.value() > 0)
      visit.meter->spend(static_cast<uint64_t>(std::llround(record.cost.value() * 1e9)), clock_.now());
  }
  metrics_
      .counter(
          "tandem_predictive_requests_total", "Requests to predictive models by how they ended",
          {{"tenant", record.tenant}, {"model", record.model}, {"outcome", std::string(to_string(record.outcome))}})
      .add();
  sink_.on_request(record);
}

}  // namespace tandem::gateway
