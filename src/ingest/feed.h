// Feeds of inventory in and out: CSV, YAML, NetBox REST JSON, TMF639 JSON. docs/IMPORT.md states every rule.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inventory/inventory.h"
#include "inventory/upsert.h"

namespace tandem::ingest {

enum class FeedFormat : uint8_t { automatic, csv, yaml, netbox, tmf639 };

// The format of that name ("csv", "yaml", "netbox", "tmf639", "auto"); nothing when there is none.
std::optional<FeedFormat> feed_format(std::string_view name);
std::string_view to_string(FeedFormat format);

// The format by the end of the file's name and its first bytes (4 kB are enough); `automatic` when it is none we know.
FeedFormat detect_feed_format(std::string_view file_name, std::string_view first_bytes);

// A value as a cell of a CSV file says it. Errors: invalid_argument for a kind or attribute that is not there.
Result<Json> feed_value(std::string_view kind, std::string_view attribute, std::string_view text);

// Where a file of that name comes among those of one feed, so that what is referred to comes before what refers to it
// and little has to wait: "sites.json" before "devices.json", "rack.csv" before "device.csv". Others keep their order,
// last.
size_t feed_file_rank(FeedFormat format, std::string_view file_name);

inline constexpr size_t kFeedItemBytesMax = 4u << 20;   // one row, resource or object; a device with its config context
inline constexpr size_t kFeedYamlBytesMax = 64u << 20;  // YAML is read whole; the other formats as they come
inline constexpr size_t kFeedColumnsMax = 1'000;        // of a CSV file

// Where a row stands in its file.
struct FeedPlace {
  uint32_t line = 1;      // from 1
  uint32_t document = 0;  // of several JSON documents in one file (pages of a listing), from 0
  uint32_t item = 0;      // within its list, from 0
  uint16_t list = 0;      // which list of the document, as the reader counts them
  bool operator==(const FeedPlace&) const = default;
};

// What is wrong with a row before anything is known of the inventory.
struct FeedFault {
  FeedPlace place;
  std::string kind, id;  // as far as they are known
  std::string column;    // "column 5 'height_u'", "/results/17/position"; empty: the row as a whole
  std::string message;   // what is wrong
  std::string fix;       // what would be right; may be empty
};

class FeedSink {
 public:
  virtual ~FeedSink() = default;
  virtual void row(inventory::Row row, const FeedPlace& place) = 0;
  // A row that cannot be read, once for each of its faults; `first` for the first of a row.
  virtual void fault(FeedFault fault, bool first) = 0;
};

struct FeedOptions {
  std::string kind;               // of every row of a CSV file without a column `kind`
  std::string system = "netbox";  // in front of foreign ids where they become external ids: "<system>:dcim.device/12"
};

// A reader takes the bytes of one file, in pieces of any size; the same bytes give the same rows however they are cut.
class FeedReader {
 public:
  virtual ~FeedReader() = default;
  virtual void push(std::string_view bytes) = 0;
  virtual void finish() = 0;
  // Where in the file an attribute of a row is said: "column 5 'height_u'", "/results/17/u_height".
  virtual std::string column(const FeedPlace& place, std::string_view kind, std::string_view attribute) const = 0;
  // What was passed over, as sentences: fields that no attribute takes, objects of models that have no kind.
  virtual std::vector<std::string> notes() const = 0;
};

std::unique_ptr<FeedReader> make_feed_reader(FeedFormat format, std::string_view file_name, const FeedOptions& options,
                                             FeedSink& sink);

struct ExportOptions {
  std::vector<std::string> kinds;  // empty: all that the format can carry
  std::string system = "netbox";
};

// Writes entities so that the reader of the same format gives them back: taking that in again changes nothing. `write`
// is called with successive pieces. Returns what could not be said in the format, as sentences.
// Errors: invalid_argument for a kind that is not known.
Result<std::vector<std::string>> export_feed(FeedFormat format, const inventory::Snapshot& inventory,
                                             const ExportOptions& options,
                                             const std::function<void(std::string_view)>& write);

}  // namespace tandem::ingest
