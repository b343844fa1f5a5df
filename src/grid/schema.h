// Every kind of entity a grid is made of and every attribute it may have, in one table. Grid files, the JSON Schema,
// facts posted to the API and the projection of the inventory all follow it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/diagnostics.h"
#include "base/json.h"

namespace tandem::grid {

enum class Type : uint8_t { boolean, integer, number, text, choice, reference, record };

// What a text must look like beyond being text.
enum class Format : uint8_t {
  any,           // at most kTextBytesMax bytes of UTF-8 without control characters
  jurisdiction,  // two capital letters: ISO 3166-1 alpha-2, or a user-assigned code such as XX
  sha256,        // 64 hexadecimal digits
  prefix,        // IPv4 or IPv6 in CIDR notation, without host bits
  url,           // http:// or https://
  country,       // two capital letters: ISO 3166-1 alpha-2
  address,       // IPv4 or IPv6, with the length of its network where that is known: 10.0.0.1 or 10.0.0.1/24
  mac_address,   // six pairs of hexadecimal digits
  date,          // 2026-11-21
  instant,       // RFC 3339: 2026-11-21T08:16:00Z
  email,         // name@host
  external_id,   // "<system>:<id>": what another system calls it
};

struct Attribute {
  std::string_view name;  // a number's unit is the end of its name
  Type type = Type::text;
  bool list = false;  // a list of values of that type
  bool required = false;
  size_t items_min = 0;                // of a list
  size_t items_max = 0;                // likewise; 0: kListItemsMax
  Json absent = {};                    // the value where it is left out; null: the description says
  std::optional<double> minimum = {};  // of a number
  std::optional<double> maximum = {};
  bool exclusive_minimum = false;  // the minimum itself is not allowed
  bool exclusive_maximum = false;
  std::vector<std::string_view> choices = {};
  std::string_view refers_to = {};  // the kind that a reference names by id
  // The kinds of a reference that may name one of several: its value is "<kind>/<id>", and `refers_to` is empty.
  std::vector<std::string_view> refers_to_any = {};
  Format format = Format::any;
  std::vector<Attribute> fields = {};  // of a record
  std::string_view description = {};
  bool personal = false;  // says something of a living person
};

// What the value of a reference names: views of the attribute and of the value.
struct Target {
  std::string_view kind;
  std::string_view id;
  bool operator==(const Target&) const = default;
};
// Of a value that check_value has let pass; of any other, what it would name, whose kind may be empty.
Target target_of(const Attribute& reference, std::string_view value);

struct Kind {
  std::string_view name;     // "site"
  std::string_view section;  // of a grid file: "sites"; empty for "grid", whose attributes stand at the top
  std::string_view description;
  std::vector<Attribute> attributes;  // in the order a file is written

  const Attribute* find(std::string_view attribute) const;
};

// The one entity that speaks of the grid as a whole: kind "grid", id "grid".
inline constexpr std::string_view kGrid = "grid";
inline constexpr int kFileFormat = 1;             // the value of a grid file's key `tandem`
inline constexpr size_t kIdBytesMax = 128;        // ids stand in URLs, headers and metric labels
inline constexpr size_t kTextBytesMax = 2'000;    // a sentence or two, not a document
inline constexpr size_t kListItemsMax = 100'000;  // the largest list that means anything: prefixes of a region

inline constexpr size_t kAdminGroupsMax = 256;  // of a link or a rule: bits of an extended admin group (RFC 7308)

inline size_t items_max(const Attribute& list) { return list.items_max > 0 ? list.items_max : kListItemsMax; }

// "grid" first, then every kind after the kinds it refers to.
std::span<const Kind> kinds();
const Kind* find_kind(std::string_view name);
const Kind* find_section(std::string_view section);

// A place within an entity: names of attributes and fields, positions in lists.
using PathStep = std::variant<std::string, size_t>;
using Path = std::vector<PathStep>;
std::string to_string(const Path& path);  // "anchors[2].node"

struct Problem {
  Path path;            // empty: the entity as a whole
  std::string message;  // what is wrong
  std::string fix;      // what would be right; may be empty
  Diagnostic::Severity severity = Diagnostic::Severity::error;

  bool operator==(const Problem&) const = default;
};

// Nothing when `id` may be an id: 1 to kIdBytesMax of ASCII letters, digits and ". _ - :", starting with a letter or
// digit. Else what is wrong with it.
std::optional<std::string> check_id(std::string_view id);

// `value` in its canonical form (numbers are doubles, integers int64, digests lower-case), for an attribute that
// accepts it; else null and at least one problem more.
Json check_value(const Attribute& attribute, const Json& value, Path path, std::vector<Problem>& problems);

// True only where check_value would find no problem and give back the same; false says nothing. Allocates nothing of
// most that is well: for what is checked at each of several doors.
bool is_plainly_canonical(const Attribute& attribute, bool value);
bool is_plainly_canonical(const Attribute& attribute, int64_t value);
bool is_plainly_canonical(const Attribute& attribute, double value);
bool is_plainly_canonical(const Attribute& attribute, std::string_view value);

// What a fact may say: some of the kind's attributes, null to take one back. Returns the good ones in canonical form.
Json::Object check_attributes(const Kind& kind, Json::Object attributes, std::vector<Problem>& problems);

// A whole entity: every required attribute is there and they agree with each other.
// `attributes` are canonical, as check_attributes returns them.
void check_entity(const Kind& kind, const Json::Object& attributes, std::vector<Problem>& problems);

// "Gbit/s" for "capacity_gbps"; empty when the name carries no unit.
std::string_view unit_of(std::string_view attribute);

// The JSON Schema (2020-12) of a grid file, indented, with a final newline.
std::string json_schema();

}  // namespace tandem::grid
