// What the tests of this module share.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "log/log.h"

namespace tandem::log {

// Facts of about 220 bytes, as a grid's import makes them.
inline std::vector<Event> some_events(uint64_t seed, size_t count) {
  Random random(seed);
  std::vector<Event> events(count);
  for (Event& event : events) {
    event.set_actor("operator:test");
    auto& facts = *event.mutable_facts_recorded();
    facts.set_source("grid-file");
    facts.set_observed_at_ns(1'763'714'450'000'000'000 + static_cast<int64_t>(random.below(1'000'000)));
    facts.set_kind("link");
    facts.set_id("link-" + std::to_string(random.below(100'000)));
    const auto add = [&](const char* name) {
      auto& attribute = *facts.add_attributes();
      attribute.set_name(name);
      return attribute.mutable_value();
    };
    add("from")->set_text("site-" + std::to_string(random.below(1'000)));
    add("to")->set_text("site-" + std::to_string(random.below(1'000)));
    add("capacity_gbps")->set_number(100 * random.uniform());
    add("delay_us")->set_number(5'000 * random.uniform());
    add("length_km")->set_number(1'000 * random.uniform());
    add("cost_eur_per_gb")->set_number(random.uniform());
    add("up")->set_boolean(true);
  }
  return events;
}

// A directory of its own, removed with its owner: in memory for tests, which then do not wait for the disk's syncs; on
// the disk for benchmarks, which are about them.
class TemporaryDirectory {
 public:
  enum class On { memory, disk };
  explicit TemporaryDirectory(On medium = On::memory) {
    const std::filesystem::path memory = "/dev/shm";
    const bool in_memory = medium == On::memory && ::access(memory.c_str(), W_OK) == 0;
    std::string name = ((in_memory ? memory : std::filesystem::temp_directory_path()) / "tandem-log-XXXXXX").string();
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

}  // namespace tandem::log
