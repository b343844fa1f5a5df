// The console's files as they stand in the program.
#pragma once

#include <span>
#include <string_view>

namespace tandem::api {

struct Asset {
  std::string_view path;  // "/assets/index-abc.js"
  std::string_view content_type;
  std::string_view gzip;      // compressed bytes, always there
  std::string_view identity;  // the same, uncompressed
};

std::span<const Asset> console_assets();  // ascending by path; empty when built without the console

}  // namespace tandem::api
