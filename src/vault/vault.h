// The keys of personal data: they seal it on its way to the log, open it for readers, and are destroyed to erase it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "base/result.h"
#include "control/control.h"
#include "inventory/inventory.h"

namespace tandem::vault {

// Sealing and destroying are for the core's one thread; opening is for any, beside it. What is destroyed cannot be
// opened from the moment `destroy` returns. ~32 bytes of memory a key, and ~7 µs a value opened, two reads among it.
class Vault : public control::Sealer, public inventory::Opener {
 public:
  virtual uint64_t keys() const = 0;  // that are kept
};

struct VaultOptions {
  std::filesystem::path directory;  // made where there is none, for its owner alone
  bool read_only = false;           // opens, and seals and destroys nothing; beside a process that does
};

// Errors: not_found (read_only, and there are no keys), conflict (another process has it open to write), corrupt (the
// file is not one of keys), io.
Result<std::shared_ptr<Vault>> open_vault(const VaultOptions& options);

}  // namespace tandem::vault
