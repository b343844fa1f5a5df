// Sites of a mobile network as a list of places, and where its users are: no fibre is in it, so one is laid.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/text.h"
#include "ingest/csv_text.h"
#include "ingest/lines.h"
#include "ingest/topology.h"

namespace tandem::ingest {
namespace {

constexpr size_t kRowBytesMax = 4'096, kCellsMax = 64;

bool same_word(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

// Rows of a CSV file with a latitude and a longitude, whatever else they have.
class PlaceReader {
 public:
  struct Row {
    int line = 0;
    grid::Place place;
    std::string name;
  };

  PlaceReader(std::string_view bytes, size_t rows_max, ErrorSink& errors) : rows_max_(rows_max), errors_(errors) {
    CsvSplitter splitter(kRowBytesMax, kCellsMax, [this](const CsvRecord& record) { take(record); });
    splitter.push(bytes);
    splitter.finish();
    if (!has_columns_ && !errors_.full())
      errors_.error(1, "the first line names no columns LATITUDE and LONGITUDE", "name the columns in the first line");
  }

  std::vector<Row> rows;

 private:
  void take(const CsvRecord& record) {
    const int line = static_cast<int>(record.line);
    if (errors_.full()) return;
    if (!record.fault.empty()) return errors_.error(line, std::string(record.fault), "write it as RFC 4180 has it");
    if (!has_columns_) return find_columns(record);
    if (rows.size() == rows_max_) {
      if (!too_many_)
        errors_.error(line, fmt::format("there are more than {} rows", rows_max_), "import a part of them");
      too_many_ = true;
      return;
    }
    const auto cell = [&](size_t column) {
      return column < record.cells.size() ? trim(record.cells[column]) : std::string_view();
    };
    const auto latitude = degrees(cell(latitude_), 90), longitude = degrees(cell(longitude_), 180);
    if (!latitude || !longitude)
      return errors_.error(
          line, fmt::format("'{}', '{}' is no place", clean_label(cell(latitude_)), clean_label(cell(longitude_))),
          "latitude is -90 to 90 degrees, longitude -180 to 180");
    rows.push_back({line, {Degrees(*latitude), Degrees(*longitude)}, clean_label(cell(name_))});
  }

  void find_columns(const CsvRecord& record) {
    for (size_t i = 0; i < record.cells.size(); ++i) {
      const std::string_view name = trim(record.cells[i]);
      if (same_word(name, "latitude")) latitude_ = i;
      if (same_word(name, "longitude")) longitude_ = i;
      if (same_word(name, "name") || (name_ == SIZE_MAX && same_word(name, "site_id"))) name_ = i;
    }
    has_columns_ = latitude_ != SIZE_MAX && longitude_ != SIZE_MAX;
  }

  static std::optional<double> degrees(std::string_view text, double most) {
    const auto value = parse_number(text);
    return value && std::abs(*value) <= most ? value : std::nullopt;
  }

  const size_t rows_max_;
  ErrorSink& errors_;
  size_t latitude_ = SIZE_MAX, longitude_ = SIZE_MAX, name_ = SIZE_MAX;
  bool has_columns_ = false, too_many_ = false;
};

// On the unit sphere; squares of chords order points as distances over ground do.
using Point = std::array<double, 3>;

Point point_of(grid::Place place) {
  const double latitude = place.latitude.value() * std::numbers::pi / 180;
  const double longitude = place.longitude.value() * std::numbers::pi / 180;
  return {std::cos(latitude) * std::cos(longitude), std::cos(latitude) * std::sin(longitude), std::sin(latitude)};
}

double square(const Point& a, const Point& b) {
  return (a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) + (a[2] - b[2]) * (a[2] - b[2]);
}

// The Gabriel graph (K. R. Gabriel, R. R. Sokal, Syst. Zool. 18, 1969): two sites are joined where no other lies in the
// circle that has them as a diameter. It contains a shortest tree, so it is connected, and has the meshes of a network
// that follows streets. Others are looked at in the order of their distance from one end, so most pairs end at once.
void lay_fibre(Topology& topology) {
  std::vector<Point> points;
  for (const TopologyNode& node : topology.nodes) points.push_back(point_of(*node.place));
  std::vector<size_t> near(points.size());
  for (size_t a = 0; a < points.size(); ++a) {
    std::iota(near.begin(), near.end(), size_t{0});
    std::ranges::sort(near, {}, [&](size_t i) { return std::pair(square(points[a], points[i]), i); });
    for (size_t b = a + 1; b < points.size(); ++b) {
      const double across = square(points[a], points[b]);
      const bool apart = std::ranges::any_of(near, [&](size_t c) {
        return c != a && c != b && square(points[a], points[c]) + square(points[b], points[c]) < across;
      });
      if (apart) continue;
      TopologyEdge edge;
      edge.from = a;
      edge.to = b;
      edge.line = topology.nodes[b].line;
      topology.edges.push_back(edge);
    }
  }
}

}  // namespace

Topology parse_site_list(std::string_view bytes, std::string_view file_name, std::vector<Diagnostic>& diagnostics) {
  ErrorSink errors(file_name, diagnostics);
  const PlaceReader reader(bytes, kSiteListMax, errors);
  Topology topology;
  for (const PlaceReader::Row& row : reader.rows) {
    TopologyNode node;
    node.label = row.name.empty() ? fmt::format("site {}", row.line) : row.name;
    node.place = row.place;
    node.line = row.line;
    topology.nodes.push_back(std::move(node));
  }
  if (!has_errors(diagnostics)) lay_fibre(topology);
  return topology;
}

void parse_site_users(std::string_view bytes, std::string_view file_name, Topology& topology,
                      std::vector<Diagnostic>& diagnostics) {
  ErrorSink errors(file_name, diagnostics);
  const PlaceReader reader(bytes, kSiteUsersMax, errors);
  std::vector<Point> sites;
  for (const TopologyNode& node : topology.nodes) sites.push_back(point_of(*node.place));
  if (sites.empty()) return;
  for (const PlaceReader::Row& row : reader.rows) {
    const Point user = point_of(row.place);
    const auto nearest = std::ranges::min_element(sites, {}, [&](const Point& site) { return square(site, user); });
    topology.nodes[static_cast<size_t>(nearest - sites.begin())].users += 1;
  }
}

}  // namespace tandem::ingest
