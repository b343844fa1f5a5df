#include "inventory/horizon.h"

#include <fmt/format.h>

namespace tandem::inventory {

Result<void> reaches_all(const Snapshot& snapshot, const std::function<bool(const ontology::Kind&)>& is_read) {
  if (snapshot.view() == nullptr) return {};
  for (const ontology::Kind& kind : ontology::Ontology::built_in().kinds()) {
    if (!kind.retain_past_days || (is_read && !is_read(kind))) continue;
    const auto reached = snapshot.reaches(kind.name);
    if (!reached)
      return fail(reached.error().code,
                  fmt::format("{}; ask for one kind at a time, or for a later time", reached.error().message),
                  reached.error().context);
  }
  return {};
}

}  // namespace tandem::inventory
