// Internal to `log`.
#pragma once

#include <filesystem>

#include "base/file.h"

namespace tandem::log {

// The one writer's claim on a log: an advisory lock, which the kernel releases however the process ends. The file
// holds the owner's process id for the message to whoever comes second.
class WriterLock {
 public:
  // Errors: conflict (another holds it, naming its process), io.
  static Result<WriterLock> take(const std::filesystem::path& path);
  // Whether somebody, this process included, holds it now.
  static bool is_held(const std::filesystem::path& path);

 private:
  File file_;
};

}  // namespace tandem::log
