#include "qmgr/store/postgres/session/pg_statements.h"

#include <string_view>

#include "common/base/check.h"

#include "qmgr/store/postgres/session/pg_columns.h"
#include "qmgr/store/postgres/session/pg_patterns.h"

namespace postwain::qmgr {

namespace {

std::string_view pattern_of_transaction(Pg statement) {
  switch (statement) {
    case Pg::begin:
      return "BEGIN";
    case Pg::commit:
      return "COMMIT";
    case Pg::roll_back:
      return "ROLLBACK";
    // Who has taken over has raised the token. The row stays locked until the commit, so that it is
    // either before that or fails; READ COMMITTED looks at it again after a wait.
    case Pg::fence:
      return "WITH mine AS (SELECT 1 FROM lane WHERE node = $1::int2 AND lane = $2::int2 AND "
             "token = $3::int8 FOR UPDATE) SELECT 1 / count(*) FROM mine";
    case Pg::name_batch:
      return "INSERT INTO attempt (node, term, n, named) VALUES ($1::int2, $2::int8, $3::int8, "
             "$4::bytea)";
    case Pg::forget_batches:
      return "DELETE FROM attempt WHERE node = $1::int2 AND term = $2::int8 AND "
             "n = ANY($3::int8[])";
    // A session that has sent half a batch holds locks, and the server would wait for the rest.
    case Pg::end_other_sessions:
      return "SELECT count(pg_terminate_backend(pid))::int8 FROM pg_stat_activity "
             "WHERE starts_with(application_name, convert_from($1::bytea, 'UTF8')) AND "
             "datname = current_database() AND usename = current_user AND "
             "pid <> pg_backend_pid()";
    case Pg::raise_lane:
      return "INSERT INTO lane (node, lane, token) VALUES ($1::int2, $2::int2, 1) "
             "ON CONFLICT (node, lane) DO UPDATE SET token = least(lane.token, {most}) + 1 "
             "RETURNING token";
    // Whoever ends a node's term locks its row first, and so do we: the lane is ours to raise only
    // while the term is.
    case Pg::lock_node:
      return "WITH mine AS (SELECT 1 FROM node WHERE id = $1::int2 AND term = $2::int8 AND "
             "state <> 0 FOR UPDATE) SELECT 1 / count(*) FROM mine";
    case Pg::raise_own_lane:
      return "UPDATE lane SET token = least(token, {most}) + 1 WHERE node = $1::int2 AND lane = "
             "$2::int2 "
             "RETURNING token";
    case Pg::last_batch:
      return "SELECT coalesce(max(n), 0)::int8 FROM attempt WHERE node = $1::int2 AND "
             "term = $2::int8";
    default:
      return {};
  }
}

// Registrations go one after the other, and each sees all of those before it.
std::string_view pattern_of_registration(Pg statement) {
  switch (statement) {
    case Pg::name_session:
      return "SELECT set_config('application_name', convert_from($1::bytea, 'UTF8'), false)";
    case Pg::lock_registration:
      return "SELECT version FROM schema_info WHERE one = 1 FOR UPDATE";
    case Pg::find_self:
      return "SELECT id, state, (machine = $2::bytea)::int4, beat FROM node WHERE name = $1::bytea";
    case Pg::count_others:
      return "SELECT count(*), coalesce(sum(beat % 4294967296), 0)::int8 FROM node "
             "WHERE state <> 0 AND name <> $1::bytea";
    case Pg::end_others:
      return "WITH ended AS (UPDATE node SET term = least(term, {most}) + 1, state = 0 WHERE state "
             "<> 0 AND "
             "name <> $1::bytea RETURNING id) UPDATE lane SET token = least(token, {most}) + 1 "
             "FROM ended "
             "WHERE lane.node = ended.id";
    // A number of below 0: the lowest that is free, and none where there is none.
    case Pg::register_node:
      return "INSERT INTO node (id, name, machine, term, state, weight, version) "
             "SELECT x.id, $2::bytea, $3::bytea, 1, 1, $5::int2, $6::bytea FROM "
             "(SELECT CASE WHEN $1::int2 >= 0 THEN $1::int2 ELSE (SELECT min(i)::int2 "
             "FROM generate_series(0, 31) i WHERE NOT EXISTS "
             "(SELECT 1 FROM node n WHERE n.id = i)) END AS id) x WHERE x.id IS NOT NULL "
             "ON CONFLICT (id) DO UPDATE SET term = least(node.term, {most}) + 1, "
             "state = CASE WHEN node.stay = 1 THEN 1 ELSE 2 END, machine = EXCLUDED.machine, "
             "weight = EXCLUDED.weight, version = EXCLUDED.version, load = 0, seen = 0, "
             "wants = '' "
             "WHERE node.state = 0 OR node.machine = EXCLUDED.machine OR $4::int2 = 1 "
             "RETURNING id, term";
    case Pg::take_bags:
      return "UPDATE bag SET node = $1::int2 WHERE node = $1::int2 OR $2::int2 = 1 RETURNING id";
    case Pg::select_names:
      // No batch names more than fits into 16 MiB; what is longer has another form as well.
      return "SELECT node, term, n, CASE WHEN octet_length(named) <= 16777216 THEN named ELSE "
             "'\\x00'::bytea END FROM attempt WHERE node = ANY($1::int2[]) AND "
             "NOT (node = $2::int2 AND term = $3::int8) AND octet_length(named) > 0";
    case Pg::forget_terms:
      return "DELETE FROM attempt WHERE node = $1::int2 AND term < $2::int8";
    // Whoever has taken a bag over has copied the names of its messages. Where a node that is gone
    // has no bag any more, nobody needs its names.
    case Pg::forget_names:
      return "DELETE FROM attempt WHERE node = ANY(ARRAY(SELECT n.id FROM node n "
             "WHERE n.state = 0 AND NOT EXISTS (SELECT 1 FROM bag b WHERE b.node = n.id)))";
    default:
      return {};
  }
}

// A condition that does not hold any more fails by a division by zero.
std::string_view pattern_of_nodes(Pg statement) {
  switch (statement) {
    case Pg::limit_locks:
      return "SELECT set_config('lock_timeout', '2s', true)";
    case Pg::fence_node:
      return "WITH victim AS (UPDATE node SET term = least(term, {most}) + 1, state = 0 WHERE id = "
             "$1::int2 AND "
             "term = $2::int8 AND (beat = $3::int8 OR $3::int8 < 0) AND state <> 0 RETURNING id), "
             "raised AS (UPDATE lane SET token = least(token, {most}) + 1 FROM victim "
             "WHERE lane.node = victim.id RETURNING 1) SELECT 1 / count(*) FROM victim";
    // The lock keeps a registration of that node apart, which would take the same bags back.
    case Pg::adopt_bags:
      return "WITH dead AS (SELECT 1 FROM node WHERE id = $1::int2 AND term = $2::int8 AND "
             "state = 0 FOR UPDATE), taken AS (UPDATE bag SET node = $3::int2 FROM dead "
             "WHERE bag.id = ANY($4::int2[]) AND bag.node = $1::int2 RETURNING 1) "
             "SELECT 1 / (count(*) = $5::int8)::int4 FROM taken";
    case Pg::adopt_free_bags:
      return "WITH taken AS (UPDATE bag SET node = $1::int2 WHERE id = ANY($2::int2[]) AND "
             "NOT EXISTS (SELECT 1 FROM node n WHERE n.id = bag.node) RETURNING 1) "
             "SELECT 1 / (count(*) = $3::int8)::int4 FROM taken";
    case Pg::give_bag:
      return "WITH given AS (UPDATE bag SET node = $3::int2 WHERE id = $1::int2 AND "
             "node = $2::int2 AND EXISTS (SELECT 1 FROM node n WHERE n.id = $3::int2 AND "
             "n.state = 1) RETURNING 1) SELECT 1 / count(*) FROM given";
    case Pg::leave_cluster:
      return "WITH gone AS (UPDATE node SET state = 0 WHERE id = $1::int2 AND term = $2::int8 AND "
             "state <> 0 RETURNING 1) SELECT 1 / count(*) FROM gone";
    case Pg::set_stay:
      return "WITH changed AS (UPDATE node SET stay = $2::int2, state = CASE WHEN state = 0 THEN 0 "
             "WHEN $2::int2 = 1 THEN 1 ELSE 2 END WHERE name = $1::bytea RETURNING 1) "
             "SELECT 1 / count(*) FROM changed";
    case Pg::forget_node:
      return "WITH gone AS (DELETE FROM node WHERE name = $1::bytea AND state = 0 AND NOT EXISTS "
             "(SELECT 1 FROM bag b WHERE b.node = node.id) RETURNING id), "
             "lanes AS (DELETE FROM lane USING gone WHERE lane.node = gone.id), "
             "names AS (DELETE FROM attempt WHERE node = ANY(ARRAY(SELECT id FROM gone))) "
             "SELECT 1 / count(*) FROM gone";
    case Pg::beat:
      return "UPDATE node SET beat = beat % {most} + 1, load = $3::int2, config = $4::bytea, "
             "seen = $5::int8, wants = $6::bytea "
             "WHERE id = $1::int2 AND term = $2::int8 AND state <> 0 RETURNING beat";
    case Pg::list_nodes:
      return "SELECT id, term, state, beat, weight, load, stay, name, version, config, seen, "
             "wants FROM node ORDER BY id";
    case Pg::list_bags:
      return "SELECT id, coalesce(node, (-1)::int2) FROM bag ORDER BY id";
    // Of breakers those that have changed of late: they may be many.
    case Pg::facts_mark:
      return "SELECT (SELECT count(*) + coalesce(sum(changed % 1000000007), 0)::int8 "
             "FROM suspension), (SELECT count(*) + coalesce(sum(changed % 1000000007), 0)::int8 "
             "FROM destination WHERE changed > {begun} - 10000)";
    default:
      return {};
  }
}

// `changed` is the database's own clock, by which other nodes see what is new.
std::string_view pattern_of_fact(Pg statement) {
  switch (statement) {
    case Pg::put_breaker:
      return "INSERT INTO destination (key, opens, opened_at, hold_until, reason, changed) "
             "VALUES ($1::bytea, $2::int8, $3::int8, $4::int8, $5::bytea, {now}) "
             "ON CONFLICT (key) DO UPDATE SET opens = EXCLUDED.opens, "
             "opened_at = EXCLUDED.opened_at, hold_until = EXCLUDED.hold_until, "
             "reason = EXCLUDED.reason, changed = EXCLUDED.changed";
    case Pg::remove_breaker:
      return "DELETE FROM destination WHERE key = $1::bytea";
    case Pg::list_breakers:
      return "SELECT key, opens, opened_at, hold_until, reason FROM destination "
             "WHERE key > $1::bytea AND opens > 0 ORDER BY key LIMIT $2::int8";
    case Pg::put_mx_set:
      return "INSERT INTO mx_set (destination, hosts, seen_at, changed) "
             "VALUES ($1::bytea, $2::bytea, $3::int8, {now}) ON CONFLICT (destination) "
             "DO UPDATE SET hosts = EXCLUDED.hosts, seen_at = EXCLUDED.seen_at, "
             "changed = EXCLUDED.changed";
    case Pg::remove_mx_sets:
      return "DELETE FROM mx_set WHERE seen_at < $1::int8";
    case Pg::list_mx_sets:
      return "SELECT destination, hosts FROM mx_set WHERE destination > $1::bytea "
             "ORDER BY destination LIMIT $2::int8";
    case Pg::put_sts_policy:
      return "INSERT INTO sts_policy (domain, id, mode, hosts, max_age, fetched_at, changed) "
             "VALUES ($1::bytea, $2::bytea, $3::int2, $4::bytea, $5::int8, $6::int8, {now}) "
             "ON CONFLICT (domain) DO UPDATE SET id = EXCLUDED.id, mode = EXCLUDED.mode, "
             "hosts = EXCLUDED.hosts, max_age = EXCLUDED.max_age, "
             "fetched_at = EXCLUDED.fetched_at, changed = EXCLUDED.changed";
    case Pg::remove_sts_policies:
      return "DELETE FROM sts_policy WHERE fetched_at < $1::int8";
    case Pg::list_sts_policies:
      return "SELECT domain, id, mode, hosts, max_age, fetched_at FROM sts_policy "
             "WHERE domain > $1::bytea ORDER BY domain LIMIT $2::int8";
    case Pg::put_suspension:
      return "INSERT INTO suspension (destination, since, until, author, reason, changed) "
             "VALUES ($1::bytea, $2::int8, $3::int8, $4::bytea, $5::bytea, {now}) "
             "ON CONFLICT (destination) DO UPDATE SET since = EXCLUDED.since, "
             "until = EXCLUDED.until, author = EXCLUDED.author, reason = EXCLUDED.reason, "
             "changed = EXCLUDED.changed";
    case Pg::remove_suspension:
      return "DELETE FROM suspension WHERE destination = $1::bytea";
    case Pg::end_suspension:
      return "DELETE FROM suspension WHERE destination = $1::bytea AND until <> 0 AND "
             "until <= greatest($2::int8, {now})";
    case Pg::list_suspensions:
      return "SELECT destination, since, until, author, reason FROM suspension "
             "WHERE destination > $1::bytea ORDER BY destination LIMIT $2::int8";
    case Pg::put_recipient_check:
      return "INSERT INTO recipient_check (address, good, code, enhanced, text, at, changed) "
             "VALUES ($1::bytea, $2::int2, $3::int2, $4::bytea, $5::bytea, $6::int8, {now}) "
             "ON CONFLICT (address) DO UPDATE SET good = EXCLUDED.good, code = EXCLUDED.code, "
             "enhanced = EXCLUDED.enhanced, text = EXCLUDED.text, at = EXCLUDED.at, "
             "changed = EXCLUDED.changed";
    case Pg::remove_recipient_checks:
      return "DELETE FROM recipient_check WHERE at < $1::int8";
    case Pg::list_recipient_checks:
      return "SELECT address, good, code, enhanced, text, at FROM recipient_check "
             "WHERE address > $1::bytea ORDER BY address LIMIT $2::int8";
    default:
      return {};
  }
}

std::string_view pattern_of_clock(Pg statement) {
  switch (statement) {
    case Pg::put_clock:
      return "UPDATE clock SET last_seen = $1::int8 WHERE one = 1";
    case Pg::remove_clock_gaps:
      return "DELETE FROM clock_gap";
    case Pg::put_clock_gaps:
      return "INSERT INTO clock_gap (at, length) SELECT d.at, d.length "
             "FROM unnest($1::int8[], $2::int8[]) AS d(at, length)";
    case Pg::select_clock:
      return "SELECT last_seen FROM clock WHERE one = 1";
    case Pg::list_clock_gaps:
      return "SELECT at, length FROM clock_gap ORDER BY at LIMIT $1::int8";
    case Pg::prove_writable:
      return "UPDATE lane SET token = token WHERE node = $1::int2 AND lane = 0";
    default:
      return {};
  }
}

void fill_in(std::string& sql, std::string_view word, std::string_view with) {
  for (std::size_t at = sql.find(word); at != std::string::npos; at = sql.find(word))
    sql.replace(at, word.size(), with);
}

}  // namespace

std::string name_of(Pg statement) {
  return "pw" + std::to_string(static_cast<int>(statement));
}

std::string sql_text(Pg statement) {
  std::string sql;
  for (auto pattern :
       {pattern_of_transaction, pattern_of_registration, pattern_of_nodes, pattern_of_compact,
        pattern_of_rows, pattern_of_scan, pattern_of_waiting, pattern_of_pieces, pattern_of_fact,
        pattern_of_clock, pattern_of_server, pattern_of_requests, pattern_of_claims,
        pattern_of_paces, pattern_of_breakers, pattern_of_history_blocks})
    if (sql.empty()) sql = pattern(statement);
  PW_CHECK(!sql.empty());
  if (sql.find('{') == std::string::npos) return sql;
  int parameter = 1;
  // An index takes no condition on what may change within the statement.
  fill_in(sql, "{begun}", "(extract(epoch FROM now()) * 1000)::int8");
  fill_in(sql, "{now}", "(extract(epoch FROM clock_timestamp()) * 1000)::int8");
  // What was changed later than this was changed by a clock that is wrong, or by nobody.
  fill_in(sql, "{ahead}", "((extract(epoch FROM now()) * 1000)::int8 + 60000)");
  fill_in(sql, "{most}", "9223372036854775806");  // one more of it is still a number
  fill_in(sql, "{referred}", words_of_referred());
  fill_in(sql, "{ours}", words_of_ours());
  fill_in(sql, "{message}", names_of(columns_of_message(), ""));
  fill_in(sql, "{arrays of message}", arrays_of(columns_of_message(), parameter));
  fill_in(sql, "{arrays of content}", arrays_of(columns_of_content(), parameter));
  fill_in(sql, "{new recipient}", names_of(columns_of_new_recipient(), ""));
  fill_in(sql, "{arrays of new recipient}", arrays_of(columns_of_new_recipient(), parameter));
  PgColumns message = columns_of_message();
  message.erase(message.begin());  // the bag is nobody's business
  fill_in(sql, "{message of m}", names_of(message, "m."));
  fill_in(sql, "{recipient of r}", names_of(columns_of_recipient(), "r."));
  return sql;
}

}  // namespace postwain::qmgr
