#include "qmgr/store/postgres/session/pg_patterns.h"

namespace postwain::qmgr {

std::string_view pattern_of_compact(Pg statement) {
  switch (statement) {
    case Pg::insert_compact:
      return "INSERT INTO fresh (bag, id, recipients, data) SELECT d.bag, d.id, d.n, d.data "
             "FROM unnest($1::int2[], $2::int8[], $3::int2[], $4::bytea[]) AS d(bag, id, n, data) "
             "WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.bag = d.bag AND m.id = d.id) "
             "ON CONFLICT (bag, id) DO NOTHING RETURNING id";
    case Pg::remove_whole_compact:
      return "DELETE FROM fresh f USING unnest($1::int2[], $2::int8[], $3::int2[]) "
             "AS d(bag, id, n) WHERE f.bag = d.bag AND f.id = d.id AND f.recipients = d.n AND "
             "NOT EXISTS (SELECT 1 FROM fresh_left l WHERE l.bag = d.bag AND l.id = d.id) "
             "RETURNING f.id";
    case Pg::remove_compact:
      return "DELETE FROM fresh f USING unnest($1::int2[], $2::int8[]) AS d(bag, id) "
             "WHERE f.bag = d.bag AND f.id = d.id";
    case Pg::remove_compact_rests:
      return "DELETE FROM fresh_left l USING unnest($1::int2[], $2::int8[]) AS d(bag, id) "
             "WHERE l.bag = d.bag AND l.id = d.id";
    case Pg::put_compact_rests:
      return "INSERT INTO fresh_left (bag, id, left_over) SELECT f.bag, f.id, d.rest "
             "FROM unnest($1::int2[], $2::int8[], $3::bytea[]) AS d(bag, id, rest) "
             "JOIN fresh f ON f.bag = d.bag AND f.id = d.id "
             "ON CONFLICT (bag, id) DO UPDATE SET left_over = EXCLUDED.left_over";
    case Pg::select_compact_rests:
      return "SELECT f.id, f.recipients, coalesce(l.left_over, '') "
             "FROM unnest($1::int2[], $2::int8[]) AS d(bag, id) "
             "JOIN fresh f ON f.bag = d.bag AND f.id = d.id "
             "LEFT JOIN fresh_left l ON l.bag = d.bag AND l.id = d.id";
    case Pg::select_compact:
      return "SELECT f.id, f.data, coalesce(l.left_over, '') "
             "FROM unnest($1::int2[], $2::int8[]) AS d(bag, id) "
             "JOIN fresh f ON f.bag = d.bag AND f.id = d.id "
             "LEFT JOIN fresh_left l ON l.bag = d.bag AND l.id = d.id";
    // First the ids, which the index has, then the values of those that are wanted, and of these
    // as many as the page has room for ($5); `found` tells how many there were.
    case Pg::list_compact:
      return "WITH top AS MATERIALIZED (SELECT f.bag, f.id FROM unnest($1::int2[]) AS b(bag) "
             "CROSS JOIN LATERAL (SELECT bag, id FROM fresh WHERE bag = b.bag AND id > $2::int8 "
             "AND id <= $3::int8 ORDER BY id LIMIT $4::int8) f ORDER BY f.id LIMIT $4::int8) "
             "SELECT id, data, rest, found FROM (SELECT f.id, f.data, "
             "coalesce(l.left_over, '') AS rest, count(*) OVER () AS found, "
             "sum(octet_length(f.data)) OVER (ORDER BY f.id) - octet_length(f.data) AS before "
             "FROM top JOIN fresh f ON f.bag = top.bag AND f.id = top.id "
             "LEFT JOIN fresh_left l ON l.bag = top.bag AND l.id = top.id) AS page "
             "WHERE before <= $5::int8 ORDER BY id";
    case Pg::next_compact:
      return "SELECT coalesce(min(f.id), 0)::int8 FROM unnest($1::int2[]) AS b(bag) "
             "CROSS JOIN LATERAL (SELECT id FROM fresh WHERE bag = b.bag AND id > $2::int8 AND "
             "id <= $3::int8 ORDER BY id LIMIT 1) f";
    default:
      return {};
  }
}

std::string_view pattern_of_rows(Pg statement) {
  switch (statement) {
    // A CHECK of a message is asked before its key. Content and recipients of one that is there
    // already are left out by a look at the tables as they were before.
    case Pg::insert_messages:
      return "WITH m AS (INSERT INTO message ({message}) SELECT {message} "
             "FROM unnest({arrays of message}) AS d({message}) WHERE NOT EXISTS "
             "(SELECT 1 FROM fresh f WHERE f.bag = d.bag AND f.id = d.id) "
             "ON CONFLICT (bag, id) DO NOTHING RETURNING id), "
             "c AS (INSERT INTO content (bag, id, data) SELECT d.bag, d.id, d.data "
             "FROM unnest({arrays of content}) AS d(bag, id, data) WHERE NOT EXISTS "
             "(SELECT 1 FROM fresh f WHERE f.bag = d.bag AND f.id = d.id) AND NOT EXISTS "
             "(SELECT 1 FROM message o WHERE o.bag = d.bag AND o.id = d.id)), "
             "r AS (INSERT INTO recipient ({new recipient}, attempts, in_doubt, delay_warned, "
             "last_stage, last_code, last_host, crashes) "
             "SELECT {new recipient}, 0, 0, 0, 0, 0, '', 0 "
             "FROM unnest({arrays of new recipient}) AS d({new recipient}) WHERE NOT EXISTS "
             "(SELECT 1 FROM fresh f WHERE f.bag = d.bag AND f.id = d.message_id) AND NOT EXISTS "
             "(SELECT 1 FROM message o WHERE o.bag = d.bag AND o.id = d.message_id)) "
             "SELECT id FROM m";
    case Pg::remove_whole_messages:
      return "WITH w AS MATERIALIZED (SELECT d.bag, d.id, d.ord FROM unnest($1::int2[], "
             "$2::int8[], $3::int4[], $4::int4[], $5::int4[]) WITH ORDINALITY "
             "AS d(bag, id, n, first, last, ord) WHERE (SELECT count(*) = d.n AND "
             "min(r.idx) = d.first AND max(r.idx) = d.last FROM recipient r "
             "WHERE r.bag = d.bag AND r.message_id = d.id)), "
             "r AS (DELETE FROM recipient r USING w WHERE r.bag = w.bag AND r.message_id = w.id), "
             "c AS (DELETE FROM content c USING w WHERE c.bag = w.bag AND c.id = w.id), "
             "m AS (DELETE FROM message m USING w WHERE m.bag = w.bag AND m.id = w.id "
             "RETURNING w.ord) SELECT ord FROM m";
    case Pg::remove_recipients:
      return "DELETE FROM recipient r USING unnest($1::int2[], $2::int8[], $3::int4[]) "
             "WITH ORDINALITY AS d(bag, id, idx, ord) "
             "WHERE r.bag = d.bag AND r.message_id = d.id AND r.idx = d.idx RETURNING d.ord";
    case Pg::hold_recipients:
      return "UPDATE recipient r SET state = 1 FROM unnest($1::int2[], $2::int8[], $3::int4[]) "
             "WITH ORDINALITY AS d(bag, id, idx, ord) "
             "WHERE r.bag = d.bag AND r.message_id = d.id AND r.idx = d.idx RETURNING d.ord";
    case Pg::release_recipients:
      return "UPDATE recipient r SET state = 0, next_attempt_at = d.due, crashes = 0 "
             "FROM unnest($1::int2[], $2::int8[], $3::int4[], $4::int8[]) "
             "WITH ORDINALITY AS d(bag, id, idx, due, ord) "
             "WHERE r.bag = d.bag AND r.message_id = d.id AND r.idx = d.idx RETURNING d.ord";
    case Pg::defer_recipients:
      return "UPDATE recipient r SET destination = d.destination, attempts = d.attempts, "
             "next_attempt_at = d.due, in_doubt = d.in_doubt, delay_warned = d.delay_warned, "
             "last_at = d.last_at, last_stage = d.last_stage, last_code = d.last_code, "
             "last_enhanced = d.last_enhanced, last_text = d.last_text, last_host = d.last_host, "
             "crashes = d.crashes, state = d.state "
             "FROM unnest($1::int2[], $2::int8[], $3::int4[], $4::bytea[], $5::int4[], $6::int8[], "
             "$7::int2[], $8::int2[], $9::int8[], $10::int2[], $11::int2[], $12::bytea[], "
             "$13::bytea[], $14::bytea[], $15::int4[], $16::int2[]) WITH ORDINALITY "
             "AS d(bag, id, idx, destination, attempts, due, in_doubt, delay_warned, last_at, "
             "last_stage, last_code, last_enhanced, last_text, last_host, crashes, state, ord) "
             "WHERE r.bag = d.bag AND r.message_id = d.id AND r.idx = d.idx RETURNING d.ord";
    case Pg::remove_empty_messages:
      return "WITH w AS MATERIALIZED (SELECT d.bag, d.id, d.ord FROM unnest($1::int2[], "
             "$2::int8[]) WITH ORDINALITY AS d(bag, id, ord) WHERE NOT EXISTS "
             "(SELECT 1 FROM recipient r WHERE r.bag = d.bag AND r.message_id = d.id)), "
             "c AS (DELETE FROM content c USING w WHERE c.bag = w.bag AND c.id = w.id), "
             "m AS (DELETE FROM message m USING w WHERE m.bag = w.bag AND m.id = w.id "
             "RETURNING w.ord, m.in_file) SELECT ord, in_file FROM m";
    case Pg::select_messages:
      return "SELECT {message of m} FROM unnest($1::int2[], $2::int8[]) AS d(bag, id) "
             "JOIN message m ON m.bag = d.bag AND m.id = d.id";
    case Pg::select_recipients:
      return "SELECT {recipient of r} FROM unnest($1::int2[]) AS b(bag) CROSS JOIN LATERAL "
             "(SELECT * FROM recipient WHERE bag = b.bag AND message_id = $2::int8 AND "
             "idx >= $3::int8 ORDER BY idx LIMIT $4::int8) r ORDER BY r.idx LIMIT $4::int8";
    case Pg::select_content:
      return "SELECT substr(c.data, $3::int4, $4::int4) FROM unnest($1::int2[]) AS b(bag) "
             "JOIN content c ON c.bag = b.bag AND c.id = $2::int8";
    case Pg::list_messages:
      return "WITH top AS MATERIALIZED (SELECT f.bag, f.id FROM unnest($1::int2[]) AS b(bag) "
             "CROSS JOIN LATERAL (SELECT bag, id FROM message WHERE bag = b.bag AND "
             "id > $2::int8 AND id <= $3::int8 ORDER BY id LIMIT $4::int8) f "
             "ORDER BY f.id LIMIT $4::int8) "
             "SELECT {message of m} FROM top JOIN message m ON m.bag = top.bag AND m.id = top.id "
             "ORDER BY m.id";
    default:
      return {};
  }
}

std::string_view pattern_of_scan(Pg statement) {
  switch (statement) {
    case Pg::scan_recipients:
      return "SELECT r.message_id, r.idx, r.address, r.state, r.attempts "
             "FROM unnest($1::int2[]) AS b(bag) CROSS JOIN LATERAL "
             "(SELECT message_id, idx, address, state, attempts FROM recipient "
             "WHERE bag = b.bag AND (message_id, idx) > ($2::int8, $3::int4) AND "
             "message_id <= $4::int8 ORDER BY message_id, idx LIMIT $5::int8) r "
             "ORDER BY r.message_id, r.idx LIMIT $5::int8";
    case Pg::scan_senders:
      return "SELECT m.id, m.reverse_path FROM unnest($1::int2[]) AS b(bag) CROSS JOIN LATERAL "
             "(SELECT id, reverse_path FROM message WHERE bag = b.bag AND id > $2::int8 AND "
             "id <= $3::int8 ORDER BY id LIMIT $4::int8) m ORDER BY m.id LIMIT $4::int8";
    // One row at least: of how many messages, and the last of them.
    case Pg::count_recipients:
      return "WITH top AS MATERIALIZED (SELECT f.bag, f.id, f.traffic_class "
             "FROM unnest($1::int2[]) AS b(bag) CROSS JOIN LATERAL "
             "(SELECT bag, id, traffic_class FROM message WHERE bag = b.bag AND id > $2::int8 AND "
             "id <= $3::int8 ORDER BY id LIMIT $4::int8) f ORDER BY f.id LIMIT $4::int8) "
             "SELECT e.messages, e.last, coalesce(g.destination, ''), "
             "coalesce(g.traffic_class, 0::int2), coalesce(g.state, 0::int2), "
             "coalesce(g.attempts, 0), coalesce(g.recipients, 0::int8) "
             "FROM (SELECT count(*) AS messages, coalesce(max(id), 0)::int8 AS last FROM top) e "
             "LEFT JOIN (SELECT r.destination, t.traffic_class, r.state, "
             "least(r.attempts, 1) AS attempts, count(*) AS recipients FROM top t "
             "JOIN recipient r ON r.bag = t.bag AND r.message_id = t.id "
             "GROUP BY r.destination, t.traffic_class, r.state, least(r.attempts, 1)) g ON true";
    case Pg::first_id:
      return "SELECT coalesce(min(x.id), 0)::int8 FROM unnest($1::int2[]) AS b(bag) "
             "CROSS JOIN LATERAL ((SELECT id FROM message WHERE bag = b.bag ORDER BY id LIMIT 1) "
             "UNION ALL (SELECT id FROM fresh WHERE bag = b.bag ORDER BY id LIMIT 1)) x";
    case Pg::last_id:
      return "SELECT coalesce(max(x.id), 0)::int8 FROM unnest($1::int2[]) AS b(bag) "
             "CROSS JOIN LATERAL ((SELECT id FROM message WHERE bag = b.bag ORDER BY id DESC "
             "LIMIT 1) UNION ALL (SELECT id FROM fresh WHERE bag = b.bag ORDER BY id DESC "
             "LIMIT 1)) x";
    case Pg::count_in_doubt:
      return "SELECT count(*) FROM (SELECT 1 FROM unnest($1::int2[]) AS b(bag) "
             "CROSS JOIN LATERAL (SELECT 1 FROM recipient WHERE bag = b.bag AND in_doubt = 1 "
             "LIMIT $2::int8) r LIMIT $2::int8) found";
    default:
      return {};
  }
}

std::string_view pattern_of_waiting(Pg statement) {
  switch (statement) {
    // A merge over the bags: each begins at the cursor, so that what is gone before it costs
    // nothing, and gives keys only.
    case Pg::due_recipients:
      return "WITH top AS MATERIALIZED (SELECT k.* FROM unnest($1::int2[]) AS b(bag) "
             "CROSS JOIN LATERAL (SELECT bag, next_attempt_at, message_id, idx FROM recipient "
             "WHERE bag = b.bag AND state = 0 AND destination = $2::bytea AND "
             "next_attempt_at <= $3::int8 AND (next_attempt_at, message_id, idx) > "
             "($5::int8, $6::int8, $7::int4) ORDER BY next_attempt_at, message_id, idx "
             "LIMIT $4::int8) k ORDER BY k.next_attempt_at, k.message_id, k.idx LIMIT $4::int8) "
             "SELECT {recipient of r}, {message of m} FROM top "
             "JOIN recipient r ON r.bag = top.bag AND r.message_id = top.message_id AND "
             "r.idx = top.idx JOIN message m ON m.bag = top.bag AND m.id = top.message_id "
             "ORDER BY r.next_attempt_at, r.message_id, r.idx";
    case Pg::next_due:
      return "SELECT r.next_attempt_at FROM unnest($1::int2[]) AS b(bag) CROSS JOIN LATERAL "
             "(SELECT next_attempt_at FROM recipient WHERE bag = b.bag AND state = 0 AND "
             "destination = $2::bytea AND next_attempt_at > $3::int8 "
             "ORDER BY next_attempt_at LIMIT 1) r ORDER BY r.next_attempt_at LIMIT 1";
    // One look into each bag for each destination, however many rows it has.
    case Pg::list_destinations:
      return "WITH RECURSIVE found AS (SELECT $2::bytea AS destination, 0::int8 AS due, "
             "0::int8 AS n UNION ALL SELECT x.destination, x.next_attempt_at, found.n + 1 "
             "FROM found CROSS JOIN LATERAL (SELECT r.destination, r.next_attempt_at "
             "FROM unnest($1::int2[]) AS b(bag) CROSS JOIN LATERAL "
             "(SELECT destination, next_attempt_at FROM recipient WHERE bag = b.bag AND state = 0 "
             "AND destination > found.destination ORDER BY destination, next_attempt_at LIMIT 1) r "
             "ORDER BY r.destination, r.next_attempt_at LIMIT 1) x WHERE found.n < $3::int8) "
             "SELECT destination, due FROM found WHERE n > 0 ORDER BY n";
    case Pg::bring_forward:
      return "WITH later AS MATERIALIZED (SELECT k.* FROM unnest($1::int2[]) AS b(bag) "
             "CROSS JOIN LATERAL (SELECT bag, message_id, idx, next_attempt_at FROM recipient "
             "WHERE bag = b.bag AND state = 0 AND destination = $2::bytea AND "
             "next_attempt_at > $3::int8 AND last_at > 0 AND last_stage <= $4::int2 "
             "ORDER BY next_attempt_at LIMIT $5::int8) k ORDER BY k.next_attempt_at "
             "LIMIT $5::int8) UPDATE recipient r SET next_attempt_at = $3::int8 FROM later "
             "WHERE r.bag = later.bag AND r.message_id = later.message_id AND r.idx = later.idx";
    // Not "= 0": the server would walk over all of the index of those that wait, which has the
    // same words.
    case Pg::move_recipients:
      return "UPDATE recipient r SET destination = d.destination "
             "FROM unnest($1::int2[], $2::int8[], $3::int4[], $4::bytea[]) "
             "AS d(bag, id, idx, destination) "
             "WHERE r.bag = d.bag AND r.message_id = d.id AND r.idx = d.idx AND r.state < 1";
    case Pg::set_back:
      return "UPDATE recipient SET next_attempt_at = "
             "greatest($3::int8, least($5::int8, next_attempt_at - $4::int8)) "
             "WHERE bag = ANY($1::int2[]) AND state = 0 AND destination = $2::bytea AND "
             "next_attempt_at > $3::int8";
    default:
      return {};
  }
}

}  // namespace postwain::qmgr
