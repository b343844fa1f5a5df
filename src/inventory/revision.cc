#include "inventory/revision.h"

#include <algorithm>

namespace tandem::inventory {
namespace {

Standing standing_of(v1::Standing standing) {
  switch (standing) {
    case v1::STANDING_DISCOVERED: return Standing::discovered;
    case v1::STANDING_INTENDED: return Standing::intended;
    default: return Standing::observed;
  }
}

// Of each attribute named the last, by name.
std::vector<const v1::Attribute*> sorted(const v1::FactsRecorded& facts) {
  std::vector<const v1::Attribute*> attributes;
  attributes.reserve(static_cast<size_t>(facts.attributes_size()));
  for (const v1::Attribute& attribute : facts.attributes()) attributes.push_back(&attribute);
  std::ranges::stable_sort(attributes, {}, [](const v1::Attribute* a) -> const std::string& { return a->name(); });
  std::vector<const v1::Attribute*> last;
  last.reserve(attributes.size());
  for (size_t i = 0; i < attributes.size(); ++i)
    if (i + 1 == attributes.size() || attributes[i]->name() != attributes[i + 1]->name()) last.push_back(attributes[i]);
  return last;
}

}  // namespace

Saying::Saying(const v1::FactsRecorded& facts, SourceId source, log::Offset offset, Instant at) {
  seen_ns = facts.observed_at_ns() != 0 ? facts.observed_at_ns() : at.ns;
  stamp.offset = offset;
  stamp.source = source;
  stamp.standing = standing_of(facts.standing());
  if (facts.confidence() > 0) stamp.confidence = std::min(facts.confidence(), 1.0);  // NaN is not above 0
  // What a source saw was so when it was recorded, whatever the source's clock says.
  stamp.valid_from_ns = facts.valid_from_ns() != 0 ? facts.valid_from_ns() : std::min(seen_ns, at.ns);
  stamp.valid_to_ns = facts.valid_to_ns() != 0 ? facts.valid_to_ns() : kForever;
  if (stamp.valid_to_ns <= stamp.valid_from_ns) return;
  said.reserve(static_cast<size_t>(facts.attributes_size()));
  const auto take = [&](const v1::Attribute& attribute) {
    said.push_back({attribute.name(), {}});
    put_value(said.back().value, attribute.value());
  };
  const auto not_ascending = [](const v1::Attribute& a, const v1::Attribute& b) { return a.name() >= b.name(); };
  if (std::ranges::adjacent_find(facts.attributes(), not_ascending) == facts.attributes().end())  // nearly always
    for (const v1::Attribute& attribute : facts.attributes()) take(attribute);
  else
    for (const v1::Attribute* attribute : sorted(facts)) take(*attribute);
}

Revision::Revision(std::string_view record, const Lens& before, const Lens& after)
    : record_(record), lens_before_(before), lens_after_(after) {
  if (!record.empty()) view_of(record, before_);
  after_.created = before_.created;
  after_.changed = before_.changed;
}

void Revision::say(const Saying& saying, const Past& past) {
  after_.presences = before_.presences;
  note_seen(after_.presences, saying.stamp.source, saying.seen_ns);
  after_.claims.reserve(before_.claims.size() + saying.said.size());
  believed_before_.reserve(before_.claims.size());
  believed_after_.reserve(before_.claims.size() + saying.said.size());
  auto said = saying.said.begin();
  for_each_attribute(before_.claims, [&](std::span<const ClaimView> claims) {
    for (; said != saying.said.end() && said->attribute < claims[0].attribute; ++said) take({}, &saying, &*said, past);
    const bool spoken = said != saying.said.end() && said->attribute == claims[0].attribute;
    take(claims, &saying, spoken ? &*said++ : nullptr, past);
  });
  for (; said != saying.said.end(); ++said) take({}, &saying, &*said, past);
}

void Revision::settle() {
  after_.presences = before_.presences;
  after_.claims.reserve(before_.claims.size());
  for_each_attribute(before_.claims, [&](std::span<const ClaimView> claims) { take(claims, nullptr, nullptr, {}); });
}

void Revision::drop_sealed() {
  after_.presences = before_.presences;
  for_each_attribute(before_.claims, [&](std::span<const ClaimView> claims) {
    const size_t first = after_.claims.size();
    for (const ClaimView& claim : claims) (is_sealed(claim.value) ? hidden_ : after_.claims).push_back(claim);
    compare(claims, std::span(after_.claims).subspan(first));
  });
}

// One attribute: what was claimed of it, and what, if anything, is said of it now.
void Revision::take(std::span<const ClaimView> claims, const Saying* saying, const Saying::Said* said,
                    const Past& past) {
  const int64_t now_ns = lens_after_.time_ns;
  const auto expired = [&](const Stamp& stamp) { return stamp.valid_to_ns != kForever && stamp.valid_to_ns <= now_ns; };
  std::optional<ClaimView> added;
  if (said) {
    added = ClaimView{said->attribute, said->value, saying->stamp};
    if (says_again(claims, *added, past)) added.reset();
  }
  const size_t first = after_.claims.size();
  for (const ClaimView& claim : claims) {
    // For every time from now on at which the claim holds, the new one does and was recorded later.
    const bool covered = added && added->stamp.same_voice(claim.stamp) &&
                         added->stamp.valid_from_ns <= std::max(now_ns, claim.stamp.valid_from_ns) &&
                         added->stamp.valid_to_ns >= claim.stamp.valid_to_ns;
    (covered || expired(claim.stamp) ? hidden_ : after_.claims).push_back(claim);
  }
  if (added) {
    if (expired(added->stamp)) {
      hidden_.push_back(*added);  // it speaks only of the past
    } else {
      const auto begin = after_.claims.begin() + static_cast<std::ptrdiff_t>(first);
      after_.claims.insert(std::ranges::upper_bound(begin, after_.claims.end(), added->stamp, {}, &ClaimView::stamp),
                           *added);
    }
  }
  const ClaimView* best = compare(claims, std::span(after_.claims).subspan(first));
  if (added && !(best && best->stamp == added->stamp)) unbelieved_.push_back(*added);
}

// True when the last that the same voice said of any part of that time is the same and holds for all of it, and what is
// believed is the same without the claim: who repeats himself is fresher than another who has contradicted him since.
bool Revision::says_again(std::span<const ClaimView> claims, const ClaimView& claim, const Past& past) const {
  const auto concerns = [&](const ClaimView& other) {
    return other.attribute == claim.attribute && other.stamp.same_voice(claim.stamp) &&
           other.stamp.overlaps(claim.stamp);
  };
  std::optional<ClaimView> last;
  for (const ClaimView& other : claims)
    if (concerns(other)) last = other;
  if (claim.stamp.valid_from_ns < lens_after_.time_ns && !past.empty()) {
    // It reaches back, to where what was said since may already be past; of this life only.
    const log::Offset since = last ? last->stamp.offset : before_.created - 1;
    past.for_each_after(since, [&](const PastGroup& group) {
      for (const ClaimView& other : group.claims)
        if (concerns(other) && other.stamp.offset > since && (!last || other.stamp > last->stamp)) last = other;
      return true;
    });
  }
  if (!last || last->value != claim.value || last->stamp.confidence != claim.stamp.confidence ||
      !last->stamp.covers(claim.stamp))
    return false;
  const auto value = [&](std::span<const ClaimView> all) {
    const ClaimView* best = all.empty() ? nullptr : believed(all, lens_after_);
    return best ? best->value : std::string_view();
  };
  if (claims.empty() || value(claims) == claim.value) return true;
  std::vector<ClaimView> with(claims.begin(), claims.end());
  with.push_back(claim);
  return value(with) == value(claims);
}

const ClaimView* Revision::compare(std::span<const ClaimView> before, std::span<const ClaimView> after) {
  const auto find = [](std::span<const ClaimView> claims, const Lens& lens) -> const ClaimView* {
    const ClaimView* best = claims.empty() ? nullptr : believed(claims, lens);
    return best && !is_null(best->value) ? best : nullptr;
  };
  const ClaimView* old = find(before, lens_before_);
  const ClaimView* now = find(after, lens_after_);
  if (old) believed_before_.push_back(*old);
  if (now) believed_after_.push_back(*now);
  if (!is_new() && (old || now) && (!old || !now || old->value != now->value))
    changed_.emplace_back(old ? old->attribute : now->attribute);
  return now;
}

std::string Revision::finish(log::Offset offset, PastGroup& group) {
  group.hidden = offset;
  group.claims = std::move(hidden_);
  if (is_new()) after_.created = offset;
  if (changed()) {
    if (!is_new() && before_.changed != offset) group.changed = before_.changed;
    after_.changed = offset;
  }
  return encode_record(after_);
}

void believed_of(std::span<const ClaimView> claims, const Lens& lens, std::vector<ClaimView>& out) {
  out.clear();
  for_each_attribute(claims, [&](std::span<const ClaimView> of_one) {
    const ClaimView* best = believed(of_one, lens);
    if (best && !is_null(best->value)) out.push_back(*best);
  });
}

int64_t next_boundary(const RecordView& record, int64_t after_ns) {
  int64_t next = kForever;
  for (const ClaimView& claim : record.claims) {
    if (claim.stamp.valid_from_ns > after_ns) next = std::min(next, claim.stamp.valid_from_ns);
    if (claim.stamp.valid_to_ns > after_ns) next = std::min(next, claim.stamp.valid_to_ns);
  }
  return next;
}

bool any_disputed(const RecordView& record, int64_t time_ns) {
  bool any = false;
  for_each_attribute(record.claims, [&](std::span<const ClaimView> claims) { any = any || disputed(claims, time_ns); });
  return any;
}

}  // namespace tandem::inventory
