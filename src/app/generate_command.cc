#include <fmt/format.h>

#include <algorithm>

#include "app/commands.h"
#include "app/grid_file.h"
#include "app/output.h"
#include "app/progress.h"
#include "app/terminal.h"
#include "base/json.h"
#include "generate/generate.h"
#include "ingest/ingest.h"

namespace tandem::app {
namespace {

Result<void> generate_file(const GenerateOptions& options) {
  Progress progress("making it up");
  TANDEM_ASSIGN(const std::vector<grid::Entity> entities,
                generate::generate_grid(
                    {options.sites, options.demands, options.models, options.seed, options.load, options.days}));
  const std::string text = ingest::write_grid_file(entities);
  progress.end();
  TANDEM_TRY(write_output(options.output.empty() ? "-" : options.output, text));
  if (options.output.empty() || options.output == "-") return {};
  Json::Object report{{"output", options.output.string()}};
  std::string counts;
  for (const std::string_view kind :
       {"site", "node", "link", "shared_risk_group", "region", "pool", "model", "tenant", "demand"}) {
    const auto count =
        std::count_if(entities.begin(), entities.end(), [&](const grid::Entity& e) { return e.kind == kind; });
    report[std::string(grid::find_kind(kind)->section)] = int64_t{count};
    counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", count, grid::find_kind(kind)->section);
  }
  if (options.json)
    fmt::print("{}\n", to_json_pretty(report));
  else
    print_wrapped(fmt::format("{}: {}; plan it with: tandem plan --grid {}", options.output.string(), counts,
                              options.output.string()));
  return {};
}

}  // namespace

int run_generate(const GenerateOptions& options) {
  const auto done = generate_file(options);
  return done ? 0 : report(done.error());
}

}  // namespace tandem::app
