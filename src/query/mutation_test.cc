#include <gtest/gtest.h>

#include "query/query.h"
#include "query/sql_corpus.h"
#include "support/small_world.h"

namespace tandem::query {
namespace {

// Each is answered within its limits or refused by a sentence, and the next is answered as if it had not been.
void run_mutated(uint64_t seed, int count) {
  inventory::Snapshot snapshot;
  for (const log::Event& event : test_support::small_world(4)) snapshot.fold(event, snapshot.offset() + 1, {});
  const Digest before = snapshot.hash();
  Limits limits;
  limits.rows_max = 50;
  limits.steps_max = 50'000;
  limits.memory_bytes_max = 8u << 20;
  Random random(seed);
  int answered = 0;
  for (int i = 0; i < count; ++i) {
    const std::string sql = mutated(kStatements[random.below(kStatements.size())], random);
    const auto table = run(snapshot, sql, limits);
    if (!table) {
      const ErrorCode code = table.error().code;
      EXPECT_TRUE(code == ErrorCode::invalid_argument || code == ErrorCode::permission_denied ||
                  code == ErrorCode::too_large || code == ErrorCode::not_found)
          << sql << '\n'
          << to_string(table.error());
      EXPECT_FALSE(table.error().message.empty());
      continue;
    }
    ++answered;
    EXPECT_LE(table->rows.size(), limits.rows_max);
    for (const Json::Array& row : table->rows) EXPECT_EQ(row.size(), table->columns.size());
  }
  EXPECT_GT(answered, count / 50);
  EXPECT_EQ(snapshot.hash(), before);
}

TEST(QueryMutation, StatementsAsTheyStandAreAnswered) {
  inventory::Snapshot snapshot;
  for (const log::Event& event : test_support::small_world(4)) snapshot.fold(event, snapshot.offset() + 1, {});
  for (const std::string_view sql : kStatements) {
    const auto table = run(snapshot, sql, {});
    ASSERT_TRUE(table) << sql << ": " << to_string(table.error());
    EXPECT_FALSE(table->rows.empty()) << sql;
  }
}

TEST(QueryMutation, StatementsAreAnsweredOrRefused) { run_mutated(7, 10'000); }
TEST(QueryMutationSoak, NinetyThousandMore) { run_mutated(8, 90'000); }

}  // namespace
}  // namespace tandem::query
