// Make before break: which emulated engines run while one plan gives way to the next, or a period of the day is
// prepared. What ran goes on until the table that sends it nothing is published; what is new starts before, where there
// is room beside it, else right after.
#pragma once

#include <functional>
#include <optional>

#include "control/control.h"

namespace tandem::app {

// Of one thread.
class EngineHandover {
 public:
  // Has exactly the engines of that plan run from now on.
  using Run = std::function<void(const grid::Snapshot& grid, const v1::Plan& plan)>;
  explicit EngineHandover(Run run) : run_(std::move(run)) {}

  void before_publish(const control::State& state);  // a table for it; its grid is fresh
  void published(const grid::Snapshot& grid);

 private:
  Run run_;
  std::optional<v1::Plan> running_;  // what is wanted; nothing before the first plan
  bool is_handing_over_ = false;     // what was wanted before runs beside it
};

}  // namespace tandem::app
