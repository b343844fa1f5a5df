// Integers, text and values as bytes.
#include "inventory/record.h"

#include <algorithm>
#include <bit>
#include <map>

#include "base/check.h"
#include "log/print.h"

namespace tandem::inventory {
namespace {

enum class Tag : uint8_t { null, no, yes, integer, number, text, list, record, sealed };

constexpr int kDepthMax = 100;  // what Protobuf itself parses; deeper values never reach a log

uint64_t zigzag(int64_t value) { return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63); }
int64_t unzigzag(uint64_t value) { return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1); }

void put_tag(std::string& out, Tag tag) { out += static_cast<char>(tag); }

void put_record(std::string& out, const v1::ValueRecord& record) {
  std::map<std::string_view, const v1::Value*> fields;
  for (const v1::Attribute& field : record.fields()) fields[field.name()] = &field.value();
  std::erase_if(fields, [](const auto& field) { return is_null(*field.second); });
  put_tag(out, Tag::record);
  put_integer(out, fields.size());
  for (const auto& [name, value] : fields) {
    put_text(out, name);
    put_value(out, *value);
  }
}

// Walks over one value at the front of `bytes` and builds what `Made` makes of it; nothing where it is no value.
template <class Build>
std::optional<typename Build::Made> take_value(std::string_view& bytes, int depth) {
  if (bytes.empty() || depth > kDepthMax) return std::nullopt;
  const auto tag = static_cast<uint8_t>(bytes[0]);
  bytes.remove_prefix(1);
  switch (static_cast<Tag>(tag)) {
    case Tag::null: return Build::null();
    case Tag::no: return Build::boolean(false);
    case Tag::yes: return Build::boolean(true);
    case Tag::integer: {
      const auto integer = take_integer(bytes);
      return integer ? std::optional(Build::integer(unzigzag(*integer))) : std::nullopt;
    }
    case Tag::number: {
      const auto number = take_number(bytes);
      return number ? std::optional(Build::number(*number)) : std::nullopt;
    }
    case Tag::text: {
      const auto text = take_text(bytes);
      return text ? std::optional(Build::text(*text)) : std::nullopt;
    }
    case Tag::list: {
      const auto count = take_integer(bytes);
      if (!count || *count > bytes.size()) return std::nullopt;  // each item takes a byte at least
      typename Build::List list;
      for (uint64_t i = 0; i < *count; ++i) {
        auto item = take_value<Build>(bytes, depth + 1);
        if (!item) return std::nullopt;
        Build::append(list, std::move(*item));
      }
      return Build::list(std::move(list));
    }
    case Tag::record: {
      const auto count = take_integer(bytes);
      if (!count || *count > bytes.size()) return std::nullopt;
      typename Build::Record record;
      std::string_view previous;
      for (uint64_t i = 0; i < *count; ++i) {
        const auto name = take_text(bytes);
        if (!name || (i > 0 && *name <= previous) || bytes.empty() || bytes[0] == static_cast<char>(Tag::null))
          return std::nullopt;
        previous = *name;
        auto value = take_value<Build>(bytes, depth + 1);
        if (!value) return std::nullopt;
        Build::append(record, *name, std::move(*value));
      }
      return Build::record(std::move(record));
    }
    case Tag::sealed: {
      const auto key = take_integer(bytes);
      const auto sealed = key ? take_text(bytes) : std::nullopt;
      return sealed ? std::optional(Build::sealed({*key, *sealed})) : std::nullopt;
    }
  }
  return std::nullopt;
}

struct BuildNothing {
  struct Made {};
  using List = Made;
  using Record = Made;
  static Made null() { return {}; }
  static Made boolean(bool) { return {}; }
  static Made integer(int64_t) { return {}; }
  static Made number(double) { return {}; }
  static Made text(std::string_view) { return {}; }
  static void append(List&, Made) {}
  static void append(Record&, std::string_view, Made) {}
  static Made list(List) { return {}; }
  static Made record(Record) { return {}; }
  static Made sealed(SealedView) { return {}; }
};

struct BuildJson {
  using Made = Json;
  using List = Json::Array;
  using Record = Json::Object;
  static Json null() { return nullptr; }
  static Json boolean(bool value) { return value; }
  static Json integer(int64_t value) { return value; }
  static Json number(double value) { return value; }
  static Json text(std::string_view value) { return value; }
  static void append(List& list, Json item) { list.push_back(std::move(item)); }
  static void append(Record& record, std::string_view name, Json item) { record.emplace(name, std::move(item)); }
  static Json list(List value) { return value; }
  static Json record(Record value) { return value; }
  static Json sealed(SealedView value) { return log::sealed_to_json(value.sealed); }
};

struct BuildValue {
  using Made = v1::Value;
  using List = v1::ValueList;
  using Record = v1::ValueRecord;
  static Made null() { return {}; }
  static Made boolean(bool value) {
    return with([&](Made& made) { made.set_boolean(value); });
  }
  static Made integer(int64_t value) {
    return with([&](Made& made) { made.set_integer(value); });
  }
  static Made number(double value) {
    return with([&](Made& made) { made.set_number(value); });
  }
  static Made text(std::string_view value) {
    return with([&](Made& made) { made.set_text(std::string(value)); });
  }
  static void append(List& list, Made item) { *list.add_items() = std::move(item); }
  static void append(Record& record, std::string_view name, Made item) {
    v1::Attribute& field = *record.add_fields();
    field.set_name(std::string(name));
    *field.mutable_value() = std::move(item);
  }
  static Made list(List value) {
    return with([&](Made& made) { *made.mutable_list() = std::move(value); });
  }
  static Made record(Record value) {
    return with([&](Made& made) { *made.mutable_record() = std::move(value); });
  }
  static Made sealed(SealedView value) {
    return with([&](Made& made) {
      made.mutable_sealed()->set_key(value.key);
      made.mutable_sealed()->set_sealed(std::string(value.sealed));
    });
  }

 private:
  template <class Set>
  static Made with(Set set) {
    Made made;
    set(made);
    return made;
  }
};

}  // namespace

void put_integer(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_signed(std::string& out, int64_t value) { put_integer(out, zigzag(value)); }

void put_number(std::string& out, double number) {
  const auto bits = std::bit_cast<uint64_t>(number);
  for (int i = 0; i < 8; ++i) out += static_cast<char>(bits >> (8 * i));
}

void put_text(std::string& out, std::string_view text) {
  put_integer(out, text.size());
  out += text;
}

std::optional<uint64_t> take_long_integer(std::string_view& bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size() && i < 10; ++i) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    if (i == 9 && byte > 1) return std::nullopt;  // past 64 bits
    value |= uint64_t{byte & 0x7fu} << (7 * i);
    if (byte >= 0x80) continue;
    if (byte == 0 && i > 0) return std::nullopt;  // not the shortest form
    bytes.remove_prefix(i + 1);
    return value;
  }
  return std::nullopt;
}

std::optional<int64_t> take_signed(std::string_view& bytes) {
  const auto value = take_integer(bytes);
  return value ? std::optional(unzigzag(*value)) : std::nullopt;
}

std::optional<double> take_number(std::string_view& bytes) {
  if (bytes.size() < 8) return std::nullopt;
  uint64_t bits = 0;
  for (int i = 0; i < 8; ++i) bits |= uint64_t{static_cast<uint8_t>(bytes[static_cast<size_t>(i)])} << (8 * i);
  bytes.remove_prefix(8);
  return std::bit_cast<double>(bits);
}

std::optional<std::string_view> take_text(std::string_view& bytes) {
  const auto size = take_integer(bytes);
  if (!size || *size > bytes.size()) return std::nullopt;
  const std::string_view text = bytes.substr(0, *size);
  bytes.remove_prefix(*size);
  return text;
}

bool is_null(const v1::Value& value) { return value.kind_case() == v1::Value::KIND_NOT_SET; }

bool is_null(std::string_view value) { return value.size() == 1 && value[0] == static_cast<char>(Tag::null); }

bool is_sealed(std::string_view value) { return !value.empty() && value[0] == static_cast<char>(Tag::sealed); }

SealedView sealed_of(std::string_view value) {
  CHECK(is_sealed(value));
  value.remove_prefix(1);
  const auto key = take_integer(value);
  const auto sealed = key ? take_text(value) : std::nullopt;
  CHECK(sealed && value.empty());
  return {*key, *sealed};
}

void put_value(std::string& out, const v1::Value& value) {
  switch (value.kind_case()) {
    case v1::Value::KIND_NOT_SET: return put_tag(out, Tag::null);
    case v1::Value::kBoolean: return put_tag(out, value.boolean() ? Tag::yes : Tag::no);
    case v1::Value::kInteger: put_tag(out, Tag::integer); return put_integer(out, zigzag(value.integer()));
    case v1::Value::kNumber: put_tag(out, Tag::number); return put_number(out, value.number());
    case v1::Value::kText: put_tag(out, Tag::text); return put_text(out, value.text());
    case v1::Value::kList:
      put_tag(out, Tag::list);
      put_integer(out, static_cast<uint64_t>(value.list().items_size()));
      for (const v1::Value& item : value.list().items()) put_value(out, item);
      return;
    case v1::Value::kRecord: return put_record(out, value.record());
    case v1::Value::kSealed:
      put_tag(out, Tag::sealed);
      put_integer(out, value.sealed().key());
      return put_text(out, value.sealed().sealed());
  }
}

void put_value(std::string& out, const Json& json) {
  if (json.is_bool()) return put_tag(out, json.boolean() ? Tag::yes : Tag::no);
  if (json.is_integer()) return put_tag(out, Tag::integer), put_integer(out, zigzag(json.integer()));
  if (json.is_number()) return put_tag(out, Tag::number), put_number(out, json.number());
  if (json.is_string()) return put_tag(out, Tag::text), put_text(out, json.text());
  if (json.is_array()) {
    put_tag(out, Tag::list);
    put_integer(out, json.array().size());
    for (const Json& item : json.array()) put_value(out, item);
  } else if (json.is_object()) {
    const auto is_said = [](const auto& field) { return !field.second.is_null(); };
    put_tag(out, Tag::record);
    put_integer(out, static_cast<uint64_t>(std::ranges::count_if(json.object(), is_said)));
    for (const auto& field : json.object()) {
      if (!is_said(field)) continue;
      put_text(out, field.first);
      put_value(out, field.second);
    }
  } else {
    put_tag(out, Tag::null);
  }
}

bool is_value(std::string_view bytes) { return take_value<BuildNothing>(bytes, 0).has_value() && bytes.empty(); }

v1::Value take_known_value(std::string_view& bytes) {
  auto value = take_value<BuildValue>(bytes, 0);
  CHECK(value);
  return std::move(*value);
}

v1::Value value_of(std::string_view bytes) {
  v1::Value value = take_known_value(bytes);
  CHECK(bytes.empty());
  return value;
}

Scalar scalar_of(std::string_view bytes) {
  CHECK(!bytes.empty());
  std::string_view rest = bytes.substr(1);
  switch (static_cast<Tag>(bytes[0])) {
    case Tag::null: return {};
    case Tag::no: return false;
    case Tag::yes: return true;
    case Tag::integer: return unzigzag(take_integer(rest).value());
    case Tag::number: return take_number(rest).value();
    case Tag::text: return take_text(rest).value();
    case Tag::sealed: return {};
    case Tag::list:
    case Tag::record: break;
  }
  return json_of(bytes);
}

Json json_of(std::string_view bytes) {
  auto value = take_value<BuildJson>(bytes, 0);
  CHECK(value && bytes.empty());
  return std::move(*value);
}

}  // namespace tandem::inventory
