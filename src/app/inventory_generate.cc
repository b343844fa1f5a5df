// A large operator's inventory that never was: sites, rooms, racks, devices, cards, interfaces, cables, prefixes and
// addresses with the names such things have. For load tests: the same seed gives the same bytes.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>

#include "app/commands.h"
#include "app/grid_file.h"
#include "base/random.h"

namespace tandem::app {
namespace {

constexpr size_t kDevicesPerRack = 10;
constexpr size_t kRacksPerSite = 50;
constexpr size_t kPortsPerCard = 12;
constexpr double kCabledFraction = 0.4;  // of interfaces, two a cable
constexpr double kAddressedFraction = 0.05;

struct City {
  const char* name;
  const char* country;
  double latitude, longitude;
};
constexpr std::array kCities{City{"par", "FR", 48.86, 2.35},  City{"lyo", "FR", 45.76, 4.84},
                             City{"ber", "DE", 52.52, 13.40}, City{"muc", "DE", 48.14, 11.58},
                             City{"vie", "AT", 48.21, 16.37}, City{"ams", "NL", 52.37, 4.90},
                             City{"mil", "IT", 45.46, 9.19},  City{"mad", "ES", 40.42, -3.70}};
constexpr std::array kRoles{"router", "switch", "switch", "switch", "server", "server", "base_station", "roadm"};

// A CSV file of one kind.
class CsvFile {
 public:
  static Result<CsvFile> open(const std::filesystem::path& directory, const std::string& kind,
                              std::string_view columns) {
    CsvFile file;
    file.path_ = directory / (kind + ".csv");
    file.file_ = std::fopen(file.path_.c_str(), "wb");
    if (file.file_ == nullptr) return fail(ErrorCode::io, fmt::format("'{}' cannot be written", file.path_.string()));
    file.kind_ = kind;
    file.text_ = fmt::format("kind,id,{}\n", columns);
    return file;
  }
  CsvFile() = default;
  CsvFile(CsvFile&& other) noexcept
      : path_(std::move(other.path_)),
        kind_(std::move(other.kind_)),
        text_(std::move(other.text_)),
        file_(std::exchange(other.file_, nullptr)),
        good_(other.good_),
        rows_(other.rows_) {}
  CsvFile& operator=(CsvFile&&) = delete;
  ~CsvFile() {
    if (file_ != nullptr) std::fclose(file_);
  }

  template <class... Arguments>
  void row(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    text_ += kind_;
    text_ += ',';
    fmt::format_to(std::back_inserter(text_), format, std::forward<Arguments>(arguments)...);
    text_ += '\n';
    ++rows_;
    if (text_.size() > (1u << 20)) flush();
  }
  Result<size_t> close() {
    flush();
    good_ = std::fclose(std::exchange(file_, nullptr)) == 0 && good_;
    if (!good_) return fail(ErrorCode::io, fmt::format("'{}' could not be written whole", path_.string()));
    return rows_;
  }

 private:
  void flush() {
    good_ = std::fwrite(text_.data(), 1, text_.size(), file_) == text_.size() && good_;
    text_.clear();
  }
  std::filesystem::path path_;
  std::string kind_, text_;
  std::FILE* file_ = nullptr;
  bool good_ = true;
  size_t rows_ = 0;
};

std::string site_id(size_t site) { return fmt::format("{}{:04}", kCities[site % kCities.size()].name, site); }
std::string rack_id(size_t rack) {
  return fmt::format("{}:r{:02}", site_id(rack / kRacksPerSite), rack % kRacksPerSite + 1);
}
std::string device_id(size_t device) {
  const size_t rack = device / kDevicesPerRack;
  return fmt::format("{}-{}-r{:02}-{}", site_id(rack / kRacksPerSite),
                     kRoles[device % kRoles.size()][0] == 's' ? "sw" : "rt", rack % kRacksPerSite + 1,
                     device % kDevicesPerRack);
}

struct Generator {
  InventoryGenerateOptions options;
  Random random{options.seed};
  size_t rows = 0;

  size_t racks() const { return (options.devices + kDevicesPerRack - 1) / kDevicesPerRack; }
  size_t sites() const { return (racks() + kRacksPerSite - 1) / kRacksPerSite; }
  // Interfaces are spread evenly: device d has those from first(d) to first(d + 1).
  size_t first(size_t device) const { return device * options.interfaces / options.devices; }
  std::string interface_name(size_t slot) const {
    return fmt::format("et-{}/0/{}", slot / kPortsPerCard, slot % kPortsPerCard);
  }
  std::string interface_id(size_t interface) const {
    size_t device = std::min(interface * options.devices / options.interfaces, options.devices - 1);
    while (first(device) > interface) --device;
    while (device + 1 < options.devices && first(device + 1) <= interface) ++device;
    const size_t slot = interface - first(device);
    return fmt::format("{}:et-{}-0-{}", device_id(device), slot / kPortsPerCard, slot % kPortsPerCard);
  }

  Result<void> places();
  Result<void> devices();
  Result<void> interfaces();
  Result<void> cables();
  Result<void> addresses();
  Result<void> finish(CsvFile& file) {
    TANDEM_ASSIGN(const size_t written, file.close());
    rows += written;
    return {};
  }
};

Result<void> Generator::places() {
  TANDEM_ASSIGN(CsvFile site, CsvFile::open(options.output, "site",
                                            "name,tier,latitude_deg,longitude_deg,jurisdiction,power_limit_kw"));
  for (size_t i = 0; i < sites(); ++i) {
    const City& city = kCities[i % kCities.size()];
    site.row("{},{} {},near_edge,{:.4f},{:.4f},{},{}", site_id(i), city.name, i, city.latitude + random.uniform() - 0.5,
             city.longitude + random.uniform() - 0.5, city.country, 100 + random.below(400));
  }
  TANDEM_TRY(finish(site));
  TANDEM_ASSIGN(CsvFile rack, CsvFile::open(options.output, "rack", "name,site,height_u,serial"));
  for (size_t i = 0; i < racks(); ++i)
    rack.row("{},R{:02},{},47,RK{:08}", rack_id(i), i % kRacksPerSite + 1, site_id(i / kRacksPerSite), i);
  return finish(rack);
}

Result<void> Generator::devices() {
  TANDEM_ASSIGN(CsvFile device,
                CsvFile::open(options.output, "device", "name,role,site,rack,position_u,height_u,serial,status"));
  TANDEM_ASSIGN(CsvFile card, CsvFile::open(options.output, "card", "slot,device,role,serial"));
  size_t cards = 0;
  for (size_t i = 0; i < options.devices; ++i) {
    const size_t rack = i / kDevicesPerRack;
    device.row("{0},{0},{1},{2},{3},{4},2,NS{5:09},{6}", device_id(i), kRoles[i % kRoles.size()],
               site_id(rack / kRacksPerSite), rack_id(rack), 1 + 4 * (i % kDevicesPerRack), i,
               random.chance(0.02) ? "planned" : "active");
    if (i % 4 == 0) card.row("{0}:{1},{1},{0},line_card,LC{2:09}", device_id(i), 0, cards++);
  }
  TANDEM_TRY(finish(device));
  return finish(card);
}

Result<void> Generator::interfaces() {
  TANDEM_ASSIGN(CsvFile interface, CsvFile::open(options.output, "interface",
                                                 "name,device,type,speed_gbps,mtu_bytes,mac_address,enabled"));
  for (size_t device = 0; device < options.devices; ++device) {
    const std::string id = device_id(device);
    for (size_t i = first(device); i < first(device + 1); ++i) {
      const size_t slot = i - first(device);
      interface.row("{}:et-{}-0-{},{},{},physical,{},9192,02:{:02x}:{:02x}:{:02x}:{:02x}:{:02x},{}", id,
                    slot / kPortsPerCard, slot % kPortsPerCard, interface_name(slot), id, slot % 4 == 0 ? 400 : 100,
                    (i >> 32) & 255, (i >> 24) & 255, (i >> 16) & 255, (i >> 8) & 255, i & 255,
                    random.chance(0.9) ? "true" : "false");
    }
  }
  return finish(interface);
}

// Neighbours along the list, and now and then across it.
Result<void> Generator::cables() {
  TANDEM_ASSIGN(CsvFile cable, CsvFile::open(options.output, "cable", "label,type,length_m,a_end,b_end"));
  const auto count = static_cast<size_t>(kCabledFraction / 2 * static_cast<double>(options.interfaces));
  const size_t half = options.interfaces / 2;
  for (size_t i = 0; i < count; ++i)
    cable.row("c{0:07},C-{0:07},fibre_single_mode,{1:.1f},interface/{2},interface/{3}", i, 2 + random.exponential(20),
              interface_id(i), interface_id(half + i));
  return finish(cable);
}

Result<void> Generator::addresses() {
  TANDEM_ASSIGN(CsvFile prefix, CsvFile::open(options.output, "prefix", "prefix,site,role"));
  TANDEM_ASSIGN(CsvFile address, CsvFile::open(options.output, "address", "address,prefix,assigned_to,dns_name"));
  const auto count = static_cast<size_t>(kAddressedFraction * static_cast<double>(options.interfaces));
  for (size_t i = 0; i < count; ++i) {
    const size_t block = i / 250;
    const std::string prefix_id = fmt::format("p{:05}", block);
    const auto octets = fmt::format("10.{}.{}", (block >> 8) & 255, block & 255);
    if (i % 250 == 0) prefix.row("{},{}.0/24,{},point-to-point", prefix_id, octets, site_id(block % sites()));
    const size_t interface = i * (options.interfaces / std::max<size_t>(count, 1));
    address.row("a{:07},{}.{}/24,{},interface/{},i{}.example.net", i, octets, i % 250 + 1, prefix_id,
                interface_id(interface), i);
  }
  TANDEM_TRY(finish(prefix));
  return finish(address);
}

Result<size_t> generate(const InventoryGenerateOptions& options) {
  if (options.devices == 0 || options.devices > 10'000'000 || options.interfaces < options.devices ||
      options.interfaces > 100'000'000)
    return fail(ErrorCode::invalid_argument,
                "1 to 10,000,000 devices, and at least as many interfaces, at most 100,000,000");
  std::error_code error;
  std::filesystem::create_directories(options.output, error);
  if (error)
    return fail(ErrorCode::io, fmt::format("'{}' cannot be made: {}", options.output.string(), error.message()));
  Generator generator{options};
  TANDEM_TRY(generator.places());
  TANDEM_TRY(generator.devices());
  TANDEM_TRY(generator.interfaces());
  TANDEM_TRY(generator.cables());
  TANDEM_TRY(generator.addresses());
  return generator.rows;
}

}  // namespace

int run_inventory_generate(const InventoryGenerateOptions& options) {
  const auto rows = generate(options);
  if (!rows) return report(rows.error());
  fmt::print("{} entities in {}\n", *rows, options.output.string());
  return 0;
}

}  // namespace tandem::app
