#include "log/writer_lock.h"

#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/text.h"

namespace tandem::log {

Result<WriterLock> WriterLock::take(const std::filesystem::path& path) {
  WriterLock lock;
  TANDEM_ASSIGN(lock.file_, File::open(path, File::Mode::write));
  if (::flock(lock.file_.descriptor(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return fail(ErrorCode::io, fmt::format("locking: {}", std::generic_category().message(errno)), path.string());
    }
    TANDEM_ASSIGN(const std::string owner, lock.file_.read_at(0, 20));
    return fail(ErrorCode::conflict, fmt::format("process {} has this log open for writing", trim(owner)),
                path.string());
  }
  TANDEM_TRY(lock.file_.truncate(0));
  TANDEM_TRY(lock.file_.write_at(0, fmt::format("{}\n", ::getpid())));
  return lock;
}

bool WriterLock::is_held(const std::filesystem::path& path) {
  const auto file = File::open(path, File::Mode::read);
  if (!file) return false;
  // A shared lock is granted unless a writer holds the exclusive one; closing the file gives it back at once.
  return ::flock(file->descriptor(), LOCK_SH | LOCK_NB) != 0;
}

}  // namespace tandem::log
