#include "query/cells.h"

namespace tandem::query {

void Rows::set_scalar(size_t column, const inventory::Scalar& value) {
  if (const auto* truth = std::get_if<bool>(&value)) return set(column, int64_t{*truth});
  if (const auto* integer = std::get_if<int64_t>(&value)) return set(column, *integer);
  if (const auto* number = std::get_if<double>(&value)) return set(column, *number);
  if (const auto* text = std::get_if<std::string_view>(&value)) return set(column, *text);
  if (const auto* json = std::get_if<Json>(&value)) return set(column, std::string_view(to_json(*json)));
}

void Rows::set_json(size_t column, const Json& value) {
  if (value.is_null()) return;
  if (value.is_bool()) return set(column, int64_t{value.boolean()});
  if (value.is_integer()) return set(column, value.integer());
  if (value.is_number()) return set(column, value.number());
  if (value.is_string()) return set(column, value.text());
  set(column, std::string_view(to_json(value)));
}

}  // namespace tandem::query
