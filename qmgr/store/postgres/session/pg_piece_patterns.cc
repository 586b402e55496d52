// The statements on pieces of bodies (qmgr/store/content_pieces.h). {referred}: whether a message
// refers to the pieces of d.bag and d.id; {ours}: whether the bag d.bag is the node's that $1
// names.
#include "qmgr/store/postgres/session/pg_patterns.h"

namespace postwain::qmgr {

std::string_view pattern_of_pieces(Pg statement) {
  switch (statement) {
    // The commit of the message comes later in the server's log, and syncs this, too.
    case Pg::sync_later:
      return "SELECT set_config('synchronous_commit', 'off', true)";
    // Without a lock: what an ended term still writes here belongs to no message.
    case Pg::check_term:
      return "SELECT 1 / count(*) FROM node WHERE id = $1::int2 AND term = $2::int8 AND "
             "state <> 0";
    case Pg::drop_pieces:
      return "DELETE FROM chunk k USING unnest($1::int2[], $2::int8[]) AS d(bag, id) "
             "WHERE k.bag = d.bag AND k.id = d.id AND NOT {referred}";
    case Pg::are_pieces_referred:
      return "SELECT {referred}::int4 FROM (SELECT $1::int2 AS bag, $2::int8 AS id) AS d";
    case Pg::insert_pieces:
      return "INSERT INTO chunk (bag, id, no, data) SELECT $1::int2, $2::int8, "
             "($3::int8 + d.ord - 1)::int4, d.data "
             "FROM unnest($4::bytea[]) WITH ORDINALITY AS d(data, ord)";
    case Pg::copy_pieces:
      return "INSERT INTO chunk (bag, id, no, data) SELECT $3::int2, $4::int8, k.no, k.data "
             "FROM chunk k WHERE k.bag = $1::int2 AND k.id = $2::int8 AND k.no >= $5::int4 AND "
             "k.no < $6::int4";
    case Pg::select_pieces:
      return "SELECT k.no, k.data FROM chunk k WHERE k.bag = $1::int2 AND k.id = $2::int8 AND "
             "k.no >= $3::int4 ORDER BY k.no LIMIT $4::int8";
    case Pg::count_pieces:
      return "SELECT d.ord FROM unnest($1::int2[], $2::int8[], $3::int8[], $4::int8[]) "
             "WITH ORDINALITY AS d(bag, id, pieces, octets, ord) WHERE "
             "(SELECT count(*) = d.pieces AND coalesce(sum(octet_length(k.data)), 0) = d.octets "
             "FROM chunk k WHERE k.bag = d.bag AND k.id = d.id)";
    case Pg::remove_pieces:
      return "DELETE FROM chunk k USING unnest($1::int2[], $2::int8[]) AS d(bag, id) "
             "WHERE k.bag = d.bag AND k.id = d.id";
    // One look for each id, however many pieces it has.
    case Pg::list_pieces:
      return "WITH RECURSIVE found AS (SELECT $2::int2 AS bag, $3::int8 AS id, 0::int8 AS n "
             "UNION ALL SELECT found.bag, x.id, found.n + 1 FROM found CROSS JOIN LATERAL "
             "(SELECT k.id FROM chunk k WHERE k.bag = found.bag AND k.id > found.id AND "
             "k.id <= $4::int8 ORDER BY k.id LIMIT 1) x WHERE found.n < $5::int8) "
             "SELECT d.id, {referred}::int4 FROM found d WHERE d.n > 0 AND {ours} ORDER BY d.n";
    case Pg::remove_left_pieces:
      return "DELETE FROM chunk k USING (SELECT p.bag, p.id, p.no FROM "
             "(SELECT $2::int2 AS bag, $3::int8 AS id) AS d CROSS JOIN LATERAL "
             "(SELECT c.bag, c.id, c.no FROM chunk c WHERE c.bag = d.bag AND c.id = d.id "
             "ORDER BY c.no LIMIT $4::int8) p WHERE NOT {referred} AND {ours}) AS t "
             "WHERE k.bag = t.bag AND k.id = t.id AND k.no = t.no";
    default:
      return {};
  }
}

std::string_view words_of_referred() {
  return "(EXISTS (SELECT 1 FROM message m WHERE m.bag = d.bag AND m.id = d.id AND m.in_file = 1) "
         "OR EXISTS (SELECT 1 FROM fresh f WHERE f.bag = d.bag AND f.id = d.id))";
}

std::string_view words_of_ours() {
  return "EXISTS (SELECT 1 FROM bag b WHERE b.id = d.bag AND b.node = $1::int2)";
}

}  // namespace postwain::qmgr
