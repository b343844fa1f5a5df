// Who said what of one entity, and what became of it over time. Pure functions.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "http/message.h"
#include "inventory/inventory.h"

namespace tandem::api {

inline constexpr size_t kClaimsDefault = 100;
inline constexpr size_t kClaimsMax = 1'000;
inline constexpr size_t kTimelineDefault = 50;
inline constexpr size_t kTimelineMax = 500;  // events; each names every attribute that it said

// {"claims","presences","next"…}: ascending by attribute, then offset; only those that hold with `holds=true`, of one
// attribute with `attribute=`. Errors: invalid_argument.
Result<Json> claims_view(const inventory::Snapshot& believed, std::string_view kind, std::string_view id,
                         const http::Request& request);

// {"events","next"…}: what was said, made and retracted, the newest first, before the offset `before=`.
// Errors: invalid_argument.
Result<Json> timeline_view(const inventory::Snapshot& believed, std::string_view kind, std::string_view id,
                           const http::Request& request);

}  // namespace tandem::api
