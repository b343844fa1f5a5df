#include "app/inventory_data.h"

#include <fmt/format.h>

#include "app/personal_keys.h"

namespace tandem::app {

Result<OpenedData> open_data(const std::filesystem::path& data, bool read_only) {
  OpenedData opened;
  log::SqliteLogOptions options;
  options.directory = data / "log";
  options.read_only = read_only;
  auto log = log::open_sqlite_log(options);
  if (!log && read_only && log.error().code == ErrorCode::not_found) return opened;
  if (!log && log.error().code == ErrorCode::conflict)
    return fail(ErrorCode::conflict,
                fmt::format("{}; stop that grid first, try with --dry-run, which only reads, or give its --url",
                            log.error().message),
                data.string());
  if (!log) return tl::unexpected(log.error());
  opened.log = std::move(*log);
  if (read_only) {
    opened.vault = keys_to_read(data);
  } else {
    TANDEM_ASSIGN(opened.vault, keys_of(data));
  }
  opened.checkpoints = control::directory_checkpoints(data / "checkpoints");
  TANDEM_ASSIGN(const log::Head head, opened.log->head());
  control::CoreOptions core_options;
  core_options.epoch = head.header.epoch + 1;
  core_options.append_beside = true;
  if (!read_only) core_options.sealer = opened.vault.get();
  TANDEM_ASSIGN(opened.core, control::Core::open(*opened.log, opened.checkpoints.get(), core_options));
  return opened;
}

}  // namespace tandem::app
