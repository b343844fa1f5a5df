// Reading a few attributes of many entities.
#include <deque>

#include "inventory/tables.h"

namespace tandem::inventory {

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
      if (wanted_[next] == claim.attribute)
        values_[next++] = is_sealed(claim.value) ? open(id, claim) : scalar_of(claim.value);
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

void Snapshot::for_each_row(std::string_view kind, std::span<const std::string_view> wanted, const RowVisitor& visit,
                            std::string_view from) const {
  RowReader reader(kind, wanted, opener_.get());
  for_each_seen(*tables_, view(), kind, from,
                [&](const std::string& id, const Sight& sight) { return visit(reader.read(id, sight)); });
}

void Snapshot::visit_row(std::string_view kind, std::string_view id, std::span<const std::string_view> wanted,
                         const RowVisitor& visit) const {
  RowLookup rows(*this, kind, wanted);
  if (const EntityRow* row = rows.find(id)) visit(*row);
}

struct RowLookup::State {
  Sight sight;
  RowReader reader;
  std::string id;
  std::optional<EntityRow> row;
};

RowLookup::RowLookup(const Snapshot& snapshot, std::string_view kind, std::span<const std::string_view> wanted)
    : state_(new State{{snapshot.tables(), snapshot.view(), kind}, {kind, wanted, snapshot.opener().get()}, {}, {}}) {}
RowLookup::~RowLookup() = default;

const EntityRow* RowLookup::find(std::string_view id) {
  if (state_->row && state_->id == id) return &*state_->row;  // as in a join: many interfaces of one device
  state_->row.reset();
  if (!state_->sight.find(id)) return nullptr;
  state_->id = id;
  return &state_->row.emplace(state_->reader.read(state_->id, state_->sight));
}

}  // namespace tandem::inventory
