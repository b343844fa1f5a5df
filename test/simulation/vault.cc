#include "simulation/vault.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "ontology/ontology.h"

namespace tandem::simulation {
namespace {

using inventory::EntityKey;

constexpr size_t kTagBytes = 16;
constexpr size_t kReadBytes = 1u << 20;

Digest mixed(uint64_t secret, std::string_view place, std::string_view purpose, std::string_view text) {
  return Hasher().update(secret).update(uint64_t{place.size()}).update(place).update(purpose).update(text).finish();
}

std::string place_of(const EntityKey& entity, std::string_view attribute) {
  return fmt::format("{}/{}/{}", entity.kind, entity.id, attribute);
}

// With a stream that the tag begins: the same text at the same place under the same key is the same bytes.
std::string enciphered(uint64_t secret, std::string_view place, std::string_view tag, std::string_view text) {
  std::string result(text);
  Digest stream{};
  for (size_t i = 0; i < result.size(); ++i) {
    const size_t within = i % stream.view().size();
    if (within == 0) stream = mixed(secret, place, "stream", fmt::format("{}{}", tag, i));
    result[i] = static_cast<char>(result[i] ^ stream.view()[within]);
  }
  return result;
}

bool is_personal(const EntityKey& entity, const std::string& name) {
  const ontology::Kind* kind = ontology::Ontology::built_in().find(entity.kind);
  const grid::Attribute* attribute = kind == nullptr ? nullptr : kind->find(name);
  return attribute != nullptr && ontology::is_personal(*attribute);
}

bool says_whose_it_is(std::string_view text, const EntityKey& entity, std::string_view attribute) {
  return text.starts_with(
      personal_value(entity, attribute, 0).substr(0, kInClear.size() + entity.id.size() + attribute.size() + 2));
}

}  // namespace

std::string personal_value(const EntityKey& entity, std::string_view attribute, uint64_t number) {
  return fmt::format("{}.{}.{}.{}@example.org", kInClear, entity.id, attribute, number);
}

// ---- The vault
// -------------------------------------------------------------------------------------------------------

Result<void> SimulatedVault::seal(log::Event& event, const inventory::Snapshot& inventory, log::Offset offset) {
  if (leaks_) return {};
  const auto facts = [&](v1::FactsRecorded& said) {
    seal_attributes({said.kind(), said.id()}, *said.mutable_attributes(), inventory, offset);
  };
  if (event.has_facts_recorded()) facts(*event.mutable_facts_recorded());
  if (!event.has_branch_edited()) return {};
  for (v1::BranchEdit& edit : *event.mutable_branch_edited()->mutable_edits()) {
    if (edit.has_facts()) facts(*edit.mutable_facts());
    if (!edit.has_seen()) continue;
    v1::ParentSeen& seen = *edit.mutable_seen();
    seal_attributes({seen.kind(), seen.id()}, *seen.mutable_attributes(), inventory, offset);
  }
  return {};
}

void SimulatedVault::seal_attributes(const EntityKey& entity,
                                     google::protobuf::RepeatedPtrField<v1::Attribute>& attributes,
                                     const inventory::Snapshot& inventory, log::Offset offset) {
  for (v1::Attribute& attribute : attributes) {
    const bool open = attribute.value().kind_case() != v1::Value::KIND_NOT_SET && !attribute.value().has_sealed();
    if (!open || !is_personal(entity, attribute.name())) continue;
    const uint64_t number = key_for(entity, inventory, offset);
    const uint64_t secret = keys_.at(number).secret;
    const std::string place = place_of(entity, attribute.name()), plain = attribute.value().SerializeAsString();
    std::string sealed(mixed(secret, place, "tag", plain).view().substr(0, kTagBytes));
    sealed += enciphered(secret, place, sealed, plain);
    attribute.mutable_value()->mutable_sealed()->set_key(number);
    attribute.mutable_value()->mutable_sealed()->set_sealed(std::move(sealed));
  }
}

// One that is not of later, nor of before what was erased; a new one where there is none.
uint64_t SimulatedVault::key_for(const EntityKey& entity, const inventory::Snapshot& inventory, log::Offset offset) {
  const std::vector<log::Offset> erasures = inventory.erasures(entity.kind, entity.id);
  const log::Offset erased = erasures.empty() ? 0 : erasures.back();
  for (const auto& [number, key] : keys_)
    if (key.entity == entity && !key.destroyed && key.first <= offset && key.first > erased) return number;
  keys_[++numbered_] = {entity, offset, random_.below(UINT64_MAX), false, false};
  return numbered_;
}

Result<void> SimulatedVault::keep() {
  const bool any = std::ranges::any_of(keys_, [](const auto& entry) { return !entry.second.kept; });
  if (any && random_.chance(keep_fails_)) return fail(ErrorCode::io, "the simulated disk takes no keys");
  for (auto& [number, key] : keys_) key.kept = true;
  return {};
}

Result<void> SimulatedVault::destroy(std::span<const inventory::Erasure> erasures) {
  for (const inventory::Erasure& erasure : erasures)
    for (auto& [number, key] : keys_) {
      if (key.entity != erasure.entity || key.destroyed || key.first >= erasure.offset || spares_) continue;
      if (random_.chance(destroy_fails_)) return fail(ErrorCode::io, "the simulated disk does not overwrite a key");
      key.destroyed = true;
      key.secret = 0;
    }
  return {};
}

std::optional<v1::Value> SimulatedVault::open(const EntityKey& entity, std::string_view attribute, uint64_t number,
                                              std::string_view sealed) const {
  const auto found = keys_.find(number);
  if (found == keys_.end() || sealed.size() < kTagBytes) return std::nullopt;
  if (found->second.destroyed) return v1::Value();
  const std::string place = place_of(entity, attribute);
  const std::string_view tag = sealed.substr(0, kTagBytes);
  const std::string plain = enciphered(found->second.secret, place, tag, sealed.substr(kTagBytes));
  v1::Value value;
  if (mixed(found->second.secret, place, "tag", plain).view().substr(0, kTagBytes) != tag ||
      !value.ParseFromString(plain))
    return std::nullopt;
  return value;
}

void SimulatedVault::crash() {
  std::erase_if(keys_, [](const auto& entry) { return !entry.second.kept; });
}

// ---- The witness
// -----------------------------------------------------------------------------------------------------

Broken PersonalWitness::follow(const log::Log& log) {
  for (;;) {
    const auto batches = log.read(last_ + 1, kReadBytes);
    if (!batches) return fmt::format("the log cannot be read after {}: {}", last_, to_string(batches.error()));
    if (batches->empty()) return std::nullopt;
    for (const log::Batch& batch : *batches) {
      if (log::encode_events(batch.events).find(kInClear) != std::string::npos)
        return fmt::format("something personal stands in clear in the batch at {}", batch.header.first);
      for (size_t i = 0; i < batch.events.size(); ++i)
        if (auto broken = follow_event(batch.events[i], batch.header.first + i)) return broken;
      last_ = batch.header.last();
    }
  }
}

Broken PersonalWitness::follow_event(const log::Event& event, log::Offset offset) {
  if (offset <= last_) return std::nullopt;
  if (event.has_personal_data_erased())
    erased_[{event.personal_data_erased().kind(), event.personal_data_erased().id()}] = offset;
  Broken broken;
  const auto take = [&](const EntityKey& entity, const google::protobuf::RepeatedPtrField<v1::Attribute>& attributes) {
    for (const v1::Attribute& attribute : attributes) {
      if (attribute.value().has_sealed())
        sealed_.push_back(
            {entity, attribute.name(), attribute.value().sealed().key(), attribute.value().sealed().sealed(), offset});
      else if (attribute.value().kind_case() != v1::Value::KIND_NOT_SET && is_personal(entity, attribute.name()))
        broken = fmt::format("{} of {} '{}' is not sealed at {}", attribute.name(), entity.kind, entity.id, offset);
    }
  };
  const v1::FactsRecorded& facts = event.facts_recorded();
  take({facts.kind(), facts.id()}, facts.attributes());
  for (const v1::BranchEdit& edit : event.branch_edited().edits()) {
    take({edit.facts().kind(), edit.facts().id()}, edit.facts().attributes());
    take({edit.seen().kind(), edit.seen().id()}, edit.seen().attributes());
  }
  return broken;
}

Broken PersonalWitness::check(const SimulatedVault& vault) const {
  for (const Sealed& sealed : sealed_) {
    const auto value = vault.open(sealed.entity, sealed.attribute, sealed.key, sealed.bytes);
    const auto erased = erased_.find(sealed.entity);
    if (erased != erased_.end() && sealed.offset < erased->second) {
      if (value && value->kind_case() != v1::Value::KIND_NOT_SET)
        return fmt::format("{} of {} '{}', said at {} and erased at {}, can be read", sealed.attribute,
                           sealed.entity.kind, sealed.entity.id, sealed.offset, erased->second);
      continue;
    }
    if (!value || !says_whose_it_is(value->text(), sealed.entity, sealed.attribute))
      return fmt::format("{} of {} '{}', said at {} and not erased, cannot be read", sealed.attribute,
                         sealed.entity.kind, sealed.entity.id, sealed.offset);
  }
  return std::nullopt;
}

Broken PersonalWitness::check_read(const control::State& state,
                                   const std::shared_ptr<const inventory::Opener>& vault) const {
  Broken broken;
  const auto check_in = [&](const inventory::Snapshot& opened) {
    for (const char* kind : {"contact", "customer"})
      opened.for_each_json(kind, [&](const std::string& id, const Json::Object& attributes) {
        const EntityKey entity{kind, id};
        for (const auto& [name, value] : attributes)
          if (is_personal(entity, name) && !says_whose_it_is(value.text(), entity, name))
            broken = fmt::format("{} of {} '{}' reads {}", name, kind, id, to_json(value));
        return !broken;
      });
  };
  check_in(state.inventory.opened_by(vault));
  for (const auto& branch : state.branches.all()) check_in(branch->head.opened_by(vault));
  return broken;
}

}  // namespace tandem::simulation
