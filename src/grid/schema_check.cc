// Values against the schema table: one value, the attributes of a fact, a whole entity.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "grid/schema.h"
#include "grid/text_format.h"

namespace tandem::grid {
namespace {

constexpr size_t kQuotedBytesMax = 60;  // of a wrong value repeated in a message

// What was given, for a message: short and quoted.
std::string describe(const Json& value) {
  if (value.is_null()) return "nothing";
  if (value.is_object()) return "a record";
  if (value.is_array()) return "a list";
  if (value.is_number()) return fmt::format("{}", value.number());
  if (!value.is_string()) return to_json(value);
  std::string text(value.text());
  if (text.size() > kQuotedBytesMax) {
    size_t cut = kQuotedBytesMax;
    while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
    text = text.substr(0, cut) + "…";
  }
  return fmt::format("'{}'", text);
}

// " from 0 to 1", ", above 0 and at most 10", ", at least 1".
std::string bounds(const Attribute& attribute) {
  const bool closed = !attribute.exclusive_minimum && !attribute.exclusive_maximum;
  if (attribute.minimum && attribute.maximum && closed)
    return fmt::format(" from {} to {}", *attribute.minimum, *attribute.maximum);
  std::string text;
  if (attribute.minimum)
    text += fmt::format(", {} {}", attribute.exclusive_minimum ? "above" : "at least", *attribute.minimum);
  if (attribute.maximum)
    text += fmt::format("{} {} {}", attribute.minimum ? " and" : ",", attribute.exclusive_maximum ? "below" : "at most",
                        *attribute.maximum);
  return text;
}

// "rack, room or site"; of very many, the first few.
std::string named(const std::vector<std::string_view>& kinds) {
  constexpr size_t kNamed = 8;
  if (kinds.size() > kNamed) return fmt::format("{} …", fmt::join(kinds.begin(), kinds.begin() + kNamed, ", "));
  if (kinds.size() == 1) return std::string(kinds.front());
  return fmt::format("{} or {}", fmt::join(kinds.begin(), kinds.end() - 1, ", "), kinds.back());
}

std::string what_is_right(const Attribute& attribute) {
  const std::string_view unit = unit_of(attribute.name);
  switch (attribute.type) {
    case Type::boolean: return "write true or false";
    case Type::integer: return fmt::format("write a whole number{}", bounds(attribute));
    case Type::number: {
      const bool unitless = unit.empty() || unit.starts_with("of ");
      return unitless ? "write a number" + bounds(attribute)
                      : fmt::format("write a plain number of {}{}", unit, bounds(attribute));
    }
    case Type::text: return "write a text";
    case Type::choice: return fmt::format("write one of {}", fmt::join(attribute.choices, ", "));
    case Type::reference:
      return attribute.refers_to_any.empty() ? fmt::format("write the id of a {}", attribute.refers_to)
                                             : fmt::format("write kind/id, of a {}", named(attribute.refers_to_any));
    case Type::record: return "write a record (key: value, …)";
  }
  return {};
}

// One check: the attribute, where it stands, and where problems go.
class Checker {
 public:
  Checker(const Attribute& attribute, Path& path, std::vector<Problem>& problems)
      : attribute_(attribute), path_(path), problems_(problems) {}

  Json whole(const Json& value) {
    if (!attribute_.list) return one(value);
    if (!value.is_array())
      return wrong(fmt::format("{} is {}, not a list", attribute_.name, describe(value)), "write a list: [ … ]");
    if (attribute_.items_max > 0 && attribute_.items_min == attribute_.items_max &&
        value.array().size() != attribute_.items_min)
      return wrong(fmt::format("{} has {} items", attribute_.name, value.array().size()),
                   fmt::format("write {}", attribute_.items_min));
    if (value.array().size() < attribute_.items_min)
      return wrong(fmt::format("{} is empty", attribute_.name),
                   "name at least one, or leave the key out if it has a default");
    if (value.array().size() > items_max(attribute_))
      return wrong(fmt::format("{} has {} items", attribute_.name, value.array().size()),
                   fmt::format("at most {} are allowed", items_max(attribute_)));
    Json::Array canonical;
    for (size_t i = 0; i < value.array().size(); ++i) {
      path_.emplace_back(i);
      canonical.push_back(one(value.array()[i]));
      path_.pop_back();
    }
    return canonical;
  }

 private:
  Json wrong(std::string message, std::string fix) {
    problems_.push_back({path_, std::move(message), std::move(fix)});
    return nullptr;
  }

  Json wrong_type(const Json& value) {
    return wrong(fmt::format("{} is {}", attribute_.name, describe(value)), what_is_right(attribute_));
  }

  Json one(const Json& value) {
    switch (attribute_.type) {
      case Type::boolean: return value.is_bool() ? value : wrong_type(value);
      case Type::integer:
      case Type::number: return number(value);
      case Type::text: return value.is_string() ? text(value) : wrong_type(value);
      case Type::choice: return choice(value);
      case Type::reference: return reference(value);
      case Type::record: return record(value);
    }
    return nullptr;
  }

  Json number(const Json& value) {
    if (!value.is_number() || !std::isfinite(value.number())) return wrong_type(value);
    const double n = value.number();
    if (attribute_.type == Type::integer && (std::nearbyint(n) != n || std::fabs(n) > 9e15)) return wrong_type(value);
    const bool low =
        attribute_.minimum && (attribute_.exclusive_minimum ? n <= *attribute_.minimum : n < *attribute_.minimum);
    const bool high =
        attribute_.maximum && (attribute_.exclusive_maximum ? n >= *attribute_.maximum : n > *attribute_.maximum);
    if (low || high) return wrong(fmt::format("{} is {}", attribute_.name, describe(value)), what_is_right(attribute_));
    if (attribute_.type == Type::integer) return static_cast<int64_t>(n);
    return n == 0 ? 0.0 : n;  // −0 is 0
  }

  Json choice(const Json& value) {
    if (!value.is_string()) return wrong_type(value);
    const auto& choices = attribute_.choices;
    if (std::find(choices.begin(), choices.end(), value.text()) != choices.end()) return value;
    const auto meant = nearest(value.text(), std::vector<std::string>(choices.begin(), choices.end()));
    return wrong(fmt::format("{} is {}", attribute_.name, describe(value)),
                 meant ? fmt::format("did you mean '{}'?", *meant) : what_is_right(attribute_));
  }

  Json reference(const Json& value) {
    if (!value.is_string()) return wrong_type(value);
    const Target target = target_of(attribute_, value.text());
    if (!attribute_.refers_to_any.empty()) {
      const auto& kinds = attribute_.refers_to_any;
      if (std::find(kinds.begin(), kinds.end(), target.kind) == kinds.end()) {
        const auto meant = nearest(target.kind, std::vector<std::string>(kinds.begin(), kinds.end()));
        return wrong(fmt::format("{} is {}", attribute_.name, describe(value)),
                     meant ? fmt::format("did you mean '{}/{}'?", *meant, target.id) : what_is_right(attribute_));
      }
    }
    if (const auto fault = check_id(target.id))
      return wrong(fmt::format("{} is {}: {}", attribute_.name, describe(value), *fault), what_is_right(attribute_));
    return value;
  }

  Json record(const Json& value) {
    if (!value.is_object()) return wrong_type(value);
    Json::Object canonical;
    std::vector<std::string> names;
    for (const Attribute& field : attribute_.fields) names.emplace_back(field.name);
    for (const auto& [name, item] : value.object()) {
      path_.emplace_back(name);
      const auto field = std::find_if(attribute_.fields.begin(), attribute_.fields.end(),
                                      [&key = name](const Attribute& a) { return a.name == key; });
      if (field == attribute_.fields.end()) {
        const auto meant = nearest(name, names);
        wrong(
            fmt::format("{} has no key {}", attribute_.name, describe(name)),
            meant ? fmt::format("did you mean '{}'?", *meant) : fmt::format("its keys are {}", fmt::join(names, ", ")));
      } else if (!item.is_null() || field->required) {
        canonical[name] = check_value(*field, item, path_, problems_);
      }
      path_.pop_back();
    }
    for (const Attribute& field : attribute_.fields)
      if (field.required && value[field.name].is_null() && !value.object().contains(field.name))
        wrong(fmt::format("{} lacks {}", attribute_.name, field.name), what_is_right(field));
    return canonical;
  }

  Json text(const Json& value) {
    const std::string_view given = value.text();
    if (given.size() > kTextBytesMax)
      return wrong(fmt::format("{} has {} bytes", attribute_.name, given.size()),
                   fmt::format("at most {} are allowed", kTextBytesMax));
    const bool control =
        std::any_of(given.begin(), given.end(), [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; });
    if (control || !is_utf8(given))
      return wrong(fmt::format("{} has control characters or is not UTF-8", attribute_.name),
                   "write plain text on one line");
    return formatted(value);
  }

  Json formatted(const Json& value) {
    Result<std::string> canonical = canonical_text(attribute_.format, value.text());
    if (canonical) return std::move(*canonical);
    const std::string_view verb = attribute_.format == Format::prefix ? "has" : "is";
    return wrong(fmt::format("{} {} {}", attribute_.name, verb, describe(value)), canonical.error().message);
  }

  const Attribute& attribute_;
  Path& path_;
  std::vector<Problem>& problems_;
};

void check_link(const Json::Object& link, std::vector<Problem>& problems) {
  const auto get = [&](std::string_view name) {
    const auto found = link.find(name);
    return found == link.end() ? Json() : found->second;
  };
  if (get("a").is_string() && get("a") == get("b"))
    problems.push_back(
        {{std::string("b")}, fmt::format("both ends are '{}'", get("a").text()), "a link joins two nodes"});
  if (get("delay_us").is_null() && get("length_km").number() == 0)
    problems.push_back(
        {{}, "neither delay_us nor length_km is known", "give delay_us, or length_km for 4.9 us/km of fibre"});
  const int64_t members = get("members").integer(1);
  for (const char* part : {"members_min", "members_down"})
    if (const int64_t given = get(part).integer(); given > members)
      problems.push_back({{std::string(part)},
                          fmt::format("{} is {} in a bundle of {}", part, given, members),
                          "write at most 'members'"});
}

void check_pool(const Json::Object& pool, std::vector<Problem>& problems) {
  const auto count = pool.find("count");
  const auto reserve = pool.find("radio_reserve");
  if (count == pool.end() || reserve == pool.end()) return;
  for (size_t i = 0; i < reserve->second.array().size(); ++i) {
    const int64_t kept = reserve->second.array()[i]["accelerators"].integer();
    if (kept > count->second.integer())
      problems.push_back(
          {{std::string("radio_reserve"), i, std::string("accelerators")},
           fmt::format("{} accelerators are kept for radio, of {} there are", kept, count->second.integer()),
           "reserve at most the count"});
  }
}

void check_profile(const Json::Object& profile, std::vector<Problem>& problems) {
  const auto points = profile.find("points");
  if (points == profile.end()) return;
  const Json::Array& list = points->second.array();
  for (size_t i = 1; i < list.size(); ++i) {
    if (list[i]["batch"].integer() <= list[i - 1]["batch"].integer())
      problems.push_back(
          {{std::string("points"), i, std::string("batch")},
           fmt::format("batch {} follows batch {}", list[i]["batch"].integer(), list[i - 1]["batch"].integer()),
           "list the points by ascending batch"});
  }
}

void check_accelerator(const Json::Object& accelerator, std::vector<Problem>& problems) {
  const auto idle = accelerator.find("idle_power_w");
  const auto peak = accelerator.find("peak_power_w");
  if (idle != accelerator.end() && peak != accelerator.end() && idle->second.number() > peak->second.number())
    problems.push_back(
        {{std::string("peak_power_w")}, "the peak power is below the idle power", "write at least idle_power_w"});
}

}  // namespace

std::optional<std::string> check_id(std::string_view id) {
  const auto alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  if (id.empty()) return "an id is not empty";
  if (id.size() > kIdBytesMax) return fmt::format("an id has at most {} characters", kIdBytesMax);
  if (!alphanumeric(id.front())) return "an id starts with a letter or a digit";
  const auto allowed = [&](char c) { return alphanumeric(c) || c == '.' || c == '_' || c == '-' || c == ':'; };
  if (!std::all_of(id.begin(), id.end(), allowed)) return "an id has only ASCII letters, digits and . _ - :";
  return std::nullopt;
}

Json check_value(const Attribute& attribute, const Json& value, Path path, std::vector<Problem>& problems) {
  const size_t before = problems.size();
  Json canonical = Checker(attribute, path, problems).whole(value);
  return problems.size() == before ? canonical : Json();
}

namespace {

bool is_plain_text(std::string_view text) {
  return text.size() <= kTextBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7F; });
}

bool is_plainly_canonical(const Attribute& attribute, const Json& value) {
  if (value.is_string()) return is_plainly_canonical(attribute, value.text());
  if (value.is_integer()) return is_plainly_canonical(attribute, value.integer());
  if (value.is_number()) return is_plainly_canonical(attribute, value.number());
  return value.is_bool() && is_plainly_canonical(attribute, value.boolean());
}

bool is_well_within(const Attribute& attribute, double n) {
  return (!attribute.minimum || n > *attribute.minimum) && (!attribute.maximum || n < *attribute.maximum);
}

}  // namespace

bool is_plainly_canonical(const Attribute& attribute, bool) {
  return attribute.type == Type::boolean && !attribute.list;
}

bool is_plainly_canonical(const Attribute& attribute, int64_t value) {
  const auto n = static_cast<double>(value);
  return attribute.type == Type::integer && !attribute.list && std::fabs(n) <= 9e15 && is_well_within(attribute, n);
}

bool is_plainly_canonical(const Attribute& attribute, double value) {
  return attribute.type == Type::number && !attribute.list && std::isfinite(value) &&
         !(value == 0 && std::signbit(value)) && is_well_within(attribute, value);
}

bool is_plainly_canonical(const Attribute& attribute, std::string_view value) {
  if (attribute.list) return false;
  if (attribute.type == Type::text) return is_plain_text(value) && is_canonical_text(attribute.format, value);
  if (attribute.type == Type::choice) return std::ranges::find(attribute.choices, value) != attribute.choices.end();
  if (attribute.type != Type::reference) return false;
  const Target target = target_of(attribute, value);
  const auto& kinds = attribute.refers_to_any;
  return (kinds.empty() || std::ranges::find(kinds, target.kind) != kinds.end()) && !check_id(target.id);
}

Json::Object check_attributes(const Kind& kind, Json::Object attributes, std::vector<Problem>& problems) {
  for (auto i = attributes.begin(); i != attributes.end();) {
    const std::string& name = i->first;
    Json& value = i->second;
    const size_t before = problems.size();
    const Attribute* attribute = kind.find(name);
    if (attribute == nullptr) {
      std::vector<std::string> names{"id"};
      for (const Attribute& known : kind.attributes) names.emplace_back(known.name);
      const auto meant = nearest(name, names);
      problems.push_back(
          {{name},
           fmt::format("a {} has no key {}", kind.name, describe(name)),
           meant ? fmt::format("did you mean '{}'?", *meant) : fmt::format("its keys are {}", fmt::join(names, ", "))});
    } else if (value.is_null()) {
      if (attribute->required)
        problems.push_back({{name}, fmt::format("{} is empty", name), what_is_right(*attribute)});
    } else {
      if (attribute->type == Type::number && value.is_integer() && !attribute->list) value = value.number();
      if (!is_plainly_canonical(*attribute, value)) value = check_value(*attribute, value, {name}, problems);
    }
    i = problems.size() == before ? std::next(i) : attributes.erase(i);
  }
  return attributes;
}

void check_entity(const Kind& kind, const Json::Object& attributes, std::vector<Problem>& problems) {
  for (const Attribute& attribute : kind.attributes) {
    if (!attribute.required) continue;
    const auto found = attributes.find(attribute.name);
    if (found == attributes.end() || found->second.is_null())
      problems.push_back({{}, fmt::format("{} is missing", attribute.name), what_is_right(attribute)});
  }
  if (kind.name == "link") check_link(attributes, problems);
  if (kind.name == "pool") check_pool(attributes, problems);
  if (kind.name == "profile") check_profile(attributes, problems);
  if (kind.name == "accelerator") check_accelerator(attributes, problems);
}

}  // namespace tandem::grid
