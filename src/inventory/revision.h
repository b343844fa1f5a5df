// What an event makes of one entity's record.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "inventory/past.h"
#include "inventory/policy.h"
#include "inventory/record.h"

namespace tandem::inventory {

// A fact as one source says it: the stamp that its claims bear, and what it says of which attribute.
struct Saying {
  explicit Saying(const v1::FactsRecorded& facts, SourceId source, log::Offset offset, Instant at);

  Stamp stamp;
  int64_t seen_ns = 0;  // when the source saw the entity
  struct Said {
    std::string_view attribute;  // into the event
    std::string value;           // bytes
  };
  std::vector<Said> said;  // by attribute, ascending, each once; empty where the time is empty
};

// One entity before and after: what is believed of it, by the same or by different policies and times. Views into the
// record, the saying and this; it does not move.
class Revision {
 public:
  // An empty record is that of an entity there is not.
  Revision(std::string_view record, const Lens& before, const Lens& after);
  Revision(const Revision&) = delete;

  void say(const Saying& saying, const Past& past);  // takes in what a source says
  void settle();                                     // only time or policy are others
  void drop_sealed();                                // claims whose values are sealed are not held any more

  bool is_new() const { return record_.empty(); }
  bool changed() const { return is_new() || !changed_.empty(); }
  const std::vector<std::string>& changed_attributes() const { return changed_; }  // ascending; none of a new entity
  const std::vector<ClaimView>& believed_before() const { return believed_before_; }
  const std::vector<ClaimView>& believed_after() const { return believed_after_; }
  const std::vector<ClaimView>& unbelieved() const { return unbelieved_; }  // claims that are new and not believed
  const RecordView& before() const { return before_; }
  const RecordView& after() const { return after_; }

  // Closes the revision at an event: the record it gives, and what goes to the past, which may be nothing.
  std::string finish(log::Offset offset, PastGroup& group);

 private:
  void take(std::span<const ClaimView> claims, const Saying* saying, const Saying::Said* said, const Past& past);
  bool says_again(std::span<const ClaimView> claims, const ClaimView& claim, const Past& past) const;
  // Notes what is believed before and after, and gives the claim that is believed after; null when none is.
  const ClaimView* compare(std::span<const ClaimView> before, std::span<const ClaimView> after);

  std::string_view record_;
  Lens lens_before_;
  Lens lens_after_;
  RecordView before_;
  RecordView after_;
  std::vector<ClaimView> hidden_;
  std::vector<ClaimView> unbelieved_;
  std::vector<ClaimView> believed_before_;  // none of a null value, ascending by attribute
  std::vector<ClaimView> believed_after_;
  std::vector<std::string> changed_;
};

// The claims that are believed and not null, ascending by attribute.
void believed_of(std::span<const ClaimView> claims, const Lens& lens, std::vector<ClaimView>& out);

// The next time at which what holds changes by itself; kForever when there is none.
int64_t next_boundary(const RecordView& record, int64_t after_ns);

bool any_disputed(const RecordView& record, int64_t time_ns);

}  // namespace tandem::inventory
