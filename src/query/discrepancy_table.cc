#include "query/discrepancy_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "inventory/reconcile.h"

namespace tandem::query {
namespace {

constexpr size_t kDiscrepanciesKept = 100'000;  // ~1 kB each with their evidence; nobody looks through more

class DiscrepanciesTable final : public VirtualTable {
 public:
  enum Columns : size_t {
    kDiscrepancyId,
    kType,
    kAboutKind,
    kAboutId,
    kOnAttribute,
    kSummary,
    kSince,
    kAtOffset,
    kAcceptedAs,
    kWho,
    kAction,
    kSite,
    kPlace,
    kLatitude,
    kLongitude,
    kEvidence,
    kAlso
  };
  enum Paths : int { kAll, kOfKind, kOfEntity, kOfType };

  DiscrepanciesTable()
      : VirtualTable("discrepancies", "Where sources disagree, and who should look at what to settle it.") {
    add({"id", ColumnType::text, "The same for the same disagreement.", {}, false});
    add({"type",
         ColumnType::text,
         "value_conflict, moved, swapped, ghost, unplanned, stale, silent or duplicate.",
         {},
         false});
    add({"kind", ColumnType::text, "Kind of the entity that it is about.", {}, false});
    add({"entity", ColumnType::text, "Id of that entity.", {}, false});
    add({"attribute", ColumnType::text, "On which they disagree; null where it is not about one.", {}, false});
    add({"summary", ColumnType::text, "What is the matter, in a sentence.", {}, false});
    add({"since", ColumnType::text, "When the youngest word of it was said, RFC 3339.", {}, false});
    add({"offset", ColumnType::integer, "Of that word.", {}, false});
    add({"accepted_as", ColumnType::text, "The deviation by which it is accepted; null where it is not.", "deviation",
         false});
    add({"who", ColumnType::text, "Who should look.", {}, false});
    add({"action", ColumnType::text, "At what, and what each outcome means.", {}, false});
    add({"site", ColumnType::text, "Where to go; null where nobody has to travel.", "site", false});
    add({"place", ColumnType::text, "Where there.", {}, false});
    add({"latitude_deg", ColumnType::number, "Of that site.", {}, false});
    add({"longitude_deg", ColumnType::number, "Of that site.", {}, false});
    add({"evidence",
         ColumnType::json,
         "What each source says of it: source, standing, attribute, value, since, offset, believed.",
         {},
         false});
    add({"also", ColumnType::json, "Others that have part in it, as kind/id.", {}, false});
    set_key({kDiscrepancyId});
  }

  std::vector<AccessPath> paths(const Context&) const override {
    return {{kAll, {}, {}, {}, 1'000, false},
            {kOfKind, {kAboutKind}, {}, {}, 100, false},
            {kOfEntity, {kAboutKind, kAboutId}, {}, {}, 2, false},
            {kOfType, {kType}, {}, {}, 200, false}};
  }
  std::optional<size_t> size(const Context&) const override { return std::nullopt; }
  Result<std::unique_ptr<Source>> open(const Context& context, Access access) const override;
};

void set_text(Rows& rows, size_t column, const std::string& text) {
  if (!text.empty()) rows.set(column, std::string_view(text));
}

Json evidence_of(const inventory::Discrepancy& discrepancy) {
  Json::Array all;
  for (const inventory::Evidence& each : discrepancy.evidence)
    all.push_back(Json::Object{{"source", each.source},
                               {"standing", inventory::to_text(each.standing)},
                               {"attribute", each.attribute.empty() ? Json() : Json(each.attribute)},
                               {"value", each.value},
                               {"since", format_rfc3339(each.since)},
                               {"offset", each.offset},
                               {"believed", each.believed}});
  return all;
}

void add_discrepancy(const inventory::Discrepancy& discrepancy, const Access& access, Rows& rows) {
  using Table = DiscrepanciesTable;
  const inventory::Verification& verification = discrepancy.verification;
  rows.add();
  rows.set(Table::kDiscrepancyId, std::string_view(discrepancy.id));
  rows.set(Table::kType, inventory::name_of(discrepancy.kind));
  rows.set(Table::kAboutKind, std::string_view(discrepancy.about.kind));
  rows.set(Table::kAboutId, std::string_view(discrepancy.about.id));
  set_text(rows, Table::kOnAttribute, discrepancy.attribute);
  set_text(rows, Table::kSummary, discrepancy.summary);
  rows.set(Table::kSince, std::string_view(format_rfc3339(discrepancy.since)));
  rows.set(Table::kAtOffset, discrepancy.offset);
  set_text(rows, Table::kAcceptedAs, discrepancy.accepted_as);
  set_text(rows, Table::kWho, verification.who);
  set_text(rows, Table::kAction, verification.action);
  set_text(rows, Table::kSite, verification.site);
  set_text(rows, Table::kPlace, verification.place);
  if (verification.latitude_deg) rows.set(Table::kLatitude, *verification.latitude_deg);
  if (verification.longitude_deg) rows.set(Table::kLongitude, *verification.longitude_deg);
  if (access.wants(Table::kEvidence)) rows.set_json(Table::kEvidence, evidence_of(discrepancy));
  Json::Array also;
  for (const inventory::Referrer& other : discrepancy.also) also.push_back(other.kind + '/' + other.id);
  rows.set_json(Table::kAlso, std::move(also));
}

using Found = std::vector<inventory::Discrepancy>;

class DiscrepanciesSource final : public Source {
 public:
  // Those from `begin` to `end`, of one type or of any.
  DiscrepanciesSource(const Context& context, Access access, Found::const_iterator begin, Found::const_iterator end)
      : context_(context), access_(std::move(access)), next_(begin), end_(end) {}

  Result<void> fill(Rows& rows, size_t count) override {
    for (; rows.size() < count && next_ != end_ && context_.budget.spend(1); ++next_)
      if (access_.path != DiscrepanciesTable::kOfType || inventory::name_of(next_->kind) == access_.equal[0])
        add_discrepancy(*next_, access_, rows);
    return {};
  }

 private:
  const Context& context_;
  Access access_;
  Found::const_iterator next_, end_;
};

// All of them, found out at the first call of a query.
Result<const Found*> found_in(const Context& context) {
  if (context.discrepancies) return &*context.discrepancies;
  inventory::ReconcileOptions options;
  options.limit = kDiscrepanciesKept;
  options.accepted = true;
  inventory::Reconciliation result = inventory::reconcile(context.snapshot, context.budget.now(), options);
  if (result.found > kDiscrepanciesKept)
    return fail(ErrorCode::too_large,
                fmt::format("there are {} discrepancies, more than a query takes; GET /api/v1/discrepancies "
                            "has those of one kind, type or entity",
                            result.found));
  std::ranges::sort(result.discrepancies,
                    [](const auto& a, const auto& b) { return std::tie(a.about, a.id) < std::tie(b.about, b.id); });
  context.discrepancies = std::move(result.discrepancies);
  return &*context.discrepancies;
}

Result<std::unique_ptr<Source>> DiscrepanciesTable::open(const Context& context, Access access) const {
  inventory::ReconcileOptions read;
  if (access.path == kOfKind || access.path == kOfEntity) read.entity_kind = access.equal[0];
  TANDEM_TRY(inventory::reconcilable(context.snapshot, read));
  TANDEM_ASSIGN(const Found* found, found_in(context));
  auto begin = found->begin(), end = found->end();
  if (access.path == kOfKind) {
    const auto range = std::ranges::equal_range(
        *found, access.equal[0], {}, [](const auto& each) -> const auto& { return each.about.kind; });
    begin = range.begin(), end = range.end();
  } else if (access.path == kOfEntity) {
    const inventory::Referrer about{access.equal[0], access.equal[1]};
    const auto range = std::ranges::equal_range(*found, about, {}, &inventory::Discrepancy::about);
    begin = range.begin(), end = range.end();
  }
  return std::make_unique<DiscrepanciesSource>(context, std::move(access), begin, end);
}

}  // namespace

std::unique_ptr<VirtualTable> discrepancies_table() { return std::make_unique<DiscrepanciesTable>(); }

}  // namespace tandem::query
