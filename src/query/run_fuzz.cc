// Any bytes as a statement: answered within the limits, or refused, and the snapshot stays as it is.
#include "base/check.h"
#include "query/query.h"

namespace {

tandem::inventory::Snapshot small_snapshot() {
  tandem::inventory::Snapshot snapshot;
  for (const char* id : {"node-1", "node-2", "node-3"}) {
    tandem::log::Event event;
    auto& facts = *event.mutable_facts_recorded();
    facts.set_kind("node");
    facts.set_id(id);
    auto& site = *facts.add_attributes();
    site.set_name("site");
    site.mutable_value()->set_text("site-1");
    snapshot.fold(event, snapshot.offset() + 1, {});
  }
  return snapshot;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const tandem::inventory::Snapshot snapshot = small_snapshot();
  tandem::query::Limits limits;
  limits.rows_max = 100;
  limits.steps_max = 100'000;
  limits.memory_bytes_max = 8u << 20;
  const auto table = tandem::query::run(snapshot, {reinterpret_cast<const char*>(data), size}, limits);
  CHECK(table || !table.error().message.empty());
  if (table) CHECK(!tandem::query::as_text(*table).empty() && !tandem::query::as_csv(*table).empty());
  return 0;
}
