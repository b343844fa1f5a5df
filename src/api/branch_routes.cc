#include "api/branch_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "api/asked_snapshot.h"
#include "api/branch_verdict.h"
#include "api/inventory_edit.h"
#include "api/inventory_query.h"
#include "base/text.h"
#include "inventory/branch.h"

namespace tandem::api {

namespace asio = boost::asio;

namespace {

constexpr size_t kDifferencesDefault = 100;
constexpr size_t kDifferencesMax = 1'000;
constexpr size_t kConflictsDefault = 100;  // of each, conflicts and violations
constexpr size_t kConflictsMax = 1'000;
constexpr size_t kSettlementsMax = 2'000;
constexpr const char* kActor = "operator:api";

Result<BranchPointer> branch_of(const Call& call) {
  TANDEM_ASSIGN(const BranchPointer branch, branch_named(call, call.parameters[0], "name"));
  auto readable = std::make_shared<inventory::Branch>(*branch);
  readable->base = branch->base.opened_by(call.published->state.inventory.opener());
  readable->head = branch->head.opened_by(call.published->state.inventory.opener());
  return BranchPointer(std::move(readable));
}

Json::Object branch_json(const inventory::Branch& branch, const inventory::Branches& branches) {
  Json::Array children;
  for (std::string& name : branches.children(branch.name)) children.push_back(std::move(name));
  return {{"name", branch.name},
          {"parent", branch.parent.empty() ? Json() : Json(branch.parent)},
          {"purpose", branch.purpose},
          {"author", branch.author},
          {"created", branch.created},
          {"created_at", format_rfc3339(branch.created_at)},
          {"base_offset", branch.base_offset},
          {"changed", branch.changed},
          {"edits", uint64_t{branch.edit_count}},
          {"children", std::move(children)}};
}

std::string_view to_text(inventory::Change::What what) {
  switch (what) {
    case inventory::Change::What::added: return "added";
    case inventory::Change::What::removed: return "removed";
    case inventory::Change::What::changed: return "changed";
  }
  return "changed";
}

Json difference_json(const inventory::Difference& difference) {
  Json::Array attributes;
  for (const inventory::AttributeDifference& attribute : difference.attributes)
    attributes.push_back(
        Json::Object{{"name", attribute.name}, {"before", attribute.before}, {"after", attribute.after}});
  return Json::Object{{"what", to_text(difference.what)},
                      {"kind", difference.kind},
                      {"id", difference.id},
                      {"attributes", std::move(attributes)}};
}

Json conflict_json(const inventory::Conflict& conflict) {
  return Json::Object{{"what", inventory::to_string(conflict.what)},
                      {"kind", conflict.kind},
                      {"id", conflict.id},
                      {"attribute", conflict.attribute.empty() ? Json() : Json(conflict.attribute)},
                      {"base", conflict.base},
                      {"ours", conflict.ours},
                      {"theirs", conflict.theirs},
                      {"ours_offset", conflict.ours_offset},
                      {"theirs_offset", conflict.theirs_offset},
                      {"message", conflict.message},
                      {"fix", conflict.fix}};
}

Json violation_json(const inventory::Violation& violation) {
  Json::Array others;
  for (const inventory::EntityKey& other : violation.others)
    others.push_back(Json::Object{{"kind", other.kind}, {"id", other.id}});
  return Json::Object{{"kind", violation.kind},
                      {"id", violation.id},
                      {"constraint", violation.constraint},
                      {"attribute", violation.attribute.empty() ? Json() : Json(violation.attribute)},
                      {"message", violation.message},
                      {"fix", violation.fix},
                      {"others", std::move(others)}};
}

// What stands in the way of a merge onto the parent as it is now.
Result<Json> conflicts_view(const Call& call) {
  TANDEM_ASSIGN(const BranchPointer branch, branch_of(call));
  TANDEM_ASSIGN(const size_t limit, read_count(call.request, "limit", kConflictsDefault, kConflictsMax));
  const control::State& state = call.published->state;
  const inventory::Snapshot* parent = state.branches.head(branch->parent, state.inventory);
  if (parent == nullptr) return fail(ErrorCode::not_found, fmt::format("its parent '{}' is gone", branch->parent));
  const inventory::MergeOutcome outcome =
      inventory::try_merge(*branch, parent->opened_by(state.inventory.opener()), limit + 1);
  Json::Array conflicts, violations;
  for (size_t i = 0; i < std::min(limit, outcome.conflicts.size()); ++i)
    conflicts.push_back(conflict_json(outcome.conflicts[i]));
  for (size_t i = 0; i < std::min(limit, outcome.violations.size()); ++i)
    violations.push_back(violation_json(outcome.violations[i]));
  return Json(Json::Object{{"offset", state.head.last()},
                           {"branch", branch->name},
                           {"clean", outcome.clean()},
                           {"conflicts", std::move(conflicts)},
                           {"violations", std::move(violations)},
                           {"truncated", outcome.conflicts.size() > limit || outcome.violations.size() > limit}});
}

Result<Json> verdict_view(const Call& call) {
  TANDEM_ASSIGN(const BranchPointer branch, branch_named(call, call.parameters[0], "name"));
  return branch_verdict(*call.published, *branch);
}

// "<kind>/<id>": where a page of a diff goes on.
Result<inventory::EntityKey> read_diff_cursor(const http::Request& request) {
  const auto cursor = http::query_value(request.query, "cursor");
  if (!cursor) return inventory::EntityKey{};
  const size_t slash = cursor->find('/');
  if (slash == std::string::npos || grid::check_id(cursor->substr(slash + 1)) ||
      grid::check_id(cursor->substr(0, slash)))
    return fail(ErrorCode::invalid_argument,
                "this is no cursor; take `next` of the page before, or leave it out for the first page", "cursor");
  return inventory::EntityKey{cursor->substr(0, slash), cursor->substr(slash + 1)};
}

Result<Json> diff_view(const Call& call) {
  TANDEM_ASSIGN(const BranchPointer branch, branch_of(call));
  inventory::DiffOptions options;
  TANDEM_ASSIGN(options.limit, read_count(call.request, "limit", kDifferencesDefault, kDifferencesMax));
  options.limit = std::max<size_t>(options.limit, 1);
  TANDEM_ASSIGN(options.from, read_diff_cursor(call.request));
  options.kind = http::query_value(call.request.query, "kind").value_or("");
  const inventory::DiffPage page = inventory::diff(*branch, options);
  Json::Array differences;
  for (const inventory::Difference& difference : page.differences) differences.push_back(difference_json(difference));
  return Json(Json::Object{{"offset", call.published->state.head.last()},
                           {"branch", branch->name},
                           {"base_offset", branch->base_offset},
                           {"differences", std::move(differences)},
                           {"next", page.next ? Json(fmt::format("{}/{}", page.next->kind, page.next->id)) : Json()}});
}

Result<Json> list_view(const Call& call) {
  Json::Array branches;
  for (const BranchPointer& branch : call.published->state.branches.all())
    branches.push_back(branch_json(*branch, call.published->state.branches));
  return Json(Json::Object{{"offset", call.published->state.head.last()}, {"branches", std::move(branches)}});
}

Result<Json> one_view(const Call& call) {
  TANDEM_ASSIGN(const BranchPointer branch, branch_of(call));
  Json::Object answer = branch_json(*branch, call.published->state.branches);
  answer["offset"] = call.published->state.head.last();
  return Json(std::move(answer));
}

Result<std::string> read_text(const Json& body, std::string_view name) {
  if (body[name].is_null() || body[name].is_string()) return std::string(body[name].text());
  return fail(ErrorCode::invalid_argument, fmt::format("'{}' must be text", name), std::string(name));
}

Result<log::Event> create_event(const Call& call) {
  TANDEM_ASSIGN(const Json body, read_object(call.request, {"name", "parent", "purpose"}));
  log::Event event;
  event.set_actor(kActor);
  v1::BranchCreated& created = *event.mutable_branch_created();
  TANDEM_ASSIGN(*created.mutable_name(), read_text(body, "name"));
  TANDEM_ASSIGN(*created.mutable_parent(), read_text(body, "parent"));
  TANDEM_ASSIGN(*created.mutable_purpose(), read_text(body, "purpose"));
  if (const auto wrong = inventory::check_branch_name(created.name()))
    return fail(ErrorCode::invalid_argument, *wrong, "name");
  return event;
}

// One of the names of a list in the body. Errors: invalid_argument.
Result<std::vector<std::string>> read_names(const Json& list, const std::string& where) {
  std::vector<std::string> names;
  if (!list.is_null() && !list.is_array())
    return fail(ErrorCode::invalid_argument, "it must be an array of names of attributes", where);
  for (const Json& name : list.array()) names.emplace_back(name.text());
  return names;
}

Result<void> add_settlement(const Json& item, const std::string& where, v1::BranchEdited& edited) {
  const std::string_view take = item["take"].text();
  const bool known = take == "ours" || take == "theirs";
  if (!item["kind"].is_string() || !item["id"].is_string() || !known)
    return fail(ErrorCode::invalid_argument, "a settlement needs 'kind', 'id' and 'take', \"ours\" or \"theirs\"",
                where);
  v1::ConflictSettled& settled = *edited.add_edits()->mutable_settled();
  settled.set_kind(std::string(item["kind"].text()));
  settled.set_id(std::string(item["id"].text()));
  settled.set_take(take == "ours" ? v1::ConflictSettled::TAKE_OURS : v1::ConflictSettled::TAKE_THEIRS);
  TANDEM_ASSIGN(const auto names, read_names(item["attributes"], where + ".attributes"));
  settled.mutable_attributes()->Assign(names.begin(), names.end());
  return {};
}

Result<void> add_taken_back(const Json& item, const std::string& where, v1::BranchEdited& edited) {
  if (!item["kind"].is_string() || !item["id"].is_string())
    return fail(ErrorCode::invalid_argument, "what is taken back needs 'kind' and 'id', both text", where);
  v1::EditsTakenBack& taken = *edited.add_edits()->mutable_taken_back();
  taken.set_kind(std::string(item["kind"].text()));
  taken.set_id(std::string(item["id"].text()));
  TANDEM_ASSIGN(const auto names, read_names(item["attributes"], where + ".attributes"));
  taken.mutable_attributes()->Assign(names.begin(), names.end());
  return {};
}

// {"source"?, "items"?, "take_back"?, "settle"?}: at least one of the lists.
Result<log::Event> edit_event(const Call& call) {
  TANDEM_ASSIGN(const BranchPointer branch, branch_of(call));
  TANDEM_ASSIGN(const Json body, read_object(call.request, {"source", "items", "take_back", "settle"}));
  log::Event event;
  event.set_actor(kActor);
  v1::BranchEdited& edited = *event.mutable_branch_edited();
  edited.set_branch(branch->name);
  if (!body["items"].is_null()) {
    TANDEM_ASSIGN(const Edits edits, read_edits(body));
    for (const Edit& edit : edits.rows) {
      if (edit.expected)
        return fail(ErrorCode::invalid_argument, "a branch's edits expect nothing: conflicts are seen before a merge",
                    edit.place);
      log::Event one = event_of(edit, edits.source, branch->head);
      v1::BranchEdit& added = *edited.add_edits();
      if (one.has_facts_recorded())
        *added.mutable_facts() = std::move(*one.mutable_facts_recorded());
      else
        *added.mutable_retraction() = std::move(*one.mutable_entity_retracted());
    }
  }
  const Json::Array& taken = body["take_back"].array();
  const Json::Array& settled = body["settle"].array();
  if (taken.size() > kSettlementsMax || settled.size() > kSettlementsMax)
    return fail(ErrorCode::too_large, fmt::format("at most {} of each are taken at once", kSettlementsMax));
  for (size_t i = 0; i < taken.size(); ++i)
    TANDEM_TRY(add_taken_back(taken[i], fmt::format("take_back[{}]", i), edited));
  for (size_t i = 0; i < settled.size(); ++i)
    TANDEM_TRY(add_settlement(settled[i], fmt::format("settle[{}]", i), edited));
  if (edited.edits_size() == 0)
    return fail(ErrorCode::invalid_argument, "'items', 'take_back' or 'settle' must hold something", "items");
  return event;
}

Result<log::Event> change_event(Operation operation, const Call& call) {
  TANDEM_TRY(may_change(call.request));
  if (operation == Operation::post_branch) return create_event(call);
  if (operation == Operation::post_branch_edits) return edit_event(call);
  TANDEM_ASSIGN(const BranchPointer branch, branch_of(call));
  log::Event event;
  event.set_actor(kActor);
  if (operation == Operation::merge_branch)
    event.mutable_branch_merged()->set_name(branch->name);
  else if (operation == Operation::rebase_branch)
    event.mutable_branch_rebased()->set_name(branch->name);
  else
    event.mutable_branch_discarded()->set_name(branch->name);
  return event;
}

}  // namespace

bool BranchRoutes::serves(Operation operation) {
  switch (operation) {
    case Operation::get_branches:
    case Operation::post_branch:
    case Operation::get_branch:
    case Operation::delete_branch:
    case Operation::post_branch_edits:
    case Operation::get_branch_diff:
    case Operation::get_branch_conflicts:
    case Operation::get_branch_verdict:
    case Operation::merge_branch:
    case Operation::rebase_branch: return true;
    default: return false;
  }
}

asio::awaitable<void> BranchRoutes::change(Operation operation, const Call& call, http::ResponseWriter& writer) const {
  auto event = change_event(operation, call);
  if (!event) {
    co_await respond_failure(event.error(), writer);
    co_return;
  }
  const std::string name = operation == Operation::post_branch ? event->branch_created().name() : call.parameters[0];
  std::vector<log::Event> events;
  events.push_back(std::move(*event));
  const auto offset = co_await submit(core_, std::move(events));
  Json::Object answer;
  int status = operation == Operation::post_branch ? 201 : 200;
  const Call after{call.request, {name}, core_.published()};
  if (offset) {
    const auto branch = after.published->state.branches.find(name);
    answer = branch ? branch_json(*branch, after.published->state.branches) : Json::Object{{"name", name}};
    answer["offset"] = *offset;
  } else {
    status = status_of(offset.error());
    // Who is refused a merge is told everything that stands in its way, not the first of it.
    if (operation == Operation::merge_branch && offset.error().code == ErrorCode::conflict) {
      auto reasons = co_await run_aside(aside_, [&after] { return conflicts_view(after); });
      if (reasons) answer = reasons->object();
    }
    answer["error"] = error_json(offset.error());
  }
  std::string body = to_json(answer);
  co_await writer.respond_json(status, std::move(body));
}

asio::awaitable<void> BranchRoutes::handle(Operation operation, const Call& call, http::ResponseWriter& writer) const {
  Result<Json> (*view)(const Call&) = nullptr;
  switch (operation) {
    case Operation::get_branches: view = list_view; break;
    case Operation::get_branch: view = one_view; break;
    case Operation::get_branch_diff: view = diff_view; break;
    case Operation::get_branch_conflicts: view = conflicts_view; break;
    case Operation::get_branch_verdict: view = verdict_view; break;
    default: co_await change(operation, call, writer); co_return;
  }
  auto answer = co_await run_aside(aside_, [&call, view] { return view(call); });
  co_await respond_result(std::move(answer), writer);
}

}  // namespace tandem::api
