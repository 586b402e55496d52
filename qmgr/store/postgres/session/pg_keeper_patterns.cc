// The statements on what nodes tell each other beside the mail.
#include "qmgr/store/postgres/session/pg_patterns.h"

namespace postwain::qmgr {

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

}  // namespace postwain::qmgr
