// Files whose content must outlast the process: what the log, the series store and checkpoints write.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace tandem {

// An open file. Errors of every function: not_found, permission_denied, invalid_argument (it is a directory),
// resource_exhausted (the disk is full), io.
class File {
 public:
  File() = default;
  File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  File& operator=(File&& other) noexcept { return std::swap(descriptor_, other.descriptor_), *this; }
  ~File();

  enum class Mode { read, write };  // `write` also reads, and makes the file where there is none
  static Result<File> open(const std::filesystem::path& path, Mode mode);

  bool is_open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }
  Result<uint64_t> size() const;
  Result<std::string> read_at(uint64_t position, size_t bytes) const;  // shorter at the end of the file
  Result<void> write_at(uint64_t position, std::string_view bytes);
  Result<void> truncate(uint64_t size);
  Result<void> sync();

 private:
  int descriptor_ = -1;
};

// Makes the names in a directory durable.
Result<void> sync_directory(const std::filesystem::path& directory);

// The whole of a file, or of what a pipe or device gives until it ends; too_large when it is over `bytes_max`.
Result<std::string> read_file(const std::filesystem::path& path, uint64_t bytes_max);

// A file written in pieces beside its place, which it takes once it is whole and durable. Makes no directory. One that
// is not finished leaves what was there, and its own pieces to be written over.
class ReplacingFile {
 public:
  static Result<ReplacingFile> begin(std::filesystem::path path);
  Result<void> append(std::string_view bytes);
  Result<void> write_at(uint64_t position, std::string_view bytes) { return file_.write_at(position, bytes); }
  Result<void> finish();

 private:
  std::filesystem::path path_;
  File file_;
  uint64_t size_ = 0;
};

// Durable, and whole or not there at all.
Result<void> write_file_durably(const std::filesystem::path& path, std::string_view bytes);

// The one writer's claim on a directory of files: an advisory lock, which the kernel releases however the process ends.
// The file holds the owner's process id for the message to whoever comes second.
class WriterLock {
 public:
  // Errors: conflict (another holds it, naming its process), io.
  static Result<WriterLock> take(const std::filesystem::path& path);
  // Whether somebody, this process included, holds it now.
  static bool is_held(const std::filesystem::path& path);

 private:
  File file_;
};

}  // namespace tandem
