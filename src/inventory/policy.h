// Which of several claims is believed, by stated policy.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "inventory/record.h"

namespace tandem::inventory {

inline constexpr std::string_view kSource = "source";  // the kind of entities that hold the policy, one for each source

// What the entities of kind `source` say, by source: `authority` (0 to 100) and `masters` (a list of "kind.attribute",
// "kind.*" and "*.attribute").
class Policy {
 public:
  static constexpr int64_t kAuthorityDefault = 50;

  void set(SourceId source, int64_t authority, std::vector<std::string> masters);
  int64_t authority(SourceId source) const;
  bool masters(SourceId source, std::string_view kind, std::string_view attribute) const;
  bool operator==(const Policy&) const = default;

 private:
  struct Source {
    int64_t authority = kAuthorityDefault;
    std::vector<std::string> masters;  // ascending
    bool operator==(const Source&) const = default;
  };
  std::vector<Source> sources_;  // by id; shorter where the rest is default
};

// From where claims are looked at.
struct Lens {
  int64_t time_ns = 0;  // what was true then
  const Policy* policy = nullptr;
  std::string_view kind;  // of the entity
};

// Of the claims of one attribute, in ascending order of stamp, those that hold at the time: of each source and standing
// the one recorded last among those that cover it. Null for the others. O(claims · voices).
std::vector<const ClaimView*> holding(std::span<const ClaimView> claims, int64_t time_ns);

// The claim that is believed; null when none holds. Its value may be null: the attribute is believed to be empty. First
// counts what is seen over what is intended, then who masters the attribute, then authority, then what is fresher.
const ClaimView* believed(std::span<const ClaimView> claims, const Lens& lens);

// True when claims that hold differ.
bool disputed(std::span<const ClaimView> claims, int64_t time_ns);

}  // namespace tandem::inventory
