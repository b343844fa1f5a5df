#include "query/virtual_table.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <bit>
#include <charconv>

#include "base/check.h"

namespace tandem::query {
namespace {

constexpr size_t kFirstRows = 8;   // a source gives few at first, for who wants one,
constexpr size_t kMostRows = 512;  // and then more at once: a refill costs a look-up
constexpr int kPathsMax = 1'000;   // the bounds are counted in thousands above the path
enum Bound : int { kLower = 1, kUpper = 2, kGlob = 4 };

struct Module {
  const VirtualTable& table;
  const Context& context;
};

struct ConnectedTable : sqlite3_vtab {
  ConnectedTable(const VirtualTable& its_table, const Context& its_context)
      : sqlite3_vtab{}, table(its_table), context(its_context), paths(its_table.paths(its_context)) {}
  const VirtualTable& table;
  const Context& context;
  std::vector<AccessPath> paths;
};

struct Cursor : sqlite3_vtab_cursor {
  explicit Cursor(const ConnectedTable& its_table)
      : sqlite3_vtab_cursor{}, connected(its_table), rows(its_table.table.columns().size()) {}
  const ConnectedTable& connected;
  std::unique_ptr<Source> source;
  int opened = -1;  // by which number, and with which columns wanted, `source` was
  std::string wanted;
  Access access;
  bool any = false;  // a row can be wanted
  Rows rows;
  size_t row = 0;
  size_t next_rows = kFirstRows;
};

std::string_view declared_type(ColumnType type) {
  switch (type) {
    case ColumnType::text: return "TEXT";
    case ColumnType::integer: return "INTEGER";
    case ColumnType::number: return "REAL";
    case ColumnType::boolean: return "BOOLEAN";
    case ColumnType::json: return "JSON TEXT";
    case ColumnType::any: return "";
  }
  return "TEXT";
}

std::string declaration(const VirtualTable& table) {
  std::string sql = "CREATE TABLE t(";
  for (const ColumnDescription& column : table.columns())
    sql += fmt::format("{} {}{}, ", sql_name(column.name), declared_type(column.type),
                       column.is_argument ? " HIDDEN" : "");
  std::string key;
  for (const size_t column : table.key()) key += (key.empty() ? "" : ", ") + sql_name(table.columns()[column].name);
  return sql + fmt::format("PRIMARY KEY({})) WITHOUT ROWID", key);
}

int connect(sqlite3* database, void* aux, int, const char* const*, sqlite3_vtab** out, char**) {
  const auto& module = *static_cast<const Module*>(aux);
  module.context.authority.declaring = true;
  const int code = sqlite3_declare_vtab(database, declaration(module.table).c_str());
  module.context.authority.declaring = false;
  if (code != SQLITE_OK) return code;
  *out = new ConnectedTable(module.table, module.context);
  return SQLITE_OK;
}

int disconnect(sqlite3_vtab* table) {
  delete static_cast<ConnectedTable*>(table);
  return SQLITE_OK;
}

// ---- Choosing a path ---------------------------------------------------------------------------------------------

bool is_binary(sqlite3_index_info* info, int constraint) {
  return sqlite3_stricmp(sqlite3_vtab_collation(info, constraint), "BINARY") == 0;
}

// The first usable constraint on the column by one of two operators; −1 where there is none.
int find_constraint(sqlite3_index_info* info, size_t column, int operation, int other) {
  for (int i = 0; i < info->nConstraint; ++i) {
    const auto& constraint = info->aConstraint[i];
    if (constraint.iColumn != static_cast<int>(column) || !constraint.usable) continue;
    if ((constraint.op == operation || constraint.op == other) && is_binary(info, i)) return i;
  }
  return -1;
}

struct Choice {
  const AccessPath* path = nullptr;
  std::vector<int> constraints;  // in the order of their arguments
  int bounds = 0;
  double rows = 0;
};

std::optional<Choice> consider(sqlite3_index_info* info, const AccessPath& path) {
  Choice choice{&path, {}, 0, path.rows};
  for (const size_t column : path.equal) {
    const int found = find_constraint(info, column, SQLITE_INDEX_CONSTRAINT_EQ, SQLITE_INDEX_CONSTRAINT_EQ);
    if (found < 0) return std::nullopt;
    choice.constraints.push_back(found);
  }
  if (!path.bounded) return choice;
  const auto bound = [&](Bound bit, int operation, int other, double share) {
    const int found = find_constraint(info, *path.bounded, operation, other);
    if (found < 0) return;
    choice.constraints.push_back(found);
    choice.bounds |= bit;
    choice.rows = std::max(1.0, choice.rows * share);
  };
  bound(kLower, SQLITE_INDEX_CONSTRAINT_GT, SQLITE_INDEX_CONSTRAINT_GE, 0.25);
  bound(kUpper, SQLITE_INDEX_CONSTRAINT_LT, SQLITE_INDEX_CONSTRAINT_LE, 0.25);
  bound(kGlob, SQLITE_INDEX_CONSTRAINT_GLOB, SQLITE_INDEX_CONSTRAINT_GLOB, 0.1);
  return choice;
}

// True when the rows of the path come in the order that is asked for.
bool comes_ordered(const sqlite3_index_info* info, const AccessPath& path) {
  size_t next = 0;
  for (int i = 0; i < info->nOrderBy; ++i) {
    const auto& term = info->aOrderBy[i];
    if (term.iColumn < 0) return false;
    const auto column = static_cast<size_t>(term.iColumn);
    if (std::find(path.equal.begin(), path.equal.end(), column) != path.equal.end()) continue;  // always the same
    if (term.desc || next == path.order.size() || path.order[next] != column) return false;
    ++next;
  }
  return true;
}

void take(sqlite3_index_info* info, const Choice& choice, bool is_argument) {
  int argument = 0;
  for (const int constraint : choice.constraints) {
    info->aConstraintUsage[constraint].argvIndex = ++argument;
    info->aConstraintUsage[constraint].omit = is_argument;
  }
  info->idxNum = choice.path->number + kPathsMax * choice.bounds;
  info->idxStr = sqlite3_mprintf("%llx", static_cast<unsigned long long>(info->colUsed));
  info->needToFreeIdxStr = 1;
  info->estimatedRows = static_cast<sqlite3_int64>(std::max(1.0, choice.rows));
  info->estimatedCost = 4 + choice.rows;  // a look-up costs about what four rows of a scan do
  if (choice.path->unique) info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
  info->orderByConsumed = info->nOrderBy > 0 && comes_ordered(info, *choice.path);
}

int fail_with(sqlite3_vtab* table, Error error) {
  sqlite3_free(table->zErrMsg);
  table->zErrMsg = sqlite3_mprintf("%s", error.message.c_str());
  static_cast<ConnectedTable*>(table)->context.failure = std::move(error);
  return SQLITE_ERROR;
}

Error needs_entity(std::string_view function) {
  return {ErrorCode::invalid_argument,
          fmt::format("{0} is asked of one entity: {0}('link', 'ber-ham') or {0}('link/ber-ham')", function)};
}

int best_index(sqlite3_vtab* base, sqlite3_index_info* info) {
  auto& connected = *static_cast<ConnectedTable*>(base);
  const auto& columns = connected.table.columns();
  std::optional<Choice> best;
  for (const AccessPath& path : connected.paths)
    if (auto choice = consider(info, path); choice && (!best || choice->rows < best->rows)) best = std::move(choice);
  const bool takes_arguments = std::any_of(columns.begin(), columns.end(), [](const auto& c) { return c.is_argument; });
  if (takes_arguments) {  // every argument that is given must be used
    size_t given = 0;
    for (int i = 0; i < info->nConstraint; ++i) {
      const auto& constraint = info->aConstraint[i];
      if (constraint.op != SQLITE_INDEX_CONSTRAINT_EQ || constraint.iColumn < 0) continue;
      if (!columns[static_cast<size_t>(constraint.iColumn)].is_argument) continue;
      if (!constraint.usable) return SQLITE_CONSTRAINT;
      ++given;
    }
    best.reset();
    for (const AccessPath& path : connected.paths)
      if (path.equal.size() == given) best = consider(info, path);
    if (!best) return fail_with(base, needs_entity(connected.table.name()));
  }
  CHECK(best);  // every other table can be read from end to end
  take(info, *best, takes_arguments);
  return SQLITE_OK;
}

// ---- Reading -----------------------------------------------------------------------------------------------------

int open(sqlite3_vtab* table, sqlite3_vtab_cursor** out) {
  *out = new Cursor(*static_cast<ConnectedTable*>(table));
  return SQLITE_OK;
}

int close(sqlite3_vtab_cursor* cursor) {
  delete static_cast<Cursor*>(cursor);
  return SQLITE_OK;
}

// The value as a text column compares it: numbers as their text; nothing for null and for bytes, which equal no text.
std::optional<std::string_view> text_of(sqlite3_value* value) {
  const int type = sqlite3_value_type(value);
  if (type == SQLITE_NULL || type == SQLITE_BLOB) return std::nullopt;
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
  if (text == nullptr) return std::nullopt;
  return std::string_view(text, static_cast<size_t>(sqlite3_value_bytes(value)));
}

std::string_view literal_prefix(std::string_view glob) { return glob.substr(0, glob.find_first_of("*?[")); }

// Into `access`, whose memory is used again. False where no row can be wanted.
bool read_access(const AccessPath& path, int bounds, std::string_view wanted, sqlite3_value** values, Access& access) {
  access.path = path.number;
  access.wanted = UINT64_MAX;
  access.from.clear();
  access.to.reset();
  access.prefix.clear();
  std::from_chars(wanted.data(), wanted.data() + wanted.size(), access.wanted, 16);
  access.equal.resize(path.equal.size());
  for (std::string& equal : access.equal) {
    const auto text = text_of(*values++);
    if (!text) return false;
    equal = *text;
  }
  for (const Bound bound : {kLower, kUpper, kGlob}) {
    if ((bounds & bound) == 0) continue;
    const bool is_bytes = sqlite3_value_type(*values) == SQLITE_BLOB;
    const auto text = text_of(*values++);
    if (!text) {
      if (is_bytes && bound != kLower) continue;  // bytes are above every text
      return false;
    }
    if (bound == kUpper) access.to = *text;
    if (bound == kGlob) access.prefix = literal_prefix(*text);
    if (bound == kLower && *text > access.from) access.from = *text;
    if (bound == kGlob && access.prefix > access.from) access.from = access.prefix;
  }
  return true;
}

int refill(Cursor& cursor) {
  const Context& context = cursor.connected.context;
  cursor.rows.clear();
  cursor.row = 0;
  if (!cursor.any) return SQLITE_OK;
  const auto filled = cursor.source->fill(cursor.rows, cursor.next_rows);
  if (!filled) return fail_with(cursor.pVtab, filled.error());
  cursor.next_rows = std::min(2 * cursor.next_rows, kMostRows);
  return context.budget.spend(1 + cursor.rows.size()) ? SQLITE_OK : SQLITE_INTERRUPT;
}

int filter(sqlite3_vtab_cursor* base, int number, const char* wanted, int, sqlite3_value** values) {
  auto& cursor = *static_cast<Cursor*>(base);
  const auto& paths = cursor.connected.paths;
  const auto path =
      std::find_if(paths.begin(), paths.end(), [&](const auto& p) { return p.number == number % kPathsMax; });
  CHECK(path != paths.end());
  const std::string_view columns = wanted == nullptr ? std::string_view() : std::string_view(wanted);
  const bool as_before = cursor.opened == number && cursor.wanted == columns;
  cursor.next_rows = kFirstRows;
  cursor.any = read_access(*path, number / kPathsMax, columns, values, cursor.access);
  if (!cursor.any || (as_before && cursor.source->restart(cursor.access))) return refill(cursor);
  auto opened = cursor.connected.table.open(cursor.connected.context, cursor.access);
  if (!opened) return fail_with(cursor.pVtab, opened.error());
  cursor.source = std::move(*opened);
  cursor.opened = number;
  cursor.wanted = columns;
  return refill(cursor);
}

int next(sqlite3_vtab_cursor* base) {
  auto& cursor = *static_cast<Cursor*>(base);
  return ++cursor.row < cursor.rows.size() ? SQLITE_OK : refill(cursor);
}

int eof(sqlite3_vtab_cursor* base) {
  const auto& cursor = *static_cast<const Cursor*>(base);
  return cursor.row >= cursor.rows.size();
}

int column(sqlite3_vtab_cursor* base, sqlite3_context* result, int number) {
  const auto& cursor = *static_cast<const Cursor*>(base);
  const Cell& cell = cursor.rows.cell(cursor.row, static_cast<size_t>(number));
  switch (cell.type) {
    case Cell::Type::null: sqlite3_result_null(result); break;
    case Cell::Type::integer: sqlite3_result_int64(result, cell.integer); break;
    case Cell::Type::number: sqlite3_result_double(result, cell.number); break;
    case Cell::Type::text: {
      const std::string_view text = cursor.rows.text(cell);
      sqlite3_result_text64(result, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
      break;
    }
  }
  return SQLITE_OK;
}

// Rows are told apart by their keys, so SQLite never asks.
int rowid(sqlite3_vtab_cursor*, sqlite3_int64*) { return SQLITE_ERROR; }

const sqlite3_module& methods() {
  static const sqlite3_module kModule = [] {
    sqlite3_module module{};
    module.iVersion = 1;
    module.xConnect = connect;  // without xCreate the table is there by its name alone
    module.xBestIndex = best_index;
    module.xDisconnect = disconnect;
    module.xOpen = open;
    module.xClose = close;
    module.xFilter = filter;
    module.xNext = next;
    module.xEof = eof;
    module.xColumn = column;
    module.xRowid = rowid;
    return module;
  }();
  return kModule;
}

}  // namespace

std::string_view to_string(ColumnType type) {
  switch (type) {
    case ColumnType::text: return "text";
    case ColumnType::integer: return "integer";
    case ColumnType::number: return "number";
    case ColumnType::boolean: return "boolean";
    case ColumnType::json: return "json";
    case ColumnType::any: return "any";
  }
  return "any";
}

std::optional<size_t> VirtualTable::column(std::string_view name) const {
  const auto found = std::find_if(columns_.begin(), columns_.end(), [&](const auto& c) { return c.name == name; });
  return found == columns_.end() ? std::nullopt : std::optional<size_t>(found - columns_.begin());
}

void register_table(sqlite3* database, const VirtualTable& table, const Context& context) {
  sqlite3_create_module_v2(database, table.name().c_str(), &methods(), new Module{table, context},
                           [](void* module) { delete static_cast<Module*>(module); });
}

std::string sql_name(std::string_view name) {
  std::string text = "\"";
  for (const char c : name) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + '"';
}

}  // namespace tandem::query
