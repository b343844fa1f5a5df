// What sealing costs a fact on its way to the log, and opening a reader, beside the same contact in clear.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include "support/small_world.h"
#include "support/temporary_directory.h"
#include "vault/vault.h"

namespace tandem::vault {
namespace {

constexpr size_t kContacts = 100'000;

log::Event contact(size_t i) {
  const std::string number = std::to_string(i);
  return test_support::fact("contact", "c-" + number,
                            {{"name", "Person number " + number}, {"email", "p" + number + "@example.net"}});
}

struct World {
  test_support::TemporaryDirectory directory;
  std::shared_ptr<Vault> vault = *open_vault({.directory = directory.path()});
  inventory::Snapshot sealed, clear;
  World() {
    for (size_t i = 0; i < kContacts; ++i) {
      log::Event event = contact(i);
      clear.fold(event, i + 1, {});
      CHECK(vault->seal(event, sealed, i + 1).has_value());
      sealed.fold(event, i + 1, {});
    }
    CHECK(vault->keep().has_value());
  }
};

const World& world() {
  static const World made;
  return made;
}

void seal_contacts(benchmark::State& state) {
  const test_support::TemporaryDirectory directory;
  const auto vault = *open_vault({.directory = directory.path()});
  const inventory::Snapshot nothing;
  size_t i = 0;
  for (auto _ : state) {
    log::Event event = contact(i++ % static_cast<size_t>(state.range(0)));
    CHECK(vault->seal(event, nothing, 1).has_value());
    if (i % 2'000 == 0) CHECK(vault->keep().has_value());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(seal_contacts)->Arg(1)->Arg(kContacts)->ArgName("subjects")->Unit(benchmark::kMicrosecond);

void read_contacts(benchmark::State& state, bool sealed) {
  const inventory::Snapshot snapshot = sealed ? world().sealed.opened_by(world().vault) : world().clear;
  size_t seen = 0;
  for (auto _ : state)
    snapshot.for_each("contact",
                      [&](const inventory::Entity& entity) { return benchmark::DoNotOptimize(entity), ++seen; });
  state.SetItemsProcessed(static_cast<int64_t>(seen));
}
BENCHMARK_CAPTURE(read_contacts, sealed, true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(read_contacts, in_clear, false)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tandem::vault
