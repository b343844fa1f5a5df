#include "query/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "query/authorizer.h"
#include "query/catalogue.h"

namespace tandem::query {
namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// Words outside of texts in single quotes, in their order.
std::vector<std::string_view> words_of(std::string_view sql) {
  std::vector<std::string_view> words;
  for (size_t i = 0; i < sql.size();) {
    if (sql[i] == '\'') {
      const size_t end = sql.find('\'', i + 1);
      i = end == std::string_view::npos ? sql.size() : end + 1;
    } else if (is_word(sql[i])) {
      size_t end = i;
      while (end < sql.size() && is_word(sql[end])) ++end;
      words.push_back(sql.substr(i, end - i));
      i = end;
    } else {
      ++i;
    }
  }
  return words;
}

// Tables that the statement names.
std::vector<const VirtualTable*> tables_of(const std::vector<std::string_view>& words) {
  std::vector<const VirtualTable*> tables;
  for (const std::string_view word : words) {
    const VirtualTable* table = catalogue().find(word);
    if (table != nullptr && std::find(tables.begin(), tables.end(), table) == tables.end()) tables.push_back(table);
  }
  return tables;
}

// The table behind a name or an alias: "link l" and "link AS l" call it l.
const VirtualTable* table_called(std::string_view name, const std::vector<std::string_view>& words) {
  if (const VirtualTable* table = catalogue().find(name)) return table;
  for (size_t i = 1; i < words.size(); ++i) {
    if (!iequals(words[i], name)) continue;
    const size_t before = iequals(words[i - 1], "as") && i > 1 ? i - 2 : i - 1;
    if (const VirtualTable* table = catalogue().find(words[before])) return table;
  }
  return nullptr;
}

// The one that was probably meant: near by its letters, or the name with its unit or a part more.
std::optional<std::string> likely(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string lower = to_lower(name);
  for (const std::string& candidate : candidates)
    if (candidate.starts_with(lower + '_')) return candidate;
  if (auto near = nearest(name, candidates)) return near;
  constexpr size_t kTellingLength = 4;  // shorter parts are found in everything
  if (lower.size() < kTellingLength) return std::nullopt;
  for (const std::string& candidate : candidates)
    if (candidate.find(lower) != std::string::npos) return candidate;
  return std::nullopt;
}

std::string did_you_mean(const std::optional<std::string>& candidate) {
  return candidate ? fmt::format("; did you mean {}?", *candidate) : std::string();
}

std::string explain_column(std::string_view column, std::string_view sql) {
  const auto words = words_of(sql);
  std::vector<const VirtualTable*> tables = tables_of(words);
  if (const size_t dot = column.rfind('.'); dot != std::string_view::npos) {
    if (const VirtualTable* table = table_called(column.substr(0, dot), words)) tables = {table};
    column = column.substr(dot + 1);
  }
  std::vector<std::string> candidates;
  for (const VirtualTable* table : tables)
    for (const ColumnDescription& each : table->columns()) candidates.push_back(each.name);
  if (const auto candidate = likely(column, candidates)) return did_you_mean(candidate);
  if (tables.empty()) return {};
  return fmt::format("; its columns are told by SELECT * FROM schema_columns WHERE table_name = '{}'",
                     tables.front()->name());
}

std::string explain_table(std::string_view table) {
  table = table.substr(table.rfind('.') + 1);  // of "main.links", or the whole
  const auto candidate = likely(table, catalogue().names());
  return candidate ? did_you_mean(candidate) : "; tables are told by SELECT * FROM schema_tables";
}

std::string explain_function(std::string_view function) {
  std::vector<std::string> candidates;
  for (const std::string_view name : allowed_functions()) candidates.emplace_back(name);
  for (const auto& table : catalogue().tables())
    if (std::ranges::any_of(table->columns(), &ColumnDescription::is_argument)) candidates.push_back(table->name());
  if (catalogue().find(function) != nullptr)
    return fmt::format("; {0} is a table: SELECT * FROM {0}", to_lower(function));
  return did_you_mean(likely(function, candidates));
}

// A column whose name is a word of SQL, as traffic.from is, must be quoted.
std::string explain_syntax(std::string_view message, std::string_view sql) {
  const size_t start = message.find('"');
  const size_t end = message.find('"', start + 1);
  if (end == std::string_view::npos) return {};
  const std::string word = to_lower(message.substr(start + 1, end - start - 1));
  for (const VirtualTable* table : tables_of(words_of(sql)))
    if (table->column(word)) return fmt::format("; where the column is meant, write \"{}\" with its quotes", word);
  return {};
}

std::string hint_for(std::string_view message, std::string_view sql) {
  const auto rest_after = [&](std::string_view start) -> std::optional<std::string_view> {
    return message.starts_with(start) ? std::optional(message.substr(start.size())) : std::nullopt;
  };
  if (const auto column = rest_after("no such column: ")) return explain_column(*column, sql);
  if (const auto table = rest_after("no such table: ")) return explain_table(*table);
  if (const auto function = rest_after("no such function: ")) return explain_function(*function);
  if (message.starts_with("near ")) return explain_syntax(message, sql);
  if (message.find("used more than once") != std::string_view::npos || message.starts_with("ambiguous column name"))
    return "; say of which table: link.id";
  return {};
}

}  // namespace

std::string explain_mistake(std::string_view sql, std::string_view message, int byte) {
  std::string place;
  if (byte >= 0 && static_cast<size_t>(byte) <= sql.size()) {
    const std::string_view before = sql.substr(0, static_cast<size_t>(byte));
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::string_view own_line = before.substr(before.rfind('\n') + 1);
    const auto column = 1 + std::count_if(own_line.begin(), own_line.end(),
                                          [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
    place = fmt::format("line {}, column {}: ", line, column);
  }
  return place + std::string(message) + hint_for(message, sql);
}

}  // namespace tandem::query
