// The few things the log does with files beside SQLite. Internal to `log`.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace tandem::log {

class File {
 public:
  File() = default;
  File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  File& operator=(File&& other) noexcept { return std::swap(descriptor_, other.descriptor_), *this; }
  ~File();

  enum class Mode { read, write };  // `write` also reads, and makes the file where there is none
  // Errors: not_found, io.
  static Result<File> open(const std::filesystem::path& path, Mode mode);

  bool is_open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }
  Result<uint64_t> size() const;
  Result<std::string> read_at(uint64_t position, size_t bytes) const;  // shorter at the end of the file
  Result<void> write_at(uint64_t position, std::string_view bytes);
  Result<void> sync();

 private:
  int descriptor_ = -1;
};

// Makes the names in a directory durable.
Result<void> sync_directory(const std::filesystem::path& directory);

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
