#include "api/inventory_upsert.h"

#include <fmt/format.h>

#include "api/call.h"

namespace tandem::api {
namespace {

constexpr std::string_view kMembers[] = {"kind", "id", "name", "attributes"};

tl::unexpected<Error> wrong_item(std::string place, std::string message) {
  return fail(ErrorCode::invalid_argument, std::move(message), std::move(place));
}

Result<inventory::Row> read_row(const Json& item, const std::string& where) {
  if (!item.is_object()) return wrong_item(where, "an item must be an object");
  for (const auto& [name, value] : item.object())
    if (std::ranges::find(kMembers, name) == std::end(kMembers))
      return wrong_item(fmt::format("{}.{}", where, name.substr(0, 64)),
                   "an item of an upsert has only 'kind', 'id', 'name' and 'attributes'");
  for (const char* name : {"id", "name"})
    if (!item[name].is_null() && !item[name].is_string())
      return wrong_item(fmt::format("{}.{}", where, name), "it must be text");
  if (!item["kind"].is_string() || !item["attributes"].is_object())
    return wrong_item(where, "an item needs 'kind', text, and 'attributes', an object");
  inventory::Row row;
  row.kind = item["kind"].text();
  row.id = item["id"].text();
  row.name = item["name"].text();
  row.attributes = item["attributes"].object();
  return row;
}

Json problem_json(const inventory::RowProblem& problem) {
  return Json::Object{{"message", problem.message},
                      {"fix", problem.fix.empty() ? Json() : Json(problem.fix)},
                      {"param", problem.attribute.empty() ? Json() : Json(problem.attribute)},
                      {"code", "invalid_argument"},
                      {"type", describe(ErrorCode::invalid_argument).openai_type}};
}

}  // namespace

Result<UpsertBody> read_upsert(const Json& body) {
  UpsertBody upsert;
  TANDEM_ASSIGN(upsert.source, read_source(body));
  const Json::Array& items = body["items"].array();
  if (items.empty()) return wrong_item("items", "'items' must be an array with at least one item");
  if (items.size() > kEditsMax)
    return fail(ErrorCode::too_large, fmt::format("{} items at once; send at most {}", items.size(), kEditsMax),
                "items");
  for (size_t i = 0; i < items.size(); ++i) {
    TANDEM_ASSIGN(inventory::Row row, read_row(items[i], fmt::format("items[{}]", i)));
    upsert.rows.push_back(std::move(row));
  }
  return upsert;
}

Trial try_upsert(const control::State& state, UpsertBody body, Instant now) {
  inventory::UpsertOptions options;
  options.source = options.actor = body.source;
  inventory::Upsert upsert(state.inventory, std::move(options));
  std::vector<std::string> kinds;
  for (inventory::Row& row : body.rows) {
    kinds.push_back(row.kind);
    upsert.add(std::move(row));
  }
  upsert.finish();
  Trial trial;
  for (size_t i = 0; i < kinds.size(); ++i)
    trial.rows.push_back(Json::Object{{"row", uint64_t{i}},
                                      {"kind", kinds[i]},
                                      {"id", upsert.id(i)},
                                      {"outcome", inventory::to_string(upsert.outcome(i))}});
  const auto refuse = [&](size_t row, Json error, Error first) {
    Json::Object changed = trial.rows[row].object();
    changed["outcome"] = "refused";
    changed["error"] = std::move(error);
    trial.rows[row] = std::move(changed);
    if (!trial.refused) trial.refused = std::move(first);
  };
  for (const inventory::RowProblem& problem : upsert.problems())
    refuse(problem.row, problem_json(problem),
           {ErrorCode::invalid_argument, problem.message, fmt::format("items[{}]", problem.row)});
  control::State draft = state;
  inventory::ChangeSet changes;
  upsert.for_each_event([&](log::Event event, size_t row) {
    if (auto stepped = control::step(draft, event, now)) {
      for (const log::Event& admitted : *stepped)
        control::fold(draft, admitted, draft.inventory.offset() + 1, now, changes);
      trial.events.push_back(std::move(event));
    } else if (row != inventory::Upsert::kNoRow) {
      refuse(row, error_json(stepped.error()), stepped.error());
    } else if (!trial.refused) {
      trial.refused = stepped.error();
    }
    return true;
  });
  return trial;
}

}  // namespace tandem::api
