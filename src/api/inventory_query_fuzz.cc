// Any bytes as the query of a list: refused, or a page whose cursor reads back.
#include "api/inventory_query.h"
#include "base/check.h"
#include "grid/schema.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  static const inventory::Snapshot believed = [] {
    inventory::Snapshot snapshot;
    for (const char* id : {"a", "b", "c"}) {
      log::Event event;
      event.mutable_facts_recorded()->set_kind("site");
      event.mutable_facts_recorded()->set_id(id);
      snapshot.fold(event, snapshot.offset() + 1, {});
    }
    return snapshot;
  }();
  const grid::Kind& kind = *grid::find_kind("site");
  const std::string query(reinterpret_cast<const char*>(data), size);
  const auto parsed = api::parse_list_query(kind, query);
  if (!parsed) return 0;
  const Json page = api::list_page(believed, kind, *parsed);
  CHECK(page["items"].array().size() <= parsed->limit);
  return 0;
}
