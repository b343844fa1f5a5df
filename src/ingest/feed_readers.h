// The readers behind make_feed_reader, one a format.
#pragma once

#include <memory>
#include <string_view>

#include "ingest/feed.h"

namespace tandem::ingest {

std::unique_ptr<FeedReader> make_csv_reader(const FeedOptions& options, FeedSink& sink);
std::unique_ptr<FeedReader> make_yaml_reader(std::string_view file_name, FeedSink& sink);
std::unique_ptr<FeedReader> make_netbox_reader(std::string_view file_name, const FeedOptions& options, FeedSink& sink);
std::unique_ptr<FeedReader> make_tmf639_reader(const FeedOptions& options, FeedSink& sink);

}  // namespace tandem::ingest
