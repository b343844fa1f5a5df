// Reading a few attributes of many entities.
#include "inventory/tables.h"

namespace tandem::inventory {
namespace {

// Makes rows of what is seen of entities, one after the other, in the same memory.
class RowReader {
 public:
  explicit RowReader(std::span<const std::string_view> wanted) : wanted_(wanted), values_(wanted.size()) {}

  // Walks what is believed and the wanted names side by side, both ascending.
  EntityRow read(const std::string& id, const Sight& sight) {
    size_t next = 0;
    for (const ClaimView& claim : sight.believed) {
      while (next < wanted_.size() && wanted_[next] < claim.attribute) values_[next++] = std::monostate();
      if (next == wanted_.size()) break;
      if (wanted_[next] == claim.attribute) values_[next++] = scalar_of(claim.value);
    }
    for (; next < wanted_.size(); ++next) values_[next] = std::monostate();
    return {id, sight.created, sight.changed, values_};
  }

 private:
  std::span<const std::string_view> wanted_;
  std::vector<Scalar> values_;
};

}  // namespace

void Snapshot::for_each_row(std::string_view kind, std::span<const std::string_view> wanted, const RowVisitor& visit,
                            std::string_view from) const {
  RowReader reader(wanted);
  for_each_seen(*tables_, view(), kind, from,
                [&](const std::string& id, const Sight& sight) { return visit(reader.read(id, sight)); });
}

void Snapshot::visit_row(std::string_view kind, std::string_view id, std::span<const std::string_view> wanted,
                         const RowVisitor& visit) const {
  Sight sight(*tables_, view(), kind);
  if (!sight.find(id)) return;
  const std::string own_id(id);
  visit(RowReader(wanted).read(own_id, sight));
}

}  // namespace tandem::inventory
