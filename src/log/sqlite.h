// SQLite's C interface with owners and Results. Internal to `log`. A connection is used by one thread at a time.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"

namespace tandem::log {

// A result code of SQLite as an error: FULL is resource_exhausted; CORRUPT, NOTADB, a page that fails its checksum
// and a schema that is not ours are corrupt; the rest is io.
Error sqlite_error(sqlite3* database, int code, std::string_view doing);

class Statement {
 public:
  void bind(int parameter, uint64_t value);          // parameters count from 1
  void bind(int parameter, std::string_view bytes);  // as a blob, not copied: must live until `reset`

  Result<bool> step();  // whether there is a row
  void reset();

  uint64_t integer(int column) const;
  std::string_view blob(int column) const;  // valid until the next step or reset
  bool is_null(int column) const;
  Result<Digest> digest(int column) const;  // corrupt when it is not 32 bytes

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  static Result<Database> open(const std::filesystem::path& path, bool read_only);

  Result<Statement> prepare(std::string_view sql);
  Result<void> run(const char* sql);
  sqlite3* handle() const { return database_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  };
  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace tandem::log
