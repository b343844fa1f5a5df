#include "query/query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "ontology/ontology.h"
#include "query/catalogue.h"
#include "query/kind_table.h"
#include "query/relations.h"
#include "support/small_world.h"

namespace tandem::query {
namespace {

using testing::HasSubstr;

inventory::Snapshot world(size_t sites) {
  inventory::Snapshot snapshot;
  for (const log::Event& event : test_support::small_world(sites)) snapshot.fold(event, snapshot.offset() + 1, {});
  return snapshot;
}

const inventory::Snapshot& small() {
  static const inventory::Snapshot kSnapshot = world(12);
  return kSnapshot;
}

Table answer(std::string_view sql, const inventory::Snapshot& snapshot = small(), const Limits& limits = {}) {
  auto table = run(snapshot, sql, limits);
  EXPECT_TRUE(table) << sql << ": " << (table ? "" : to_string(table.error()));
  return table ? std::move(*table) : Table();
}

// Rows as text, for expectations that can be read.
std::vector<std::string> lines(const Table& table) {
  std::vector<std::string> lines;
  for (const Json::Array& row : table.rows) {
    std::string line;
    for (const Json& value : row)
      line += (line.empty() ? "" : "|") + (value.is_string() ? std::string(value.text()) : tandem::to_json(value));
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> rows_of(std::string_view sql, const inventory::Snapshot& snapshot = small()) {
  return lines(answer(sql, snapshot));
}

std::string refusal(std::string_view sql, const Limits& limits = {}) {
  const auto table = run(small(), sql, limits);
  EXPECT_FALSE(table) << sql;
  return table ? std::string() : to_string(table.error());
}

// ---- Every table against reading the snapshot itself ---------------------------------------------------------------

Json as_column(const grid::Attribute& attribute, const Json& value) {
  return value.is_null() ? attribute.absent : value;
}

std::vector<std::string> kind_rows_directly(const inventory::Snapshot& snapshot, const grid::Kind& kind) {
  Table table;
  snapshot.for_each(kind.name, [&](const inventory::Entity& entity) {
    const Json::Object attributes = snapshot.attributes(kind.name, entity.id);
    Json::Array row{entity.id};
    for (const grid::Attribute& attribute : kind.attributes) {
      const auto found = attributes.find(attribute.name);
      row.push_back(as_column(attribute, found == attributes.end() ? Json() : found->second));
    }
    row.emplace_back(std::string(kind.name) + '/' + entity.id);
    row.emplace_back(entity.created);
    row.emplace_back(entity.changed);
    table.rows.push_back(std::move(row));
    return true;
  });
  return lines(table);
}

TEST(Query, EveryKindIsATableOfWhatTheSnapshotHolds) {
  for (const ontology::Kind& kind : ontology::Ontology::built_in().kinds()) {
    EXPECT_EQ(rows_of("SELECT * FROM " + std::string(kind.name)), kind_rows_directly(small(), kind)) << kind.name;
    EXPECT_EQ(rows_of("SELECT count(*) FROM " + std::string(kind.name)),
              std::vector<std::string>{std::to_string(small().size(kind.name))});
  }
}

TEST(Query, EntitiesAndFactsAreThoseOfTheSnapshot) {
  Table entities, facts;
  for (const std::string& kind : small().kinds()) {
    small().for_each(kind, [&](const inventory::Entity& entity) {
      entities.rows.push_back({kind, entity.id, small().attributes(kind, entity.id), entity.created, entity.changed});
      for (const inventory::Attribute& attribute : entity.attributes) {
        Json value = inventory::to_json_value(attribute.value);
        if (value.is_bool()) value = int64_t{value.boolean()};
        facts.rows.push_back({kind, entity.id, attribute.name, value, attribute.offset});
      }
      return true;
    });
  }
  EXPECT_EQ(rows_of("SELECT kind, id, attributes, _created, _changed FROM entities"), lines(entities));
  EXPECT_EQ(rows_of("SELECT kind, id, attribute, value, \"offset\" FROM facts"), lines(facts));
}

TEST(Query, RelationsReadFromBothEndsAreTheSame) {
  const auto all = rows_of("SELECT * FROM relations ORDER BY from_kind, from_id, attribute, to_kind, to_id");
  EXPECT_GT(all.size(), 50u);
  std::vector<std::string> by_target;
  for (const std::string& target : rows_of("SELECT DISTINCT to_kind || ' ' || to_id FROM relations")) {
    const size_t space = target.find(' ');
    const std::string sql = "SELECT * FROM relations WHERE to_kind = '" + target.substr(0, space) + "' AND to_id = '" +
                            target.substr(space + 1) + "'";
    const auto some = rows_of(sql);
    EXPECT_FALSE(some.empty()) << sql;
    by_target.insert(by_target.end(), some.begin(), some.end());
  }
  std::ranges::sort(by_target);
  auto sorted = all;
  std::ranges::sort(sorted);
  EXPECT_EQ(by_target, sorted);
  EXPECT_EQ(rows_of("SELECT attribute, name, to_kind, to_id, located_in, impact FROM relations WHERE from_kind = "
                    "'node' AND from_id = 'node-3'"),
            std::vector<std::string>{"site|stands_at|site|site-3|true|on_holder"});
}

// Each condition that a path may take over gives what the same condition gives where none can.
TEST(Query, ConditionsThatAreTakenOverGiveTheSameRows) {
  const std::vector<std::string> conditions{"id = 'link-3'",
                                            "id = 3",
                                            "id > 'link-3'",
                                            "id >= 'link-3' AND id < 'link-7'",
                                            "id BETWEEN 'link-10' AND 'link-2'",
                                            "id GLOB 'link-1*'",
                                            "id GLOB '*1'",
                                            "id LIKE 'LINK-1%'",
                                            "a = 'node-4'",
                                            "a = 'node-4' AND b = 'node-5'",
                                            "a = 'node-4' AND id > 'link-4'",
                                            "b IN ('node-1','node-2','nowhere')",
                                            "id IN ('link-1','link-11','x')",
                                            "id = NULL",
                                            "a = x'6e6f64652d34'",
                                            "id < x'00'",
                                            "id > x'00'",
                                            "id > 5",
                                            "id < 5",
                                            "a = 'node-4' OR id = 'link-7' OR id > 'link-8'",
                                            "id = 'LINK-3' COLLATE NOCASE",
                                            "state = 'up'",
                                            "a = 'node-4' OR b = 'node-4'",
                                            "NOT a = 'node-4'",
                                            "id GLOB NULL",
                                            "id GLOB 'link-[12]'",
                                            "_ref = 'link/link-3'",
                                            "_ref = 'node/link-3'",
                                            "_ref = 'link'",
                                            "_ref IN ('link/link-1', 'x')",
                                            "id > 'link-2' AND id > 'link-5'",
                                            "a = ''",
                                            "id >= 'link-3' AND id GLOB 'link-4*'"};
  for (const std::string& condition : conditions) {
    std::string plainly = condition;  // "+" before a column keeps SQLite from handing the condition on
    for (const std::string column : {"id ", "a ", "b ", "_ref "})
      for (size_t at = 0; (at = plainly.find(column, at)) != std::string::npos; at += column.size() + 1)
        if (at == 0 || plainly[at - 1] == ' ') plainly.insert(at, "+");
    auto fast = rows_of("SELECT id FROM link WHERE " + condition);
    auto slow = rows_of("SELECT id FROM link WHERE " + plainly);
    std::ranges::sort(fast);
    std::ranges::sort(slow);
    EXPECT_EQ(fast, slow) << condition << " and " << plainly;
  }
}

TEST(Query, RowsComeInTheOrderAskedFor) {
  const auto ascending = rows_of("SELECT id FROM link ORDER BY id");
  auto sorted = rows_of("SELECT id FROM link");
  std::ranges::sort(sorted);
  EXPECT_EQ(ascending, sorted);
  std::ranges::reverse(sorted);
  EXPECT_EQ(rows_of("SELECT id FROM link ORDER BY id DESC"), sorted);
  EXPECT_EQ(rows_of("SELECT id FROM link WHERE id IN ('link-9', 'link-1') ORDER BY id"),
            (std::vector<std::string>{"link-1", "link-9"}));
  EXPECT_EQ(rows_of("SELECT kind, id FROM entities ORDER BY kind, id").size(), small().size());
}

TEST(Query, JoinsFollowReferences) {
  EXPECT_EQ(
      rows_of(
          "SELECT link.id, site.jurisdiction FROM site JOIN node ON node.site = site.id JOIN link ON link.a = node.id "
          "WHERE site.id = 'site-2'"),
      std::vector<std::string>{"link-2|AT"});
  EXPECT_EQ(
      rows_of(
          "SELECT count(*) FROM link JOIN node a ON a.id = link.a JOIN node b ON b.id = link.b WHERE a.site <> b.site"),
      std::vector<std::string>{"12"});
}

TEST(Query, ReferencesToSeveralKindsJoinBothWays) {
  inventory::Snapshot snapshot;
  uint64_t offset = 0;
  snapshot.fold(test_support::fact("device", "d", {{"site", "s"}}), ++offset, {});
  for (const char* id : {"i1", "i2"})
    snapshot.fold(test_support::fact("interface", id, {{"device", "d"}}), ++offset, {});
  snapshot.fold(test_support::fact("address", "a1", {{"address", "10.0.0.1"}, {"assigned_to", "interface/i2"}}),
                ++offset, {});
  snapshot.fold(test_support::fact("address", "a2", {{"address", "10.0.0.2"}, {"assigned_to", "device/d"}}), ++offset,
                {});
  snapshot.fold(test_support::fact("cable", "c", {{"a_end", "interface/i1"}, {"b_end", "interface/i2"}}), ++offset, {});
  const std::string from_interfaces = "SELECT i.id, a.id FROM interface i JOIN address a ON a.assigned_to = i._ref ";
  EXPECT_EQ(rows_of(from_interfaces, snapshot), std::vector<std::string>{"i2|a1"});
  EXPECT_EQ(rows_of(from_interfaces + "WHERE i.device = 'd' AND i.id > 'i1'", snapshot),
            std::vector<std::string>{"i2|a1"});
  EXPECT_EQ(rows_of("SELECT a.id, d.id FROM address a JOIN device d ON d._ref = a.assigned_to", snapshot),
            std::vector<std::string>{"a2|d"});
  EXPECT_EQ(
      rows_of("SELECT i.id, c.id FROM interface i LEFT JOIN cable c ON c.a_end = i._ref OR c.b_end = i._ref", snapshot),
      (std::vector<std::string>{"i1|c", "i2|c"}));
  EXPECT_EQ(rows_of("SELECT kind, id FROM impact_of('device', 'd') ORDER BY 1, 2", snapshot),
            (std::vector<std::string>{"address|a1", "address|a2", "interface|i1", "interface|i2"}));
  EXPECT_EQ(rows_of("SELECT kind, id FROM impact_of('cable', 'c') ORDER BY 1, 2", snapshot),
            (std::vector<std::string>{"address|a1", "interface|i1", "interface|i2"}));
  EXPECT_EQ(rows_of("SELECT kind, id FROM path_of('address', 'a1')", snapshot),
            (std::vector<std::string>{"interface|i2", "device|d", "site|s", "cable|c"}));
  EXPECT_EQ(rows_of("SELECT kind, id FROM located_in('site/s') ORDER BY 1, 2", snapshot),
            (std::vector<std::string>{"device|d", "interface|i1", "interface|i2"}));
}

TEST(Query, ListsAreJson) {
  EXPECT_EQ(rows_of("SELECT shared_risk_groups FROM link WHERE id = 'link-3'"),
            std::vector<std::string>{"[\"duct-1\"]"});
  EXPECT_TRUE(answer("SELECT shared_risk_groups FROM link LIMIT 1").rows[0][0].is_array());
  EXPECT_TRUE(answer("SELECT simulated FROM grid").rows[0][0].is_bool());
  EXPECT_EQ(rows_of("SELECT link.id FROM link, json_each(link.shared_risk_groups) g WHERE g.value = 'duct-1'"),
            (std::vector<std::string>{"link-2", "link-3"}));
}

// ---- Walks ---------------------------------------------------------------------------------------------------------

TEST(Query, ImpactGoesToAllThatDependsAndWhomItServes) {
  EXPECT_EQ(rows_of("SELECT distance, kind, id, relation FROM impact_of('shared_risk_group', 'duct-1')"),
            (std::vector<std::string>{"1|link|link-2|shared_risk_groups", "1|link|link-3|shared_risk_groups"}));
  const auto felt = rows_of("SELECT kind || '/' || id FROM impact_of('site/site-4')");
  EXPECT_THAT(felt,
              testing::IsSupersetOf({"node/node-4", "pool/pool-4", "link/link-3", "link/link-4", "region/region-4",
                                     "demand/bank-4", "demand/public-4", "tenant/bank", "tenant/public"}));
  EXPECT_THAT(felt, testing::Not(testing::Contains("site/site-4")));
}

TEST(Query, PathsAndPlacesFollowTheOtherWay) {
  EXPECT_EQ(rows_of("SELECT kind || '/' || id FROM path_of('demand', 'bank-4')"),
            (std::vector<std::string>{"region/region-4", "node/node-4", "site/site-4"}));
  EXPECT_EQ(rows_of("SELECT kind || '/' || id FROM located_in('site', 'site-4') ORDER BY 1"),
            (std::vector<std::string>{"node/node-4", "pool/pool-4"}));
  EXPECT_EQ(rows_of("SELECT id FROM location_of('pool/pool-4')"), std::vector<std::string>{"site-4"});
  EXPECT_EQ(rows_of("SELECT pool.id, at.id FROM pool, location_of('pool', pool.id) at WHERE pool.id < 'pool-10'"),
            (std::vector<std::string>{"pool-0|site-0", "pool-1|site-1"}));
}

TEST(Query, WalksEndOnCyclesAndDanglingReferences) {
  inventory::Snapshot snapshot;
  uint64_t offset = 0;
  snapshot.fold(test_support::fact("pool", "p", {{"site", "s"}, {"node", "n"}}), ++offset, {});
  snapshot.fold(test_support::fact("node", "n", {{"site", "s"}}), ++offset, {});
  snapshot.fold(test_support::fact("link", "l", {{"a", "n"}, {"b", "n"}}), ++offset, {});
  EXPECT_EQ(rows_of("SELECT kind, id FROM located_in('site', 's')", snapshot),
            (std::vector<std::string>{"node|n", "pool|p"}));
  EXPECT_EQ(rows_of("SELECT kind, id FROM path_of('link', 'l')", snapshot),
            (std::vector<std::string>{"node|n", "site|s"}));
}

TEST(Query, WalksOfNothingSayWhatIsNear) {
  EXPECT_THAT(refusal("SELECT * FROM impact_of('lnk', 'link-3')"), HasSubstr("no kind 'lnk'; did you mean 'link'?"));
  EXPECT_THAT(refusal("SELECT * FROM impact_of('link', 'lin-3')"),
              HasSubstr("not_found: no link 'lin-3'; did you mean 'link-3'?"));
  EXPECT_THAT(refusal("SELECT * FROM impact_of('link')"), HasSubstr("impact_of('link', 'ber-ham')"));
  EXPECT_THAT(refusal("SELECT * FROM impact_of"), HasSubstr("impact_of is asked of one entity"));
  EXPECT_THAT(refusal("SELECT * FROM impact_of()"), HasSubstr("impact_of is asked of one entity"));
  EXPECT_EQ(rows_of("SELECT * FROM impact_of('link', NULL)"), std::vector<std::string>());
}

// ---- Descriptions --------------------------------------------------------------------------------------------------

TEST(Query, EveryTableAndColumnIsDescribed) {
  const Table tables = answer("SELECT * FROM schema_tables");
  EXPECT_EQ(tables.rows.size(), catalogue().tables().size());
  for (const Json::Array& row : tables.rows) EXPECT_FALSE(row[2].text().empty()) << row[0].text();
  for (const Json::Array& row : answer("SELECT * FROM schema_columns").rows)
    EXPECT_FALSE(row[5].text().empty()) << row[0].text() << '.' << row[1].text();
  EXPECT_EQ(rows_of("SELECT unit FROM schema_columns WHERE table_name = 'link' AND name = 'capacity_gbps'"),
            std::vector<std::string>{"Gbit/s"});
  EXPECT_EQ(rows_of("SELECT rows FROM schema_tables WHERE name = 'link'"), std::vector<std::string>{"12"});
}

TEST(Query, NoTwoTablesShareAName) {
  auto names = catalogue().names();
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
}

// ---- Mistakes ------------------------------------------------------------------------------------------------------

TEST(Query, MistakesNameThePlaceAndWhatIsNear) {
  EXPECT_THAT(refusal("SELECT link.capacity FROM link"),
              HasSubstr("line 1, column 8: no such column: link.capacity; did you mean capacity_gbps?"));
  EXPECT_THAT(refusal("SELECT l.capcity_gbps\nFROM link l"), HasSubstr("did you mean capacity_gbps?"));
  EXPECT_THAT(refusal("SELECT id,\n  teir FROM site"),
              HasSubstr("line 2, column 3: no such column: teir; did you mean tier?"));
  EXPECT_THAT(refusal("SELECT * FROM links"), HasSubstr("no such table: links; did you mean link?"));
  EXPECT_THAT(refusal("SELECT * FROM xyzzy"), HasSubstr("schema_tables"));
  EXPECT_THAT(refusal("SELECT cont(*) FROM link"), HasSubstr("did you mean count?"));
  EXPECT_THAT(refusal("SELECT from FROM traffic"), HasSubstr("write \"from\" with its quotes"));
  EXPECT_THAT(refusal("SELECT id FROM link JOIN node ON a = node.id"), HasSubstr("say of which table"));
  EXPECT_THAT(refusal("SELEC 1"), HasSubstr("line 1, column 1: near \"SELEC\": syntax error"));
  EXPECT_THAT(refusal("SELECT \"link-3\" FROM link"), HasSubstr("no such column"));
  EXPECT_THAT(refusal(""), HasSubstr("no statement"));
  EXPECT_THAT(refusal("-- nothing"), HasSubstr("no statement"));
  EXPECT_THAT(refusal("SELECT 1; SELECT 2"), HasSubstr("one statement at a time; a second starts at 'SELECT 2'"));
  EXPECT_THAT(refusal("SELECT ?"), HasSubstr("has 1 parameters"));
  EXPECT_THAT(refusal(std::string("SELECT 1\0", 9)), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal("SELECT '\xff'"), HasSubstr("UTF-8"));
  EXPECT_EQ(rows_of("SELECT 1; -- and no more\n;"), std::vector<std::string>{"1"});
}

TEST(Query, OnlyReadsAreLetThrough) {
  for (const char* sql : {"INSERT INTO link(id) VALUES ('x')",
                          "UPDATE link SET id = 'x'",
                          "DELETE FROM link",
                          "CREATE TABLE t(x)",
                          "CREATE TEMP TABLE t(x)",
                          "CREATE TEMP VIEW v AS SELECT 1",
                          "CREATE VIRTUAL TABLE t USING fts5(x)",
                          "DROP TABLE link",
                          "ATTACH 'file.db' AS f",
                          "ATTACH ':memory:' AS f",
                          "DETACH main",
                          "PRAGMA temp_store = FILE",
                          "PRAGMA user_version",
                          "VACUUM",
                          "VACUUM INTO 'f'",
                          "REINDEX",
                          "ANALYZE",
                          "BEGIN",
                          "COMMIT",
                          "SAVEPOINT s",
                          "ALTER TABLE link RENAME TO x",
                          "SELECT load_extension('x')",
                          "SELECT random()",
                          "SELECT randomblob(8)",
                          "SELECT sqlite_version()",
                          "SELECT sqlite_compileoption_get(1)",
                          "SELECT fts3_tokenizer('simple')",
                          "SELECT * FROM pragma_table_info('link')",
                          "SELECT * FROM sqlite_schema",
                          "SELECT * FROM sqlite_master",
                          "SELECT * FROM dbstat",
                          "SELECT * FROM sqlite_stmt",
                          "SELECT * FROM pragma_function_list",
                          "EXPLAIN DELETE FROM link",
                          "SELECT changes()",
                          "SELECT json_patch('{}','{}')",
                          "WITH t AS (SELECT 1) DELETE FROM link",
                          "SELECT * FROM fts3tokenize('simple')"}) {
    const auto table = run(small(), sql, {});
    ASSERT_FALSE(table) << sql;
    const ErrorCode code = table.error().code;
    EXPECT_TRUE(code == ErrorCode::permission_denied || code == ErrorCode::invalid_argument)
        << sql << ": " << to_string(table.error());
  }
  EXPECT_THAT(refusal("DELETE FROM entities"), HasSubstr("entities"));
  EXPECT_THAT(refusal("ATTACH 'x' AS y"), HasSubstr("permission_denied"));
}

TEST(Query, ValuesExpressionsAndPlansAreReads) {
  EXPECT_EQ(rows_of("VALUES (1, 'a'), (2.5, NULL)"), (std::vector<std::string>{"1|a", "2.5|null"}));
  EXPECT_EQ(rows_of("WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT * FROM n"),
            (std::vector<std::string>{"1", "2", "3"}));
  EXPECT_FALSE(answer("EXPLAIN QUERY PLAN SELECT * FROM link WHERE id = 'x'").rows.empty());
  EXPECT_EQ(rows_of("SELECT x'00ff'"), std::vector<std::string>{"00ff"});
  EXPECT_EQ(rows_of("SELECT max(id), group_concat(id, ' ') FROM site WHERE id < 'site-2'"),
            std::vector<std::string>{"site-11|site-0 site-1 site-10 site-11"});
  EXPECT_EQ(rows_of("SELECT id, rank() OVER (ORDER BY id DESC) FROM model"), std::vector<std::string>{"chat|1"});
  const auto bound = run(small(), "SELECT id, ?2 FROM link WHERE id = ?1", {}, {"link-3", 2.5});
  ASSERT_TRUE(bound);
  EXPECT_EQ(lines(*bound), std::vector<std::string>{"link-3|2.5"});
}

TEST(Query, TheTimeIsTheCallers) {
  Limits limits;
  limits.now = *parse_rfc3339("2026-11-21T08:16:00Z");
  EXPECT_EQ(lines(answer("SELECT datetime('now'), CURRENT_DATE", small(), limits)),
            std::vector<std::string>{"2026-11-21 08:16:00|2026-11-21"});
}

TEST(Query, TextFunctionsAreSqlites) {
  EXPECT_EQ(rows_of("SELECT instr('Düsseldorf', 's'), instr('a', 'b'), instr('abc', ''), replace('a-b-c', '-', '+'), "
                    "replace('a', '', 'x'), "
                    "trim('xxäxx', 'x'), ltrim('üäa', 'äü'), rtrim('aäü', 'äü'), instr(NULL, 'a')"),
            std::vector<std::string>{"3|0|1|a+b+c|a|ä|a|a|null"});
  EXPECT_THAT(refusal("SELECT instr('a', hex(zeroblob(200)))"), HasSubstr("longer than 256 bytes"));
}

// ---- Limits --------------------------------------------------------------------------------------------------------

TEST(Query, RowsAreLimitedAndSaidToBe) {
  Limits limits;
  limits.rows_max = 5;
  const Table some = answer("SELECT id FROM link", small(), limits);
  EXPECT_EQ(some.rows.size(), 5u);
  EXPECT_TRUE(some.truncated);
  limits.rows_max = 12;
  EXPECT_FALSE(answer("SELECT id FROM link", small(), limits).truncated);
  limits.rows_max = SIZE_MAX;
  limits.result_bytes_max = 1'000;
  EXPECT_TRUE(answer("SELECT * FROM link", small(), limits).truncated);
}

TEST(Query, StepsMemoryAndTimeAreLimited) {
  constexpr std::string_view kEndless =
      "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
  Limits limits;
  limits.steps_max = 1'000'000;
  EXPECT_THAT(refusal(kEndless, limits), HasSubstr("too_large: the query takes more than 1000000 steps"));
  EXPECT_THAT(refusal("SELECT count(*) FROM facts a, facts b, facts c, facts d", limits),
              HasSubstr("more than 1000000 steps"));
  limits = {};
  int asked = 0;
  limits.stop = [&] { return ++asked == 3; };
  EXPECT_THAT(refusal(kEndless, limits), HasSubstr("deadline_exceeded"));
  EXPECT_EQ(asked, 3);
  limits = {};
  limits.memory_bytes_max = 4u << 20;
  EXPECT_THAT(
      refusal("WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT * FROM n ORDER BY -i", limits),
      HasSubstr("too_large: the query takes more than 4 MB of memory"));
  EXPECT_THAT(
      refusal("SELECT * FROM impact_of('site/site-4'), facts a, facts b, facts c ORDER BY hex(a.value)", limits),
      HasSubstr("4 MB of memory"));
  EXPECT_EQ(answer("SELECT count(*) FROM link", small(), limits).rows[0][0].integer(),
            12);  // nothing is left of those before
}

TEST(Query, OneQueryTakesTheSameStepsEachTime) {
  const auto fits = [](uint64_t steps) {
    Limits limits;
    limits.steps_max = steps;
    return run(small(), "SELECT count(*) FROM facts a, node b", limits).has_value();
  };
  uint64_t low = 0, high = 1'000'000;
  while (low + 1 < high) (fits((low + high) / 2) ? high : low) = (low + high) / 2;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(fits(high));
    EXPECT_FALSE(fits(low));
  }
}

TEST(Query, AnEmptySnapshotHasEveryTable) {
  const inventory::Snapshot empty;
  for (const auto& table : catalogue().tables()) {
    const bool takes_arguments = std::ranges::any_of(table->columns(), &ColumnDescription::is_argument);
    if (takes_arguments || table->name().starts_with("schema_")) continue;
    EXPECT_EQ(rows_of("SELECT * FROM " + sql_name(table->name()), empty), std::vector<std::string>()) << table->name();
  }
}

// Ever more is said and taken back, with the past of each step kept: as of each step, every table is what it was then.
TEST(Query, AsOfAnOffsetEveryTableIsAsItWas) {
  std::vector<inventory::Snapshot> steps{small()};
  inventory::Snapshot now = small();
  const auto say = [&](const log::Event& event) {
    now.fold(event, now.offset() + 1, {static_cast<int64_t>(now.offset()) * 1'000'000'000});
    steps.push_back(now);
  };
  say(test_support::fact("link", "link-3", {{"state", "down"}, {"a", "node-9"}}));
  say(test_support::retraction("demand", "bank-4"));
  say(test_support::fact("link", "link-3", {{"state", "up"}}));
  say(test_support::fact("device", "d", {{"site", "site-1"}}));
  say(test_support::retraction("link", "link-5"));
  for (const inventory::Snapshot& then : steps) {
    const inventory::Snapshot back = now.as_of({.recorded = then.offset(), .valid = {}});
    for (const char* sql :
         {"SELECT * FROM link", "SELECT * FROM demand", "SELECT id, site FROM device", "SELECT * FROM entities",
          "SELECT kind, id, attribute, value, source, \"offset\" FROM facts", "SELECT * FROM relations",
          "SELECT id FROM link WHERE a = 'node-9'", "SELECT id FROM link WHERE a = 'node-3'",
          "SELECT kind, id FROM impact_of('site/site-1')", "SELECT * FROM link WHERE id = 'link-5'",
          "SELECT from_kind, from_id FROM relations WHERE to_kind = 'site' AND to_id = 'site-1'",
          "SELECT count(*) FROM entities"})
      EXPECT_EQ(rows_of(sql, back), rows_of(sql, then)) << sql << " as of " << then.offset();
    EXPECT_EQ(answer("SELECT 1", back).offset, then.offset());
  }
  EXPECT_EQ(
      rows_of(
          "SELECT value FROM history WHERE kind = 'link' AND id = 'link-3' AND attribute = 'state' ORDER BY \"offset\"",
          now),
      (std::vector<std::string>{"down", "up"}));
  EXPECT_FALSE(rows_of("SELECT value FROM history WHERE kind = 'link' AND id = 'link-5'", now).empty());
}

TEST(Query, AnswersNameTheOffset) {
  EXPECT_EQ(answer("SELECT 1").offset, small().offset());
  inventory::Snapshot later = small();
  later.fold(test_support::fact("link", "link-3", {{"state", "down"}}), later.offset() + 1, {});
  EXPECT_EQ(rows_of("SELECT state FROM link WHERE id = 'link-3'", later), std::vector<std::string>{"down"});
  EXPECT_EQ(rows_of("SELECT state FROM link WHERE id = 'link-3'"), std::vector<std::string>{"up"});
}

}  // namespace
}  // namespace tandem::query
