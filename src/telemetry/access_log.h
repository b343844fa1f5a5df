// The access log: one line of JSON for each request, written beside the request path.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"
#include "gateway/record.h"

namespace tandem::telemetry {

class RecordLane;

struct AccessLogOptions {
  std::filesystem::path file;         // "-": standard output
  size_t waiting_max = 8'192;         // of one lane, ~4 MB: with `round`, 160,000 requests a second and thread
  Duration round = milliseconds(50);  // between writes
};

// `{"time":…,"tenant":…,…}` without its line break: times in microseconds, sizes in bytes, no text of prompts or
// answers, no key, no address of a client.
std::string access_line(const gateway::RequestRecord& record);

class AccessLog {
 public:
  // Opens the file to append to, made where there is none. Errors: io, not_found (its directory).
  static Result<std::unique_ptr<AccessLog>> open(AccessLogOptions options, Metrics& metrics);
  ~AccessLog();  // writes what waits

  // For one thread that records; made before it runs. Lanes go with the log.
  gateway::RecordSink& lane();
  // For any thread: opens the file anew before the next lines, for whoever has moved the old one away.
  void reopen();

 private:
  AccessLog(AccessLogOptions options, Metrics& metrics);
  void run();
  void write_waiting();
  Result<void> open_file();
  void write_lines(const std::string& lines, size_t count);

  const AccessLogOptions options_;
  Counter& written_;
  Counter& dropped_;
  std::vector<std::unique_ptr<RecordLane>> lanes_;
  int file_ = -1;         // of the writer's thread, once it runs
  bool failing_ = false;  // said once, not for each line
  std::mutex mutex_;      // guards the next two
  std::condition_variable wake_;
  bool stopping_ = false;
  bool reopening_ = false;
  std::thread thread_;
};

}  // namespace tandem::telemetry
