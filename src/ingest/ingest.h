// Decoders of what comes from outside. Pure functions over bytes: opening files is the caller's.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"
#include "grid/decode.h"
#include "grid/snapshot.h"

namespace tandem::ingest {

inline constexpr size_t kGridFileBytesMax = 64u << 20;  // ~10⁶ entities as people write them
inline constexpr size_t kDiagnosticsMax = 10'000;       // more would not be read; the last one says how many there were

// What a grid file says. `diagnostics` holds every problem, by line; the rest is of use only when none is an error.
struct GridFile {
  std::vector<grid::Entity> entities;  // in the order of the file, the kind "grid" first
  grid::Rows rows;
  std::vector<Diagnostic> diagnostics;
};

// Decodes YAML 1.2 as docs/grid.schema.json describes it. Refuses aliases, anchors, tags and several documents.
GridFile parse_grid_file(std::string_view bytes, std::string_view file_name);

// parse_grid_file, and the snapshot (at offset 0) when there is no error.
struct GridSnapshot {
  std::optional<grid::Snapshot> snapshot;
  std::vector<Diagnostic> diagnostics;
};
GridSnapshot read_grid(std::string_view bytes, std::string_view file_name);

// A grid file that parse_grid_file reads back to the same entities: sections and keys in the order of the schema,
// entities ascending by id, lines of at most ~120 columns.
std::string write_grid_file(std::span<const grid::Entity> entities);

enum class TopologyFormat : uint8_t { automatic, topology_zoo, graphml, sndlib, repetita, site_list };

// The format of that name ("topology-zoo", "graphml", "sndlib", "repetita", "site-list", "auto"); nothing when there is
// none.
std::optional<TopologyFormat> topology_format(std::string_view name);

struct ImportOptions {
  uint64_t seed = 1;
  double route_factor = 1.3;        // fibre length over great circle, [1, 5]
  std::string jurisdiction = "XX";  // where the file names no country: an ISO 3166 alpha-2 code, XX for unknown
  std::string_view demands;         // the bytes of a REPETITA `.demands` file; may be empty
  std::string_view demands_file_name;
  std::string_view users;  // the bytes of a list of users beside a list of sites; may be empty
  std::string_view users_file_name;
};

// A foreign network as a grid that can be served at once: docs/IMPORT.md states every rule.
struct Imported {
  std::vector<grid::Entity> entities;   // for write_grid_file; empty when there is an error
  std::vector<Diagnostic> diagnostics;  // warnings: what was dropped or mended, by line
  std::vector<std::string> notes;       // what was assumed, for the whole file, as sentences
};
Imported import_topology(std::string_view bytes, std::string_view file_name, TopologyFormat format,
                         const ImportOptions& options);

}  // namespace tandem::ingest
