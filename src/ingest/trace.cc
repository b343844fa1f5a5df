#include "ingest/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/text.h"
#include "ingest/lines.h"

namespace tandem::ingest {
namespace {

constexpr uint32_t kMooncakeBlockTokens = 512;
constexpr int64_t kMillisecondsMax = int64_t{1} << 40;  // 35 years, far from what a Duration holds
constexpr size_t kHashesMax = 1'000'000;                // of one request

struct TimedRequest {
  int64_t at_ns;
  TraceRequest request;
};

// Calls read(line number, line) for each line that is not empty.
template <class Read>
void for_each_line(std::string_view bytes, Read read) {
  for (int line = 1; !bytes.empty(); ++line) {
    const size_t end = std::min(bytes.find('\n'), bytes.size());
    const std::string_view content = trim(bytes.substr(0, end));
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
    if (!content.empty() && !read(line, content)) return;
  }
}

std::optional<uint32_t> tokens(std::optional<int64_t> given) {
  if (!given || *given < 0 || *given > kTraceTokensMax) return std::nullopt;
  return static_cast<uint32_t>(std::max<int64_t>(1, *given));
}

// Offsets from the first arrival, in order of arrival.
void finish(std::vector<TimedRequest> timed, ErrorSink& errors, Trace& trace) {
  const auto earlier = [](const TimedRequest& a, const TimedRequest& b) { return a.at_ns < b.at_ns; };
  if (!std::is_sorted(timed.begin(), timed.end(), earlier)) {
    errors.warning(0, "the requests are not in order of arrival", "they are sorted");
    std::stable_sort(timed.begin(), timed.end(), earlier);
  }
  if (timed.empty()) errors.error(0, "there is no request in this trace", "give a trace with at least one");
  trace.requests.reserve(timed.size());
  for (TimedRequest& request : timed) {
    request.request.arrival = nanoseconds(request.at_ns - timed.front().at_ns);
    trace.requests.push_back(std::move(request.request));
  }
}

bool trace_fits(std::string_view bytes, ErrorSink& errors) {
  if (bytes.size() <= kTraceBytesMax) return true;
  errors.error(0, fmt::format("the file has {} bytes", bytes.size()),
               fmt::format("at most {} are allowed", kTraceBytesMax));
  return false;
}

// "2023-11-16 18:17:03.9799600", UTC, or with an offset behind it.
std::optional<Instant> azure_time(std::string_view text) {
  std::string rfc(trim(text));
  if (rfc.size() < 19 || rfc.size() > 40) return std::nullopt;
  rfc[10] = 'T';
  const bool has_offset = rfc.back() == 'Z' || rfc.find_first_of("+-", 19) != std::string::npos;
  const auto at = parse_rfc3339(has_offset ? rfc : rfc + "Z");
  return at && at->ns >= 0 ? std::optional(*at) : std::nullopt;  // from 1970, so that any two can be subtracted
}

}  // namespace

Trace parse_azure_trace(std::string_view bytes, std::string_view file_name) {
  Trace trace;
  ErrorSink errors(file_name, trace.diagnostics);
  if (!trace_fits(bytes, errors)) return trace;
  std::vector<TimedRequest> timed;
  bool header = false;
  for_each_line(bytes, [&](int line, std::string_view content) {
    if (!std::exchange(header, true)) {
      if (content == "TIMESTAMP,ContextTokens,GeneratedTokens") return true;
      errors.error(line, "the names of the columns were expected here",
                   "write: TIMESTAMP,ContextTokens,GeneratedTokens");
      return false;
    }
    if (timed.size() == kTraceRequestsMax) {
      errors.error(line, fmt::format("there are more than {} requests", kTraceRequestsMax), "split the trace");
      return false;
    }
    const auto columns = split(content, ',');
    const auto at = columns.size() == 3 ? azure_time(columns[0]) : std::nullopt;
    const auto prompt = columns.size() == 3 ? tokens(parse_integer(trim(columns[1]))) : std::nullopt;
    const auto output = columns.size() == 3 ? tokens(parse_integer(trim(columns[2]))) : std::nullopt;
    if (at && prompt && output)
      timed.push_back({at->ns, {{}, *prompt, *output, {}}});
    else
      errors.error(line, "this request cannot be read", "write: 2023-11-16 18:17:03.9799600,4808,10");
    return !errors.full();
  });
  finish(std::move(timed), errors, trace);
  return trace;
}

Trace parse_mooncake_trace(std::string_view bytes, std::string_view file_name) {
  Trace trace;
  trace.block_tokens = kMooncakeBlockTokens;
  ErrorSink errors(file_name, trace.diagnostics);
  if (!trace_fits(bytes, errors)) return trace;
  std::vector<TimedRequest> timed;
  for_each_line(bytes, [&](int line, std::string_view content) {
    if (timed.size() == kTraceRequestsMax) {
      errors.error(line, fmt::format("there are more than {} requests", kTraceRequestsMax), "split the trace");
      return false;
    }
    const auto json = parse_json(content);
    const Json& row = json ? *json : Json();
    const Json& at = row["timestamp"];
    const auto prompt = row["input_length"].is_integer() ? tokens(row["input_length"].integer()) : std::nullopt;
    const auto output = row["output_length"].is_integer() ? tokens(row["output_length"].integer()) : std::nullopt;
    const Json::Array& hashes = row["hash_ids"].array();
    const bool integers = std::all_of(hashes.begin(), hashes.end(), [](const Json& hash) { return hash.is_integer(); });
    const bool timely = at.is_number() && at.number() >= 0 && at.number() <= static_cast<double>(kMillisecondsMax);
    if (!timely || !prompt || !output || !integers || hashes.size() > kHashesMax) {
      errors.error(line, json ? "this request cannot be read" : json.error().message,
                   R"(write: {"timestamp": 0, "input_length": 4808, "output_length": 10, "hash_ids": [1, 2]})");
      return !errors.full();
    }
    TimedRequest request{static_cast<int64_t>(at.number() * 1e6), {{}, *prompt, *output, {}}};
    for (const Json& hash : hashes) request.request.prefix_blocks.push_back(static_cast<uint64_t>(hash.integer()));
    timed.push_back(std::move(request));
    return true;
  });
  finish(std::move(timed), errors, trace);
  return trace;
}

Trace parse_trace(std::string_view bytes, std::string_view file_name) {
  return trim(bytes.substr(0, 64)).starts_with('{') ? parse_mooncake_trace(bytes, file_name)
                                                    : parse_azure_trace(bytes, file_name);
}

}  // namespace tandem::ingest
