#include "base/front_coded_set.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace tandem {
namespace {

// A key in a block: what it repeats of the one before, and the rest.
struct Entry {
  size_t shared = 0;
  std::string_view rest;
  size_t end = 0;  // where the next one begins
};

inline size_t read_length(std::string_view block, size_t& at) {
  auto byte = static_cast<unsigned char>(block[at++]);
  if (byte < 0x80) return byte;  // nearly always
  size_t value = byte & 0x7Fu;
  for (unsigned shift = 7; byte >= 0x80; shift += 7) {
    byte = static_cast<unsigned char>(block[at++]);
    value |= size_t{byte & 0x7Fu} << shift;
  }
  return value;
}

inline Entry entry_at(std::string_view block, size_t at) {
  const size_t shared = read_length(block, at);
  const size_t bytes = read_length(block, at);
  return {shared, {block.data() + at, bytes}, at + bytes};
}

// The two lengths before an entry's bytes.
class Lengths {
 public:
  Lengths(size_t shared, size_t rest) {
    put(shared);
    put(rest);
  }
  std::string_view view() const { return {bytes_.data(), count_}; }

 private:
  void put(size_t value) {
    for (; value >= 0x80; value >>= 7) bytes_[count_++] = static_cast<char>(value | 0x80);
    bytes_[count_++] = static_cast<char>(value);
  }
  std::array<char, 20> bytes_;
  size_t count_ = 0;
};

size_t common_bytes(std::string_view a, std::string_view b) {
  const size_t most = std::min(a.size(), b.size());
  size_t common = 0;
  while (common < most && a[common] == b[common]) ++common;
  return common;
}

// Where a key stands among those of a block, or would.
struct Place {
  size_t at = 0;      // of the first entry that is not below it
  size_t before = 0;  // bytes in common with the key before that
  size_t after = 0;   // bytes in common with that entry's
  bool found = false;
};

// What an entry repeats of the key before it says already how it compares, unless that is just as much as the sought
// key has in common with it: no byte of the sought key is looked at twice.
Place find(std::string_view block, std::string_view key) {
  Place place;
  for (Entry entry; place.at < block.size(); place.at = entry.end) {
    entry = entry_at(block, place.at);
    if (entry.shared > place.before) continue;  // below, as the one before
    place.after = entry.shared;
    if (entry.shared < place.before) return place;
    const std::string_view left = key.substr(place.before);
    const size_t common = common_bytes(entry.rest, left);
    place.after += common;
    place.found = common == entry.rest.size() && common == left.size();
    const bool below = common == entry.rest.size() ||
                       (common < left.size() &&
                        static_cast<unsigned char>(entry.rest[common]) < static_cast<unsigned char>(left[common]));
    if (place.found || !below) return place;
    place.before = place.after;
  }
  return place;
}

SharedBytes with(std::string_view block, const Place& place, std::string_view key) {
  const std::string_view rest = key.substr(place.before);
  const Lengths lengths(place.before, rest.size());
  const std::string_view begin = block.substr(0, place.at);
  if (place.at == block.size()) return SharedBytes({begin, lengths.view(), rest});
  const Entry next = entry_at(block, place.at);
  const std::string_view next_rest = next.rest.substr(place.after - next.shared);
  const Lengths next_lengths(place.after, next_rest.size());
  return SharedBytes({begin, lengths.view(), rest, next_lengths.view(), next_rest, block.substr(next.end)});
}

SharedBytes without(std::string_view block, size_t at) {
  const Entry gone = entry_at(block, at);
  const std::string_view begin = block.substr(0, at);
  if (gone.end == block.size()) return SharedBytes(begin);
  const Entry next = entry_at(block, gone.end);
  const std::string_view repeated =
      next.shared > gone.shared ? gone.rest.substr(0, next.shared - gone.shared) : std::string_view();
  const Lengths lengths(next.shared - repeated.size(), repeated.size() + next.rest.size());
  return SharedBytes({begin, lengths.view(), repeated, next.rest, block.substr(next.end)});
}

void step(std::string& key, const Entry& entry) {
  key.resize(entry.shared);
  key += entry.rest;
}

struct Halves {
  SharedBytes left, right;
  std::string left_last;
};

// Cut before the first entry at `from` or behind it, or else before the last.
Halves cut(std::string_view block, size_t from) {
  Halves halves;
  size_t at = 0;
  Entry entry = entry_at(block, at);
  while (at < from && entry.end < block.size()) {
    step(halves.left_last, entry);
    at = entry.end;
    entry = entry_at(block, at);
  }
  const std::string_view repeated = std::string_view(halves.left_last).substr(0, entry.shared);
  const Lengths lengths(0, repeated.size() + entry.rest.size());
  halves.left = SharedBytes(block.substr(0, at));
  halves.right = SharedBytes({lengths.view(), repeated, entry.rest, block.substr(entry.end)});
  return halves;
}

SharedBytes joined(std::string_view left, std::string_view right) {
  if (right.empty()) return SharedBytes(left);
  std::string last;
  for (size_t at = 0; at < left.size(); at = entry_at(left, at).end) step(last, entry_at(left, at));
  const Entry first = entry_at(right, 0);  // whole
  const size_t common = common_bytes(last, first.rest);
  const Lengths lengths(common, first.rest.size() - common);
  return SharedBytes({left, lengths.view(), first.rest.substr(common), right.substr(first.end)});
}

}  // namespace

bool FrontCodedSet::contains(std::string_view key) const { return find(bytes_of(blocks_.lower_bound(key)), key).found; }

void FrontCodedSet::put(const Blocks::Iterator& block, SharedBytes bytes) {
  if (block == blocks_.end())
    last_ = std::move(bytes);
  else
    blocks_.edit(block) = std::move(bytes);
}

bool FrontCodedSet::insert(std::string_view key) {
  const auto block = blocks_.lower_bound(key);
  const std::string_view old = bytes_of(block);
  const Place place = find(old, key);
  if (place.found) return false;
  ++size_;
  SharedBytes bytes = with(old, place, key);
  const bool fits = bytes.view().size() <= kBlockBytes || old.empty();
  if (fits) return put(block, std::move(bytes)), true;
  // In the middle, or, where it grows at its end as in an ascending load, so that what is left stays full.
  Halves halves = cut(bytes.view(), place.at == old.size() ? place.at : std::max<size_t>(1, bytes.view().size() / 2));
  put(block, std::move(halves.right));
  blocks_.edit(halves.left_last) = std::move(halves.left);
  return true;
}

bool FrontCodedSet::erase(std::string_view key) {
  auto block = blocks_.lower_bound(key);
  const Place place = find(bytes_of(block), key);
  if (!place.found) return false;
  --size_;
  SharedBytes bytes = without(bytes_of(block), place.at);
  if (block == blocks_.end() || bytes.view().size() >= kBlockBytes / 4) return put(block, std::move(bytes)), true;
  // A block that has little left joins the next where both fit into one.
  auto next = block;
  ++next;
  const std::string bound = (*block).first;
  if (bytes.view().empty()) {
    blocks_.erase(bound);
  } else if (bytes_of(next).size() + bytes.view().size() <= kBlockBytes) {
    put(next, joined(bytes.view(), bytes_of(next)));
    blocks_.erase(bound);
  } else {
    put(block, std::move(bytes));
  }
  return true;
}

void FrontCodedSet::Cursor::next() {
  while (at_ == bytes_.size()) {
    if (block_ == set_->blocks_.end()) {
      at_end_ = true;
      return;
    }
    ++block_;
    bytes_ = set_->bytes_of(block_);
    at_ = 0;
  }
  const Entry entry = entry_at(bytes_, at_);
  step(key_, entry);
  at_ = entry.end;
}

FrontCodedSet::Cursor FrontCodedSet::lower_bound(std::string_view from) const {
  Cursor cursor;
  cursor.set_ = this;
  cursor.block_ = blocks_.lower_bound(from);
  cursor.bytes_ = bytes_of(cursor.block_);
  cursor.at_ = find(cursor.bytes_, from).at;
  cursor.key_ = from;  // what the entry there repeats of the key before it is the same of `from`
  cursor.next();
  return cursor;
}

}  // namespace tandem
