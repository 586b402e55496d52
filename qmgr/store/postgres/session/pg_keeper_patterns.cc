// The statements on what nodes tell each other beside the mail (qmgr/store/keeper_service.h).
#include "qmgr/store/postgres/session/pg_patterns.h"

namespace postwain::qmgr {

// A node's blocks come in the order of time, so that only the oldest are looked at to find those
// that are too old, and the newest to find those that are young enough.
std::string_view pattern_of_history_blocks(Pg statement) {
  switch (statement) {
    // Whoever numbers the next one goes on from here: no row may leave him without a number.
    case Pg::list_history_blocks:
      return "SELECT number, at, (octet_length(data) + octet_length(filter))::int8 "
             "FROM history_block WHERE node = $1::int2 AND number > $2::int8 AND "
             "number < 4611686018427387904 "
             "ORDER BY number LIMIT $3::int8";
    case Pg::put_history_block:
      return "INSERT INTO history_block (node, number, at, name, filter, data) VALUES ($1::int2, "
             "$2::int8, $3::int8, $4::bytea, $5::bytea, $6::bytea) ON CONFLICT DO NOTHING";
    case Pg::remove_history_blocks:
      return "DELETE FROM history_block WHERE node = $1::int2 AND number BETWEEN $2::int8 AND "
             "$3::int8";
    case Pg::remove_left_history:
      return "DELETE FROM history_block h WHERE h.ctid = ANY(ARRAY(SELECT x.ctid FROM "
             "generate_series(0, 31) i CROSS JOIN LATERAL (SELECT b.ctid, b.at "
             "FROM history_block b WHERE b.node = i::int2 ORDER BY b.number LIMIT $2::int8) x "
             "WHERE x.at < $1::int8 AND (SELECT count(*) FROM node n WHERE n.id = i::int2 AND "
             "n.state <> 0) = 0))";
    case Pg::last_history_blocks:
      return "SELECT x.node, x.number FROM generate_series(0, 31) i CROSS JOIN LATERAL "
             "(SELECT b.node, b.number FROM history_block b WHERE b.node = i::int2 "
             "ORDER BY b.number DESC LIMIT 1) x";
    case Pg::end_of_history_search:
      return "SELECT coalesce(min(x.number), 0)::int8, coalesce(max(x.at), 0)::int8 FROM "
             "(SELECT b.number, b.at FROM history_block b WHERE b.node = $1::int2 AND "
             "b.number < $2::int8 ORDER BY b.number DESC LIMIT $3::int8) x";
    case Pg::search_history:
      return "SELECT x.number, x.at, x.name, x.data FROM (SELECT b.* FROM history_block b "
             "WHERE b.node = $1::int2 AND b.number < $2::int8 ORDER BY b.number DESC "
             "LIMIT $3::int8) x WHERE x.at >= $4::int8 AND EXISTS (SELECT 1 FROM "
             "unnest($5::int8[], $6::int8[]) AS p(a, b), "
             "LATERAL (SELECT (octet_length(x.filter) * 8)::int8 AS bits) f WHERE "
             "get_bit(x.filter, p.a % f.bits) = 1 AND "
             "get_bit(x.filter, (p.a + p.b) % f.bits) = 1 AND "
             "get_bit(x.filter, (p.a + 2 * p.b) % f.bits) = 1 AND "
             "get_bit(x.filter, (p.a + 3 * p.b) % f.bits) = 1) "
             "ORDER BY x.number DESC LIMIT $7::int8";
    default:
      return {};
  }
}

std::string_view pattern_of_requests(Pg statement) {
  switch (statement) {
    case Pg::requests_mark:
      return "SELECT EXISTS (SELECT 1 FROM request WHERE to_node = $1::int2)::int4, "
             "EXISTS (SELECT 1 FROM answer WHERE to_node = $1::int2)::int4";
    case Pg::put_request:
      return "INSERT INTO request (to_node, from_node, n, kind, at, until, data) "
             "SELECT $1::int2, $2::int2, $3::int8, $4::int2, {now}, {now} + $5::int8, $6::bytea "
             "WHERE (SELECT count(*) FROM (SELECT 1 FROM request r WHERE r.to_node = $1::int2 "
             "LIMIT $7::int8) w) < $7::int8";
    case Pg::take_requests:
      return "DELETE FROM request r WHERE r.to_node = $1::int2 AND r.n = ANY(ARRAY("
             "SELECT q.n FROM request q WHERE q.to_node = $1::int2 ORDER BY q.n LIMIT $2::int8)) "
             "RETURNING r.from_node, r.n, r.kind, CASE WHEN r.until > {now} THEN r.until - {now} "
             "ELSE 0::int8 END, r.data";
    case Pg::put_answer:
      return "INSERT INTO answer (to_node, n, no, at, code, data) "
             "SELECT $1::int2, $2::int8, (d.ord - 1)::int4, {now}, $3::int2, d.data "
             "FROM unnest($4::bytea[]) WITH ORDINALITY AS d(data, ord)";
    case Pg::take_answers:
      return "DELETE FROM answer a WHERE a.to_node = $1::int2 AND a.n = ANY(ARRAY("
             "SELECT q.n FROM answer q WHERE q.to_node = $1::int2 AND q.no = 0 ORDER BY q.n "
             "LIMIT $2::int8)) RETURNING a.n, a.no, a.code, a.data";
    case Pg::sweep_requests:
      return "DELETE FROM request WHERE to_node BETWEEN 0 AND 31 AND at < {now} - $1::int8";
    case Pg::sweep_answers:
      return "DELETE FROM answer WHERE to_node BETWEEN 0 AND 31 AND at < {now} - $1::int8";
    default:
      return {};
  }
}

// A later state of a row always has a higher number, even when the clock was set back. What of a
// row a reader gets are durations from the database's now.
std::string_view pattern_of_breakers(Pg statement) {
  switch (statement) {
    // An outage that two nodes find is one. A further hold is no reason to open what another node
    // has closed. The trial is ended by whoever has it.
    case Pg::put_shared_breaker:
      return "INSERT INTO destination AS d (key, opens, opened_at, hold_until, reason, changed) "
             "SELECT $1::bytea, $2::int8, {now} - $3::int8, {now} + $4::int8, $5::bytea, {now} "
             "WHERE $6::int2 = 1 OR EXISTS (SELECT 1 FROM destination o WHERE o.key = $1::bytea "
             "AND o.opens > 0) ON CONFLICT (key) DO UPDATE SET "
             "opens = greatest(d.opens, EXCLUDED.opens), "
             "opened_at = CASE WHEN d.opens > 0 THEN least(d.opened_at, EXCLUDED.opened_at) "
             "ELSE EXCLUDED.opened_at END, "
             "hold_until = CASE WHEN d.opens > 0 THEN greatest(d.hold_until, EXCLUDED.hold_until) "
             "ELSE EXCLUDED.hold_until END, reason = EXCLUDED.reason, "
             "changed = CASE WHEN d.changed BETWEEN {now} AND {ahead} THEN d.changed + 1 ELSE "
             "{now} END "
             "WHERE $6::int2 = 1 OR d.opens > 0";
    case Pg::close_shared_breaker:
      return "UPDATE destination SET opens = 0, changed = CASE WHEN changed "
             "BETWEEN {now} AND {ahead} THEN changed + 1 ELSE {now} END "
             "WHERE key = $1::bytea AND opens > 0";
    case Pg::changed_breakers:
      return "SELECT key, opens, {now} - greatest(opened_at, 0), greatest(hold_until, 0) - {now}, "
             "reason, changed "
             "FROM destination WHERE (changed, key) > ($1::int8, $2::bytea) AND changed <= {ahead} "
             "ORDER BY changed, key LIMIT $3::int8";
    case Pg::select_shared_breakers:
      return "SELECT key, opens, {now} - greatest(opened_at, 0), greatest(hold_until, 0) - {now}, "
             "reason, changed "
             "FROM destination WHERE key = ANY($1::bytea[])";
    // A trial of a term that has ended is nobody's any more.
    case Pg::begin_trials:
      return "WITH free AS (SELECT d.key FROM destination d WHERE d.key = ANY($1::bytea[]) AND "
             "d.opens > 0 AND d.changed = ($2::int8[])[array_position($1::bytea[], d.key)] AND "
             "(d.trial_node IS NULL OR (d.trial_node = $3::int2 AND d.trial_term = $4::int8) OR "
             "NOT EXISTS (SELECT 1 FROM node n WHERE n.id = d.trial_node AND "
             "n.term = d.trial_term AND n.state <> 0)) ORDER BY d.key FOR UPDATE OF d) "
             "UPDATE destination SET trial_node = $3::int2, trial_term = $4::int8 "
             "WHERE key = ANY(ARRAY(SELECT key FROM free)) RETURNING key";
    case Pg::end_trials:
      return "WITH mine AS (SELECT d.key FROM destination d WHERE d.key = ANY($1::bytea[]) AND "
             "d.trial_node = $2::int2 AND d.trial_term = $3::int8 ORDER BY d.key FOR UPDATE) "
             "UPDATE destination SET trial_node = NULL, trial_term = NULL "
             "WHERE key = ANY(ARRAY(SELECT key FROM mine))";
    case Pg::forget_old_breakers:
      return "DELETE FROM destination WHERE key = ANY(ARRAY(SELECT o.key FROM destination o "
             "WHERE o.changed < {begun} - 3600000 AND "
             "(o.opens = 0 OR o.changed < {begun} - 86400000) "
             "ORDER BY o.changed, o.key LIMIT 1000 FOR UPDATE))";
    default:
      return {};
  }
}

}  // namespace postwain::qmgr
