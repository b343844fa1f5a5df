#include "ingest/foreign_json.h"

#include <fmt/format.h>

#include <algorithm>

namespace tandem::ingest {
namespace {

constexpr size_t kFirstBytes = 16u << 10;
constexpr size_t kDepthMax = 64;  // of an item: NetBox nests ~5 deep, a config context as deep as people write it

}  // namespace

std::optional<simdjson::dom::object> ItemParser::parse(const JsonItems::Item& item, std::string& fault) {
  simdjson::dom::element element;
  if (parser_.capacity() < item.bytes.size() || parser_.max_depth() != kDepthMax) {
    if (parser_.allocate(std::max<size_t>(kFirstBytes, 2 * item.bytes.size()), kDepthMax) != simdjson::SUCCESS) {
      fault = "the object is too large to read";
      return std::nullopt;
    }
  }
  const auto error = parser_.parse(item.bytes.data(), item.bytes.size(), /*realloc_if_needed=*/false).get(element);
  if (error) {
    fault = fmt::format("this is not valid JSON: {}", simdjson::error_message(error));
    return std::nullopt;
  }
  simdjson::dom::object object;
  if (element.get(object)) {
    fault = "this is no JSON object";
    return std::nullopt;
  }
  return object;
}

void PassedOver::add(std::string_view what) {
  if (const auto found = counts_.find(what); found != counts_.end()) {
    ++found->second;
  } else if (counts_.size() < kNamesMax) {
    counts_.emplace(what, 1);
  } else {
    ++more_;
  }
}

std::vector<std::string> PassedOver::sentences() const {
  std::vector<std::string> sentences;
  for (const auto& [what, count] : counts_)
    sentences.push_back(fmt::format("{}: passed over {} time{}", what, count, count == 1 ? "" : "s"));
  if (more_ > 0) sentences.push_back(fmt::format("other things were passed over {} times", more_));
  return sentences;
}

std::string_view text_member(const simdjson::dom::object& object, std::string_view name) {
  std::string_view text;
  if (object[name].get(text)) return {};
  return text;
}

std::string snake_case(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool letter_or_digit = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (upper && !out.empty() && out.back() != '_') out += '_';
    if (letter_or_digit)
      out += upper ? static_cast<char>(c - 'A' + 'a') : c;
    else if (!out.empty() && out.back() != '_')
      out += '_';
  }
  return out;
}

}  // namespace tandem::ingest
