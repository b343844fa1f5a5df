// Plans as JSON from outside: read, and checked against a small grid, without harm.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/json.h"
#include "planner/planner.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  static const grid::Snapshot snapshot = grid::make_snapshot({}, 0);
  const auto document = parse_json({reinterpret_cast<const char*>(data), size});
  if (!document) return 0;
  if (const auto read = planner::plan_from_json(*document, snapshot)) (void)planner::check_plan(snapshot, *read);
  return 0;
}
