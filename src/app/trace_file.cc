#include "app/trace_file.h"

#include "app/output.h"
#include "base/file.h"

namespace tandem::app {

Result<ingest::Trace> read_trace_file(const std::filesystem::path& path) {
  TANDEM_ASSIGN(const std::string bytes, read_file(path, ingest::kTraceBytesMax));
  ingest::Trace trace = ingest::parse_trace(bytes, path.string());
  print_diagnostics(trace.diagnostics);
  if (has_errors(trace.diagnostics)) return fail(ErrorCode::invalid_argument, "the trace was not read");
  return trace;
}

}  // namespace tandem::app
