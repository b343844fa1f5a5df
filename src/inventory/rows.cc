// Reading a few attributes of many entities.
#include <deque>

#include "inventory/tables.h"

namespace tandem::inventory {
namespace {

// Makes rows of what is seen of entities, one after the other, in the same memory.
class RowReader {
 public:
  RowReader(std::string_view kind, std::span<const std::string_view> wanted, const Opener* opener)
      : kind_(kind), wanted_(wanted), values_(wanted.size()), opener_(opener) {}

  // Walks what is believed and the wanted names side by side, both ascending.
  EntityRow read(const std::string& id, const Sight& sight) {
    size_t next = 0;
    opened_.clear();
    for (const ClaimView& claim : sight.believed) {
      while (next < wanted_.size() && wanted_[next] < claim.attribute) values_[next++] = std::monostate();
      if (next == wanted_.size()) break;
      if (wanted_[next] == claim.attribute) values_[next++] = is_sealed(claim.value) ? open(id, claim) : scalar_of(claim.value);
    }
    for (; next < wanted_.size(); ++next) values_[next] = std::monostate();
    return {id, sight.created, sight.changed, values_};
  }

 private:
  Scalar open(const std::string& id, const ClaimView& claim) {
    const v1::Value value = opened(opener_, kind_, id, claim);
    if (value.has_sealed()) return {};
    put_value(opened_.emplace_back(), value);
    return scalar_of(opened_.back());
  }

  std::string_view kind_;
  std::span<const std::string_view> wanted_;
  std::vector<Scalar> values_;
  const Opener* opener_;
  std::deque<std::string> opened_;  // values that were sealed, which those of the row point into
};

}  // namespace

void Snapshot::for_each_row(std::string_view kind, std::span<const std::string_view> wanted, const RowVisitor& visit,
                            std::string_view from) const {
  RowReader reader(kind, wanted, opener_.get());
  for_each_seen(*tables_, view(), kind, from,
                [&](const std::string& id, const Sight& sight) { return visit(reader.read(id, sight)); });
}

void Snapshot::visit_row(std::string_view kind, std::string_view id, std::span<const std::string_view> wanted,
                         const RowVisitor& visit) const {
  Sight sight(*tables_, view(), kind);
  if (!sight.find(id)) return;
  const std::string own_id(id);
  visit(RowReader(kind, wanted, opener_.get()).read(own_id, sight));
}

}  // namespace tandem::inventory
