// The HTTP surfaces of one grid. One `Api` serves any number of io_contexts; it holds no lock while it waits.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/feed.h"
#include "base/json.h"
#include "base/metrics.h"
#include "control/control.h"
#include "http/http.h"
#include "log/log.h"
#include "routing/routing.h"
#include "twin/twin.h"

namespace tandem::api {

class ChangeFeed;
class OpenInference;
class SearchIndex;
class WebhookSender;

// What the core last made durable and everything that follows from it. Immutable.
struct Published {
  control::State state;
  std::shared_ptr<const routing::RoutingTable> table;
  twin::Forecast forecast;  // of the accepted plan on this state: predicted, not measured
  bool plans_held = false;  // what comes in belongs together and is not whole yet
};

// The core, as the surfaces see it. Thread-safe.
class CorePort {
 public:
  virtual ~CorePort() = default;
  virtual std::shared_ptr<const Published> published() const = 0;
  // Orders the events into the log, all of them or none; `done` is called once, on any thread, with the offset of the
  // last when they are durable, or with why not. Errors: those of control::step and of the log; resource_exhausted
  // when the intake queue is full.
  virtual void submit(std::vector<log::Event> events, std::function<void(Result<log::Offset>)> done) = 0;
  // The same, where `guard` still holds of the state that the events would follow: what the caller had read is checked
  // at the moment it is acted on. Its error is the answer. Called on the core's thread; must be quick.
  using Guard = std::function<Result<void>(const control::State&)>;
  virtual void submit_if(Guard guard, std::vector<log::Event> events,
                         std::function<void(Result<log::Offset>)> done) = 0;
};

// What the gateways decided of late. Thread-safe.
class DecisionSource {
 public:
  virtual ~DecisionSource() = default;
  virtual Json recent(size_t count_max) const = 0;                     // an array, newest first
  virtual std::optional<Json> explain(std::string_view id) const = 0;  // nothing once it has left the ring
  virtual Json trials() const = 0;  // an array: of the table in force, both sides of each
};

// What of the last hour's serving is asked.
struct ServingQuestion {
  uint32_t minutes = 60;    // 1 to 60
  std::string site = {};    // its series alone; empty: all
  std::string tenant = {};  // likewise; not with a site
};

// What flows now, measured at the gateways. Thread-safe.
class Activity {
 public:
  virtual ~Activity() = default;
  struct Deployment {
    double requests_per_s = 0;
    uint32_t in_flight = 0;
  };
  virtual Deployment deployment(std::string_view id) const = 0;
  // See GET /api/v1/serving.
  virtual Json serving(const ServingQuestion& question) const = 0;
  // What was used and is not known to be on the log yet, by window, ascending.
  virtual std::vector<v1::WindowSealed> open_usage() const = 0;
};

// What the surfaces answer from. All must outlive the Api.
struct ApiParts {
  CorePort& core;
  DecisionSource& decisions;
  Activity& activity;
  Feed& feed;
  ChangeFeed& changes;
  const SearchIndex& search;
  WebhookSender& webhooks;
  const log::Log& log;  // for /api/v1/log
  Metrics& metrics;
  const Clock& clock;
  const OpenInference* predictions = nullptr;                     // null: there are none to tell of
  uint32_t periods_max = control::PlanningOptions().periods_max;  // that a day is planned in
  std::string_view policy = "tandem";  // where requests go: or a baseline's name, which is to measure against
};

class Api {
 public:
  explicit Api(const ApiParts& parts);
  ~Api();

  // Any request that is not the gateway's.
  boost::asio::awaitable<void> handle(const http::Request& request, http::ResponseWriter& writer);

 private:
  struct Routes;
  std::unique_ptr<Routes> routes_;
};

// The console's `load` message: predicted link utilisation of the published state, with the measured flows and goodput.
Json load_message(const Published& published, Json flows, Json goodput);
// The console's `state` message: what differs between two states; nothing when no site or link does.
std::optional<Json> state_message(const grid::Snapshot& before, const grid::Snapshot& after);
// The console's `grid` message, upon which it reads the grid anew: there when sites, links or regions came, went, moved
// or have other ends or capacity. Measured values are none of it.
std::optional<Json> grid_message(const grid::Snapshot& before, const grid::Snapshot& after);
// The console's `plan` message: the accepted plan in a line.
Json plan_message(const Published& published);
// One event of the log as the console and `tandem log` show it: {offset, at, kind, summary}.
Json log_message(const log::Event& event, log::Offset offset, Instant at);

}  // namespace tandem::api
