// A copy of a log that is in use. SQLite's own tools cannot make one: they know nothing of the checksum in each page.
#pragma once

#include <filesystem>

#include "log/log.h"

namespace tandem::log {

// Copies the log in `from` as it is now, with an anchor at its head, to `to`, which is made, and verifies the copy; the
// writer of `from` goes on meanwhile. Takes as long as the disks do, and as much space as the log. Durable on success.
// Errors: not_found (no log in `from`), conflict (there is a log in `to`, or one is being copied there), corrupt (a
// page of `from` fails its checksum, or less is there than its anchor says), resource_exhausted (disk full), io. What
// was begun in `to` is removed.
Result<Head> back_up_sqlite_log(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace tandem::log
