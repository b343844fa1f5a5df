#include <fmt/format.h>

#include <algorithm>

#include "app/commands.h"
#include "app/grid_file.h"
#include "app/progress.h"
#include "app/terminal.h"
#include "base/counted.h"
#include "base/file.h"
#include "base/json.h"
#include "ingest/ingest.h"

namespace tandem::app {
namespace {

Json diagnostics_json(const std::vector<Diagnostic>& diagnostics) {
  Json::Array list;
  for (const Diagnostic& diagnostic : diagnostics) {
    list.push_back(Json::Object{{"severity", diagnostic.severity == Diagnostic::Severity::error ? "error" : "warning"},
                                {"file", diagnostic.file},
                                {"line", diagnostic.line},
                                {"message", diagnostic.message},
                                {"fix", diagnostic.fix}});
  }
  return list;
}

std::string counts(const grid::Rows& rows) {
  return fmt::format("{}, {}, {}, {}, {}, {}, {}, {}", counted(rows.sites.size(), "site"),
                     counted(rows.nodes.size(), "node"), counted(rows.links.size(), "link"),
                     counted(rows.regions.size(), "region"), counted(rows.pools.size(), "pool"),
                     counted(rows.models.size(), "model"), counted(rows.tenants.size(), "tenant"),
                     counted(rows.demands.size(), "demand"));
}

}  // namespace

int run_check(const CheckOptions& options) {
  const auto bytes = read_file(options.grid, ingest::kGridFileBytesMax);
  if (!bytes) return report(bytes.error());
  Progress progress(fmt::format("reading {}", options.grid.string()));
  const ingest::GridFile parsed = ingest::parse_grid_file(*bytes, options.grid.string());
  progress.end();
  const auto errors =
      std::count_if(parsed.diagnostics.begin(), parsed.diagnostics.end(),
                    [](const Diagnostic& diagnostic) { return diagnostic.severity == Diagnostic::Severity::error; });
  if (options.json) {
    const Json::Object document{{"file", options.grid.string()},
                                {"errors", int64_t{errors}},
                                {"diagnostics", diagnostics_json(parsed.diagnostics)}};
    fmt::print("{}\n", to_json_pretty(document));
  } else {
    for (const Diagnostic& diagnostic : parsed.diagnostics) fmt::print("{}\n", to_string(diagnostic));
    const auto warnings = static_cast<ptrdiff_t>(parsed.diagnostics.size()) - errors;
    if (errors == 0)
      print_wrapped(fmt::format("{}: good: {}{}", options.grid.string(), counts(parsed.rows),
                                warnings > 0 ? "; " + counted(warnings, "warning") : ""));
    else
      fmt::print("{}: {}, {}\n", options.grid.string(), counted(errors, "error"), counted(warnings, "warning"));
  }
  return errors == 0 ? 0 : 2;
}

}  // namespace tandem::app
