#include "vault/vault.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <set>
#include <unordered_map>

#include "base/logging.h"
#include "ontology/ontology.h"
#include "vault/key_file.h"

namespace tandem::vault {
namespace {

using inventory::EntityKey;

constexpr const char* kFileName = "personal.keys";
constexpr const char* kLockName = "lock";

// Of each kind that has any, the attributes that are personal.
const std::map<std::string_view, std::set<std::string_view>>& personal_attributes() {
  static const auto all = [] {
    std::map<std::string_view, std::set<std::string_view>> made;
    for (const ontology::Kind& kind : ontology::Ontology::built_in().kinds())
      for (const grid::Attribute& attribute : kind.attributes)
        if (ontology::is_personal(attribute)) made[kind.name].insert(attribute.name);
    return made;
  }();
  return all;
}

Digest digest_of(const EntityKey& entity) {
  return Hasher().update(entity.kind).update(std::string_view("\0", 1)).update(entity.id).finish();
}

// Kinds, ids and attributes hold no zero byte.
std::string place_of(const EntityKey& entity, std::string_view attribute) {
  std::string place = entity.kind;
  place += '\0';
  place += entity.id;
  place += '\0';
  place += attribute;
  return place;
}

class FileVault final : public Vault {
 public:
  Result<void> open(const VaultOptions& options);

  Result<void> seal(log::Event& event, const inventory::Snapshot& inventory, log::Offset offset) override;
  Result<void> keep() override;
  Result<void> destroy(std::span<const inventory::Erasure> erasures) override;
  std::optional<v1::Value> open(const EntityKey& entity, std::string_view attribute, uint64_t key,
                                std::string_view sealed) const override;
  uint64_t keys() const override { return kept_; }

 private:
  struct Numbered {
    uint64_t number = 0;
    Key key;
  };
  using Attributes = google::protobuf::RepeatedPtrField<v1::Attribute>;

  Result<void> seal_attributes(const EntityKey& entity, Attributes& attributes, const inventory::Snapshot& inventory,
                               log::Offset offset);
  Result<Numbered> key_for(const EntityKey& entity, const inventory::Snapshot& inventory, log::Offset offset);
  Result<SlotState> read(uint64_t number, Slot& slot) const;
  static uint64_t hash_of(const Digest& whose) {
    uint64_t hash = 0;
    std::memcpy(&hash, whose.bytes.data(), sizeof hash);
    return hash;
  }

  WriterLock lock_;
  KeyFile file_;
  std::vector<Slot> fresh_;  // used, and not in the file yet; numbered on from what is in it
  std::unordered_multimap<uint64_t, uint64_t> numbers_;  // of the keys by the first bytes of whose they are
  std::atomic<uint64_t> kept_ = 0;
};

Result<void> FileVault::open(const VaultOptions& options) {
  const std::filesystem::path path = options.directory / kFileName;
  if (!options.read_only) {
    std::error_code error;
    std::filesystem::create_directories(options.directory, error);
    if (!error) std::filesystem::permissions(options.directory, std::filesystem::perms::owner_all, error);
    if (error)
      return fail(ErrorCode::io, fmt::format("'{}' cannot be made: {}", options.directory.string(), error.message()));
    TANDEM_ASSIGN(lock_, WriterLock::take(options.directory / kLockName));
  }
  TANDEM_ASSIGN(file_, KeyFile::open(path, options.read_only));
  if (options.read_only) return {};
  std::error_code error;
  std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, error);
  if (error)
    return fail(ErrorCode::io, fmt::format("'{}' cannot be kept from others: {}", path.string(), error.message()));
  uint64_t damaged = 0;
  TANDEM_TRY(file_.for_each([&](uint64_t number, SlotState state, const Slot& slot) {
    damaged += state == SlotState::damaged;
    if (state == SlotState::key) numbers_.emplace(hash_of(slot.whose), number);
  }));
  kept_ = numbers_.size();
  if (damaged > 0) log_warning("{} keys in {} are damaged: what they sealed cannot be read", damaged, path.string());
  return {};
}

Result<SlotState> FileVault::read(uint64_t number, Slot& slot) const {
  if (number < file_.slots()) return file_.read(number, slot);
  if (number - file_.slots() >= fresh_.size()) return SlotState::damaged;
  slot = fresh_[number - file_.slots()];
  return SlotState::key;
}

// ---- Sealing
// -----------------------------------------------------------------------------------------------------------

Result<void> FileVault::seal(log::Event& event, const inventory::Snapshot& inventory, log::Offset offset) {
  const auto seal_facts = [&](v1::FactsRecorded& facts) {
    return seal_attributes({facts.kind(), facts.id()}, *facts.mutable_attributes(), inventory, offset);
  };
  if (event.has_facts_recorded()) return seal_facts(*event.mutable_facts_recorded());
  if (!event.has_branch_edited()) return {};
  for (v1::BranchEdit& edit : *event.mutable_branch_edited()->mutable_edits()) {
    if (edit.has_facts()) TANDEM_TRY(seal_facts(*edit.mutable_facts()));
    if (!edit.has_seen()) continue;
    v1::ParentSeen& seen = *edit.mutable_seen();
    TANDEM_TRY(seal_attributes({seen.kind(), seen.id()}, *seen.mutable_attributes(), inventory, offset));
  }
  return {};
}

Result<void> FileVault::seal_attributes(const EntityKey& entity, Attributes& attributes,
                                        const inventory::Snapshot& inventory, log::Offset offset) {
  const auto personal = personal_attributes().find(entity.kind);
  if (personal == personal_attributes().end()) return {};
  std::optional<Numbered> key;
  for (v1::Attribute& attribute : attributes) {
    const bool open = attribute.value().kind_case() != v1::Value::KIND_NOT_SET && !attribute.value().has_sealed();
    if (!open || !personal->second.contains(attribute.name())) continue;
    if (!key) {
      TANDEM_ASSIGN(key, key_for(entity, inventory, offset));
    }
    v1::SealedValue sealed;
    sealed.set_key(key->number);
    sealed.set_sealed(vault::seal(key->key, place_of(entity, attribute.name()), attribute.value().SerializeAsString()));
    *attribute.mutable_value()->mutable_sealed() = std::move(sealed);
  }
  return {};
}

// The key that the entity's values at this offset are sealed with: one that is not of later (it was made for an event
// that never came to the log), nor of before what was erased; a new one where there is none.
Result<FileVault::Numbered> FileVault::key_for(const EntityKey& entity, const inventory::Snapshot& inventory,
                                               log::Offset offset) {
  const Digest whose = digest_of(entity);
  const std::vector<log::Offset> erasures = inventory.erasures(entity.kind, entity.id);
  const log::Offset erased = erasures.empty() ? 0 : erasures.back();
  const auto [begin, end] = numbers_.equal_range(hash_of(whose));
  for (auto i = begin; i != end; ++i) {
    Slot slot;
    TANDEM_ASSIGN(const SlotState state, read(i->second, slot));
    if (state == SlotState::key && slot.whose == whose && slot.first <= offset && slot.first > erased)
      return Numbered{i->second, slot.key};
  }
  Slot slot;
  TANDEM_ASSIGN(slot.key, random_key());
  slot.first = offset;
  slot.whose = whose;
  const Numbered made{file_.slots() + fresh_.size(), slot.key};
  fresh_.push_back(std::move(slot));
  numbers_.emplace(hash_of(whose), made.number);
  ++kept_;
  return made;
}

Result<void> FileVault::keep() {
  TANDEM_TRY(file_.add(fresh_));
  fresh_.clear();
  return {};
}

// ---- Destroying and opening
// --------------------------------------------------------------------------------------------

Result<void> FileVault::destroy(std::span<const inventory::Erasure> erasures) {
  std::vector<uint64_t> doomed;
  std::vector<std::unordered_multimap<uint64_t, uint64_t>::iterator> entries;
  for (const inventory::Erasure& erasure : erasures) {
    const Digest whose = digest_of(erasure.entity);
    const auto [begin, end] = numbers_.equal_range(hash_of(whose));
    for (auto i = begin; i != end; ++i) {
      Slot slot;
      TANDEM_ASSIGN(const SlotState state, read(i->second, slot));
      if (state != SlotState::key || slot.whose != whose || slot.first >= erasure.offset) continue;
      if (std::ranges::find(entries, i) != entries.end()) continue;  // erased twice
      doomed.push_back(i->second);
      entries.push_back(i);
    }
  }
  TANDEM_TRY(file_.destroy(doomed));
  for (const auto entry : entries) numbers_.erase(entry);
  kept_ -= entries.size();
  return {};
}

std::optional<v1::Value> FileVault::open(const EntityKey& entity, std::string_view attribute, uint64_t key,
                                         std::string_view sealed) const {
  Slot slot;
  const auto state = file_.read(key, slot);
  if (!state || *state == SlotState::damaged) return std::nullopt;
  if (*state == SlotState::destroyed) return v1::Value();
  const auto plain = vault::open(slot.key, place_of(entity, attribute), sealed);
  v1::Value value;
  if (!plain || !value.ParseFromString(*plain)) return std::nullopt;
  return value;
}

}  // namespace

Result<std::shared_ptr<Vault>> open_vault(const VaultOptions& options) {
  auto vault = std::make_shared<FileVault>();
  TANDEM_TRY(vault->open(options));
  return std::shared_ptr<Vault>(std::move(vault));
}

}  // namespace tandem::vault
