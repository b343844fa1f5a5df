// Events for people and for tools. Unlike the rest of the module this reads what an event says, and only to print it.
#pragma once

#include <string>

#include "base/json.h"
#include "log/log.h"

namespace tandem::log {

struct EventDescription {
  std::string kind;     // as the field of `Event.body` is named: "facts_recorded"; "none" when it is of a later version
  std::string summary;  // one line: "link berlin-hamburg: capacity_gbps=100.0, delay_us=1400.0 (grid-file)"
};
EventDescription describe(const Event& event);

// "7:00 to 19:00 UTC".
std::string hours_text(const v1::PlannedHours& hours);

// All of an event, by the names of its fields: {"actor": …, "facts_recorded": {…}}. Fields without a value are left
// out, bytes are hexadecimal, a Value is the plain JSON value it stands for.
Json event_to_json(const Event& event);

// What is shown of a sealed value to who cannot open it: {"sealed": "<16 hexadecimal digits>"}, the same for the same
// bytes.
Json sealed_to_json(std::string_view sealed);

// A header with its digests in hexadecimal and its time as RFC 3339.
Json header_to_json(const BatchHeader& header);

}  // namespace tandem::log
