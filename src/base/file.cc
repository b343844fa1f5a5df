#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/text.h"

namespace tandem {

namespace {

tl::unexpected<Error> system_failure(std::string_view doing, int error) {
  const auto code_of = [error] {
    switch (error) {
      case ENOENT: return ErrorCode::not_found;
      case EACCES:
      case EPERM: return ErrorCode::permission_denied;
      case EISDIR:
      case ENOTDIR: return ErrorCode::invalid_argument;
      case ENOSPC:
      case EDQUOT: return ErrorCode::resource_exhausted;
      default: return ErrorCode::io;
    }
  };
  return fail(code_of(), fmt::format("{}: {}", doing, std::generic_category().message(error)));
}

}  // namespace

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<File> File::open(const std::filesystem::path& path, Mode mode) {
  const int flags = mode == Mode::read ? O_RDONLY | O_CLOEXEC : O_RDWR | O_CREAT | O_CLOEXEC;
  File file;
  file.descriptor_ = ::open(path.c_str(), flags, 0640);
  if (file.descriptor_ < 0) return system_failure("opening " + path.string(), errno);
  return file;
}

Result<uint64_t> File::size() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) return system_failure("reading a file's size", errno);
  return static_cast<uint64_t>(status.st_size);
}

Result<std::string> File::read_at(uint64_t position, size_t bytes) const {
  std::string content(bytes, '\0');
  size_t done = 0;
  while (done < bytes) {
    const ssize_t n = ::pread(descriptor_, content.data() + done, bytes - done, static_cast<off_t>(position + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_failure("reading", errno);
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  content.resize(done);
  return content;
}

Result<void> File::write_at(uint64_t position, std::string_view bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n =
        ::pwrite(descriptor_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(position + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_failure("writing", errno);
    done += static_cast<size_t>(n);
  }
  return {};
}

Result<void> File::truncate(uint64_t size) {
  if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) return system_failure("cutting a file", errno);
  return {};
}

Result<void> File::sync() {
  if (::fdatasync(descriptor_) != 0) return system_failure("syncing", errno);
  return {};
}

Result<void> sync_directory(const std::filesystem::path& directory) {
  const char* name = directory.empty() ? "." : directory.c_str();  // the parent of a bare file name
  const int descriptor = ::open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return system_failure("opening " + directory.string(), errno);
  const int result = ::fsync(descriptor);
  const int error = errno;
  ::close(descriptor);
  if (result != 0) return system_failure("syncing " + directory.string(), error);
  return {};
}

Result<std::string> read_file(const std::filesystem::path& path, uint64_t bytes_max) {
  TANDEM_ASSIGN(const File file, File::open(path, File::Mode::read));
  TANDEM_ASSIGN(const uint64_t size, file.size());
  if (size > bytes_max) {
    return fail(ErrorCode::too_large, fmt::format("a file of {} bytes; at most {}", size, bytes_max), path.string());
  }
  // A pipe, and what /proc has, say nothing of their size: what counts is where they end.
  constexpr size_t kStep = 1u << 20;
  std::string content(size + 1, '\0');
  for (size_t done = 0;;) {
    if (done == content.size()) content.resize(done + kStep);
    const ssize_t n = ::read(file.descriptor(), content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_failure("reading " + path.string(), errno);
    done += static_cast<size_t>(n);
    if (done > bytes_max)
      return fail(ErrorCode::too_large, fmt::format("more than the {} bytes there may be", bytes_max), path.string());
    if (n > 0) continue;
    content.resize(done);
    return content;
  }
}

namespace {

std::filesystem::path beside(std::filesystem::path path) { return path += ".tmp"; }

}  // namespace

Result<ReplacingFile> ReplacingFile::begin(std::filesystem::path path) {
  ReplacingFile file;
  TANDEM_ASSIGN(file.file_, File::open(beside(path), File::Mode::write));
  TANDEM_TRY(file.file_.truncate(0));
  file.path_ = std::move(path);
  return file;
}

Result<void> ReplacingFile::append(std::string_view bytes) {
  TANDEM_TRY(file_.write_at(size_, bytes));
  size_ += bytes.size();
  return {};
}

Result<void> ReplacingFile::finish() {
  TANDEM_TRY(file_.sync());
  if (::rename(beside(path_).c_str(), path_.c_str()) != 0)
    return system_failure("moving a file to " + path_.string(), errno);
  return sync_directory(path_.parent_path());
}

Result<void> write_file_durably(const std::filesystem::path& path, std::string_view bytes) {
  TANDEM_ASSIGN(ReplacingFile file, ReplacingFile::begin(path));
  TANDEM_TRY(file.append(bytes));
  return file.finish();
}

Result<WriterLock> WriterLock::take(const std::filesystem::path& path) {
  WriterLock lock;
  TANDEM_ASSIGN(lock.file_, File::open(path, File::Mode::write));
  if (::flock(lock.file_.descriptor(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return system_failure("locking " + path.string(), errno);
    }
    TANDEM_ASSIGN(const std::string owner, lock.file_.read_at(0, 20));
    return fail(
        ErrorCode::conflict,
        fmt::format("process {} has it open for writing; stop that one, or name another directory", trim(owner)),
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

}  // namespace tandem
