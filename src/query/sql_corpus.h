// Statements that exercise every table and clause, and mutations of them: for tests and the fuzz target.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/random.h"

namespace tandem::query {

inline constexpr std::array<std::string_view, 20> kStatements{
    "SELECT * FROM link WHERE id = 'link-3'",
    "SELECT id, capacity_gbps FROM link WHERE a = 'node-1' AND id > 'link-0' ORDER BY id LIMIT 3",
    "SELECT l.id, s.jurisdiction FROM link l JOIN node n ON n.id = l.a JOIN site s ON s.id = n.site WHERE s.tier = "
    "'core'",
    "SELECT kind, count(*) FROM entities GROUP BY kind HAVING count(*) > 1 ORDER BY 2 DESC",
    "SELECT attribute, value FROM facts WHERE kind = 'site' AND id GLOB 'site-[0-3]*'",
    "SELECT * FROM relations WHERE to_kind = 'node' AND to_id = 'node-2'",
    "SELECT distance, kind, id FROM impact_of('site', 'site-1')",
    "SELECT p.id, w.id FROM pool p, located_in('site', p.site) w",
    "SELECT * FROM path_of('demand/bank-0') ORDER BY distance",
    "SELECT id FROM location_of('pool', 'pool-1')",
    "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 50) SELECT sum(i) FROM n",
    "SELECT id, row_number() OVER (PARTITION BY tier ORDER BY id) FROM site",
    "SELECT g.value FROM link, json_each(link.shared_risk_groups) g UNION SELECT name FROM schema_tables",
    "SELECT * FROM schema_columns WHERE table_name = 'link'",
    "SELECT replace(id, '-', '_'), trim(id, 'ks'), instr(id, '1') FROM node WHERE id LIKE 'NODE-1%'",
    "SELECT CASE WHEN state = 'up' THEN 1 ELSE 0 END FROM site WHERE id IN ('site-0', 'site-2') OR id < 'site-1'",
    "EXPLAIN QUERY PLAN SELECT * FROM demand WHERE tenant = 'bank'",
    "VALUES (1, 'x'), (2.5, NULL), (x'00', -9223372036854775808)",
    "SELECT max(a.id || b.id) FROM node a, node b WHERE a.id <> b.id AND EXISTS (SELECT 1 FROM link WHERE link.a = "
    "a.id)",
    "SELECT printf('%s %08.3f', id, latitude_deg), json_object('a', id) FROM site ORDER BY latitude_deg DESC, id LIMIT "
    "2 OFFSET 1"};

// Pieces that mean something to SQL, put anywhere.
inline constexpr std::array<std::string_view, 32> kPieces{" WHERE ",
                                                          " OR 1=1 ",
                                                          " UNION ALL ",
                                                          "(",
                                                          ")",
                                                          "'",
                                                          "\"",
                                                          ";",
                                                          "--",
                                                          "/*",
                                                          " NULL ",
                                                          " id ",
                                                          " facts ",
                                                          " impact_of('site','site-0') ",
                                                          " GROUP BY 1 ",
                                                          " ORDER BY 1 ",
                                                          " LIMIT 0 ",
                                                          ",",
                                                          "*",
                                                          " NOT ",
                                                          " IN (SELECT id FROM node) ",
                                                          " COLLATE NOCASE ",
                                                          " x'00' ",
                                                          "1e308",
                                                          "-9223372036854775808",
                                                          " LEFT JOIN site ON 1 ",
                                                          " PRAGMA ",
                                                          " ATTACH 'x' AS y ",
                                                          " DELETE FROM link ",
                                                          "?1",
                                                          "ä",
                                                          "\xff"};

inline std::string mutated(std::string_view statement, Random& random) {
  std::string sql(statement);
  for (uint64_t i = 1 + random.below(4); i > 0; --i) {
    const size_t place = random.below(sql.size() + 1);
    switch (random.below(6)) {
      case 0: sql.erase(place, 1 + random.below(8)); break;
      case 1: sql.insert(place, 1, static_cast<char>(random.next())); break;
      case 2: sql.insert(place, kPieces[random.below(kPieces.size())]); break;
      case 3: sql.insert(place, sql.substr(random.below(sql.size() + 1), random.below(24))); break;
      case 4:
        sql =
            sql.substr(0, place) + std::string(kStatements[random.below(kStatements.size())].substr(random.below(20)));
        break;
      default:
        if (place < sql.size()) sql[place] = static_cast<char>(random.next());
    }
  }
  return sql;
}

}  // namespace tandem::query
