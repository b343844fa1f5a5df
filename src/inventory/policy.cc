#include "inventory/policy.h"

#include <algorithm>
#include <tuple>

namespace tandem::inventory {

void Policy::set(SourceId source, int64_t authority, std::vector<std::string> masters) {
  if (authority == kAuthorityDefault && masters.empty()) return;
  if (sources_.size() <= source) sources_.resize(source + 1u);
  std::ranges::sort(masters);
  sources_[source] = {authority, std::move(masters)};
}

int64_t Policy::authority(SourceId source) const {
  return source < sources_.size() ? sources_[source].authority : kAuthorityDefault;
}

bool Policy::masters(SourceId source, std::string_view kind, std::string_view attribute) const {
  if (source >= sources_.size() || sources_[source].masters.empty()) return false;
  const std::vector<std::string>& names = sources_[source].masters;
  const auto has = [&](std::string_view of, std::string_view what) {
    return std::ranges::binary_search(names, std::string(of) + '.' + std::string(what));
  };
  return has(kind, attribute) || has(kind, "*") || has("*", attribute);
}

std::vector<const ClaimView*> holding(std::span<const ClaimView> claims, int64_t time_ns) {
  std::vector<const ClaimView*> found;
  for (size_t i = claims.size(); i-- > 0;) {
    const ClaimView& claim = claims[i];
    const auto same_voice = [&](const ClaimView* other) { return other->stamp.same_voice(claim.stamp); };
    if (claim.stamp.covers(time_ns) && std::ranges::none_of(found, same_voice)) found.push_back(&claim);
  }
  return found;
}

const ClaimView* believed(std::span<const ClaimView> claims, const Lens& lens) {
  if (claims.size() == 1) return claims[0].stamp.covers(lens.time_ns) ? &claims[0] : nullptr;
  const auto rank = [&](const ClaimView& claim) {
    return std::tuple(claim.stamp.standing != Standing::intended,
                      lens.policy->masters(claim.stamp.source, lens.kind, claim.attribute),
                      lens.policy->authority(claim.stamp.source), claim.stamp.valid_from_ns, claim.stamp.offset);
  };
  const ClaimView* best = nullptr;
  for (const ClaimView* claim : holding(claims, lens.time_ns))
    if (!best || rank(*claim) > rank(*best)) best = claim;
  return best;
}

bool disputed(std::span<const ClaimView> claims, int64_t time_ns) {
  if (claims.size() == 1) return false;
  const std::vector<const ClaimView*> found = holding(claims, time_ns);
  return std::ranges::any_of(found, [&](const ClaimView* claim) { return claim->value != found[0]->value; });
}

}  // namespace tandem::inventory
