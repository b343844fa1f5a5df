// NetBox's REST API: objects in. The mapping stands in docs/IMPORT.md.
#include <fmt/format.h>

#include "base/text.h"
#include "ingest/feed_readers.h"
#include "ingest/json_items.h"
#include "ingest/netbox_object.h"

namespace tandem::ingest {
namespace {

class NetboxReader final : public FeedReader {
 public:
  NetboxReader(std::string_view file_name, const FeedOptions& options, FeedSink& sink)
      : options_(options),
        sink_(sink),
        file_list_(list_of_file(file_name)),
        items_({[](std::string_view name) {
                  return name == "results" || name.find('/') != std::string_view::npos ||
                         netbox_endpoint(name) != nullptr;
                },
                [this](const JsonItems::Item& item) { take(item); },
                [this](const FeedPlace& place, std::string message, std::string fix) {
                  sink_.fault({place, "", "", items_.pointer(place), std::move(message), std::move(fix)}, true);
                }}) {}

  void push(std::string_view bytes) override { items_.push(bytes); }
  void finish() override { items_.finish(); }
  std::string column(const FeedPlace& place, std::string_view kind, std::string_view attribute) const override {
    const std::string pointer = items_.pointer(place);
    const std::string field = netbox_field_of(kind, attribute.substr(0, attribute.find_first_of(".[")));
    return field.empty() ? pointer : fmt::format("{}/{}", pointer, field);
  }
  std::vector<std::string> notes() const override { return passed_over_.sentences(); }

 private:
  // "dump/devices.json" → "devices".
  static std::string list_of_file(std::string_view file_name) {
    std::string_view stem = file_name.substr(file_name.find_last_of('/') + 1);
    return std::string(stem.substr(0, stem.find_last_of('.')));
  }

  void take(const JsonItems::Item& item) {
    std::string reason;
    const auto object = parser_.parse(item, reason);
    if (!object)
      return sink_.fault({item.place, "", "", items_.pointer(item.place), reason, "give an object: { … }"}, true);
    const std::string_view list =
        item.list.empty() || item.list == "results" ? std::string_view(file_list_) : item.list;
    NetboxRead read = read_netbox_object(*object, list, options_.system, passed_over_);
    if (!read.message.empty())
      return sink_.fault({item.place, read.row.kind, read.row.id,
                          fmt::format("{}/{}", items_.pointer(item.place), read.field), read.message, read.fix},
                         true);
    if (read.model != nullptr) sink_.row(std::move(read.row), item.place);
  }

  FeedOptions options_;
  FeedSink& sink_;
  std::string file_list_;
  ItemParser parser_;
  PassedOver passed_over_;
  JsonItems items_;
};

}  // namespace

std::unique_ptr<FeedReader> make_netbox_reader(std::string_view file_name, const FeedOptions& options, FeedSink& sink) {
  return std::make_unique<NetboxReader>(file_name, options, sink);
}

}  // namespace tandem::ingest
