// A load generator for any server that speaks the OpenAI API: sends requests by a stated process, and says how many of
// them got what was promised.
//
// In the open loop, requests are sent when the process says, however slow the answers are, and their times count from
// the moment they should have been sent: what a generator that waits would leave out (coordinated omission; G. Tene,
// "How NOT to Measure Latency", 2013) is in the figures. In the closed loop each of `concurrency` clients sends its
// next request when its last has ended; then the times count from the sending.
#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/histogram.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "base/units.h"
#include "ingest/trace.h"

namespace tandem::load {

enum class Process : uint8_t {
  steady,   // Poisson arrivals at the rate
  diurnal,  // one day squeezed into the duration: from a fifth of the rate at both ends to 1.8 of it in the middle
  burst,    // half of the requests come in bursts at five times the rate, a tenth of the time
  trace,    // as recorded, `speed_up` times as fast
};

// Log-normal numbers of tokens. A deviation of 0 gives the mean every time.
struct TokenDistribution {
  double mean = 500;           // ≥ 1, before the bounds
  double log_deviation = 0.8;  // of the logarithm, ≥ 0; 0.8 is a 90th percentile of about twice the mean
  uint32_t min = 1;
  uint32_t max = 8'192;
};

struct Weighted {
  std::string name;
  double weight = 1;  // > 0
};

struct LoadOptions {
  std::string url =
      "http://127.0.0.1:8080";  // of the server; a path is put before /v1, and a path of /v1 is understood
  // Of an https URL: a PEM file of authorities to trust beside the system's; empty: the system's alone.
  std::filesystem::path authorities;
  std::string key;                // sent as a bearer token; empty: none
  std::vector<Weighted> models;   // at least one
  std::vector<Weighted> regions;  // x-tandem-region; empty: not sent

  Process process = Process::steady;
  double rate_per_s = 10;                   // of steady, diurnal and burst, on average, > 0
  Duration duration = seconds(60);          // of sending; > 0
  std::vector<ingest::TraceRequest> trace;  // of the process `trace`, which ends with it or with the duration
  double speed_up = 1;                      // of the trace, > 0
  uint64_t requests_max = 0;                // > 0: the sending ends after so many, if sooner
  uint32_t concurrency = 0;  // > 0: closed loop with so many clients; the process then gives only the sizes

  TokenDistribution prompt_tokens{.mean = 800};
  TokenDistribution output_tokens{.mean = 200, .log_deviation = 0.6, .max = 2'048};
  bool stream = true;      // else TTFT is the whole answer's time
  bool ignore_eos = true;  // asks for exactly max_tokens; vLLM and the emulator know it, some servers refuse it
  // Sent with each request (x-slo-…-ms), and what answers are graded by; > 0. Nothing: by what the answer says was
  // promised (x-tandem-promise-…-ms), and where it says nothing by kUsualTtft and kUsualTpot.
  std::optional<Milliseconds> slo_ttft, slo_tpot;

  uint64_t seed = 1;
  // Requests under way; one that would be more is not sent and counts as failed ("client_overflow"). One socket each,
  // and common limits on open files are a little above.
  uint32_t outstanding_max = 4'096;
  Duration grace = seconds(60);  // for answers after the last sending; then they count as failed ("unfinished")
};

inline constexpr Milliseconds kUsualTtft{1'000};
inline constexpr Milliseconds kUsualTpot{50};

struct LoadProgress {
  Duration elapsed;
  uint64_t sent = 0, outstanding = 0, ok = 0, good = 0, rejected = 0, failed = 0;
  uint64_t output_tokens = 0;
};

struct SiteShare {
  uint64_t requests = 0;  // answered well
  uint64_t good = 0;      // of them, within the promise
};

// What an answer was graded by, and who said so.
struct LoadPromise {
  enum class Source : uint8_t { stated, server, usual };
  double ttft_ms = 0, tpot_ms = 0;
  Source source = Source::usual;
  auto operator<=>(const LoadPromise&) const = default;
};
std::string_view to_string(LoadPromise::Source source);

struct LoadReport {
  double sending_s = 0;                     // in which requests were sent; rates are over it
  double drain_s = 0;                       // from then to the last answer
  uint64_t requests = 0;                    // intended; ok + rejected + failed
  uint64_t ok = 0;                          // answered to the end
  uint64_t rejected = 0;                    // refused by the server with a 4xx or 503 status
  uint64_t failed = 0;                      // everything else
  std::map<std::string, uint64_t> reasons;  // of rejections ("503 overloaded_error") and failures ("stream_broken")
  uint64_t good = 0;                        // ok, and within both promises; a rejection is a miss
  Histogram ttft_us, tpot_us, whole_us;     // of those that are ok; per-token time is a request's mean after the first
  uint64_t prompt_tokens = 0, output_tokens = 0;  // of those that are ok; as the server counts, where it does
  std::map<LoadPromise, uint64_t> promises;       // answers graded by each; at most 64 of them
  std::map<std::string, SiteShare> sites;         // by x-tandem-site, where the server sends it
  uint64_t emulated = 0;                          // answers that say they come from an emulator
  std::optional<double> cost_eur;                 // from x-tandem-cost-eur-per-mtok, of the answers that had it
  uint64_t cost_tokens = 0;                       // tokens in those
  Duration send_lag_max;  // how late the generator itself was: large means this machine is too slow for the load
  uint64_t outstanding_peak = 0;
  std::map<std::string, uint64_t> errors;  // the first ten that differ, in the server's own words, and how often

  double goodput_fraction() const;  // [0, 1]
  // Of what was asked for in a second of sending, however long the last answers took.
  double goodput_per_s() const;
  double output_tokens_per_s() const;
};

// Runs the load to its end, or until `stop` is requested, on this thread; `progress` (may be empty) is called each
// second. Errors: invalid_argument, naming the option. A server that cannot be reached is not an error but a report of
// failures.
Result<LoadReport> run_load(const LoadOptions& options, const Clock& clock,
                            const std::function<void(const LoadProgress&)>& progress, std::stop_token stop);

// A floor or a ceiling for a figure of the report: shares and rates are to be at least so much, times and shares of
// what went wrong at most.
struct Goal {
  std::string figure;  // "goodput", "ttft_ms_p95", …
  double bound = 0;    // ≥ 0, in the figure's unit; of a share ≤ 1
  bool at_least = true;

  struct Verdict {
    std::optional<double> value;  // nothing: there was none, which misses the goal
    bool met = false;
  };
  Verdict judge(const LoadReport& report) const;
};
// "goodput=0.99", "ttft_ms_p95=400". Errors: invalid_argument, naming the figures there are.
Result<Goal> parse_goal(std::string_view text);

// The models that the key may use, as the server lists them, each with weight 1; `models` of the options are not looked
// at. Errors: those of the connection; invalid_argument (the URL, or it may use none).
Result<std::vector<Weighted>> server_models(const LoadOptions& options);

std::string progress_line(const LoadProgress& progress);  // what has come of it, without line break
Json to_json_report(const LoadOptions& options, const LoadReport& report, const std::vector<Goal>& goals = {});
// For people; sentences fit the `width` of the terminal, 0: each is one line.
std::string to_table(const LoadOptions& options, const LoadReport& report, const std::vector<Goal>& goals = {},
                     size_t width = 0);

}  // namespace tandem::load
