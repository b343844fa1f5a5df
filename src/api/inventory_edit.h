// Edits of entities as callers write them: read from a body, tried against a state, and made into events.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "control/control.h"
#include "http/message.h"

namespace tandem::api {

inline constexpr size_t kEditsMax = 2'000;  // of one request: what one batch of the log takes whole

struct Edit {
  enum class How : uint8_t {
    merge,    // attributes not named stay
    replace,  // attributes not named are taken back
    remove,
  };
  How how = How::merge;
  std::string kind;
  std::string id;
  Json::Object attributes;  // null takes one back
  v1::FactsRecorded sense;  // standing, confidence, when it was seen and is valid; nothing else of it is set
  std::optional<log::Offset> expected;  // when the entity last changed as the caller knows it; 0: it is to be new
  std::string place;                    // where the caller said so
};

struct Edits {
  std::string source;  // who says so: "api:<name>"
  std::vector<Edit> rows;
};

// {"source"?, "items": [{"kind", "id", "attributes" | "delete": true, "replace"?, "expected"?}]}.
// Errors: invalid_argument, its context the place in the body; too_large.
Result<Edits> parse_bulk(const http::Request& request);
// Who says so, from a body's 'source': "api:<name>". Errors: invalid_argument.
Result<std::string> read_source(const Json& body);
// A member that is true or false, or not there. Errors: invalid_argument.
Result<bool> read_flag(const Json& item, std::string_view name, const std::string& where);
// In what sense it is said: {"standing"?, "confidence"?, "observed_at"?, "valid_from"?, "valid_to"?}. Errors: the same.
Result<v1::FactsRecorded> read_sense(const Json& body, const std::string& where);
// The same from a body that has been read. Errors: as parse_bulk.
Result<Edits> read_edits(const Json& body);
// {"source"?, "attributes"} for one entity. Errors: invalid_argument.
Result<Edits> parse_one(const http::Request& request, Edit::How how, std::string kind, std::string id);

// The event that an edit is, where `believed` is what it replaces.
log::Event event_of(const Edit& edit, const std::string& source, const inventory::Snapshot& believed);

// What the If-Match and If-None-Match headers expect of an entity that last changed at `changed` (0: it is not there);
// nothing where they say nothing. Errors: a failed precondition, invalid_argument.
Result<std::optional<log::Offset>> read_expectation(const http::Request& request, log::Offset changed);
// True when an If-None-Match header names this tag: the caller has what it asks for.
bool is_known(const http::Request& request, log::Offset changed);
std::string entity_tag(log::Offset changed);  // "\"123\""

// Edits tried one after the other on a copy of a state.
struct Trial {
  std::vector<log::Event> events;
  Json::Array rows;              // {"row","kind","id","outcome","error"?} for each edit
  std::optional<Error> refused;  // of the first that is refused; then nothing may be recorded
  Json::Object more;             // what else the answer says
};
Trial try_edits(const control::State& state, const Edits& edits, Instant now);
// That every entity is as its edit expects, before any of them. Nothing where none expects anything.
std::function<Result<void>(const control::State&)> guard_of(const Edits& edits);

}  // namespace tandem::api
