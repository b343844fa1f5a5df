#include "gateway/tenant_gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "gateway/live_board.h"
#include "gateway/request_headers.h"
#include "gateway/request_ids.h"
#include "gateway/tenant_limits.h"

namespace tandem::gateway {
namespace {

constexpr size_t kPathBytesMax = 512;  // of a record: models have shorter names than that

// This site, and every way there from where the request comes from, must lie where its data may be.
Checked<std::monostate> check_residency(const routing::RoutingTable& table, uint32_t tenant,
                                        const http::Request& request, const Checked<ClientRegion>& region,
                                        const std::string& site_id, Instant now) {
  const auto allowed = allowed_jurisdictions(table, tenant, request.headers);
  if (!allowed) return tl::unexpected(allowed.error());
  const routing::TableRows& rows = table.rows();
  if (may_go_everywhere(table, *allowed)) return {};
  if (auto assured = assure_residency(table, *allowed, now); !assured) return assured;
  const auto site = std::find(rows.sites.begin(), rows.sites.end(), site_id);
  if (site == rows.sites.end())
    return refuse(
        ErrorCode::permission_denied,
        site_id.empty()
            ? "This request is bound to jurisdictions, and it is not said at which site predictions are made "
              "here; --site says it."
            : fmt::format("This request is bound to jurisdictions, and there is no site '{}' in the grid.", site_id),
        {}, "residency");
  if (!region) return tl::unexpected(region.error());
  const routing::Leg& leg = table.leg(region->region, static_cast<uint32_t>(site - rows.sites.begin()));
  if (leg.reachable && allowed->contains(leg.jurisdictions)) return {};
  return refuse(ErrorCode::permission_denied,
                fmt::format("Predictions are made at site '{}', which this request's residency, or that of a way "
                            "there, does not allow.",
                            site_id),
                {}, "residency");
}

}  // namespace

std::optional<std::string> wrong_content_type(const http::Headers& headers) {
  for (const http::Header& header : headers) {
    if (header.name.size() != 12 || !iequals(header.name, "content-type")) continue;
    if (header.value == "application/json") continue;
    const std::string_view value = header.value;
    const std::string type = to_lower(trim(value.substr(0, value.find(';'))));
    if (type == "application/json" || (type.starts_with("application/") && type.ends_with("+json"))) continue;
    return fmt::format("The body must be JSON: send the header 'Content-Type: application/json', not '{}'.",
                       header.value);
  }
  return std::nullopt;
}

TenantGate::TenantGate(SharedState& shared, Metrics& metrics, const Clock& clock, RecordSink& sink,
                       TenantGateOptions options)
    : shared_(shared),
      metrics_(metrics),
      clock_(clock),
      sink_(sink),
      options_(std::move(options)),
      ids_(std::make_unique<RequestIds>('p', clock.now(), options_.number)) {}
TenantGate::~TenantGate() = default;

const std::shared_ptr<const BoundTable>& TenantGate::table() {
  shared_.board_->refresh(bound_, table_version_);
  return bound_;
}

Checked<uint32_t> TenantGate::find_tenant(const http::Request& request) {
  if (table() == nullptr) return refuse(ErrorCode::unavailable, "The gateway has no routing table yet.");
  return authenticate(*bound_->table, request);
}

std::string TenantGate::request_id(const http::Request& request) { return ids_->of(request); }

Result<std::string> TenantGate::identify(const http::Request& request) {
  auto tenant = find_tenant(request);
  if (!tenant) return fail(tenant.error().code, std::move(tenant.error().message));
  return bound_->table->rows().tenants[*tenant].id;
}

Checked<std::monostate> TenantGate::enter(const http::Request& request, Visit& visit) {
  const auto tenant = find_tenant(request);
  if (!tenant) return tl::unexpected(tenant.error());
  const routing::RoutingTable& table = *bound_->table;
  const routing::Tenant& row = table.rows().tenants[*tenant];
  visit.record.offset = table.offset();
  visit.record.tenant = row.id;
  visit.meter = bound_->meters[*tenant];
  if (visit.meter != nullptr) {
    auto within = check_budget(row.limits, visit.meter->spent_nano_eur(visit.record.at), row.id, visit.record.at);
    if (!within) return within;
    if (row.limits.requests_per_minute > 0) {
      const auto standing = visit.meter->requests.take(row.limits.requests_per_minute, 1, visit.arrived);
      add_standing(visit.headers, kRequestHeaders, row.limits.requests_per_minute, standing);
      if (!standing.admitted)
        return tl::unexpected(over_limit(row.id, "requests", row.limits.requests_per_minute, 1, standing).value());
    }
  }
  const auto region = find_region(table, request, options_.trusted_proxies);
  if (region) visit.record.region = table.rows().regions[region->region];
  return check_residency(table, *tenant, request, region, options_.site, visit.record.at);
}

TenantGate::Visit TenantGate::admit(const http::Request& request, std::string model) {
  Visit visit;
  visit.arrived = clock_.monotonic();
  visit.record.at = clock_.now();
  visit.record.path = request.target.substr(0, kPathBytesMax);
  visit.record.request_bytes = request.body.size();
  visit.record.asked_model = model;
  visit.record.model = std::move(model);
  visit.record.request_id = ids_->of(request);
  visit.headers.add("x-request-id", visit.record.request_id);
  auto entered = enter(request, visit);
  if (entered) {
    visit.record.site = options_.site;
    return visit;
  }
  ApiError error = std::move(entered.error());
  if (error.retry_after_s > 0) visit.headers.add("retry-after", fmt::format("{}", error.retry_after_s));
  visit.record.status = status_of(error);
  visit.record.refused = code_of(error);
  visit.record.outcome =
      visit.record.status < 500 && error.code != ErrorCode::quota_exceeded ? Outcome::client_error : Outcome::rejected;
  visit.refused = Error(error.code, std::move(error.message));
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
  sink_.on_request(std::make_shared<const RequestRecord>(std::move(record)));
}

}  // namespace tandem::gateway
