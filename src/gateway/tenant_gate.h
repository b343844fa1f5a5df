// Tenants at a door behind which this process itself answers, as it does predictions: who asks, whether residency and
// limits let it in, and the record of it. What is routed to engines has its own way (request_run.h), by the same rules.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/metrics.h"
#include "base/time.h"
#include "gateway/gateway.h"
#include "http/http.h"

namespace tandem::gateway {

class RequestIds;
class TenantMeter;
struct ApiError;
struct BoundTable;

// What is wrong with the type that a request gives its body, and what to send; nothing where that is JSON or not given.
// OpenAI and vLLM, too, refuse what curl says by itself (a form); a body without a type can only be meant as JSON.
std::optional<std::string> wrong_content_type(const http::Headers& headers);

struct TenantGateOptions {
  // Of the grid, where this process stands. Empty: not known, so that only tenants whose data may go anywhere get in.
  std::string site;
  std::vector<grid::Prefix> trusted_proxies = {};  // as GatewayOptions has them
  uint32_t number = 0;                             // of this gate in its process, for ids
};

// Runs on one thread, as a Gateway does, and shares with it what tenants have used of their limits.
class TenantGate {
 public:
  TenantGate(SharedState& shared, Metrics& metrics, const Clock& clock, RecordSink& sink,
             TenantGateOptions options = {});
  ~TenantGate();
  TenantGate(const TenantGate&) = delete;
  TenantGate& operator=(const TenantGate&) = delete;

  // A request from when it came until `conclude`.
  struct Visit {
    // Where it is let in, model, outcome, status, refused and cost are the caller's to fill in; answer_bytes always.
    RequestRecord record;
    http::Headers headers;  // for its answer: x-request-id, limits' standing, and those of a refusal
    Duration arrived;
    std::shared_ptr<TenantMeter> meter;  // null: the tenant has no limits
    std::optional<Error> refused;        // it may not come in; the record says so
  };

  // Takes one request of its tenant's minute. `model` is what it asks for, where that is one of ours; else empty.
  // Refused with: unavailable (no routing table yet), unauthenticated, invalid_argument (a header), permission_denied
  // (residency), quota_exceeded; the record's `refused` has the code that /v1 would have answered with.
  Visit admit(const http::Request& request, std::string model = {});
  // The tenant's id, for what costs nothing. Errors: the same, without the last two.
  Result<std::string> identify(const http::Request& request);
  // For the `x-request-id` of answers to what costs nothing; a visit's headers have its own.
  std::string request_id(const http::Request& request);
  // The tenant pays, the sink and the metrics are told; refused or not. `outcome` ok: it was served. What costs less
  // than half a nano-euro counts against its budget once the minute's sum is on the log.
  void conclude(Visit visit);

 private:
  const std::shared_ptr<const BoundTable>& table();
  tl::expected<uint32_t, ApiError> find_tenant(const http::Request& request);
  tl::expected<std::monostate, ApiError> enter(const http::Request& request, Visit& visit);

  SharedState& shared_;
  Metrics& metrics_;
  const Clock& clock_;
  RecordSink& sink_;
  const TenantGateOptions options_;
  const std::unique_ptr<RequestIds> ids_;
  std::shared_ptr<const BoundTable> bound_;
  uint64_t table_version_ = 0;
};

}  // namespace tandem::gateway
