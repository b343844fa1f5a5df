// Rows as columns, in memory and as bytes. Internal to `series`.
//
// The bytes of usage rows, in this order: the number of rows; `at` as differences to the row before; per name column a
// dictionary (count, then each name's length and bytes) and each row's place in it; the integers; the costs; a byte a
// row for outcome and promise; then, absent in what earlier versions wrote, the cached tokens, energy and carbon.
// Samples lie series by series: the number of series, then for each its name, its number
// of samples, their times as differences to the one before, their values. Numbers are LEB128 varints, signed ones in
// zigzag form, doubles 8 bytes little-endian. Decoding takes any bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "series/series.h"

namespace tandem::series {

inline constexpr size_t kRowsMax = 1u << 26;  // of one block: far over what one minute holds
inline constexpr size_t kNamesMax =
    100'000;  // distinct in one column of one window: bounds what hostile labels can cost

// A column of names, each stored once.
class NameColumn {
 public:
  bool has_room_for(std::string_view name) const { return names_.size() < kNamesMax || places_.contains(name); }
  void push(std::string_view name);
  std::string_view operator[](size_t row) const { return names_[ids_[row]]; }
  uint32_t id(size_t row) const { return ids_[row]; }
  const std::vector<std::string>& names() const { return names_; }

 private:
  friend class UsageCodec;
  friend class SampleCodec;
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::vector<std::string> names_;
  std::vector<uint32_t> ids_;                                                // a row's place in names_
  std::unordered_map<std::string, uint32_t, Hash, std::equal_to<>> places_;  // only looked up; empty once decoded
};

struct UsageRows {
  std::vector<int64_t> at_ns;
  NameColumn tenant, model, region, site, deployment;
  std::vector<uint32_t> prompt_tokens, output_tokens, cached_tokens;
  std::vector<uint64_t> ttft_us, tpot_us, duration_us;
  std::vector<double> cost_eur, energy_j, carbon_g;
  std::vector<uint8_t> flags;  // the outcome, 0x80 for kept, 0x40 for estimated

  size_t size() const { return at_ns.size(); }
  bool push(const Usage& row);  // false when a column has no room for another name
  Usage row(size_t i) const;
  bool kept(size_t i) const { return (flags[i] & 0x80) != 0; }
  bool estimated(size_t i) const { return (flags[i] & 0x40) != 0; }
};

struct SampleRows {
  std::vector<int64_t> at_ns;
  NameColumn series;
  std::vector<double> value;

  size_t size() const { return at_ns.size(); }
  bool push(const Sample& row);
  Sample row(size_t i) const;
};

// The rows from `first` on, by time.
std::string encode(const UsageRows& rows, size_t first = 0);
// All rows, by series and time.
std::string encode(const SampleRows& rows);

// Errors: corrupt.
Result<UsageRows> decode_usage(std::string_view bytes);
Result<SampleRows> decode_samples(std::string_view bytes);

// Totals by (tenant, model, site), ascending, of the rows that the query takes in.
std::vector<v1::UsageTotal> totals_of(const UsageRows& rows, const UsageQuery& query);
// Ascending, those of one (tenant, model, site) added up.
std::vector<v1::UsageTotal> merged(std::vector<v1::UsageTotal> totals);
// Where there are more than `totals_max`, sites are counted together under an empty site; if that is not enough, models
// too; then tenants.
std::vector<v1::UsageTotal> at_most(std::vector<v1::UsageTotal> totals, size_t totals_max);

// Why a row cannot be taken, if so: invalid_argument.
Result<void> check(const Usage& row);
Result<void> check(const Sample& row);

}  // namespace tandem::series
