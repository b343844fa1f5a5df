// Sealing of one value with one key: AES-256 in SIV mode (RFC 5297), deterministic and authenticated.
//
// Why deterministic: a source that repeats itself must give the same bytes, or each repetition would be news and stay
// in the history for good. What this shows to who has the log but not the key: that an attribute of one entity has the
// value it had before, and how long it is. Between entities, and between attributes, nothing is shown, for keys and
// places differ.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tandem::vault {

struct Key {
  std::array<uint8_t, 64> bytes{};  // two of 256 bits: one for the synthetic nonce, one for the text
  ~Key();                           // leaves no copy in memory
  Key() = default;
  Key(const Key&) = default;
  Key& operator=(const Key&) = default;
  bool operator==(const Key&) const = default;
};

// Errors: io, where the system gives no randomness.
Result<Key> random_key();

// `place` is authenticated with it: what was sealed for one place opens for no other.
std::string seal(const Key& key, std::string_view place, std::string_view plain);
// Nothing where the key or the place are others, or a bit is.
std::optional<std::string> open(const Key& key, std::string_view place, std::string_view sealed);

}  // namespace tandem::vault
