// Claims and records as bytes.
#include "inventory/record.h"

#include <algorithm>

#include "base/check.h"

namespace tandem::inventory {
namespace {

// Of a stamp: its standing in the low bits, then which of its optional parts follow.
constexpr uint8_t kStandingBits = 3;
constexpr uint8_t kHasConfidence = 4;
constexpr uint8_t kHasEnd = 8;
constexpr uint8_t kFlagsMax = kStandingBits | kHasConfidence | kHasEnd;

// Differences wrap around: any two numbers have one, and it leads back.
uint64_t minus(uint64_t a, uint64_t b) { return a - b; }
int64_t minus(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
int64_t plus(int64_t a, int64_t b) { return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b)); }

// What offsets and times in a record are held as differences to.
struct Base {
  log::Offset offset = 0;
  int64_t ns = 0;
};

void put_stamp(std::string& out, const Stamp& stamp, Base base) {
  const bool has_confidence = stamp.confidence != 0;
  const bool has_end = stamp.valid_to_ns != kForever;
  out += static_cast<char>(static_cast<uint8_t>(stamp.standing) | (has_confidence ? kHasConfidence : 0) |
                           (has_end ? kHasEnd : 0));
  put_integer(out, stamp.source);
  put_integer(out, minus(stamp.offset, base.offset));
  put_signed(out, minus(stamp.valid_from_ns, base.ns));
  if (has_confidence) put_number(out, stamp.confidence);
  if (has_end) put_integer(out, static_cast<uint64_t>(minus(stamp.valid_to_ns, stamp.valid_from_ns)));
}

std::optional<Stamp> take_stamp(std::string_view& bytes, Base base) {
  if (bytes.empty()) return std::nullopt;
  const auto flags = static_cast<uint8_t>(bytes[0]);
  if (flags > kFlagsMax || (flags & kStandingBits) > static_cast<uint8_t>(Standing::intended)) return std::nullopt;
  bytes.remove_prefix(1);
  const auto source = take_integer(bytes);
  const auto offset = source ? take_integer(bytes) : std::nullopt;
  const auto from = offset ? take_signed(bytes) : std::nullopt;
  if (!from || *source > UINT32_MAX) return std::nullopt;
  Stamp stamp;
  stamp.offset = base.offset + *offset;
  stamp.source = static_cast<SourceId>(*source);
  stamp.standing = static_cast<Standing>(flags & kStandingBits);
  stamp.valid_from_ns = plus(base.ns, *from);
  if (flags & kHasConfidence) {
    const auto confidence = take_number(bytes);
    if (!confidence || !(*confidence > 0 && *confidence <= 1)) return std::nullopt;
    stamp.confidence = *confidence;
  }
  if (flags & kHasEnd) {
    const auto length = take_integer(bytes);
    if (!length) return std::nullopt;
    stamp.valid_to_ns = plus(stamp.valid_from_ns, static_cast<int64_t>(*length));
    if (stamp.valid_to_ns == kForever) return std::nullopt;
  }
  if (stamp.valid_to_ns <= stamp.valid_from_ns) return std::nullopt;
  return stamp;
}

void put_presences(std::string& out, const std::vector<SourcePresence>& presences, int64_t base_ns) {
  put_integer(out, presences.size());
  for (size_t i = 0; i < presences.size(); ++i) {
    const SourcePresence& presence = presences[i];
    put_integer(out, uint64_t{presence.source} << 1 | presence.unseen_ns.has_value());
    put_signed(out, i == 0 ? presence.first_ns : minus(presence.first_ns, base_ns));
    put_signed(out, minus(presence.last_ns, presence.first_ns));
    if (presence.unseen_ns) put_signed(out, minus(*presence.unseen_ns, presence.last_ns));
  }
}

// Leaves the base for the times that follow in `base_ns`.
bool take_presences(std::string_view& bytes, std::vector<SourcePresence>& presences, int64_t& base_ns) {
  const auto count = take_integer(bytes);
  if (!count || *count > bytes.size()) return false;
  for (uint64_t i = 0; i < *count; ++i) {
    const auto head = take_integer(bytes);
    const auto first = head ? take_signed(bytes) : std::nullopt;
    const auto last = first ? take_signed(bytes) : std::nullopt;
    if (!last || *head >> 1 > UINT32_MAX) return false;
    SourcePresence& presence = presences.emplace_back();
    presence.source = static_cast<SourceId>(*head >> 1);
    if (i == 0) base_ns = *first;
    presence.first_ns = i == 0 ? *first : plus(base_ns, *first);
    presence.last_ns = plus(presence.first_ns, *last);
    if (!(*head & 1)) continue;
    const auto unseen = take_signed(bytes);
    if (!unseen) return false;
    presence.unseen_ns = plus(presence.last_ns, *unseen);
  }
  return true;
}

bool take_stamps(std::string_view& bytes, std::vector<Stamp>& stamps, Base base) {
  const auto count = take_integer(bytes);
  if (!count || *count > bytes.size()) return false;
  stamps.reserve(*count);
  for (uint64_t i = 0; i < *count; ++i) {
    const auto stamp = take_stamp(bytes, base);
    if (!stamp) return false;
    stamps.push_back(*stamp);
  }
  return true;
}

// Claims of one attribute. With `used`, where the stamps they bear are noted, only what encode_record gives.
bool take_attribute(std::string_view& bytes, const std::vector<Stamp>& stamps, std::vector<bool>* used,
                    std::vector<ClaimView>& claims) {
  const auto name = take_text(bytes);
  if (!name) return false;
  std::optional<uint64_t> previous;
  for (bool more = true; more;) {
    const auto head = take_integer(bytes);
    const auto value = head ? take_text(bytes) : std::nullopt;
    if (!value) return false;
    more = *head & 1;
    const uint64_t position = *head >> 1;
    if (position >= stamps.size()) return false;
    if (used) {
      if ((previous && position <= *previous) || !is_value(*value)) return false;
      previous = position;
      (*used)[position] = true;
    }
    claims.push_back({*name, *value, stamps[position]});
  }
  return true;
}

bool take_record(std::string_view bytes, RecordView& view, std::vector<bool>* used) {
  const auto created = take_integer(bytes);
  const auto changed = created ? take_integer(bytes) : std::nullopt;
  if (!changed) return false;
  view.created = *created;
  view.changed = *created + *changed;
  Base base{*created, 0};
  if (!take_presences(bytes, view.presences, base.ns) || !take_stamps(bytes, view.stamps, base)) return false;
  if (used) used->assign(view.stamps.size(), false);
  while (!bytes.empty()) {
    const size_t first = view.claims.size();
    if (!take_attribute(bytes, view.stamps, used, view.claims)) return false;
    if (used && first > 0 && view.claims[first].attribute <= view.claims[first - 1].attribute) return false;
  }
  return true;
}

}  // namespace

void view_of(std::string_view record, RecordView& view) {
  view.presences.clear();
  view.stamps.clear();
  view.claims.clear();
  CHECK(take_record(record, view, nullptr));
}

std::optional<RecordView> parse_record(std::string_view bytes, size_t sources) {
  RecordView view;
  std::vector<bool> used;
  if (!take_record(bytes, view, &used)) return std::nullopt;
  const auto known = [&](const auto& item) { return item.source < sources; };
  if (!std::ranges::all_of(view.presences, known) || !std::ranges::all_of(view.stamps, known)) return std::nullopt;
  if (std::ranges::find(used, false) != used.end()) return std::nullopt;
  const auto ascend = [](const auto& items, auto key) {
    return std::ranges::adjacent_find(items, std::ranges::greater_equal(), key) == items.end();
  };
  if (!ascend(view.presences, &SourcePresence::source)) return std::nullopt;
  return ascend(view.stamps, std::identity()) ? std::optional(std::move(view)) : std::nullopt;
}

std::string encode_record(const RecordView& record) {
  std::vector<Stamp> stamps;
  size_t bytes = 64;
  for (const ClaimView& claim : record.claims) {
    if (stamps.empty() || claim.stamp != stamps.back()) stamps.push_back(claim.stamp);
    bytes += claim.attribute.size() + claim.value.size() + 4;
  }
  std::ranges::sort(stamps);
  stamps.erase(std::ranges::unique(stamps).begin(), stamps.end());
  const Base base{record.created, record.presences.empty() ? 0 : record.presences[0].first_ns};
  std::string out;
  out.reserve(bytes);
  put_integer(out, record.created);
  put_integer(out, minus(record.changed, record.created));
  put_presences(out, record.presences, base.ns);
  put_integer(out, stamps.size());
  for (const Stamp& stamp : stamps) put_stamp(out, stamp, base);
  for_each_attribute(record.claims, [&](std::span<const ClaimView> claims) {
    put_text(out, claims[0].attribute);
    for (const ClaimView& claim : claims) {
      const auto position = static_cast<uint64_t>(std::ranges::lower_bound(stamps, claim.stamp) - stamps.begin());
      put_integer(out, position << 1 | (&claim != &claims.back()));
      put_text(out, claim.value);
    }
  });
  return out;
}

void note_seen(std::vector<SourcePresence>& presences, SourceId source, int64_t seen_ns) {
  const auto place = std::ranges::lower_bound(presences, source, {}, &SourcePresence::source);
  if (place == presences.end() || place->source != source) {
    presences.insert(place, {source, seen_ns, seen_ns, std::nullopt});
    return;
  }
  place->first_ns = std::min(place->first_ns, seen_ns);
  place->last_ns = std::max(place->last_ns, seen_ns);
  if (place->unseen_ns && *place->unseen_ns <= seen_ns) place->unseen_ns.reset();
}

std::optional<std::string> with_seen(std::string_view record, SourceId source, int64_t seen_ns) {
  std::string_view rest = record;
  RecordView view;
  int64_t base_ns = 0;
  CHECK(take_integer(rest) && take_integer(rest));
  const std::string_view offsets = record.substr(0, record.size() - rest.size());
  CHECK(take_presences(rest, view.presences, base_ns));
  const std::string_view said = record.substr(offsets.size(), record.size() - offsets.size() - rest.size());
  note_seen(view.presences, source, seen_ns);
  if (view.presences[0].first_ns != base_ns) {  // times of claims are differences to it
    std::vector<SourcePresence> presences = std::move(view.presences);
    view_of(record, view);
    view.presences = std::move(presences);
    return encode_record(view);
  }
  std::string out;
  out.reserve(record.size() + 16);
  out += offsets;
  put_presences(out, view.presences, base_ns);
  if (std::string_view(out).substr(offsets.size()) == said) return std::nullopt;
  out += rest;
  return out;
}

void put_claim(std::string& out, const ClaimView& claim) {
  put_stamp(out, claim.stamp, {});
  put_text(out, claim.attribute);
  put_text(out, claim.value);
}

ClaimView take_known_claim(std::string_view& bytes) {
  const auto stamp = take_stamp(bytes, {});
  const auto attribute = stamp ? take_text(bytes) : std::nullopt;
  const auto value = attribute ? take_text(bytes) : std::nullopt;
  CHECK(value);
  return {*attribute, *value, *stamp};
}

std::optional<ClaimView> take_claim(std::string_view& bytes) {
  const auto stamp = take_stamp(bytes, {});
  const auto attribute = stamp ? take_text(bytes) : std::nullopt;
  const auto value = attribute ? take_text(bytes) : std::nullopt;
  if (!value || !is_value(*value)) return std::nullopt;
  return ClaimView{*attribute, *value, *stamp};
}

}  // namespace tandem::inventory
