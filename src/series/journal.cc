#include "series/journal.h"

#include "base/check.h"
#include "base/digest.h"
#include "series/bytes.h"

namespace tandem::series {

namespace {

constexpr size_t kHeadBytes = 4 + 8;
constexpr size_t kCheckBytes = 8;

}  // namespace

JournalReading read_journal(std::string_view bytes) {
  JournalReading reading;
  std::string_view rest = bytes;
  while (rest.size() >= kHeadBytes) {
    size_t size = 0;
    for (size_t i = 0; i < 4; ++i) size |= size_t{static_cast<uint8_t>(rest[i])} << (8 * i);
    if (size > rest.size() - kHeadBytes) break;
    const std::string_view record = rest.substr(kHeadBytes, size);
    if (sha256(record).view().substr(0, kCheckBytes) != rest.substr(4, kCheckBytes)) break;
    const auto rows = decode_usage(record);
    if (!rows) break;
    for (size_t i = 0; i < rows->size(); ++i) reading.rows.push(rows->row(i));
    rest.remove_prefix(kHeadBytes + size);
  }
  reading.bytes = bytes.size() - rest.size();
  reading.bytes_dropped = rest.size();
  return reading;
}

Result<Journal> Journal::open(const std::filesystem::path& path, uint64_t bytes) {
  Journal journal;
  TANDEM_ASSIGN(journal.file_, File::open(path, File::Mode::write));
  TANDEM_TRY(journal.file_.truncate(bytes));
  TANDEM_TRY(sync_directory(path.parent_path()));
  journal.bytes_ = bytes;
  return journal;
}

Result<void> Journal::append(std::string_view rows) {
  CHECK(rows.size() <= UINT32_MAX);
  std::string record;
  for (size_t i = 0; i < 4; ++i) record += static_cast<char>(rows.size() >> (8 * i));
  record += sha256(rows).view().substr(0, kCheckBytes);
  record += rows;
  // Written where the last whole record ends: over what a failed append may have left.
  TANDEM_TRY(file_.write_at(bytes_, record));
  TANDEM_TRY(file_.sync());
  bytes_ += record.size();
  return {};
}

}  // namespace tandem::series
