#include "app/grid_file.h"

#include <fmt/format.h>

#include <cstdio>

#include "app/output.h"
#include "app/progress.h"
#include "base/file.h"
#include "ingest/ingest.h"

namespace tandem::app {

std::optional<grid::Snapshot> load_grid(const std::filesystem::path& file) {
  Progress progress(fmt::format("reading {}", file.string()));
  const auto bytes = read_file(file, ingest::kGridFileBytesMax);
  if (!bytes) {
    progress.end();
    report(bytes.error());
    return std::nullopt;
  }
  ingest::GridSnapshot read = ingest::read_grid(*bytes, file.string());
  progress.end();
  print_diagnostics(read.diagnostics);
  return std::move(read.snapshot);
}

Result<Json> read_plan_file(const std::filesystem::path& file) {
  constexpr uint64_t kPlanBytesMax = 256 << 20;  // 100,000 demands with their reasons
  TANDEM_ASSIGN(const std::string bytes, read_file(file, kPlanBytesMax));
  auto parsed = parse_json(bytes);
  if (!parsed)
    return fail(parsed.error().code, fmt::format("{} is no plan: {}", file.string(), parsed.error().message));
  return parsed;
}

int report(const Error& error) {
  fmt::print(stderr, "tandem: {}\n",
             error.context.empty() ? error.message : fmt::format("{} ({})", error.message, error.context));
  const int status = describe(error.code).http_status;
  return status >= 400 && status < 500 ? 2 : 1;
}

}  // namespace tandem::app
