// Usage of a window that is not sealed yet: a file of records, one a flush, each as long as its first 4 bytes say, with
// the first 8 bytes of its SHA-256, and then the rows as `columns` encodes them. Internal to `series`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "base/file.h"
#include "base/result.h"
#include "series/columns.h"

namespace tandem::series {

struct JournalReading {
  UsageRows rows;
  uint64_t bytes = 0;          // of the whole records
  uint64_t bytes_dropped = 0;  // behind them: a record that was being written when the process or the machine stopped
};

// Any bytes are handled.
JournalReading read_journal(std::string_view bytes);

class Journal {
 public:
  Journal() = default;
  // Goes on after the whole records that are there.
  static Result<Journal> open(const std::filesystem::path& path, uint64_t bytes);

  // Durable. After an error the file ends, for readers, where it did before.
  Result<void> append(std::string_view rows);

  bool is_open() const { return file_.is_open(); }

 private:
  File file_;
  uint64_t bytes_ = 0;
};

inline constexpr uint64_t kJournalBytesMax = uint64_t{2} << 30;

}  // namespace tandem::series
