#include "ingest/feed.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "ingest/feed_kind.h"
#include "ingest/feed_readers.h"
#include "ingest/netbox.h"

namespace tandem::ingest {
namespace {

constexpr std::array<std::pair<std::string_view, FeedFormat>, 5> kFormats{{{"auto", FeedFormat::automatic},
                                                                           {"csv", FeedFormat::csv},
                                                                           {"yaml", FeedFormat::yaml},
                                                                           {"netbox", FeedFormat::netbox},
                                                                           {"tmf639", FeedFormat::tmf639}}};

}  // namespace

std::optional<FeedFormat> feed_format(std::string_view name) {
  for (const auto& [known, format] : kFormats)
    if (known == name) return format;
  return std::nullopt;
}

std::string_view to_string(FeedFormat format) {
  for (const auto& [name, known] : kFormats)
    if (known == format) return name;
  return "auto";
}

FeedFormat detect_feed_format(std::string_view file_name, std::string_view first_bytes) {
  const std::string name = to_lower(file_name);
  if (name.ends_with(".csv") || name.ends_with(".tsv")) return FeedFormat::csv;
  if (name.ends_with(".yaml") || name.ends_with(".yml")) return FeedFormat::yaml;
  const std::string_view begin = trim(first_bytes);
  if (begin.starts_with('{') || begin.starts_with('[')) {
    for (const std::string_view mark : {"resourceCharacteristic", "resourceRelationship", "\"@type\"", "\"@baseType\""})
      if (begin.find(mark) != std::string_view::npos) return FeedFormat::tmf639;
    for (const std::string_view mark : {"/api/dcim/", "/api/ipam/", "\"results\"", "\"dcim", "\"ipam", "\"display\""})
      if (begin.find(mark) != std::string_view::npos) return FeedFormat::netbox;
  }
  return FeedFormat::automatic;
}

size_t feed_file_rank(FeedFormat format, std::string_view file_name) {
  std::string_view stem = file_name.substr(file_name.find_last_of('/') + 1);
  stem = stem.substr(0, stem.find_last_of('.'));
  const std::vector<const grid::Kind*>& kinds = kinds_in_order();
  if (format == FeedFormat::netbox)
    if (const NetboxModel* model = netbox_endpoint(stem)) stem = model->kind;
  const auto found = std::find_if(kinds.begin(), kinds.end(), [&](const grid::Kind* kind) {
    return stem == kind->name ||
           (stem.size() == kind->name.size() + 1 && stem.starts_with(kind->name) && stem.back() == 's');
  });
  return static_cast<size_t>(found - kinds.begin());
}

std::unique_ptr<FeedReader> make_feed_reader(FeedFormat format, std::string_view file_name, const FeedOptions& options,
                                             FeedSink& sink) {
  switch (format) {
    case FeedFormat::csv: return make_csv_reader(options, sink);
    case FeedFormat::yaml: return make_yaml_reader(file_name, sink);
    case FeedFormat::netbox: return make_netbox_reader(file_name, options, sink);
    case FeedFormat::tmf639: return make_tmf639_reader(options, sink);
    case FeedFormat::automatic: break;
  }
  CHECK(format != FeedFormat::automatic);
  return nullptr;
}

}  // namespace tandem::ingest
