// Dense indices: the position of a row in one table of one snapshot. An index is meaningful only within the snapshot
// it came from; the stable name of a thing is its id, a string.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace tandem {

template <class Row>
struct Index {
  static constexpr uint32_t kNone = UINT32_MAX;

  uint32_t value = kNone;

  constexpr Index() = default;
  constexpr explicit Index(size_t position) : value(static_cast<uint32_t>(position)) {}
  constexpr bool valid() const { return value != kNone; }
  constexpr auto operator<=>(const Index&) const = default;
};

}  // namespace tandem

template <class Row>
struct std::hash<tandem::Index<Row>> {
  size_t operator()(tandem::Index<Row> index) const noexcept { return std::hash<uint32_t>{}(index.value); }
};
