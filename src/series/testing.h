// What the tests of this module share.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/check.h"
#include "base/random.h"
#include "series/series.h"

namespace tandem::series {

inline constexpr Instant kStart{1'763'712'000'000'000'000};  // a whole hour
static_assert(kStart.ns % hours(1).ns == 0);

// One of the requests of a busy grid, `at` some time.
inline Usage some_usage(Random& random, Instant at) {
  Usage row;
  row.at = at;
  row.tenant = "tenant-" + std::to_string(random.below(5));
  row.model = "model-" + std::to_string(random.below(6));
  row.region = "region-" + std::to_string(random.below(20));
  row.site = "site-" + std::to_string(random.below(60));
  row.deployment = row.model + "@" + row.site;
  row.prompt_tokens = static_cast<uint32_t>(random.below(4'000));
  row.output_tokens = static_cast<uint32_t>(random.below(800));
  row.ttft_us = 20'000 + random.below(400'000);
  row.tpot_us = 5'000 + random.below(40'000);
  row.duration_us = row.ttft_us + row.tpot_us * row.output_tokens;
  row.cost_eur = random.uniform() * 0.01;
  row.cached_tokens = static_cast<uint32_t>(random.below(row.prompt_tokens + 1));
  row.energy_j = random.uniform() * 100;
  row.carbon_g = random.uniform();
  row.estimated = random.below(4) == 0;
  row.outcome = random.chance(0.95) ? Outcome::completed : static_cast<Outcome>(1 + random.below(3));
  row.kept = row.outcome == Outcome::completed && random.chance(0.98);
  return row;
}

// In memory for tests, on the disk for benchmarks.
class TemporaryDirectory {
 public:
  enum class On { memory, disk };
  explicit TemporaryDirectory(On medium = On::memory) {
    const std::filesystem::path memory = "/dev/shm";
    const bool in_memory = medium == On::memory && ::access(memory.c_str(), W_OK) == 0;
    std::string name =
        ((in_memory ? memory : std::filesystem::temp_directory_path()) / "tandem-series-XXXXXX").string();
    const char* made = ::mkdtemp(name.data());
    CHECK(made != nullptr);
    path_ = made;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace tandem::series
