// The inventory of a data directory, for commands that work on it without a running grid.
#pragma once

#include <filesystem>
#include <memory>

#include "control/control.h"
#include "log/log.h"
#include "vault/vault.h"

namespace tandem::app {

struct OpenedData {
  std::unique_ptr<log::Log> log;
  std::shared_ptr<vault::Vault> vault;  // null: there are no keys that may be read
  std::unique_ptr<control::CheckpointStore> checkpoints;
  std::unique_ptr<control::Core> core;  // null: there is no log yet, and it was to be read only

  // With what is personal opened.
  inventory::Snapshot believed() const { return core->state().inventory.opened_by(vault); }
};

// Read only it may be in use by a running grid. Errors: conflict where it is to be written and is in use, those of the
// log.
Result<OpenedData> open_data(const std::filesystem::path& data, bool read_only);

}  // namespace tandem::app
