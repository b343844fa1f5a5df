#include "app/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "app/terminal.h"
#include "base/text_table.h"

namespace tandem::app {
namespace {

// It can take a line back, which a dumb one cannot.
bool is_terminal() {
  const char* const kind = std::getenv("TERM");
  return terminal_width(STDERR_FILENO) > 0 && kind != nullptr && std::string_view(kind) != "dumb";
}

}  // namespace

Progress::Progress(std::string doing) : doing_(std::move(doing)) {
  if (is_terminal()) thread_ = std::jthread([this](const std::stop_token& over) { run(over); });
}

void Progress::tell(std::string doing) {
  const std::lock_guard lock(mutex_);
  doing_ = std::move(doing);
}

void Progress::end() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

// Work that is done within the first moment shows no line at all.
void Progress::run(const std::stop_token& over) {
  constexpr auto kEvery = std::chrono::milliseconds(250);
  const auto start = std::chrono::steady_clock::now();
  std::string drawn;
  std::unique_lock lock(mutex_);
  while (wake_.wait_for(lock, over, kEvery, [] { return false; }), !over.stop_requested()) {
    const auto elapsed = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - start);
    std::string line = fmt::format("{:>4} s  {}", elapsed.count(), doing_);
    if (line == drawn) continue;
    fmt::print(stderr, "\r\033[K{}", first_columns(line, terminal_width(STDERR_FILENO) - 1));
    std::fflush(stderr);
    drawn = std::move(line);
  }
  if (!drawn.empty()) fmt::print(stderr, "\r\033[K");
}

}  // namespace tandem::app
