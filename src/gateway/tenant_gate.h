// Tenants at a door behind which this process itself answers, as it does predictions: who asks, whether residency and
// limits let it in, and the record of it. What is routed to engines has its own way (request_run.h), by the same rules.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/time.h"
#include "gateway/gateway.h"
#include "http/http.h"

namespace tandem::gateway {

class TenantMeter;
struct BoundTable;

struct TenantGateOptions {
  // Of the grid, where this process stands. Empty: not known, so that only tenants whose data may go anywhere get in.
  std::string site;
  std::vector<grid::Prefix> trusted_proxies = {};  // as GatewayOptions has them
};

// Runs on one thread, as a Gateway does, and shares with it what tenants have used of their limits.
class TenantGate {
 public:
  TenantGate(SharedState& shared, Metrics& metrics, const Clock& clock, RecordSink& sink,
             TenantGateOptions options = {});
  ~TenantGate();
  TenantGate(const TenantGate&) = delete;
  TenantGate& operator=(const TenantGate&) = delete;

  // One that was let in, until `conclude`.
  struct Visit {
    RequestRecord record;   // model, outcome, status, refused and cost are the caller's to fill in
    http::Headers headers;  // for its answer: limits' standing, x-request-id
    Duration arrived;
    std::shared_ptr<TenantMeter> meter;  // null: the tenant has no limits
  };
  struct Refusal {
    Error error;
    http::Headers headers;  // likewise, with retry-after
  };
  template <class T>
  using Admitted = tl::expected<T, Refusal>;

  // Takes one request of its tenant's minute. What it refuses it has recorded.
  // Errors: unavailable (no routing table yet), unauthenticated, invalid_argument (a header), permission_denied
  // (residency), quota_exceeded.
  Admitted<Visit> admit(const http::Request& request);
  // The tenant's id, for what costs nothing. Errors: the same, without the last two.
  Admitted<std::string> identify(const http::Request& request);
  // The tenant pays, the sink and the metrics are told. `outcome` ok: it was served. What costs less than half a
  // nano-euro counts against its budget once the minute's sum is on the log.
  void conclude(Visit visit);

 private:
  const std::shared_ptr<const BoundTable>& table();
  Admitted<uint32_t> find_tenant(const http::Request& request);

  SharedState& shared_;
  Metrics& metrics_;
  const Clock& clock_;
  RecordSink& sink_;
  const TenantGateOptions options_;
  std::shared_ptr<const BoundTable> bound_;
  uint64_t table_version_ = 0;
};

}  // namespace tandem::gateway
