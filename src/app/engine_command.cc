#include <fmt/format.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "app/commands.h"
#include "app/grid_file.h"
#include "app/listen.h"
#include "base/text.h"
#include "runtime/emulator.h"

namespace tandem::app {
namespace {

namespace asio = boost::asio;

// The first profile of the model on that accelerator, or on any where none is named.
Result<grid::ProfileIndex> profile_of(const grid::Snapshot& grid, grid::ModelIndex model,
                                      const std::string& accelerator) {
  std::string known;
  for (size_t i = 0; i < grid.profiles.size(); ++i) {
    const grid::Profile& profile = grid.profiles[i];
    if (profile.model != model) continue;
    const std::string& id = grid.accelerators[profile.accelerator].id;
    if (accelerator.empty() || accelerator == id) return grid::ProfileIndex(i);
    known += known.empty() ? id : ", " + id;
  }
  return fail(ErrorCode::not_found,
              fmt::format("no profile of that model{}; it has: {}", accelerator.empty() ? "" : " on " + accelerator,
                          known.empty() ? "none" : known));
}

Result<void> run(const EngineOptions& options, const grid::Snapshot& grid) {
  TANDEM_ASSIGN(const http::Endpoint listen, parse_listen(options.listen));
  const grid::ModelIndex model = grid.models.find(options.model);
  if (!model.valid()) {
    std::vector<std::string> ids;
    for (const grid::Model& one : grid.models) ids.push_back(one.id);
    const auto meant = nearest(options.model, ids);
    return fail(ErrorCode::not_found, fmt::format("no model '{}' in that grid; {}", options.model,
                                                  meant ? fmt::format("did you mean '{}'?", *meant)
                                                        : fmt::format("it has: {}", fmt::join(ids, ", "))));
  }
  TANDEM_ASSIGN(const grid::ProfileIndex profile, profile_of(grid, model, options.accelerator));
  asio::io_context context{1};
  const SystemClock clock;
  runtime::EngineHostOptions host_options;
  host_options.address = listen.host;
  host_options.port = listen.port;
  TANDEM_ASSIGN(const std::unique_ptr<runtime::EngineHost> host,
                runtime::EngineHost::listen(context, clock, host_options));
  runtime::EngineSpec spec;
  spec.model = grid.models[model];
  spec.profile = grid.profiles[profile];
  spec.replicas = options.replicas;
  TANDEM_TRY(host->set_engines({std::move(spec)}));
  fmt::print("tandem engine: an emulator of {} by profile {} ({}), at http://{}:{}/v1\n", options.model,
             grid.profiles[profile].id, grid.profiles[profile].source, listen.host, host->port());
  std::fflush(stdout);
  asio::signal_set signals(context, SIGINT, SIGTERM);
  signals.async_wait([&context](const boost::system::error_code&, int) { context.stop(); });
  context.run();
  return {};
}

}  // namespace

int run_engine(const EngineOptions& options) {
  const auto grid = load_grid(options.grid);
  if (!grid) return 2;
  const auto done = run(options, *grid);
  return done ? 0 : report(done.error());
}

}  // namespace tandem::app
