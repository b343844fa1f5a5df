#include "query/authorizer.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "query/catalogue.h"

namespace tandem::query {
namespace {

// Left out on purpose: load_extension, random and randomblob (one query has one answer), json_patch (its time grows
// with the square of its arguments), sqlite_*, changes and the like, and all of full-text search and geometry.
// Ascending.
constexpr std::array<std::string_view, 104> kFunctions{"->",
                                                       "->>",
                                                       "abs",
                                                       "acos",
                                                       "acosh",
                                                       "asin",
                                                       "asinh",
                                                       "atan",
                                                       "atan2",
                                                       "atanh",
                                                       "avg",
                                                       "ceil",
                                                       "ceiling",
                                                       "char",
                                                       "coalesce",
                                                       "cos",
                                                       "cosh",
                                                       "count",
                                                       "cume_dist",
                                                       "current_date",
                                                       "current_time",
                                                       "current_timestamp",
                                                       "date",
                                                       "datetime",
                                                       "degrees",
                                                       "dense_rank",
                                                       "exp",
                                                       "first_value",
                                                       "floor",
                                                       "format",
                                                       "glob",
                                                       "group_concat",
                                                       "hex",
                                                       "ifnull",
                                                       "iif",
                                                       "instr",
                                                       "json",
                                                       "json_array",
                                                       "json_array_length",
                                                       "json_extract",
                                                       "json_group_array",
                                                       "json_group_object",
                                                       "json_insert",
                                                       "json_object",
                                                       "json_quote",
                                                       "json_remove",
                                                       "json_replace",
                                                       "json_set",
                                                       "json_type",
                                                       "json_valid",
                                                       "julianday",
                                                       "lag",
                                                       "last_value",
                                                       "lead",
                                                       "length",
                                                       "like",
                                                       "likelihood",
                                                       "likely",
                                                       "ln",
                                                       "log",
                                                       "log10",
                                                       "log2",
                                                       "lower",
                                                       "ltrim",
                                                       "max",
                                                       "min",
                                                       "mod",
                                                       "nth_value",
                                                       "ntile",
                                                       "nullif",
                                                       "percent_rank",
                                                       "pi",
                                                       "pow",
                                                       "power",
                                                       "printf",
                                                       "quote",
                                                       "radians",
                                                       "rank",
                                                       "replace",
                                                       "round",
                                                       "row_number",
                                                       "rtrim",
                                                       "sign",
                                                       "sin",
                                                       "sinh",
                                                       "soundex",
                                                       "sqrt",
                                                       "strftime",
                                                       "substr",
                                                       "substring",
                                                       "subtype",
                                                       "sum",
                                                       "tan",
                                                       "tanh",
                                                       "time",
                                                       "total",
                                                       "trim",
                                                       "trunc",
                                                       "typeof",
                                                       "unicode",
                                                       "unixepoch",
                                                       "unlikely",
                                                       "upper",
                                                       "zeroblob"};

// Tables that SQLite brings along and that read nothing but their argument.
constexpr std::array<std::string_view, 2> kHarmless{"json_each", "json_tree"};

// Names of tables that are there without being ours. Any other name that is not ours is one that the statement gives to
// a part of itself.
constexpr std::array<std::string_view, 10> kForeign{"dbstat",        "fts3tokenize", "fts5vocab",  "fts4aux",
                                                    "bytecode",      "tables_used",  "completion", "rtree",
                                                    "sqlite_dbdata", "sqlite_dbptr"};

bool is_foreign(std::string_view table) {
  const std::string name = to_lower(table);
  return name.starts_with("pragma_") || name.starts_with("sqlite_") ||
         std::ranges::find(kForeign, name) != kForeign.end();
}

std::string verb_of(int action, std::string_view detail) {
  switch (action) {
    case SQLITE_INSERT: return "INSERT";
    case SQLITE_UPDATE: return "UPDATE";
    case SQLITE_DELETE: return "DELETE";
    case SQLITE_PRAGMA: return fmt::format("PRAGMA {}", detail.substr(0, 64));
    case SQLITE_ATTACH: return "ATTACH";
    case SQLITE_DETACH: return "DETACH";
    case SQLITE_TRANSACTION: return "a transaction";
    case SQLITE_SAVEPOINT: return "a savepoint";
    case SQLITE_ANALYZE: return "ANALYZE";
    case SQLITE_REINDEX: return "REINDEX";
    case SQLITE_FUNCTION: return fmt::format("the function {}()", detail.substr(0, 64));
    case SQLITE_READ: return fmt::format("reading '{}'", detail.substr(0, 64));
    default: return "changing the schema";
  }
}

int deny(Authority& authority, int action, const char* detail) {
  if (authority.denied.empty())
    authority.denied = verb_of(action, detail == nullptr ? std::string_view() : std::string_view(detail));
  return SQLITE_DENY;
}

int authorize(void* context, int action, const char* first, const char* second, const char*, const char*) {
  auto& authority = *static_cast<Authority*>(context);
  if (authority.declaring) return SQLITE_OK;
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE: return SQLITE_OK;
    case SQLITE_READ: {
      const std::string_view table = first == nullptr ? std::string_view() : std::string_view(first);
      const bool ours =
          catalogue().find(table) != nullptr || std::ranges::find(kHarmless, to_lower(table)) != kHarmless.end();
      return ours || !is_foreign(table) ? SQLITE_OK : deny(authority, action, first);
    }
    case SQLITE_FUNCTION: {
      const std::string name = to_lower(second == nullptr ? std::string_view() : std::string_view(second));
      return std::ranges::binary_search(kFunctions, std::string_view(name)) ? SQLITE_OK
                                                                            : deny(authority, action, second);
    }
    default: return deny(authority, action, first);
  }
}

}  // namespace

void install_authorizer(sqlite3* database, Authority& authority) {
  sqlite3_set_authorizer(database, authorize, &authority);
}

std::span<const std::string_view> allowed_functions() { return kFunctions; }

}  // namespace tandem::query
