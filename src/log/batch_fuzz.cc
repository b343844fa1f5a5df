// Any bytes as a batch's body, an anchor, a slot's content: events or an error, never a crash.
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "log/anchor.h"
#include "log/log.h"
#include "log/print.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem::log;
  static const bool quiet = (google::protobuf::SetLogHandler(nullptr), true);
  CHECK(quiet);
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (size > 0) {
    const auto events = decode_events(bytes.substr(1), data[0]);
    if (events) {
      CHECK(events->size() == data[0]);
      for (const Event& event : *events) {
        CHECK(describe(event).summary.size() < 210);
        event_to_json(event);
      }
    }
  }
  const AnchorReading reading = read_anchor(bytes);
  CHECK(!reading.newest || reading.newest->sequence > 0);
  return 0;
}
