#include "ingest/json_items.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace tandem::ingest {
namespace {

constexpr size_t kListsMax = 1'000;   // names of lists in one file: NetBox has ~100 models
constexpr size_t kKeyBytesMax = 200;  // of a name beside the lists

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Bytes that mean something between texts.
constexpr std::array<bool, 256> make_structural() {
  std::array<bool, 256> table{};
  for (const char c : {'"', '{', '}', '[', ']'}) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr auto kStructural = make_structural();

}  // namespace

void JsonItems::push(std::string_view bytes) {
  while (!bytes.empty() && !broken_) {
    const size_t taken = reading_ == Reading::outside ? step_outside(bytes)
                         : reading_ == Reading::key   ? read_key(bytes)
                                                      : read_value(bytes);
    line_ += static_cast<uint32_t>(std::count(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(taken), '\n'));
    bytes.remove_prefix(taken);
  }
}

void JsonItems::finish() {
  if (broken_) return;
  if (expect_ != Expect::document || reading_ != Reading::outside)
    broken("the file ends in the middle", "fetch it again, whole");
}

std::string JsonItems::pointer(const FeedPlace& place) const {
  std::string document = place.document > 0 ? fmt::format("document {} ", place.document + 1) : std::string();
  if (place.list == UINT16_MAX) return document;
  if (place.list == 0) return fmt::format("{}/{}", document, place.item);
  return fmt::format("{}/{}/{}", document, lists_[place.list - 1u], place.item);
}

// White space, then one byte of structure or the first of a value.
size_t JsonItems::step_outside(std::string_view bytes) {
  size_t at = 0;
  while (at < bytes.size() && is_space(bytes[at])) ++at;
  if (in_object_ && !has_lists_) document_.append(bytes.substr(0, at));
  if (document_.size() > kFeedItemBytesMax) too_large();
  if (at == bytes.size() || broken_) return at;
  const char c = bytes[at];
  // A scalar's first byte is read again as part of it.
  const bool value =
      expect_ == Expect::member || expect_ == Expect::item || (expect_ == Expect::item_or_end && c != ']');
  if (value && !(expect_ == Expect::member && c == '[' && callbacks_.is_list(key_))) {
    begin_value(c);
    return at;
  }
  structure(c);
  return broken_ ? at : at + 1;
}

void JsonItems::structure(char c) {
  if (in_object_ && !has_lists_) document_ += c;
  switch (expect_) {
    case Expect::document:
      if (c == '{') {
        in_object_ = true;
        document_ = c;
        expect_ = Expect::key_or_end;
      } else if (c == '[') {
        list_begins();
      } else {
        broken("this is no JSON object or list", "give JSON as the API answers it");
      }
      return;
    case Expect::key_or_end:
      if (c == '}') return document_ends();
      [[fallthrough]];
    case Expect::key:
      if (c != '"') return broken("a name in quotes was expected here", "check what comes before");
      key_.clear();
      reading_ = Reading::key;
      return;
    case Expect::colon:
      if (c != ':') return broken("a colon was expected after a name", "check what comes before");
      expect_ = Expect::member;
      return;
    case Expect::member:  // a list to go through
      has_lists_ = true;
      document_.clear();
      if (std::find(lists_.begin(), lists_.end(), key_) == lists_.end() && lists_.size() < kListsMax)
        lists_.push_back(key_);
      return list_begins();
    case Expect::comma_or_end:
      if (c == '}') return document_ends();
      if (c != ',') return broken("a comma or } was expected here", "check what comes before");
      expect_ = Expect::key;
      return;
    case Expect::item_or_end:
    case Expect::comma_or_close:
      if (c == ']') return list_ends();
      if (c != ',') return broken("a comma or ] was expected here", "check what comes before");
      expect_ = Expect::item;
      return;
    case Expect::item: return;  // a value, which does not come here
  }
}

void JsonItems::list_begins() {
  place_.item = 0;
  place_.list = 0;
  if (has_lists_) {
    const auto found = std::find(lists_.begin(), lists_.end(), key_);
    if (found == lists_.end()) return broken(fmt::format("there are more than {} lists", kListsMax), "split the file");
    place_.list = static_cast<uint16_t>(found - lists_.begin() + 1);
  }
  in_list_ = true;
  expect_ = Expect::item_or_end;
}

void JsonItems::list_ends() {
  in_list_ = false;
  expect_ = Expect::comma_or_end;
  if (!in_object_) document_ends();
}

void JsonItems::document_ends() {
  if (in_object_ && !has_lists_) hand_over(document_, /*alone=*/true);
  in_object_ = has_lists_ = false;
  expect_ = Expect::document;
  ++place_.document;
}

size_t JsonItems::read_key(std::string_view bytes) {
  const size_t end = text_end(bytes);
  const size_t taken = end == std::string_view::npos ? bytes.size() : end + 1;
  if (!has_lists_) document_.append(bytes.substr(0, taken));
  key_.append(bytes.substr(0, std::min(end, bytes.size())));
  if (key_.size() > kKeyBytesMax || document_.size() > kFeedItemBytesMax) {
    broken("the name is too long", fmt::format("at most {} bytes are read", kKeyBytesMax));
  } else if (end != std::string_view::npos) {
    reading_ = Reading::outside;
    expect_ = Expect::colon;
  }
  return taken;
}

// Where the text that `bytes` continues ends: its closing quote; npos when that is yet to come.
size_t JsonItems::text_end(std::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (escaped_) {
      escaped_ = false;
    } else if (bytes[i] == '\\') {
      escaped_ = true;
    } else if (bytes[i] == '"') {
      return i;
    }
  }
  return std::string_view::npos;
}

void JsonItems::begin_value(char c) {
  value_.clear();
  depth_ = 0;
  in_text_ = escaped_ = false;
  place_.line = line_;
  reading_ = c == '{' || c == '[' ? Reading::container : c == '"' ? Reading::text : Reading::scalar;
}

size_t JsonItems::read_value(std::string_view bytes) {
  size_t at = 0;
  bool ends = false;
  if (reading_ == Reading::scalar) {
    while (at < bytes.size() && !is_space(bytes[at]) && bytes[at] != ',' && bytes[at] != ']' && bytes[at] != '}') ++at;
    ends = at < bytes.size();
  }
  if (reading_ == Reading::text && value_.empty()) at = 1;  // its opening quote
  if (reading_ == Reading::text && at < bytes.size()) {
    const size_t end = text_end(bytes.substr(at));
    ends = end != std::string_view::npos;
    at = ends ? at + end + 1 : bytes.size();
  }
  while (reading_ == Reading::container && at < bytes.size() && !ends) {
    if (in_text_) {
      const size_t end = text_end(bytes.substr(at));
      in_text_ = end == std::string_view::npos;
      at = in_text_ ? bytes.size() : at + end + 1;
      continue;
    }
    while (at < bytes.size() && !kStructural[static_cast<unsigned char>(bytes[at])]) ++at;
    if (at == bytes.size()) break;
    const char c = bytes[at++];
    if (c == '"') {
      in_text_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else {
      ends = --depth_ == 0;
    }
  }
  value_.append(bytes.substr(0, at));
  if (value_.size() > kFeedItemBytesMax || document_.size() + value_.size() > kFeedItemBytesMax) {
    too_large();
  } else if (ends) {
    value_ends();
  }
  return at;
}

void JsonItems::value_ends() {
  reading_ = Reading::outside;
  if (in_list_) {
    hand_over(value_, /*alone=*/false);
    ++place_.item;
    expect_ = Expect::comma_or_close;
    return;
  }
  if (!has_lists_) document_ += value_;
  expect_ = Expect::comma_or_end;
}

void JsonItems::hand_over(std::string& bytes, bool alone) {
  bytes.reserve(bytes.size() + kPadding);
  FeedPlace place = place_;
  if (alone) {
    place.list = UINT16_MAX;
    place.line = line_;
  }
  const std::string_view list =
      place.list > 0 && !alone ? std::string_view(lists_[place.list - 1u]) : std::string_view();
  callbacks_.item({bytes, list, place, alone});
  if (alone) bytes.clear();
}

void JsonItems::too_large() {
  broken(fmt::format("an object is larger than {} MB", kFeedItemBytesMax >> 20), "is this an inventory?");
}

void JsonItems::broken(std::string message, std::string fix) {
  broken_ = true;
  FeedPlace place = place_;
  place.line = line_;
  callbacks_.broken(place, std::move(message), std::move(fix));
}

}  // namespace tandem::ingest
