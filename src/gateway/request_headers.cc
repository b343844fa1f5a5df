#include "gateway/request_headers.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/digest.h"
#include "base/text.h"
#include "routing/freshness.h"

namespace tandem::gateway {
namespace {

constexpr size_t kRequestIdBytesMax = 128;  // UUIDs and trace ids are under 64
constexpr double kPromiseMsMax = 1e7;       // three hours: beyond it, it is a mistake in the unit

Checked<std::optional<std::string_view>> single(const http::Headers& headers, std::string_view name) {
  const std::optional<std::string_view> value = headers.find(name);
  if (value && headers.count(name) > 1)
    return refuse(ErrorCode::invalid_argument, fmt::format("The header '{}' occurs twice.", name), std::string(name));
  return value;
}

// Of the first of its headers that is there.
Checked<std::optional<Milliseconds>> read_promise(const http::Headers& headers,
                                                  std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const auto text = single(headers, name);
    if (!text) return tl::unexpected(text.error());
    if (!*text) continue;
    const std::optional<double> value = parse_number(trim(**text));
    if (!value || *value <= 0 || *value > kPromiseMsMax)
      return refuse(
          ErrorCode::invalid_argument,
          fmt::format("'{}' must be milliseconds above 0 and up to {:.0f}, not '{}'.", name, kPromiseMsMax, **text),
          std::string(name));
    return Milliseconds(*value);
  }
  return std::nullopt;
}

// The value of a header where it is short and plain, else nothing.
std::optional<std::string> plain_word(const http::Headers& headers, std::string_view name) {
  const auto value = headers.find(name);
  if (!value || value->empty() || value->size() > kRequestIdBytesMax) return std::nullopt;
  const bool plain = std::all_of(value->begin(), value->end(), [](char c) { return c > 0x20 && c < 0x7F; });
  return plain ? std::optional(std::string(*value)) : std::nullopt;
}

// The address the request came from: the peer's, or what a trusted peer says about it.
std::optional<Address> client_address(const http::Request& request, const std::vector<grid::Prefix>& trusted_proxies) {
  const auto is_trusted = [&](const Address& address) {
    return std::any_of(trusted_proxies.begin(), trusted_proxies.end(),
                       [&](const grid::Prefix& prefix) { return covers(prefix, address); });
  };
  std::optional<Address> address = parse_address(request.peer_address);
  if (!address || !is_trusted(*address)) return address;
  std::vector<std::string_view> hops;
  for (const http::Header& header : request.headers)
    if (iequals(header.name, "x-forwarded-for"))
      for (const std::string_view hop : split(header.value, ',')) hops.push_back(trim(hop));
  for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
    const std::optional<Address> said = parse_address(*hop);
    if (!said) return address;
    address = said;
    if (!is_trusted(*address)) return address;
  }
  return address;
}

// ": north, south", to choose from; empty where there are none.
std::string some_of(const std::vector<std::string>& regions) {
  constexpr size_t kShown = 5;
  std::string text;
  for (size_t i = 0; i < std::min(kShown, regions.size()); ++i) text += (i == 0 ? ": " : ", ") + regions[i];
  if (regions.size() > kShown) text += fmt::format(" or another of {}", regions.size());
  return text;
}

}  // namespace

std::optional<Address> parse_address(std::string_view text) {
  Address address{};
  if (text.find(':') != std::string_view::npos) {
    const std::string copy(text);
    return inet_pton(AF_INET6, copy.c_str(), address.data()) == 1 ? std::optional(address) : std::nullopt;
  }
  address[10] = address[11] = 0xFF;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (size_t i = 12; i < address.size(); ++i) {
    const bool has_leading_zero = end - at > 1 && at[0] == '0' && at[1] >= '0' && at[1] <= '9';
    const auto [stop, error] = std::from_chars(at, end, address[i]);
    if (error != std::errc() || has_leading_zero) return std::nullopt;
    const bool is_last = i + 1 == address.size();
    if (is_last ? stop != end : stop == end || *stop != '.') return std::nullopt;
    at = is_last ? stop : stop + 1;
  }
  return address;
}

bool covers(const grid::Prefix& prefix, const Address& address) {
  for (size_t bit = 0; bit < prefix.length; bit += 8) {
    const auto mask = static_cast<uint8_t>(prefix.length - bit >= 8 ? 0xFF : 0xFF << (8 - (prefix.length - bit)));
    if (((prefix.address[bit / 8] ^ address[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

Checked<uint32_t> authenticate(const routing::RoutingTable& table, const http::Request& request) {
  const auto header = single(request.headers, "authorization");
  if (!header) return tl::unexpected(header.error());
  if (!*header)
    return refuse(ErrorCode::unauthenticated,
                  "You didn't provide an API key. Send it as a header: 'Authorization: Bearer YOUR_KEY'.", {},
                  "missing_api_key");
  const std::string_view value = **header;
  constexpr std::string_view kScheme = "bearer ";
  const auto unknown = [](const char* message) {
    return refuse(ErrorCode::unauthenticated, message, {}, "invalid_api_key");
  };
  constexpr const char* kUnknown = "The API key is not known here.";
  if (value.size() <= kScheme.size() || !iequals(value.substr(0, kScheme.size()), kScheme)) return unknown(kUnknown);
  const Digest key = sha256(trim(value.substr(kScheme.size())));
  if (const auto tenant = table.find_tenant(key, false)) return *tenant;
  const auto tenant = http::is_from_this_machine(request) ? table.find_tenant(key, true) : std::nullopt;
  if (!tenant) return unknown(kUnknown);
  if (http::is_of_trusted_user(request)) return *tenant;
  return unknown(
      "The API key is taken on this machine from root and the user that Tandem runs as: ask as one of them, or start "
      "tandem with --local-user and the name of yours.");
}

std::string client_of(const http::Request& request, const std::vector<grid::Prefix>& trusted_proxies) {
  const auto address = client_address(request, trusted_proxies);
  return address ? std::string(address->begin(), address->end()) : std::string();
}

std::string_view to_string(RegionSource source) {
  switch (source) {
    case RegionSource::header: return "header";
    case RegionSource::address: return "address";
    case RegionSource::fallback: return "default";
  }
  return "default";
}

Checked<ClientRegion> find_region(const routing::RoutingTable& table, const http::Request& request,
                                  const std::vector<grid::Prefix>& trusted_proxies) {
  const auto header = single(request.headers, "x-tandem-region");
  if (!header) return tl::unexpected(header.error());
  if (*header) {
    if (const auto region = table.find_region(**header)) return ClientRegion{*region, RegionSource::header};
    const auto meant = nearest(**header, table.rows().regions);
    return refuse(
        ErrorCode::invalid_argument,
        fmt::format("There is no region '{}'{}", **header,
                    meant ? fmt::format("; did you mean '{}'?", *meant) : some_of(table.rows().regions) + "."),
        "x-tandem-region", "unknown_region");
  }
  if (const auto address = client_address(request, trusted_proxies))
    if (const auto region = table.find_region_by_address(*address)) return ClientRegion{*region, RegionSource::address};
  // A plain OpenAI client on the machine itself has no address in any region.
  if (http::is_from_this_machine(request) && !table.rows().regions.empty())
    return ClientRegion{0, RegionSource::fallback};
  return refuse(ErrorCode::invalid_argument,
                fmt::format("No region has the address {}; name yours in the header 'x-tandem-region'{}.",
                            request.peer_address, some_of(table.rows().regions)),
                "x-tandem-region", "unknown_region");
}

Checked<grid::JurisdictionSet> allowed_jurisdictions(const routing::RoutingTable& table, uint32_t tenant,
                                                     const http::Headers& headers) {
  const grid::JurisdictionSet residency = table.rows().tenants[tenant].residency;
  const auto header = single(headers, "x-tandem-residency");
  if (!header) return tl::unexpected(header.error());
  if (!*header) return residency;
  std::vector<std::string_view> codes = split(**header, ',');
  for (std::string_view& code : codes) {
    code = trim(code);
    if (table.find_jurisdictions({&code, 1})) continue;
    const auto meant = nearest(code, table.rows().jurisdictions);
    return refuse(ErrorCode::invalid_argument,
                  fmt::format("'{}' is not a jurisdiction of this grid{}.", code,
                              meant ? fmt::format("; did you mean '{}'?", *meant) : ""),
                  "x-tandem-residency", "unknown_jurisdiction");
  }
  return residency & *table.find_jurisdictions(codes);
}

bool may_go_everywhere(const routing::RoutingTable& table, grid::JurisdictionSet allowed) {
  const size_t known = table.rows().jurisdictions.size();
  if (known == grid::kJurisdictionsMax) return allowed == grid::JurisdictionSet::all();
  return allowed.contains({(uint64_t{1} << known) - 1});
}

Checked<std::monostate> assure_residency(const routing::RoutingTable& table, grid::JurisdictionSet allowed,
                                         Instant now) {
  if (!routing::freshness(table, now).stale || may_go_everywhere(table, allowed)) return {};
  return refuse(ErrorCode::unavailable,
                "The routing table is out of date, so the residency of this request cannot be assured.", {},
                "residency_not_assured");
}

Checked<StatedPromise> stated_promise(const http::Headers& headers) {
  const auto ttft = read_promise(headers, {"x-slo-ttft-ms", "x-llm-d-slo-ttft-ms"});
  if (!ttft) return tl::unexpected(ttft.error());
  const auto tpot = read_promise(headers, {"x-slo-tpot-ms", "x-llm-d-slo-tpot-ms"});
  if (!tpot) return tl::unexpected(tpot.error());
  return StatedPromise{*ttft, *tpot};
}

std::optional<std::string> request_id(const http::Headers& headers) { return plain_word(headers, "x-request-id"); }

void add_inference_extension(const http::Headers& from, std::string_view tenant, http::Headers& to) {
  constexpr http::FieldName kObjective("x-gateway-inference-objective");
  constexpr http::FieldName kFairness("x-gateway-inference-fairness-id");
  if (auto objective = plain_word(from, kObjective)) to.add(kObjective, *objective);
  to.add(kFairness, tenant);
}

}  // namespace tandem::gateway
