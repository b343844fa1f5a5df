#include "api/query_desk.h"

#include <fmt/format.h>

#include "api/asked_snapshot.h"
#include "api/desk.h"
#include "query/query.h"

namespace tandem::api {

namespace asio = boost::asio;

namespace {

constexpr int kHeldMax = 32;  // more of them wait longer than their time limit anyway
constexpr int64_t kRowsDefault = 10'000;
constexpr int64_t kRowsMax = 100'000;  // one answer, ~20 MB
constexpr int64_t kTimeDefaultMs = 5'000;
constexpr int64_t kTimeMaxMs = 30'000;

struct SqlQuestion {
  std::string_view sql;
  Json::Array parameters;
  size_t rows_max = 0;
  Duration time_limit;
};

Result<SqlQuestion> read_question(const Json& body) {
  if (!body["sql"].is_string()) return fail(ErrorCode::invalid_argument, "'sql' must be a text, one SELECT", "sql");
  if (!body["parameters"].is_null() && !body["parameters"].is_array())
    return fail(ErrorCode::invalid_argument, "'parameters' must be an array, of what stands for each ?", "parameters");
  SqlQuestion question;
  question.sql = body["sql"].text();
  question.parameters = body["parameters"].array();
  TANDEM_ASSIGN(const int64_t rows, read_whole(body, "limit", kRowsDefault, 1, kRowsMax));
  TANDEM_ASSIGN(const int64_t time_ms, read_whole(body, "time_limit_ms", kTimeDefaultMs, 1, kTimeMaxMs));
  question.rows_max = static_cast<size_t>(rows);
  question.time_limit = milliseconds(time_ms);
  return question;
}

}  // namespace

QueryDesk::~QueryDesk() {
  closing_ = true;
  threads_.join();
}

Result<std::string> QueryDesk::work(const Call& call, bool as_csv) const {
  TANDEM_ASSIGN(const Json body, read_object(call.request, {"sql", "parameters", "limit", "time_limit_ms"}));
  TANDEM_ASSIGN(const SqlQuestion question, read_question(body));
  TANDEM_ASSIGN(const Asked asked, asked_snapshot(call, clock_.now()));
  query::Limits limits;
  limits.rows_max = question.rows_max;
  limits.now = asked.now;
  const Duration end = clock_.monotonic() + question.time_limit;
  limits.stop = [this, end] { return closing_ || clock_.monotonic() >= end; };
  TANDEM_ASSIGN(const query::Table table, query::run(asked.snapshot, question.sql, limits, question.parameters));
  return as_csv ? query::as_csv(table) : to_json(query::as_json(table));
}

asio::awaitable<void> QueryDesk::answer(const Call& call, http::ResponseWriter& writer) {
  const bool as_csv = asks_for_csv(call.request);
  Result<std::string> answer =
      fail(ErrorCode::resource_exhausted, "too many queries wait already; try again in a moment");
  const DeskPlace place(held_, kHeldMax);
  if (place.is_free()) answer = co_await run_aside(threads_, [&] { return work(call, as_csv); });
  co_await respond_text(std::move(answer), as_csv, writer);
}

}  // namespace tandem::api
