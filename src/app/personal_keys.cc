#include "app/personal_keys.h"

#include "base/logging.h"

namespace tandem::app {
namespace {

constexpr const char* kDirectory = "keys";  // apart from the log: who copies that does not copy these

}  // namespace

Result<std::shared_ptr<vault::Vault>> keys_of(const std::filesystem::path& data) {
  return vault::open_vault({.directory = data / kDirectory});
}

std::shared_ptr<vault::Vault> keys_to_read(const std::filesystem::path& data) {
  auto vault = vault::open_vault({.directory = data / kDirectory, .read_only = true});
  if (vault) return std::move(*vault);
  if (vault.error().code != ErrorCode::not_found)
    log_warning("what is personal stays sealed, for its keys cannot be read: {}", to_string(vault.error()));
  return nullptr;
}

}  // namespace tandem::app
