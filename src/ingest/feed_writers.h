// The writers behind export_feed.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "grid/schema.h"
#include "ingest/feed.h"

namespace tandem::ingest {

// Small pieces gathered into larger ones.
class FeedOutput {
 public:
  explicit FeedOutput(const std::function<void(std::string_view)>& write) : write_(write) {}
  void add(std::string_view text);
  void flush();

 private:
  const std::function<void(std::string_view)>& write_;
  std::string held_;
};

// Each returns what could not be said, as sentences.
std::vector<std::string> export_netbox(const std::vector<const grid::Kind*>& kinds,
                                       const inventory::Snapshot& inventory, const ExportOptions& options,
                                       FeedOutput& out);
std::vector<std::string> export_tmf639(const std::vector<const grid::Kind*>& kinds,
                                       const inventory::Snapshot& inventory, FeedOutput& out);

}  // namespace tandem::ingest
