// The questions that an inventory is asked all day, against the same rows in plain SQLite tables with the indexes that
// a person would give them: a page of 1,000 interfaces with their cables, one device with everything on it, 27,000
// addresses with their prefixes and devices. TANDEM_BENCH_DEVICES devices (10,000 where it is not set) of 50 interfaces
// each.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <cstdlib>

#include "base/check.h"
#include "base/text.h"
#include "query/query.h"
#include "support/small_world.h"

namespace tandem::query {
namespace {

constexpr size_t kInterfacesEach = 50;
constexpr size_t kAddresses = 27'000;
constexpr size_t kAddressesEachPrefix = 250;

size_t devices() {
  const char* asked = std::getenv("TANDEM_BENCH_DEVICES");
  const auto number = asked == nullptr ? std::nullopt : parse_integer(asked);
  return number && *number > 0 ? static_cast<size_t>(*number) : 10'000;
}

std::string device_id(size_t i) { return fmt::format("device-{:06}", i); }
std::string interface_id(size_t i) {
  return fmt::format("{}:{:02}", device_id(i / kInterfacesEach), i % kInterfacesEach);
}
// Cable c joins interfaces c and c + half of all.
std::string cable_id(size_t i) { return fmt::format("cable-{:07}", i); }
std::string prefix_id(size_t i) { return fmt::format("prefix-{:04}", i); }

// One entity as the log has it and as a row.
struct Made {
  std::string kind;
  std::string id;
  Json::Object attributes;
};

template <class Visit>
void for_each_made(Visit visit) {
  const size_t count = devices(), interfaces = count * kInterfacesEach;
  for (size_t i = 0; i < 1'000; ++i) visit(Made{"site", fmt::format("site-{:03}", i), {{"jurisdiction", "DE"}}});
  for (size_t i = 0; i < count; ++i) {
    visit(Made{"device",
               device_id(i),
               {{"name", fmt::format("router {}", i)},
                {"site", fmt::format("site-{:03}", i % 1'000)},
                {"role", "router"},
                {"serial", fmt::format("SN{:08}", i)}}});
  }
  for (size_t i = 0; i < interfaces; ++i) {
    visit(Made{"interface",
               interface_id(i),
               {{"device", device_id(i / kInterfacesEach)},
                {"speed_gbps", 100.0},
                {"name", fmt::format("et-0/0/{}", i % kInterfacesEach)}}});
  }
  for (size_t i = 0; i < interfaces / 2; ++i) {
    visit(Made{"cable",
               cable_id(i),
               {{"a_end", "interface/" + interface_id(i)},
                {"b_end", "interface/" + interface_id(i + interfaces / 2)},
                {"length_m", 12.5}}});
  }
  for (size_t i = 0; i < kAddresses / kAddressesEachPrefix; ++i)
    visit(Made{"prefix", prefix_id(i), {{"prefix", fmt::format("10.0.{}.0/24", i)}, {"role", "customers"}}});
  for (size_t i = 0; i < kAddresses; ++i) {
    visit(Made{"address",
               fmt::format("address-{:05}", i),
               {{"address", fmt::format("10.0.{}.{}/24", i / kAddressesEachPrefix, 1 + i % kAddressesEachPrefix)},
                {"prefix", prefix_id(i / kAddressesEachPrefix)},
                {"assigned_to", "interface/" + interface_id(i * 7 % interfaces)}}});
  }
}

const inventory::Snapshot& inventory_loaded() {
  static const inventory::Snapshot kSnapshot = [] {
    inventory::Snapshot snapshot;
    for_each_made([&](const Made& made) {
      snapshot.fold(test_support::fact(made.kind, made.id, made.attributes), snapshot.offset() + 1, {});
    });
    return snapshot;
  }();
  return kSnapshot;
}

void execute(sqlite3* database, const std::string& sql) {
  char* message = nullptr;
  const int code = sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &message);
  CHECK(code == SQLITE_OK);
}

sqlite3* plain_loaded() {
  static sqlite3* const kDatabase = [] {
    sqlite3* database = nullptr;
    CHECK(sqlite3_open_v2(":memory:", &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr) == SQLITE_OK);
    execute(
        database,
        "CREATE TABLE site(id TEXT PRIMARY KEY, jurisdiction TEXT) WITHOUT ROWID;"
        "CREATE TABLE device(id TEXT PRIMARY KEY, name TEXT, role TEXT, serial TEXT, site TEXT) WITHOUT ROWID;"
        "CREATE TABLE interface(id TEXT PRIMARY KEY, device TEXT, name TEXT, speed_gbps REAL) WITHOUT ROWID;"
        "CREATE TABLE cable(id TEXT PRIMARY KEY, a_end TEXT, b_end TEXT, length_m REAL) WITHOUT ROWID;"
        "CREATE TABLE prefix(id TEXT PRIMARY KEY, prefix TEXT, role TEXT) WITHOUT ROWID;"
        "CREATE TABLE address(id TEXT PRIMARY KEY, address TEXT, assigned_to TEXT, prefix TEXT) WITHOUT ROWID; BEGIN");
    for_each_made([&](const Made& made) {
      std::string names = "id", values = fmt::format("'{}'", made.id);
      for (const auto& [name, value] : made.attributes) {
        names += ", " + name;
        values += value.is_string() ? fmt::format(", '{}'", value.text()) : fmt::format(", {}", value.number());
      }
      execute(database, fmt::format("INSERT INTO {}({}) VALUES({})", made.kind, names, values));
    });
    execute(database,
            "COMMIT; CREATE INDEX i1 ON interface(device); CREATE INDEX c1 ON cable(a_end); CREATE INDEX c2 ON "
            "cable(b_end);"
            "CREATE INDEX a1 ON address(assigned_to); CREATE INDEX a2 ON address(prefix); ANALYZE");
    return database;
  }();
  return kDatabase;
}

struct Question {
  const char* name;
  const char* inventory;  // the statement
  const char* plain;
  size_t rows;
};

constexpr Question kPage{"page of 1,000 interfaces with their cables",
                         "SELECT i.id, i.name, i.speed_gbps, c.id, c.a_end, c.b_end FROM interface i LEFT JOIN cable c "
                         "ON c.a_end = i._ref OR c.b_end = i._ref "
                         "WHERE i.id > 'device-000500' ORDER BY i.id LIMIT 1000",
                         "SELECT i.id, i.name, i.speed_gbps, c.id, c.a_end, c.b_end FROM interface i LEFT JOIN cable c "
                         "ON c.a_end = 'interface/' || i.id OR c.b_end = 'interface/' || i.id WHERE i.id > "
                         "'device-000500' ORDER BY i.id LIMIT 1000",
                         1'000};
constexpr Question kDevice{"one device with everything on it",
                           "SELECT d.*, s.jurisdiction, i.*, c.*, a.* FROM device d JOIN site s ON s.id = d.site JOIN "
                           "interface i ON i.device = d.id "
                           "LEFT JOIN cable c ON c.a_end = i._ref OR c.b_end = i._ref LEFT JOIN address a ON "
                           "a.assigned_to = i._ref WHERE d.id = 'device-000077'",
                           "SELECT d.*, s.jurisdiction, i.*, c.*, a.* FROM device d JOIN site s ON s.id = d.site JOIN "
                           "interface i ON i.device = d.id "
                           "LEFT JOIN cable c ON c.a_end = 'interface/' || i.id OR c.b_end = 'interface/' || i.id "
                           "LEFT JOIN address a ON a.assigned_to = 'interface/' || i.id WHERE d.id = 'device-000077'",
                           kInterfacesEach};
constexpr Question kAddressing{
    "27,000 addresses with prefixes and devices",
    "SELECT a.id, a.address, p.prefix, i.name, d.name FROM address a JOIN prefix p ON p.id = a.prefix "
    "JOIN interface i ON i._ref = a.assigned_to JOIN device d ON d.id = i.device",
    "SELECT a.id, a.address, p.prefix, i.name, d.name FROM address a JOIN prefix p ON p.id = a.prefix "
    "JOIN interface i ON i.id = substr(a.assigned_to, 11) JOIN device d ON d.id = i.device",
    kAddresses};

void ask_inventory(benchmark::State& state, const Question& question) {
  const inventory::Snapshot& snapshot = inventory_loaded();
  Limits limits;
  limits.rows_max = 100'000;
  for (auto _ : state) {
    const auto table = run(snapshot, question.inventory, limits);
    CHECK(table && table->rows.size() == question.rows);
    benchmark::DoNotOptimize(*table);
  }
  state.SetLabel(question.name);
}

// The same into the same kind of table, so that only reading differs.
void ask_plain(benchmark::State& state, const Question& question) {
  sqlite3* database = plain_loaded();
  for (auto _ : state) {
    sqlite3_stmt* statement = nullptr;
    CHECK(sqlite3_prepare_v2(database, question.plain, -1, &statement, nullptr) == SQLITE_OK);
    Table table;
    while (sqlite3_step(statement) == SQLITE_ROW) {
      Json::Array row;
      for (int i = 0; i < sqlite3_column_count(statement); ++i) {
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, i));
        row.emplace_back(text == nullptr ? Json() : Json(text));
      }
      table.rows.push_back(std::move(row));
    }
    sqlite3_finalize(statement);
    CHECK(table.rows.size() == question.rows);
    benchmark::DoNotOptimize(table);
  }
  state.SetLabel(question.name);
}

BENCHMARK_CAPTURE(ask_inventory, page, kPage)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ask_plain, page, kPage)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ask_inventory, device, kDevice)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ask_plain, device, kDevice)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ask_inventory, addresses, kAddressing)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ask_plain, addresses, kAddressing)->Unit(benchmark::kMillisecond);

void ask_nothing(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(run(inventory_loaded(), "SELECT 1", {}));
  state.SetLabel("a connection and a statement");
}
BENCHMARK(ask_nothing)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tandem::query
