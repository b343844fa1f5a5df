#include "log/checksum_vfs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstring>
#include <new>
#include <thread>

#include "base/check.h"
#include "log/sqlite.h"

namespace tandem::log {

namespace {

constexpr char kName[] = "tandem-checksum";
constexpr size_t kSmallestPageBytes = 512;  // of any SQLite database: a longer read is a page, a shorter one is not

sqlite3_vfs* base_of(sqlite3_vfs* vfs) { return static_cast<sqlite3_vfs*>(vfs->pAppData); }

// An open database file. SQLite allocates szOsFile bytes for it; the file of the layer below lies right behind.
struct ChecksumFile {
  sqlite3_file base;  // must come first: SQLite sees this
  sqlite3_file* below() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
static_assert(sizeof(ChecksumFile) % alignof(std::max_align_t) == 0 || alignof(ChecksumFile) == sizeof(ChecksumFile));

sqlite3_file* below(sqlite3_file* file) { return reinterpret_cast<ChecksumFile*>(file)->below(); }

bool is_page(int amount, sqlite3_int64 position) {
  return amount == static_cast<int>(kPageBytes) && position % static_cast<sqlite3_int64>(kPageBytes) == 0;
}

uint64_t page_number(sqlite3_int64 position) { return static_cast<uint64_t>(position) / kPageBytes + 1; }

int close(sqlite3_file* file) { return below(file)->pMethods->xClose(below(file)); }

int read(sqlite3_file* file, void* buffer, int amount, sqlite3_int64 position) {
  const int code = below(file)->pMethods->xRead(below(file), buffer, amount, position);
  if (code != SQLITE_OK || amount < static_cast<int>(kSmallestPageBytes)) return code;
  // A page of another size is asked for only where the file's header says so, and then the header is damaged.
  if (!is_page(amount, position)) return SQLITE_IOERR_DATA;
  const std::string_view page(static_cast<const char*>(buffer), kPageBytes);
  return page_is_whole(page, page_number(position)) ? SQLITE_OK : SQLITE_IOERR_DATA;
}

int write(sqlite3_file* file, const void* buffer, int amount, sqlite3_int64 position) {
  if (!is_page(amount, position)) return below(file)->pMethods->xWrite(below(file), buffer, amount, position);
  std::array<char, kPageBytes> page;
  std::memcpy(page.data(), buffer, kPageBytes);
  const uint64_t checksum = page_checksum({page.data(), kPageBytes}, page_number(position));
  std::memcpy(page.data() + kPageBytes - kPageReservedBytes, &checksum, sizeof checksum);
  return below(file)->pMethods->xWrite(below(file), page.data(), amount, position);
}

int truncate(sqlite3_file* file, sqlite3_int64 size) { return below(file)->pMethods->xTruncate(below(file), size); }
int sync(sqlite3_file* file, int flags) { return below(file)->pMethods->xSync(below(file), flags); }
int file_size(sqlite3_file* file, sqlite3_int64* size) { return below(file)->pMethods->xFileSize(below(file), size); }
int lock(sqlite3_file* file, int level) { return below(file)->pMethods->xLock(below(file), level); }
int unlock(sqlite3_file* file, int level) { return below(file)->pMethods->xUnlock(below(file), level); }
int check_reserved_lock(sqlite3_file* file, int* held) {
  return below(file)->pMethods->xCheckReservedLock(below(file), held);
}
int file_control(sqlite3_file* file, int operation, void* argument) {
  return below(file)->pMethods->xFileControl(below(file), operation, argument);
}
int sector_size(sqlite3_file* file) { return below(file)->pMethods->xSectorSize(below(file)); }
int device_characteristics(sqlite3_file* file) { return below(file)->pMethods->xDeviceCharacteristics(below(file)); }
int shm_map(sqlite3_file* file, int region, int size, int extend, void volatile** memory) {
  return below(file)->pMethods->xShmMap(below(file), region, size, extend, memory);
}
int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
  return below(file)->pMethods->xShmLock(below(file), offset, count, flags);
}
void shm_barrier(sqlite3_file* file) { below(file)->pMethods->xShmBarrier(below(file)); }
int shm_unmap(sqlite3_file* file, int remove) { return below(file)->pMethods->xShmUnmap(below(file), remove); }

// Version 2: shared memory, but no xFetch, so that no page is read through a memory map behind our back.
const sqlite3_io_methods kMethods = {2,
                                     close,
                                     read,
                                     write,
                                     truncate,
                                     sync,
                                     file_size,
                                     lock,
                                     unlock,
                                     check_reserved_lock,
                                     file_control,
                                     sector_size,
                                     device_characteristics,
                                     shm_map,
                                     shm_lock,
                                     shm_barrier,
                                     shm_unmap,
                                     nullptr,
                                     nullptr};

// Only database files get checksums; journals and the write-ahead log are opened by the layer below as they are.
int open(sqlite3_vfs* vfs, sqlite3_filename name, sqlite3_file* file, int flags, int* out_flags) {
  sqlite3_vfs* base = base_of(vfs);
  if ((flags & SQLITE_OPEN_MAIN_DB) == 0) return base->xOpen(base, name, file, flags, out_flags);
  auto* own = new (file) ChecksumFile{};
  const int code = base->xOpen(base, name, own->below(), flags, out_flags);
  own->base.pMethods = own->below()->pMethods == nullptr ? nullptr : &kMethods;
  return code;
}

sqlite3_vfs make_vfs() {
  sqlite3_vfs* base = sqlite3_vfs_find(nullptr);
  CHECK(base != nullptr && base->iVersion >= 2);
  // A copy passes everything but files to the layer below. Its functions take the VFS as an argument and the default
  // one keeps nothing there that the copy would lack but pAppData, which each call below restores.
  sqlite3_vfs vfs = *base;
  vfs.iVersion = 2;
  vfs.zName = kName;
  vfs.pNext = nullptr;
  vfs.pAppData = base;
  vfs.szOsFile = static_cast<int>(sizeof(ChecksumFile)) + base->szOsFile;
  vfs.xOpen = open;
  vfs.xDelete = [](sqlite3_vfs* v, const char* name, int sync_directory) {
    return base_of(v)->xDelete(base_of(v), name, sync_directory);
  };
  vfs.xAccess = [](sqlite3_vfs* v, const char* name, int flags, int* result) {
    return base_of(v)->xAccess(base_of(v), name, flags, result);
  };
  vfs.xFullPathname = [](sqlite3_vfs* v, const char* name, int size, char* path) {
    return base_of(v)->xFullPathname(base_of(v), name, size, path);
  };
  vfs.xRandomness = [](sqlite3_vfs* v, int size, char* bytes) {
    return base_of(v)->xRandomness(base_of(v), size, bytes);
  };
  vfs.xSleep = [](sqlite3_vfs* v, int microseconds) { return base_of(v)->xSleep(base_of(v), microseconds); };
  vfs.xCurrentTime = [](sqlite3_vfs* v, double* t) { return base_of(v)->xCurrentTime(base_of(v), t); };
  vfs.xCurrentTimeInt64 = [](sqlite3_vfs* v, sqlite3_int64* t) { return base_of(v)->xCurrentTimeInt64(base_of(v), t); };
  vfs.xGetLastError = [](sqlite3_vfs* v, int size, char* text) {
    return base_of(v)->xGetLastError(base_of(v), size, text);
  };
  // No extension is ever loaded through this layer.
  vfs.xDlOpen = nullptr;
  vfs.xDlError = nullptr;
  vfs.xDlSym = nullptr;
  vfs.xDlClose = nullptr;
  return vfs;
}

// Whether the page settles to a whole one within some reads; `present` is false past the end of the file.
Result<bool> settles(sqlite3_file* file, uint64_t number, int reads_max, bool& present) {
  std::array<char, kPageBytes> page;
  for (int attempt = 0; attempt < reads_max; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const auto position = static_cast<sqlite3_int64>((number - 1) * kPageBytes);
    const int code = file->pMethods->xRead(file, page.data(), static_cast<int>(kPageBytes), position);
    if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ) {
      return fail(ErrorCode::io, fmt::format("page {} of the database cannot be read (SQLite {})", number, code));
    }
    sqlite3_int64 size = 0;
    if (file->pMethods->xFileSize(file, &size) != SQLITE_OK) return fail(ErrorCode::io, "the database has no size");
    present = size > position;
    if (!present) return true;
    if (code == SQLITE_OK && page_is_whole({page.data(), kPageBytes}, number)) return true;
  }
  return false;
}

}  // namespace

const char* checksum_vfs() {
  static sqlite3_vfs vfs = make_vfs();
  static const int code = sqlite3_vfs_register(&vfs, 0);
  CHECK(code == SQLITE_OK);
  return kName;
}

uint64_t page_checksum(std::string_view page, uint64_t number) {
  CHECK(page.size() == kPageBytes);
  // Each step is a bijection of the state for a given word and of the word for a given state.
  constexpr uint64_t kMultiplier = 0x9fb21c651e98df25;  // odd, with well-spread bits
  uint64_t state = (number + 0x2545f4914f6cdd1d) * kMultiplier;
  for (size_t i = 0; i < kPageBytes - kPageReservedBytes; i += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, page.data() + i, sizeof word);
    state = std::rotl((state ^ word) * kMultiplier, 29);
  }
  return state ^ (state >> 32);
}

bool page_is_whole(std::string_view page, uint64_t number) {
  CHECK(page.size() == kPageBytes);
  uint64_t stored = 0;
  std::memcpy(&stored, page.data() + kPageBytes - kPageReservedBytes, sizeof stored);
  if (stored == page_checksum(page, number)) return true;
  return number != 1 && std::ranges::all_of(page, [](char byte) { return byte == 0; });
}

Result<void> reserve_checksum_bytes(sqlite3* database) {
  int reserved = static_cast<int>(kPageReservedBytes);
  const int code = sqlite3_file_control(database, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
  if (code != SQLITE_OK) return tl::unexpected(sqlite_error(database, code, "reserving bytes for checksums"));
  return {};
}

Result<std::vector<uint64_t>> damaged_pages(sqlite3* database, size_t limit, bool may_be_writing) {
  const int reads_max = may_be_writing ? 20 : 1;  // with 1 ms between them; a write of a page takes microseconds
  sqlite3_file* file = nullptr;
  const int code = sqlite3_file_control(database, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (code != SQLITE_OK || file == nullptr || file->pMethods != &kMethods) {
    return fail(ErrorCode::io, "the database's file is not open");
  }
  std::vector<uint64_t> damaged;
  for (uint64_t number = 1; damaged.size() < limit; ++number) {
    bool present = false;
    TANDEM_ASSIGN(const bool whole, settles(below(file), number, reads_max, present));
    if (!present) break;
    if (!whole) damaged.push_back(number);
  }
  return damaged;
}

}  // namespace tandem::log
