#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

namespace tandem {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// ASCII spellings of the Latin letters of European names; anything else beyond ASCII becomes a separator.
constexpr std::array<std::pair<std::string_view, std::string_view>, 84> kTransliterations{{
    {"ä", "ae"}, {"ö", "oe"}, {"ü", "ue"}, {"ß", "ss"}, {"Ä", "ae"}, {"Ö", "oe"}, {"Ü", "ue"}, {"à", "a"},  {"á", "a"},
    {"â", "a"},  {"ã", "a"},  {"å", "a"},  {"ą", "a"},  {"ă", "a"},  {"æ", "ae"}, {"ç", "c"},  {"ć", "c"},  {"č", "c"},
    {"ď", "d"},  {"đ", "d"},  {"ð", "d"},  {"è", "e"},  {"é", "e"},  {"ê", "e"},  {"ë", "e"},  {"ę", "e"},  {"ě", "e"},
    {"ė", "e"},  {"ğ", "g"},  {"ì", "i"},  {"í", "i"},  {"î", "i"},  {"ï", "i"},  {"ı", "i"},  {"ł", "l"},  {"ľ", "l"},
    {"ñ", "n"},  {"ń", "n"},  {"ň", "n"},  {"ò", "o"},  {"ó", "o"},  {"ô", "o"},  {"õ", "o"},  {"ø", "oe"}, {"ő", "o"},
    {"œ", "oe"}, {"ř", "r"},  {"ś", "s"},  {"š", "s"},  {"ş", "s"},  {"ș", "s"},  {"ť", "t"},  {"ţ", "t"},  {"ț", "t"},
    {"þ", "th"}, {"ù", "u"},  {"ú", "u"},  {"û", "u"},  {"ů", "u"},  {"ű", "u"},  {"ū", "u"},  {"ý", "y"},  {"ÿ", "y"},
    {"ź", "z"},  {"ż", "z"},  {"ž", "z"},  {"Å", "a"},  {"Á", "a"},  {"À", "a"},  {"Ç", "c"},  {"Č", "c"},  {"É", "e"},
    {"È", "e"},  {"Í", "i"},  {"Î", "i"},  {"Ł", "l"},  {"Ñ", "n"},  {"Ó", "o"},  {"Ø", "oe"}, {"Ś", "s"},  {"Š", "s"},
    {"Ú", "u"},  {"Ż", "z"},  {"Ž", "z"},
}};

// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours, each at cost 1.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), row(b.size() + 1), next(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    next[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      next[j] = std::min({next[j - 1] + 1, row[j] + 1, row[j - 1] + (same ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) next[j] = std::min(next[j], before[j - 2] + 1);
    }
    before.swap(row);
    row.swap(next);
  }
  return row[b.size()];
}

}  // namespace

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t start = 0;;) {
    const size_t end = text.find(separator, start);
    parts.push_back(text.substr(start, end - start));
    if (end == std::string_view::npos) return parts;
    start = end + 1;
  }
}

bool iequals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  // By eights: bytes may differ in the bit of the case where they are letters.
  constexpr uint64_t kEach = 0x0101010101010101, kCase = 0x20 * kEach, kHigh = 0x80 * kEach;
  const auto is_same = [](uint64_t x, uint64_t y) {
    const uint64_t lowered = x | kCase;
    const uint64_t low_bits = lowered & ~kHigh;  // so that no sum carries into the next byte
    const uint64_t letters = (low_bits + (0x80 - 'a') * kEach) & ~(low_bits + (0x7F - 'z') * kEach) & ~lowered & kHigh;
    return ((x ^ y) & ~(letters >> 2)) == 0;
  };
  const auto eight = [](const char* bytes) {
    uint64_t value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
  };
  constexpr size_t kStep = sizeof(uint64_t);
  if (a.size() >= kStep) {
    for (size_t at = 0; at + kStep < a.size(); at += kStep)
      if (!is_same(eight(a.data() + at), eight(b.data() + at))) return false;
    const size_t last = a.size() - kStep;
    return is_same(eight(a.data() + last), eight(b.data() + last));
  }
  return std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return x == y || lower(x) == lower(y); });
}

std::string to_lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<int64_t> parse_integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

size_t utf8_sequence_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto at = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto continues = [&](size_t i) { return (at(i) & 0xC0) == 0x80; };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && at(1) < 0xA0;
    const bool surrogate = first == 0xED && at(1) > 0x9F;
    return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool overlong = first == 0xF0 && at(1) < 0x90;
    const bool beyond = first == 0xF4 && at(1) > 0x8F;
    return continues(1) && continues(2) && continues(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

bool is_utf8(std::string_view text) {
  constexpr uint64_t kNotAscii = 0x8080808080808080;
  while (!text.empty()) {
    if (uint64_t eight = 0; text.size() >= sizeof eight) {
      std::memcpy(&eight, text.data(), sizeof eight);
      if ((eight & kNotAscii) == 0) {
        text.remove_prefix(sizeof eight);
        continue;
      }
    }
    const size_t length = utf8_sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::optional<std::string> nearest(std::string_view name, std::span<const std::string> candidates) {
  constexpr size_t kNameLengthMax = 64;  // longer names are not typing mistakes, and the distance is quadratic
  if (name.size() > kNameLengthMax) return std::nullopt;
  const std::string* best = nullptr;
  size_t best_distance = std::max<size_t>(1, name.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kNameLengthMax) continue;
    const size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = &candidate;
    }
  }
  return best ? std::optional(*best) : std::nullopt;
}

std::string slug(std::string_view name) {
  std::string result;
  const auto append = [&](char c) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (word)
      result += c;
    else if (!result.empty() && result.back() != '-')
      result += '-';
  };
  while (!name.empty()) {
    const size_t length = std::max<size_t>(1, utf8_sequence_length(name));
    const std::string_view letter = name.substr(0, length);
    name.remove_prefix(length);
    if (length == 1) {
      append(lower(letter.front()));
      continue;
    }
    const auto found = std::find_if(kTransliterations.begin(), kTransliterations.end(),
                                    [&](const auto& entry) { return entry.first == letter; });
    if (found == kTransliterations.end())
      append('-');
    else
      for (const char c : found->second) append(c);
  }
  while (!result.empty() && result.back() == '-') result.pop_back();
  return result;
}

}  // namespace tandem
