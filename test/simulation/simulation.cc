// simulation --seeds N [--first S] | --seed S [--verbose]
//
// Runs seeded worlds and says which broke an invariant, with its last happenings. Exit status 1 when one did.
#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>

#include <cstdio>
#include <string_view>

#include "base/text.h"
#include "simulation/world.h"

namespace tandem::simulation {
namespace {

struct Arguments {
  uint64_t first = 1;
  uint64_t count = 20;
  bool verbose = false;
};

constexpr uint64_t kSeedsBetweenTelling = 500;  // about a minute

std::optional<Arguments> parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--verbose") {
      arguments.verbose = true;
      continue;
    }
    const auto value = i + 1 < argc ? parse_integer(argv[++i]) : std::nullopt;
    if (!value || *value < 0) return std::nullopt;
    const auto number = static_cast<uint64_t>(*value);
    if (name == "--seeds")
      arguments.count = number;
    else if (name == "--first")
      arguments.first = number;
    else if (name == "--seed")
      arguments.first = number, arguments.count = 1;
    else
      return std::nullopt;
  }
  return arguments;
}

int run(const Arguments& arguments) {
  Report total;
  uint64_t broken = 0;
  for (uint64_t seed = arguments.first; seed < arguments.first + arguments.count; ++seed) {
    const Report report = World(seed, {.verbose = arguments.verbose}).run();
    total.events += report.events;
    total.crashes += report.crashes;
    total.takeovers += report.takeovers;
    total.refused += report.refused;
    total.merges += report.merges;
    total.erasures += report.erasures;
    total.plans.accepted += report.plans.accepted;
    total.plans.rejected += report.plans.rejected;
    total.plans.failed += report.plans.failed;
    total.plans.schedules += report.plans.schedules;
    total.plans.periods += report.plans.periods;
    if (const uint64_t done = seed - arguments.first + 1; done % kSeedsBetweenTelling == 0 && done < arguments.count) {
      fmt::print("{} of {} seeds: {} events, {} broke an invariant\n", done, arguments.count, total.events,
                 broken + (report.broken ? 1 : 0));
      std::fflush(stdout);
    }
    if (!report.broken) continue;
    ++broken;
    fmt::print("seed {} broke at tick {}: {}\n", seed, report.tick, *report.broken);
    for (const std::string& happening : report.last_happenings) fmt::print("    {}\n", happening);
    fmt::print("run it again with: simulation --seed {} --verbose\n", seed);
  }
  fmt::print(
      "{} seeds: {} events, {} crashes, {} takeovers, {} messages refused, {} merges, {} people forgotten, "
      "plans {} accepted {} rejected {} failed, {} schedules, {} periods begun; {} broke an invariant\n",
      arguments.count, total.events, total.crashes, total.takeovers, total.refused, total.merges, total.erasures,
      total.plans.accepted, total.plans.rejected, total.plans.failed, total.plans.schedules, total.plans.periods,
      broken);
  return broken == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tandem::simulation

int main(int argc, char** argv) {
  // Checkpoints are damaged on purpose, ten thousand times in a long run, and libprotobuf tells stderr of each text in
  // them that is not UTF-8 any more. What matters of it is an error that the reader returns.
  google::protobuf::SetLogHandler(nullptr);
  const auto arguments = tandem::simulation::parse(argc, argv);
  if (!arguments) {
    std::fputs("usage: simulation --seeds N [--first S] | --seed S [--verbose]\n", stderr);
    return 2;
  }
  return tandem::simulation::run(*arguments);
}
