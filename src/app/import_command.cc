#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "app/commands.h"
#include "app/grid_file.h"
#include "app/output.h"
#include "app/terminal.h"
#include "base/counted.h"
#include "base/file.h"
#include "base/json.h"
#include "ingest/ingest.h"
#include "ingest/topology.h"

namespace tandem::app {
namespace {

Result<ingest::TopologyFormat> format_of(const std::string& name) {
  const auto format = ingest::topology_format(name);
  if (!format)
    return fail(ErrorCode::invalid_argument,
                fmt::format("no format '{}'; one of auto, topology-zoo, graphml, sndlib, repetita, site-list", name));
  return *format;
}

// The demands that REPETITA keeps beside a graph: X.demands, else the first of several, X.0000.demands. A graph alone
// is imported without background traffic.
std::filesystem::path demands_beside(const std::filesystem::path& graph) {
  if (graph.extension() != ".graph") return {};
  for (const char* extension : {"demands", "0000.demands"}) {
    auto path = std::filesystem::path(graph).replace_extension(extension);
    std::error_code error;
    if (std::filesystem::exists(path, error)) return path;
  }
  return {};
}

// Users whose list stands beside that of the sites: X-users.csv beside X-sites.csv.
std::filesystem::path users_beside(const std::filesystem::path& sites) {
  const std::string stem = sites.stem().string();
  if (sites.extension() != ".csv" || !stem.ends_with("-sites")) return {};
  auto path = sites;
  path.replace_filename(stem.substr(0, stem.size() - 6) + "-users.csv");
  std::error_code error;
  return std::filesystem::exists(path, error) ? path : std::filesystem::path();
}

Result<void> import_file(const ImportOptions& options) {
  TANDEM_ASSIGN(const ingest::TopologyFormat format, format_of(options.format));
  TANDEM_ASSIGN(const std::string bytes, read_file(options.input, ingest::kGridFileBytesMax));
  ingest::ImportOptions import_options;
  import_options.seed = options.seed;
  if (options.route_factor > 0) import_options.route_factor = options.route_factor;
  if (!options.jurisdiction.empty()) import_options.jurisdiction = options.jurisdiction;
  const std::filesystem::path demands_file = demands_beside(options.input);
  std::string demands;
  if (!demands_file.empty()) {
    TANDEM_ASSIGN(demands, read_file(demands_file, ingest::kTopologyBytesMax));
    import_options.demands = demands;
    import_options.demands_file_name = demands_file.native();
  }
  const std::filesystem::path users_file = users_beside(options.input);
  std::string users;
  if (!users_file.empty()) {
    TANDEM_ASSIGN(users, read_file(users_file, ingest::kTopologyBytesMax));
    import_options.users = users;
    import_options.users_file_name = users_file.native();
  }
  const ingest::Imported imported = ingest::import_topology(bytes, options.input.string(), format, import_options);
  print_diagnostics(imported.diagnostics);
  for (const std::string& note : imported.notes) fmt::print(stderr, "note: {}\n", note);
  if (has_errors(imported.diagnostics)) return fail(ErrorCode::invalid_argument, "nothing was imported");
  TANDEM_TRY(write_output(options.output, ingest::write_grid_file(imported.entities)));
  if (options.output == "-") return {};
  const auto count = [&](std::string_view kind) {
    return std::count_if(imported.entities.begin(), imported.entities.end(),
                         [&](const grid::Entity& e) { return e.kind == kind; });
  };
  if (options.json) {
    const Json::Object report{{"output", options.output.string()},
                              {"sites", int64_t{count("site")}},
                              {"links", int64_t{count("link")}},
                              {"regions", int64_t{count("region")}},
                              {"pools", int64_t{count("pool")}},
                              {"demands", int64_t{count("demand")}},
                              {"warnings", static_cast<int64_t>(imported.diagnostics.size())}};
    fmt::print("{}\n", to_json_pretty(report));
  } else {
    print_wrapped(fmt::format("{}: {}, {}, {}, {}, {}; run it with: tandem up --grid {}", options.output.string(),
                              counted(count("site"), "site"), counted(count("link"), "link"),
                              counted(count("region"), "region"), counted(count("pool"), "pool"),
                              counted(count("demand"), "demand"), options.output.string()));
  }
  return {};
}

}  // namespace

int run_import(const ImportOptions& options) {
  const auto done = import_file(options);
  return done ? 0 : report(done.error());
}

}  // namespace tandem::app
