// Any bytes as the body of a bulk edit or of a feed: refused, or tried on an empty grid without a trace.
#include "api/inventory_upsert.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  static const control::State empty = control::empty_state();
  http::Request request;
  request.body.assign(reinterpret_cast<const char*>(data), size);
  if (const auto body = parse_json(request.body)) {
    if (auto upsert = api::read_upsert(*body)) api::try_upsert(empty, std::move(*upsert), {});
    if (const auto listed = api::read_listed(*body)) CHECK(api::try_listed(empty, "site", *listed).events.empty());
  }
  const auto edits = api::parse_bulk(request);
  if (!edits) return 0;
  const api::Trial trial = api::try_edits(empty, *edits, {});
  CHECK(trial.rows.size() == edits->rows.size());
  CHECK(empty.inventory.size() == 0);
  return 0;
}
