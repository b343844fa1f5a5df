// One running grid: the log and its core, the plan worker, the emulated engines, the gateways and the surfaces, wired.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "grid/nouns.h"
#include "routing/baseline.h"

namespace tandem::app {

struct GridServerOptions {
  std::filesystem::path data;
  std::string address = "127.0.0.1";
  uint16_t port = 8080;  // 0: any free one
  unsigned gateway_threads = 1;
  std::filesystem::path webhook_authorities;  // PEM file of those trusted beside the system's; empty: none
  std::filesystem::path model_repository;     // predictive models, served at /v2; empty: none
  std::filesystem::path onnxruntime;          // its shared library; empty: where the build has put it
  unsigned prediction_threads = 1;            // cores given to predictions
  uint64_t prediction_memory_mb = 1'024;      // of the models that are loaded
  std::string site;                           // of the grid, where this process stands; empty: not said
  std::vector<grid::Prefix> trusted_proxies;  // as gateway::GatewayOptions has them
  std::vector<uint32_t> local_users;          // of this machine, as http::LocalPeer has them
  std::string tls_address;                    // of a second listener, which speaks TLS; empty: none
  uint16_t tls_port = 0;                      // 0: any free one
  std::filesystem::path tls_certificate;      // PEM, as the next
  std::filesystem::path tls_key;
  std::filesystem::path access_log;  // "-": standard output; empty: none
  std::string otlp_endpoint;         // see telemetry::parse_otlp_endpoint; empty: requests are not traced
  double trace_ratio = 0.01;         // of traces that begin here, [0, 1]
  uint32_t periods_max = 6;  // of a day whose demand or radio reserve changes, [0, 24]; 0 and 1: not planned in periods
  // On the plan's replicas requests go where this says instead. To measure against: it knows no promise and no queue.
  std::optional<routing::Baseline> baseline = std::nullopt;
  const Clock* clock = nullptr;  // that outlives the server; null: the machine's
};

class GridServer {
 public:
  virtual ~GridServer() = default;  // stops everything, in order

  // Reads the log in `options.data`, made when it is not there, and starts to serve what it holds.
  // Errors: unavailable (another process has that log open), corrupt, io, invalid_argument (address, certificate, key,
  // OTLP endpoint).
  static Result<std::unique_ptr<GridServer>> start(const GridServerOptions& options);

  // Takes in a grid file: everything at first, later what differs from the file before. Returns events recorded.
  virtual Result<size_t> apply_grid_file(const std::filesystem::path& file) = 0;
  virtual bool empty() const = 0;  // nothing is on the log yet
  // Whether the grid has the site that `options.site` names. Errors: not_found (which says what is nearest).
  virtual Result<void> check_site() const = 0;
  virtual uint16_t port() const = 0;
  virtual uint16_t tls_port() const = 0;  // 0: there is none
  // Reads and opens anew what others replace: the certificate, the access log. Any thread.
  virtual void reload() = 0;
  // Drops nothing that is under way for up to a few seconds, then returns.
  virtual void stop() = 0;
};

}  // namespace tandem::app
