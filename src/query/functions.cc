#include "query/functions.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"

namespace tandem::query {
namespace {

// The value as text; nothing for null.
std::optional<std::string_view> argument_text(sqlite3_value* value) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
  if (text == nullptr) return std::nullopt;
  return std::string_view(text, static_cast<size_t>(sqlite3_value_bytes(value)));
}

// False, with the error set, when the pattern is longer than it may be.
bool check_pattern(sqlite3_context* context, std::string_view function, std::string_view pattern) {
  if (pattern.size() <= kPatternBytesMax) return true;
  const std::string message =
      fmt::format("the second argument of {}() is longer than {} bytes", function, kPatternBytesMax);
  sqlite3_result_error(context, message.c_str(), -1);
  return false;
}

void give(sqlite3_context* context, std::string_view text) {
  sqlite3_result_text64(context, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

int64_t characters(std::string_view text) {
  int64_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

void instr(sqlite3_context* context, int, sqlite3_value** values) {
  const auto text = argument_text(values[0]);
  const auto wanted = argument_text(values[1]);
  if (!text || !wanted || !check_pattern(context, "instr", *wanted)) return;
  const size_t found = text->find(*wanted);
  sqlite3_result_int64(context, found == std::string_view::npos ? 0 : 1 + characters(text->substr(0, found)));
}

void replace(sqlite3_context* context, int, sqlite3_value** values) {
  const auto text = argument_text(values[0]);
  const auto from = argument_text(values[1]);
  const auto to = argument_text(values[2]);
  if (!text || !from || !to || !check_pattern(context, "replace", *from)) return;
  if (from->empty()) return give(context, *text);
  const auto bytes_max =
      static_cast<size_t>(sqlite3_limit(sqlite3_context_db_handle(context), SQLITE_LIMIT_LENGTH, -1));
  std::string replaced;
  size_t start = 0;
  for (size_t found; (found = text->find(*from, start)) != std::string_view::npos; start = found + from->size()) {
    replaced += text->substr(start, found - start);
    replaced += *to;
    if (replaced.size() > bytes_max) return sqlite3_result_error_toobig(context);
  }
  replaced += text->substr(start);
  give(context, replaced);
}

size_t character_length(std::string_view text) { return std::max<size_t>(1, utf8_sequence_length(text)); }

bool holds(std::string_view characters_wanted, std::string_view character) {
  while (!characters_wanted.empty()) {
    const size_t length = character_length(characters_wanted);
    if (characters_wanted.substr(0, length) == character) return true;
    characters_wanted.remove_prefix(length);
  }
  return false;
}

// The bytes of the last character.
size_t last_character_length(std::string_view text) {
  size_t length = 1;
  while (length < 4 && length < text.size() && (static_cast<unsigned char>(text[text.size() - length]) & 0xC0) == 0x80)
    ++length;
  return character_length(text.substr(text.size() - length)) == length ? length : 1;
}

template <bool kLeft, bool kRight>
void trim_text(sqlite3_context* context, int, sqlite3_value** values) {
  const auto whole = argument_text(values[0]);
  const auto unwanted = argument_text(values[1]);
  if (!whole || !unwanted || !check_pattern(context, "trim", *unwanted)) return;
  std::string_view text = *whole;
  while (kLeft && !text.empty() && holds(*unwanted, text.substr(0, character_length(text))))
    text.remove_prefix(character_length(text));
  while (kRight && !text.empty() && holds(*unwanted, text.substr(text.size() - last_character_length(text))))
    text.remove_suffix(last_character_length(text));
  give(context, text);
}

}  // namespace

void install_functions(sqlite3* database) {
  const auto add = [&](const char* name, int arguments, void (*function)(sqlite3_context*, int, sqlite3_value**)) {
    sqlite3_create_function_v2(database, name, arguments, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
                               nullptr, function, nullptr, nullptr, nullptr);
  };
  add("instr", 2, instr);
  add("replace", 3, replace);
  add("trim", 2, trim_text<true, true>);
  add("ltrim", 2, trim_text<true, false>);
  add("rtrim", 2, trim_text<false, true>);
}

}  // namespace tandem::query
