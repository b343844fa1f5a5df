#include "api/asked_snapshot.h"

#include <fmt/format.h>

#include "base/text.h"
#include "query/as_of.h"

namespace tandem::api {
namespace {

tl::unexpected<Error> fail_as_of(std::string message) {
  return fail(ErrorCode::invalid_argument, std::move(message), "as_of");
}

Result<log::Offset> offset_on_log(log::Offset offset, log::Offset last) {
  if (offset <= last) return offset;
  return fail_as_of(fmt::format("offset {} is not on the log, which ends at {}", offset, last));
}

Result<inventory::AsOf> read_as_of(std::string_view text, log::Offset last, Instant now) {
  inventory::AsOf when;
  const size_t at = text.find('@');
  const auto first = query::parse_as_of(text.substr(0, at), now);
  if (!first) return fail_as_of(first.error().message);
  if (const auto* offset = std::get_if<log::Offset>(&*first)) {
    TANDEM_ASSIGN(when.recorded, offset_on_log(*offset, last));
  } else if (at == std::string_view::npos) {
    when.valid = std::get<Instant>(*first);
  }
  if (at == std::string_view::npos) return when;
  const auto second = query::parse_as_of(text.substr(at + 1), now);
  if (!when.recorded || !second || !std::holds_alternative<Instant>(*second))
    return fail_as_of("with an @, 'as_of' takes an offset of the log before it and a time after it");
  when.valid = std::get<Instant>(*second);
  return when;
}

}  // namespace

Result<BranchPointer> branch_named(const Call& call, const std::string& name, const char* parameter) {
  if (auto branch = call.published->state.branches.find(name)) return branch;
  std::vector<std::string> names;
  for (const auto& known : call.published->state.branches.all()) names.push_back(known->name);
  const auto meant = nearest(name, names);
  return fail(ErrorCode::not_found,
              fmt::format("no branch '{}'{}", name.substr(0, inventory::kBranchNameBytesMax),
                          meant ? fmt::format("; did you mean '{}'?", *meant) : ""),
              parameter);
}

Result<BranchPointer> asked_branch(const Call& call) {
  const auto name = http::query_value(call.request.query, "branch");
  return name ? branch_named(call, *name, "branch") : BranchPointer();
}

Result<Asked> asked_snapshot(const Call& call, Instant now) {
  inventory::Snapshot snapshot = call.published->state.inventory;
  TANDEM_ASSIGN(const BranchPointer branch, asked_branch(call));
  if (branch) snapshot = branch->head.opened_by(snapshot.opener());
  const auto text = http::query_value(call.request.query, "as_of");
  if (!text) return Asked{std::move(snapshot), now};
  TANDEM_ASSIGN(const inventory::AsOf when, read_as_of(*text, snapshot.offset(), now));
  snapshot = snapshot.as_of(when);
  const Instant then = snapshot.time();
  return Asked{std::move(snapshot), then};
}

}  // namespace tandem::api
