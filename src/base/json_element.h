// A parsed element of simdjson as a value, for readers that parse with simdjson themselves because their documents are
// many or large. Apart from json.h so that few files include simdjson.
#pragma once

#include <simdjson.h>

#include "base/json.h"

namespace tandem {

Json to_json_value(simdjson::dom::element element);

}  // namespace tandem
