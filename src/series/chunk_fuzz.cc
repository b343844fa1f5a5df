// Any bytes as a chunk, as rows, as a journal: rows or an error, never a crash; and rows that were read are written and
// read again as they are.
#include <google/protobuf/stubs/logging.h>

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "series/chunk.h"
#include "series/columns.h"
#include "series/journal.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem::series;
  static const bool quiet = (google::protobuf::SetLogHandler(nullptr), true);
  CHECK(quiet);
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto usage = decode_usage(bytes)) {
    const std::string once = encode(*usage);
    const auto again = decode_usage(once);
    CHECK(again && encode(*again) == once);
    totals_of(*usage, {});
  }
  if (const auto samples = decode_samples(bytes)) {
    const auto again = decode_samples(encode(*samples));
    CHECK(again && again->size() == samples->size());
  }
  const auto chunk = decode_chunk(bytes);
  CHECK(!chunk || chunk->head.rows > 0);
  const JournalReading reading = read_journal(bytes);
  CHECK(reading.bytes + reading.bytes_dropped == size);
  return 0;
}
