// The statements on limits that hold over all nodes: claims of places, and paces.
//
// The row of a key with the node -1 is there to be locked. It comes with the first claim of the key
// and goes with the last; whoever waits for it meanwhile makes it anew.
#include "qmgr/store/postgres/session/pg_patterns.h"

namespace postwain::qmgr {

std::string_view pattern_of_claims(Pg statement) {
  switch (statement) {
    case Pg::lock_claims:
      return "INSERT INTO claim (key, node, places, kept_free) SELECT d.key, (-1)::int2, 0, 0 "
             "FROM unnest($1::bytea[]) AS d(key) ORDER BY d.key "
             "ON CONFLICT (key, node) DO UPDATE SET places = 0";
    // cluster::regrant(). room: what of the limit is not kept free.
    case Pg::put_claims:
      return "INSERT INTO claim AS c (key, node, places, kept_free) "
             "SELECT g.key, $1::int2, CASE WHEN g.granted >= g.keep THEN g.granted ELSE g.keep END,"
             " CASE WHEN g.granted >= g.keep THEN g.kept_free "
             "WHEN g.keep <= g.places THEN g.before ELSE 0 END FROM "
             "(SELECT d.key, d.keep, d.kept_free, coalesce(m.places, 0) AS places, "
             "coalesce(m.kept_free, 0) AS before, least(d.wanted::int8, greatest(0, d.room - "
             "(SELECT coalesce(sum(o.places), 0)::int8 FROM claim o WHERE o.key = d.key AND "
             "o.node <> $1::int2)))::int4 AS granted "
             "FROM unnest($2::bytea[], $3::int4[], $4::int4[], $5::int8[], $6::int4[]) "
             "AS d(key, wanted, keep, room, kept_free) "
             "LEFT JOIN claim m ON m.key = d.key AND m.node = $1::int2) g "
             "ON CONFLICT (key, node) DO UPDATE SET places = EXCLUDED.places, "
             "kept_free = EXCLUDED.kept_free RETURNING c.key, c.places, c.kept_free";
    case Pg::clean_claims:
      return "DELETE FROM claim c WHERE c.key = ANY($2::bytea[]) AND c.places = 0 AND "
             "(c.node = $1::int2 OR c.node = -1) AND (c.node <> -1 OR "
             "(SELECT coalesce(sum(o.places), 0) FROM claim o WHERE o.key = c.key) = 0)";
    case Pg::idle_claim_keys:
      return "SELECT c.key FROM claim c WHERE c.node = -1 AND (SELECT coalesce(sum(o.places), 0) "
             "FROM claim o WHERE o.key = c.key) = 0 LIMIT $1::int8";
    case Pg::list_claims:
      return "SELECT key, places, kept_free FROM claim WHERE node = $1::int2 AND "
             "substr(key, 1, octet_length($2::bytea)) = $2::bytea ORDER BY key";
    case Pg::drop_claims:
      return "DELETE FROM claim WHERE node = $1::int2 AND "
             "substr(key, 1, octet_length($2::bytea)) = $2::bytea";
    case Pg::drop_node_claims:
      return "DELETE FROM claim WHERE node = $1::int2";
    // Of nodes whose terms have been ended.
    case Pg::drop_other_claims:
      return "DELETE FROM claim WHERE node = ANY(ARRAY(SELECT id FROM node "
             "WHERE name <> $1::bytea))";
    // Whose term a program of a former version has ended, which knew nothing of claims.
    case Pg::drop_dead_claims:
      return "DELETE FROM claim WHERE node = ANY(ARRAY(SELECT id FROM node WHERE state = 0))";
    default:
      return {};
  }
}

// What a row of an absurd number says is bounded before anything is added to it.
std::string_view pattern_of_paces(Pg statement) {
  switch (statement) {
    case Pg::lock_paces:
      return "INSERT INTO pace AS p (key, next) SELECT d.key, 0 FROM unnest($1::bytea[]) AS d(key) "
             "ORDER BY d.key ON CONFLICT (key) DO UPDATE SET next = p.next";
    // cluster::moved(). Each row is seen from one present, which is read once it is locked.
    case Pg::move_paces:
      return "WITH t AS MATERIALIZED (SELECT {now} AS now), m AS MATERIALIZED "
             "(SELECT d.key, t.now, d.burst, d.span, least(greatest("
             "(SELECT p.next FROM pace p WHERE p.key = d.key), t.now - d.burst), t.now + d.most) "
             "AS stood FROM t, unnest($1::bytea[], $2::int8[], $3::int8[], $4::int8[]) "
             "AS d(key, burst, span, most)), u AS "
             "(INSERT INTO pace (key, next) SELECT m.key, greatest(m.stood + m.span, "
             "m.now - m.burst) FROM m ON CONFLICT (key) DO UPDATE SET next = EXCLUDED.next) "
             "SELECT m.key, m.stood - m.now FROM m";
    case Pg::page_of_paces:
      return "SELECT p.key, (p.next < {begun} - $3::int8 OR p.next > {begun} + $4::int8)::int4 "
             "FROM pace p WHERE p.key > $1::bytea ORDER BY p.key LIMIT $2::int8";
    case Pg::clean_paces:
      return "DELETE FROM pace p WHERE p.key = ANY($1::bytea[]) AND "
             "(p.next < {begun} - $2::int8 OR p.next > {begun} + $3::int8)";
    default:
      return {};
  }
}

}  // namespace postwain::qmgr
