// Large JSON in pieces of any size: the objects of its lists, one at a time, each with its place.
//
// A file is one value or several after one another (pages of a listing, a line each). A value is a list of objects, or
// an object that holds such lists under names ("results"; "dcim.sites"), or else an object of its own.
// Only the outside is followed here, byte by byte; each object is parsed, and so checked, as a whole by who takes it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "ingest/feed.h"

namespace tandem::ingest {

class JsonItems {
 public:
  struct Item {
    std::string_view bytes;  // of one value, with kPadding bytes behind it that may be read
    std::string_view list;   // the name its list stands under; empty in a list of its own, or alone
    FeedPlace place;
    bool alone = false;  // the document itself
  };
  struct Callbacks {
    std::function<bool(std::string_view name)> is_list;  // whether what stands under a name is a list to go through
    std::function<void(const Item&)> item;
    // The outside is no JSON: nothing is read any more.
    std::function<void(const FeedPlace&, std::string message, std::string fix)> broken;
  };
  static constexpr size_t kPadding = 64;  // simdjson reads so far past the end of what it parses

  explicit JsonItems(Callbacks callbacks) : callbacks_(std::move(callbacks)) {}
  void push(std::string_view bytes);
  void finish();
  // The JSON pointer of an item: "/results/17", "/17", "" for one that stands alone.
  std::string pointer(const FeedPlace& place) const;

 private:
  enum class Expect : uint8_t {
    document,
    key_or_end,
    key,
    colon,
    member,
    comma_or_end,
    item_or_end,
    item,
    comma_or_close
  };
  enum class Reading : uint8_t { outside, key, container, text, scalar };

  size_t step_outside(std::string_view bytes);
  size_t read_key(std::string_view bytes);
  size_t read_value(std::string_view bytes);
  size_t text_end(std::string_view bytes);
  void structure(char c);
  void begin_value(char c);
  void value_ends();
  void document_ends();
  void list_begins();
  void list_ends();
  void hand_over(std::string& bytes, bool alone);
  void too_large();
  void broken(std::string message, std::string fix);

  Callbacks callbacks_;
  Expect expect_ = Expect::document;
  Reading reading_ = Reading::outside;
  bool in_object_ = false;  // the document is an object
  bool in_list_ = false;
  bool has_lists_ = false;  // the object holds a list to go through, so it is no item itself
  bool escaped_ = false;    // the byte before was a backslash, within a text
  bool in_text_ = false;    // within a text inside a container
  bool broken_ = false;
  size_t depth_ = 0;  // of containers within the value being read
  std::string key_;
  std::string value_;     // being read: an item, or what stands beside the lists
  std::string document_;  // of an object without lists so far
  FeedPlace place_;       // of the next item
  uint32_t line_ = 1;
  std::vector<std::string> lists_;  // names, by FeedPlace::list − 1
};

}  // namespace tandem::ingest
