// What a statement may do: read our tables and call functions that are known to be pure and bounded.
#pragma once

#include <span>
#include <string>
#include <string_view>

struct sqlite3;

namespace tandem::query {

struct Authority {
  std::string denied;      // what was denied first, for the message; empty: nothing
  bool declaring = false;  // while a table tells SQLite its columns, which reads like making one
};

// Both must outlive the connection.
void install_authorizer(sqlite3* database, Authority& authority);

std::span<const std::string_view> allowed_functions();  // ascending

}  // namespace tandem::query
