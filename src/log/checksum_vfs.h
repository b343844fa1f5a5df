// A layer under SQLite that gives every page of a database file a checksum.
//
// The file's pages are kPageBytes long, and the last 8 bytes of each, which SQLite leaves to us
// (SQLITE_FCNTL_RESERVE_BYTES), hold `page_checksum` of the rest. They are written with the page and checked when
// SQLite reads it: a mismatch is SQLITE_IOERR_DATA. In WAL mode pages first go to the write-ahead log, where SQLite's
// own frame checksums cover every byte (wal.h); they get ours when a checkpoint carries them over.
//
// What it cannot see: reads of less than a page (SQLite reads the first 100 bytes of page 1 by themselves when it opens
// a file, and the whole of it before it uses anything). So verification also scans the file by itself.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tandem::log {

// A commit writes whole pages, so a small batch wants small ones; a large body wants few. 4 KiB is also the unit in
// which disks and the page cache write atomically.
inline constexpr size_t kPageBytes = 4096;
inline constexpr size_t kPageReservedBytes = 8;

// The name of the layer, registered with SQLite at the first call; for sqlite3_open_v2.
const char* checksum_vfs();

// Of all of a page but its last 8 bytes, and its number (1 for the first), so that a page in another's place is found.
// A change within any one aligned 8-byte word always changes the result; other changes pass with probability 2⁻⁶⁴.
uint64_t page_checksum(std::string_view page, uint64_t number);

// Whether the page carries its checksum. A page of zeros passes, except the first: SQLite leaves holes for pages it has
// allocated and not yet used, and for the one at 1 GiB, which it never uses.
bool page_is_whole(std::string_view page, uint64_t number);

// Tells SQLite to leave us our bytes in each page of a new database. Before anything is written to it.
Result<void> reserve_checksum_bytes(sqlite3* database);

// The numbers of the pages of an open database's file that are not whole, in ascending order, at most `limit` of them.
// Reads through SQLite's own handle, since closing a second one would release this process's locks. Where another
// connection may be writing, a page that is just being written gets time to settle.
Result<std::vector<uint64_t>> damaged_pages(sqlite3* database, size_t limit, bool may_be_writing);

}  // namespace tandem::log
