#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "ingest/feed_testing.h"

// The first byte chooses the format, the second how the bytes are cut.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem::ingest;
  if (size < 2) return 0;
  constexpr FeedFormat kFormats[]{FeedFormat::csv, FeedFormat::yaml, FeedFormat::netbox, FeedFormat::tmf639};
  static const tandem::inventory::Snapshot sample = read_feed(FeedFormat::yaml, kSampleInventory).after;
  FeedSettings settings;
  settings.piece_bytes = data[1] == 0 ? SIZE_MAX : data[1];
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const FeedResult result = read_feed(kFormats[data[0] % 4], text, sample, settings);
  CHECK(result.accepted == result.problems.empty());
  CHECK(result.accepted || result.events == 0);
  return 0;
}
