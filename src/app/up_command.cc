#include <fmt/format.h>
#include <pthread.h>
#include <pwd.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <thread>

#include "app/commands.h"
#include "app/grid_file.h"
#include "app/grid_server.h"
#include "app/listen.h"
#include "base/counted.h"
#include "base/text.h"
#include "grid/prefix.h"
#include "http/local_peer.h"

namespace tandem::app {
namespace {

// From now on SIGINT, SIGTERM and SIGHUP wait to be taken by `wait_for_signal`, in every thread started after this.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

// A streamed answer takes two open files for as long as it lasts: as many as the system allows, not as it begins with.
void raise_open_files() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

Result<std::optional<routing::Baseline>> baseline_of(const std::string& policy) {
  const auto baseline = routing::baseline_named(policy);
  if (baseline || policy == "tandem") return baseline;
  return fail(
      ErrorCode::invalid_argument,
      fmt::format("no policy '{}'; one of tandem, nearest, cheapest, least-load, round-robin, prefix-hash", policy));
}

// "10.0.0.0/8", or one address.
Result<grid::Prefix> parse_proxy(const std::string& text) {
  const bool is_address = text.find('/') == std::string::npos;
  const bool is_ipv6 = text.find(':') != std::string::npos;
  auto prefix = grid::parse_prefix(is_address ? text + (is_ipv6 ? "/128" : "/32") : text);
  if (!prefix) return fail(ErrorCode::invalid_argument, "--trusted-proxy: " + prefix.error().message);
  return *prefix;
}

// "alice", or 1000.
Result<uint32_t> parse_user(const std::string& text) {
  std::optional<uint32_t> user;
  if (const auto number = parse_integer(text); number && *number >= 0 && *number < UINT32_MAX)
    user = static_cast<uint32_t>(*number);
  else if (const passwd* named = ::getpwnam(text.c_str()))  // before there are other threads
    user = named->pw_uid;
  if (!user)
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("--local-user: this machine has no user '{}'; write a name or a number", text.substr(0, 64)));
  if (*user == http::kUnknownUser)
    return fail(ErrorCode::invalid_argument,
                fmt::format("--local-user: '{}' is whom the kernel names where it does not know a user: name another",
                            text.substr(0, 64)));
  return *user;
}

Result<void> up(const UpOptions& options) {
  TANDEM_ASSIGN(const http::Endpoint listen, parse_listen(options.listen));
  const sigset_t signals = block_signals();
  raise_open_files();
  GridServerOptions server_options;
  server_options.data = options.data;
  server_options.address = listen.host;
  server_options.port = listen.port;
  server_options.gateway_threads =
      options.threads > 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  server_options.webhook_authorities = options.webhook_ca;
  std::error_code ignored;
  if (options.model_repository != kExampleModels || std::filesystem::exists(options.model_repository, ignored))
    server_options.model_repository = options.model_repository;
  server_options.onnxruntime = options.onnxruntime;
  server_options.prediction_threads = options.prediction_threads;
  server_options.prediction_memory_mb = options.prediction_memory_mb;
  server_options.site = options.site;
  server_options.periods_max = options.periods;
  for (const std::string& proxy : options.trusted_proxies) {
    TANDEM_ASSIGN(const grid::Prefix prefix, parse_proxy(proxy));
    server_options.trusted_proxies.push_back(prefix);
  }
  for (const std::string& name : options.local_users) {
    TANDEM_ASSIGN(const uint32_t user, parse_user(name));
    server_options.local_users.push_back(user);
  }
  if (!options.tls_listen.empty()) {
    TANDEM_ASSIGN(const http::Endpoint tls, parse_listen(options.tls_listen));
    server_options.tls_address = tls.host;
    server_options.tls_port = tls.port;
    server_options.tls_certificate = options.tls_cert;
    server_options.tls_key = options.tls_key;
  }
  server_options.access_log = options.access_log;
  server_options.otlp_endpoint = options.otlp_endpoint;
  server_options.trace_ratio = options.trace_ratio;
  TANDEM_ASSIGN(server_options.baseline, baseline_of(options.policy));
  TANDEM_ASSIGN(const std::unique_ptr<GridServer> grid, GridServer::start(server_options));
  size_t recorded = 0;
  if (!options.grid.empty()) {
    TANDEM_ASSIGN(recorded, grid->apply_grid_file(options.grid));
  } else if (grid->empty()) {
    return fail(ErrorCode::invalid_argument, fmt::format("the log in '{}' is empty; name a grid to start from with "
                                                         "--grid, for example --grid examples/national.yaml",
                                                         options.data.string()));
  }
  TANDEM_TRY(grid->check_site());
  fmt::print("tandem: http://{}:{}\n", listen.host, grid->port());
  fmt::print("  console  http://{0}:{1}/\n  OpenAI   http://{0}:{1}/v1\n  log      {2}{3}\n", listen.host, grid->port(),
             (options.data / "log").string(),
             options.grid.empty() ? "" : fmt::format(" (grid file: {} recorded)", counted(recorded, "event")));
  if (server_options.baseline)
    fmt::print("  policy   {}: to measure against; promises are not looked at\n", options.policy);
  if (!server_options.model_repository.empty())
    fmt::print("  predict  http://{}:{}/v2 ({})\n", listen.host, grid->port(),
               server_options.model_repository.string());
  if (grid->tls_port() != 0) fmt::print("  TLS      https://{}:{}/\n", server_options.tls_address, grid->tls_port());
  std::fflush(stdout);
  for (int signal = SIGHUP; signal == SIGHUP;) {
    sigwait(&signals, &signal);
    if (signal == SIGHUP) grid->reload();
  }
  fmt::print("tandem: stopping\n");
  std::fflush(stdout);
  grid->stop();
  return {};
}

}  // namespace

int run_up(const UpOptions& options) {
  const auto done = up(options);
  return done ? 0 : report(done.error());
}

}  // namespace tandem::app
