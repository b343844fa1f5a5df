#include "query/budget.h"

#include <sqlite3.h>

#include "base/check.h"

namespace tandem::query {
namespace {

thread_local Budget* t_budget = nullptr;  // of the query that runs on this thread

sqlite3_mem_methods& below() {
  static sqlite3_mem_methods methods{};
  return methods;
}

void* allocate(int bytes) {
  if (t_budget == nullptr) return below().xMalloc(bytes);
  if (!t_budget->take(static_cast<size_t>(bytes))) return nullptr;
  return below().xMalloc(bytes);
}

void release(void* block) {
  if (t_budget != nullptr && block != nullptr) t_budget->give_back(static_cast<size_t>(below().xSize(block)));
  below().xFree(block);
}

void* resize(void* block, int bytes) {
  if (t_budget == nullptr) return below().xRealloc(block, bytes);
  const auto before = block == nullptr ? size_t{0} : static_cast<size_t>(below().xSize(block));
  if (static_cast<size_t>(bytes) > before && !t_budget->take(static_cast<size_t>(bytes) - before)) return nullptr;
  void* moved = below().xRealloc(block, bytes);
  if (moved != nullptr && static_cast<size_t>(bytes) < before) t_budget->give_back(before - static_cast<size_t>(bytes));
  return moved;
}

// SQLite takes its allocator before it is first used, which the log does early: so this runs before main does.
bool install_allocator() {
  CHECK(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &below()) == SQLITE_OK);
  sqlite3_mem_methods methods = below();
  methods.xMalloc = allocate;
  methods.xFree = release;
  methods.xRealloc = resize;
  CHECK(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK);
  return true;
}
const bool kInstalled = install_allocator();

constexpr int64_t kJulianDayOfEpochMs = 210'866'760'000'000;  // 1970-01-01 in milliseconds of the Julian day

int current_time_ms(sqlite3_vfs*, sqlite3_int64* out) {
  *out = kJulianDayOfEpochMs + (t_budget == nullptr ? 0 : t_budget->now().ns / 1'000'000);
  return SQLITE_OK;
}

int current_time_days(sqlite3_vfs* vfs, double* out) {
  sqlite3_int64 ms = 0;
  current_time_ms(vfs, &ms);
  *out = static_cast<double>(ms) / 86'400'000.0;
  return SQLITE_OK;
}

sqlite3_vfs make_file_system() {
  const sqlite3_vfs* usual = sqlite3_vfs_find(nullptr);
  CHECK(usual != nullptr);
  sqlite3_vfs vfs = *usual;
  vfs.pNext = nullptr;
  vfs.zName = "tandem-query";
  vfs.xOpen = [](sqlite3_vfs*, sqlite3_filename, sqlite3_file* file, int, int*) {
    file->pMethods = nullptr;
    return SQLITE_CANTOPEN;
  };
  vfs.xDelete = [](sqlite3_vfs*, const char*, int) { return SQLITE_IOERR_DELETE; };
  vfs.xAccess = [](sqlite3_vfs*, const char*, int, int* found) { return *found = 0, SQLITE_OK; };
  vfs.xDlOpen = [](sqlite3_vfs*, const char*) -> void* { return nullptr; };
  vfs.xCurrentTime = current_time_days;
  vfs.xCurrentTimeInt64 = current_time_ms;
  return vfs;
}

}  // namespace

bool Budget::spend(uint64_t steps) {
  steps_ += steps;
  if (end_ != End::none) return false;
  if (steps_ > steps_max_) {
    end_ = End::steps;
  } else if (steps_ >= ask_at_) {
    ask_at_ = steps_ + kStepsBetweenAsking;
    if (stop_ && stop_()) end_ = End::stopped;
  }
  return end_ == End::none;
}

bool Budget::take(size_t bytes) {
  if (memory_bytes_ + bytes > memory_bytes_max_) {
    end_ = End::memory;
    return false;
  }
  memory_bytes_ += bytes;
  return true;
}

BudgetScope::BudgetScope(Budget& budget) {
  CHECK(t_budget == nullptr && kInstalled);
  t_budget = &budget;
}

BudgetScope::~BudgetScope() { t_budget = nullptr; }

const char* sealed_file_system() {
  static sqlite3_vfs vfs = make_file_system();
  static const int code = sqlite3_vfs_register(&vfs, 0);
  CHECK(code == SQLITE_OK);
  return vfs.zName;
}

}  // namespace tandem::query
