// What one query may take, counted on the thread that runs it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "base/time.h"

namespace tandem::query {

class Budget {
 public:
  Budget(size_t memory_bytes_max, uint64_t steps_max, const std::function<bool()>& stop, Instant now)
      : memory_bytes_max_(memory_bytes_max), steps_max_(steps_max), stop_(stop), now_(now) {}

  enum class End : uint8_t { none, memory, steps, stopped };
  End end() const { return end_; }
  Instant now() const { return now_; }

  // False when the query must end.
  bool spend(uint64_t steps);

  // Memory that SQLite takes and gives back; `take` is false when there is no more.
  bool take(size_t bytes);
  void give_back(size_t bytes) { memory_bytes_ -= bytes < memory_bytes_ ? bytes : memory_bytes_; }

 private:
  static constexpr uint64_t kStepsBetweenAsking = 4'096;

  size_t memory_bytes_max_;
  uint64_t steps_max_;
  const std::function<bool()>& stop_;
  Instant now_;
  size_t memory_bytes_ = 0;
  uint64_t steps_ = 0;
  uint64_t ask_at_ = kStepsBetweenAsking;
  End end_ = End::none;
};

// While it lives, what SQLite allocates on this thread is taken from the budget. SQLite's own heap limit is one for the
// whole process, which also holds the log.
class BudgetScope {
 public:
  explicit BudgetScope(Budget& budget);
  ~BudgetScope();
  BudgetScope(const BudgetScope&) = delete;
  BudgetScope& operator=(const BudgetScope&) = delete;
};

// The name of the file system that connections of queries are opened with: it opens no file, and its clock is the
// budget's. Made at the first call.
const char* sealed_file_system();

}  // namespace tandem::query
