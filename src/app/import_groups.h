// The events of one feed on their way to the log: in groups that are each recorded whole, between two marks where there
// is more than one, so that at any moment the inventory says whether a feed is in whole, and if not, whose is not. The
// marks are facts of an entity of kind `import`, one for each source.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "inventory/inventory.h"
#include "inventory/upsert.h"
#include "log/log.h"

namespace tandem::app {

inline constexpr std::string_view kImportKind = "import";
inline constexpr std::string_view kImportSource = "import";  // who says how far imports are
inline constexpr size_t kImportGroupEvents =
    2'000;  // recorded at once; with both marks still half of what a batch holds
inline constexpr size_t kImportGroupBytes = 2u << 20;  // likewise, far below what a batch may hold

struct ImportOf {
  std::string source;
  std::string actor;
  uint64_t rows = 0;  // of the feed
  bool open = false;  // one of this source was begun before and has not ended: this one takes its place
};

// The id of the import of a source: its name where that may be an id.
std::string import_id(const std::string& source);

// Where the last import of that source was begun, if it has not ended.
std::optional<log::Offset> open_import(const inventory::Snapshot& believed, const std::string& source);
// Sources whose imports have not ended, ascending by id.
std::vector<std::string> open_imports(const inventory::Snapshot& believed);

// What the marks say.
inventory::Row import_begins(const ImportOf& import);
inventory::Row import_ends(const ImportOf& import);

// Use: add each event in order, then finish. After an error nothing more is recorded.
class ImportGroups {
 public:
  // Records events, all of them or none. The last group may be recorded only where all before it were: it says so.
  using Record = std::function<Result<void>(std::vector<log::Event> group, bool last)>;
  ImportGroups(ImportOf import, Record record) : import_(std::move(import)), record_(std::move(record)) {}

  Result<void> add(log::Event event);
  Result<void> finish();

 private:
  Result<void> flush(bool last);

  ImportOf import_;
  Record record_;
  std::vector<log::Event> group_;
  size_t bytes_ = 0;
  bool begun_ = false;  // by this import
};

// True for an event of this kind of mark, which is none of the feed's own.
bool is_import_mark(const log::Event& event);

}  // namespace tandem::app
