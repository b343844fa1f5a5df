// What a request says about itself outside its body: who asks, from where, and with which promise. Internal.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gateway/api_error.h"
#include "grid/nouns.h"
#include "http/message.h"
#include "routing/routing.h"

namespace tandem::gateway {

using Address = std::array<uint8_t, 16>;

// An IPv4 or IPv6 literal; IPv4 becomes ::ffff:a.b.c.d.
std::optional<Address> parse_address(std::string_view text);
bool covers(const grid::Prefix& prefix, const Address& address);

// Any of these headers twice is refused: two readers could take different ones.
Checked<uint32_t> authenticate(const routing::RoutingTable& table, const http::Request& request);

enum class RegionSource : uint8_t { header, address, fallback };
std::string_view to_string(RegionSource source);  // as in `x-tandem-region-source`

struct ClientRegion {
  uint32_t region = 0;
  RegionSource source = RegionSource::header;
};
Checked<ClientRegion> find_region(const routing::RoutingTable& table, const http::Request& request,
                                  const std::vector<grid::Prefix>& trusted_proxies);

// What tells one client of a tenant from another where the request does not say it: its address; empty where that is
// none.
std::string client_of(const http::Request& request, const std::vector<grid::Prefix>& trusted_proxies);

// The jurisdictions in which the request may be processed: the tenant's, less what `x-tandem-residency` leaves out.
Checked<grid::JurisdictionSet> allowed_jurisdictions(const routing::RoutingTable& table, uint32_t tenant,
                                                     const http::Headers& headers);

// Whether those are all that the table knows.
bool may_go_everywhere(const routing::RoutingTable& table, grid::JurisdictionSet allowed);

// Refused where the table is past its time, and says nothing sure of jurisdictions, unless the request may go
// everywhere.
Checked<std::monostate> assure_residency(const routing::RoutingTable& table, grid::JurisdictionSet allowed,
                                         Instant now);

struct StatedPromise {
  std::optional<Milliseconds> ttft;
  std::optional<Milliseconds> tpot;
};
Checked<StatedPromise> stated_promise(const http::Headers& headers);

// The client's own `x-request-id` where it is short and plain, else nothing.
std::optional<std::string> request_id(const http::Headers& headers);

// For an engine behind a gateway of its own (Kubernetes' Gateway API Inference Extension): the client's objective, and
// the tenant as whose share the request counts, whatever the client says of that. A client's
// `x-gateway-destination-endpoint` is never passed on: engines are chosen here.
void add_inference_extension(const http::Headers& from, std::string_view tenant, http::Headers& to);

}  // namespace tandem::gateway
