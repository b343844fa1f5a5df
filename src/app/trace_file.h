// Reading recorded requests for the commands that replay them.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "ingest/trace.h"

namespace tandem::app {

// Prints every problem, with file:line, on standard error. Errors: io; invalid_argument where one is an error.
Result<ingest::Trace> read_trace_file(const std::filesystem::path& path);

}  // namespace tandem::app
