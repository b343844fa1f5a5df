// What a snapshot holds, and how one entity is seen in it.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/front_coded_set.h"
#include "base/persistent_map.h"
#include "base/shared_bytes.h"
#include "inventory/inventory.h"
#include "inventory/past.h"
#include "inventory/policy.h"
#include "inventory/record.h"

namespace tandem::inventory {

struct Nothing {};  // the value of a map that is a set

// One entity that there is.
struct Held {
  SharedBytes record;  // never empty
  Past past;
  friend void prefetch_count(const Held& held) { prefetch_count(held.record); }
};

struct KindTable {
  PersistentMap<std::string, Held> entities;  // by id
  PersistentMap<std::string, Past> removed;   // entities that there were
  log::Offset changed = 0;
};

// The first event of this inventory at a new time. Times never go back, so marks ascend by either.
struct TimeMark {
  log::Offset offset = 0;
  int64_t at_ns = 0;
};
struct AfterTime {
  int64_t ns = 0;
};
struct TimeMarkLess {
  using is_transparent = void;
  bool operator()(const TimeMark& a, const TimeMark& b) const { return a.offset < b.offset; }
  bool operator()(const TimeMark& mark, log::Offset offset) const { return mark.offset < offset; }
  bool operator()(log::Offset offset, const TimeMark& mark) const { return offset < mark.offset; }
  bool operator()(const TimeMark& mark, AfterTime time) const { return mark.at_ns <= time.ns; }
  bool operator()(AfterTime time, const TimeMark& mark) const { return mark.at_ns > time.ns; }
};

// When what holds of an entity next changes by itself.
struct Due {
  int64_t at_ns = 0;
  EntityKey entity;
  auto operator<=>(const Due&) const = default;
};

struct Tables {
  PersistentMap<std::string, KindTable> kinds;
  // Names of sources, numbered in the order in which they first said something.
  PersistentMap<std::string, SourceId> source_ids;
  PersistentMap<SourceId, std::string> source_names;
  PersistentMap<TimeMark, int64_t, TimeMarkLess> marks;  // with the time of the mark before, 0 for the first
  PersistentMap<Erasure, Nothing> erasures;
  PersistentMap<std::string, log::Offset> history_begins;  // by kind, where it does not begin with the log
  log::Offset offset = 0;
  int64_t time_ns = 0;

  // What follows from the above, and is not written.
  // "kind \0 id \0 kind of the referrer \0 its id": of what is believed, and of every other claim there ever was.
  FrontCodedSet referrers;
  FrontCodedSet other_referrers;
  FrontCodedSet unique_values;  // "kind \0 constraint \0 value \0 id"
  PersistentMap<EntityKey, Nothing> disputed;
  PersistentMap<Due, Nothing> due;  // each entity at most once
  std::shared_ptr<const Policy> policy = std::make_shared<const Policy>();
  int64_t marked_ns = 0;    // time of the last mark
  log::Offset changed = 0;  // the last of any kind
  size_t size = 0;
};

// A look back.
struct View {
  log::Offset recorded = 0;  // what was recorded by then
  int64_t valid_ns = 0;      // what is true then
  log::Offset horizon = 0;   // what was hidden by then is of no interest
  std::shared_ptr<const Policy> policy;
};

// "a \0 b \0 c": no kind and no id has a zero byte, so such keys sort as their parts do.
std::string join_key(std::initializer_list<std::string_view> parts);

// The policy at this look. O(entities of kind `source`).
Policy policy_of(const Tables& tables, const View* view);
// Who says of sources what is their authority is believed by freshness alone.
const Policy& policy_for(std::string_view kind, const Policy& policy);

// A sealed claim's value: null where it was erased; as it is where nothing opens it.
v1::Value opened(const Opener* opener, std::string_view kind, std::string_view id, const ClaimView& claim);
// Any claim's value, opened where it is sealed.
Json json_of(const Opener* opener, std::string_view kind, std::string_view id, const ClaimView& claim);

// What is seen of entities of one kind, one after another; buffers are kept from one to the next.
class Sight {
 public:
  Sight(const Tables& tables, const View* view, std::string_view kind);

  // Looks at an entity; an empty record is one of the past. False when it is not there. Views are into the two.
  bool look(std::string_view record, const Past& past);
  bool look(const Held& held) { return look(held.record.view(), held.past); }
  bool find(std::string_view id);

  log::Offset created = 0;
  log::Offset changed = 0;
  std::vector<ClaimView> claims;          // that may hold at the time, by attribute, then stamp
  std::vector<ClaimView> believed;        // not null, by attribute
  std::vector<SourcePresence> presences;  // as now

  const Lens& lens() const { return lens_; }
  // The table, null when there is none of the kind.
  const KindTable* table() const { return table_; }
  const View* view() const { return view_; }

 private:
  bool look_back(std::string_view record, const Past& past);

  const View* view_;
  const KindTable* table_;
  Lens lens_;
  RecordView record_;
};

// Visits entities of the kind that are there, from the first not below `from`, until `visit(id, sight)` returns false.
template <class Visit>
void for_each_seen(const Tables& tables, const View* view, std::string_view kind, std::string_view from, Visit visit) {
  Sight sight(tables, view, kind);
  const KindTable* table = sight.table();
  if (!table) return;
  auto entity = table->entities.lower_bound(from);
  if (!view) {
    for (; entity != table->entities.end(); ++entity)
      if (sight.look((*entity).second) && !visit((*entity).first, sight)) return;
    return;
  }
  auto removed = table->removed.lower_bound(from);
  while (entity != table->entities.end() || removed != table->removed.end()) {
    const bool take_removed =
        entity == table->entities.end() || (removed != table->removed.end() && (*removed).first < (*entity).first);
    const std::string& id = take_removed ? (*removed).first : (*entity).first;
    if (take_removed ? sight.look({}, (*removed).second) : sight.look((*entity).second))
      if (!visit(id, sight)) return;
    if (take_removed)
      ++removed;
    else
      ++entity;
  }
}

}  // namespace tandem::inventory
