// The keys of personal data in a grid's data directory.
#pragma once

#include <filesystem>
#include <memory>

#include "vault/vault.h"

namespace tandem::app {

// To seal, open and destroy with; made where there are none. Errors: those of open_vault.
Result<std::shared_ptr<vault::Vault>> keys_of(const std::filesystem::path& data);

// To open with, beside a grid that runs. Null where there are none, or, with a word on standard error, where they may
// not be read: what is personal then stays sealed.
std::shared_ptr<vault::Vault> keys_to_read(const std::filesystem::path& data);

}  // namespace tandem::app
