#include "api/usage_desk.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "api/desk.h"
#include "base/text.h"
#include "control/accounts.h"
#include "query/query.h"

namespace tandem::api {

namespace asio = boost::asio;

namespace {

using control::AccountKey;
using control::Accounts;
using control::AccountStep;
using control::UsageSums;

constexpr size_t kUsageRowsMax = 100'000;  // one answer, ~30 MB

enum class Column : uint8_t { tenant, model, site, hour, day, month };
constexpr std::array<std::string_view, 6> kColumns{"tenant", "model", "site", "hour", "day", "month"};

struct UsageQuestion {
  Instant from{0};
  Instant to{INT64_MAX};
  std::string tenant, model, site;  // empty: any
  std::vector<Column> group;
  AccountStep step = AccountStep::day;

  bool takes(std::string_view of_tenant, std::string_view of_model, std::string_view of_site) const {
    return (tenant.empty() || tenant == of_tenant) && (model.empty() || model == of_model) &&
           (site.empty() || site == of_site);
  }
  bool groups_by(Column column) const { return std::ranges::find(group, column) != group.end(); }
};

// A time, or a date for its first moment. Errors: invalid_argument where no hour begins then.
Result<Instant> read_hour(const http::Request& request, std::string_view name, Instant fallback) {
  const auto text = http::query_value(request.query, name);
  if (!text) return fallback;
  constexpr size_t kDateLength = 10;
  const auto at = parse_rfc3339(text->size() == kDateLength ? *text + "T00:00:00Z" : *text);
  if (!at || at->ns < 0 || at->ns % hours(1).ns != 0)
    return fail(ErrorCode::invalid_argument,
                fmt::format("'{}' must be a date or a whole hour, as 2026-11-21 or 2026-11-21T08:00:00Z", name),
                std::string(name));
  return *at;
}

Result<std::vector<Column>> read_group(const http::Request& request) {
  std::vector<Column> group;
  const std::string text = http::query_value(request.query, "group_by").value_or("tenant,model,site");
  if (text.empty()) return group;  // all in one
  for (const std::string_view word : split(text, ',')) {
    const auto found = std::ranges::find(kColumns, trim(word));
    const auto column = static_cast<Column>(found - kColumns.begin());
    if (found == kColumns.end() || std::ranges::find(group, column) != group.end())
      return fail(ErrorCode::invalid_argument,
                  "'group_by' takes each of tenant, model, site, hour, day and month once, separated by commas",
                  "group_by");
    group.push_back(column);
  }
  return group;
}

bool begins(AccountStep step, Instant at) {
  return at.ns == 0 || at.ns == INT64_MAX || control::begin_of(step, at) == at;
}

Result<UsageQuestion> read_usage_question(const http::Request& request) {
  UsageQuestion question;
  TANDEM_ASSIGN(question.from, read_hour(request, "from", question.from));
  TANDEM_ASSIGN(question.to, read_hour(request, "to", question.to));
  if (question.to < question.from) return fail(ErrorCode::invalid_argument, "'to' is before 'from'", "to");
  question.tenant = http::query_value(request.query, "tenant").value_or("");
  question.model = http::query_value(request.query, "model").value_or("");
  question.site = http::query_value(request.query, "site").value_or("");
  TANDEM_ASSIGN(question.group, read_group(request));
  const bool by_day = begins(AccountStep::day, question.from) && begins(AccountStep::day, question.to);
  const bool by_month = begins(AccountStep::month, question.from) && begins(AccountStep::month, question.to);
  const bool tenants_alone = question.model.empty() && question.site.empty() && !question.groups_by(Column::model) &&
                             !question.groups_by(Column::site);
  if (question.groups_by(Column::hour) || !by_day)
    question.step = AccountStep::hour;
  else if (by_month && tenants_alone && !question.groups_by(Column::day))
    question.step = AccountStep::month;
  return question;
}

// Rows of a group, by its columns' values.
using Grouped = std::map<std::vector<std::string>, UsageSums>;

void add_to(Grouped& rows, const UsageQuestion& question, Instant at, std::string_view tenant, std::string_view model,
            std::string_view site, const UsageSums& sums) {
  if (!question.takes(tenant, model, site)) return;
  std::vector<std::string> values;
  for (const Column column : question.group) {
    switch (column) {
      case Column::tenant: values.emplace_back(tenant); break;
      case Column::model: values.emplace_back(model); break;
      case Column::site: values.emplace_back(site); break;
      case Column::hour: values.push_back(format_rfc3339(control::begin_of(AccountStep::hour, at))); break;
      case Column::day: values.push_back(format_rfc3339(control::begin_of(AccountStep::day, at))); break;
      case Column::month: values.push_back(format_rfc3339(control::begin_of(AccountStep::month, at))); break;
    }
  }
  rows[std::move(values)] += sums;
}

Result<Grouped> closed_rows(const Accounts& accounts, const UsageQuestion& question) {
  Grouped rows;
  accounts.for_each(question.step, question.from, question.to, [&](const AccountKey& key, const UsageSums& sums) {
    if (rows.size() <= kUsageRowsMax)
      add_to(rows, question, Instant{key.from_ns}, key.tenant, key.model, key.site, sums);
  });
  if (rows.size() > kUsageRowsMax)
    return fail(ErrorCode::too_large,
                fmt::format("over {} rows: group by less, or ask for less at once", kUsageRowsMax), "group_by");
  return rows;
}

Grouped open_rows(const std::vector<v1::WindowSealed>& windows, const Accounts& accounts,
                  const UsageQuestion& question) {
  Grouped rows;
  for (const v1::WindowSealed& window : windows) {
    const Instant from{window.from_ns()};
    if (from < question.from || from >= question.to || accounts.counted(from)) continue;
    for (const v1::UsageTotal& total : window.usage())
      if (rows.size() <= kUsageRowsMax)
        add_to(rows, question, from, total.tenant(), total.model(), total.site(), control::sums_of(total));
  }
  return rows;
}

Json::Object sums_json(const UsageSums& sums) {
  return {{"requests", sums.requests},
          {"kept", sums.kept},
          {"prompt_tokens", sums.prompt_tokens},
          {"cached_tokens", sums.cached_tokens},
          {"output_tokens", sums.output_tokens},
          {"estimated_requests", sums.estimated_requests},
          {"estimated_prompt_tokens", sums.estimated_prompt_tokens},
          {"estimated_output_tokens", sums.estimated_output_tokens},
          {"cost_eur", static_cast<double>(sums.cost_nano_eur) * 1e-9},
          {"energy_j", static_cast<double>(sums.energy_mj) * 1e-3},
          {"carbon_g", static_cast<double>(sums.carbon_ug) * 1e-6}};
}

Json rows_json(const Grouped& rows, const UsageQuestion& question) {
  Json::Array list;
  for (const auto& [values, sums] : rows) {
    Json::Object row = sums_json(sums);
    for (size_t i = 0; i < values.size(); ++i)
      row[std::string(kColumns[static_cast<size_t>(question.group[i])])] = values[i];
    list.push_back(std::move(row));
  }
  return list;
}

std::string rows_csv(const Grouped& rows, const UsageQuestion& question) {
  constexpr std::array<std::string_view, 11> kSums{"requests",
                                                   "kept",
                                                   "prompt_tokens",
                                                   "cached_tokens",
                                                   "output_tokens",
                                                   "estimated_requests",
                                                   "estimated_prompt_tokens",
                                                   "estimated_output_tokens",
                                                   "cost_eur",
                                                   "energy_j",
                                                   "carbon_g"};
  query::Table table;
  for (const Column column : question.group)
    table.columns.push_back({std::string(kColumns[static_cast<size_t>(column)]), {}});
  for (const std::string_view sum : kSums) table.columns.push_back({std::string(sum), {}});
  for (const auto& [values, sums] : rows) {
    auto& row = table.rows.emplace_back();
    for (const std::string& value : values) row.emplace_back(value);
    Json::Object fields = sums_json(sums);
    for (const std::string_view sum : kSums) row.push_back(fields.find(sum)->second);
  }
  return query::as_csv(table);
}

Json time_json(Instant at) { return at.ns <= 0 || at.ns == INT64_MAX ? Json() : Json(format_rfc3339(at)); }

std::string_view name_of(AccountStep step) {
  return step == AccountStep::hour ? "hour" : step == AccountStep::day ? "day" : "month";
}

}  // namespace

Result<std::string> UsageDesk::work(const Call& call, bool as_csv) const {
  TANDEM_ASSIGN(const UsageQuestion question, read_usage_question(call.request));
  // First what is open, then what is closed: a window that closes in between is in both, and told apart.
  const std::vector<v1::WindowSealed> windows = activity_.open_usage();
  const auto published = core_.published();
  const Accounts& accounts = published->state.accounts;
  TANDEM_ASSIGN(const Grouped closed, closed_rows(accounts, question));
  if (as_csv) return rows_csv(closed, question);
  UsageSums total;
  for (const auto& [values, sums] : closed) total += sums;
  Json::Array group;
  for (const Column column : question.group) group.emplace_back(std::string(kColumns[static_cast<size_t>(column)]));
  return to_json(Json::Object{{"offset", published->state.head.last()},
                              {"from", time_json(question.from)},
                              {"to", time_json(question.to)},
                              {"step", std::string(name_of(question.step))},
                              {"kept_from", time_json(accounts.kept_from(question.step))},
                              {"closed_to", time_json(accounts.closed_to())},
                              {"group_by", std::move(group)},
                              {"usage", rows_json(closed, question)},
                              {"total", sums_json(total)},
                              {"open", rows_json(open_rows(windows, accounts, question), question)}});
}

asio::awaitable<void> UsageDesk::answer(const Call& call, http::ResponseWriter& writer) {
  const bool as_csv = asks_for_csv(call.request);
  Result<std::string> answer = co_await run_aside(aside_, [&] { return work(call, as_csv); });
  co_await respond_text(std::move(answer), as_csv, writer);
}

}  // namespace tandem::api
