#include "qmgr/store/postgres/session/pg_durability.h"

#include <string_view>

#include "qmgr/store/postgres/session/pg_patterns.h"

namespace postwain::qmgr {

// What a role may not see of other connections is NULL.
std::string_view pattern_of_server(Pg statement) {
  switch (statement) {
    case Pg::server_time:
      return "SELECT {now}";
    case Pg::examine_server:
      return "SELECT current_setting('server_version_num')::int4, "
             "(current_setting('full_page_writes') = 'on')::int4, "
             "(current_setting('autovacuum') = 'on' AND current_setting('track_counts') = "
             "'on')::int4, "
             "coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)::int4, "
             "(SELECT rolsuper FROM pg_roles WHERE rolname = current_user)::int4, "
             "pg_has_role('pg_read_all_stats', 'USAGE')::int4, "
             "(SELECT count(*) FROM pg_class WHERE relname IN ('schema_info', 'node', 'lane', "
             "'bag', 'attempt', 'fresh', 'message', 'content', 'recipient') AND "
             "relnamespace = current_schema()::regnamespace AND "
             "NOT pg_has_role(relowner, 'USAGE'))::int8";
    case Pg::select_durability:
      return "SELECT convert_to(current_setting('synchronous_commit'), 'UTF8'), "
             "convert_to(current_setting('synchronous_standby_names'), 'UTF8'), "
             "(current_setting('fsync') = 'on')::int4, count(pid), "
             "count(pid) FILTER (WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')), "
             "count(pid) FILTER (WHERE state IS NULL), "
             "coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn)) "
             "FILTER (WHERE state = 'streaming'), -1)::int8 FROM pg_stat_replication";
    case Pg::find_node:
      return "SELECT state, machine FROM node WHERE name = $1::bytea";
    default:
      return {};
  }
}

std::optional<cluster::CommitFacts> read_durability(const PgResult& result) {
  PgReader row(result, 0);
  cluster::CommitFacts facts;
  facts.synchronous_commit = row.text();
  facts.standby_names = row.text();
  facts.fsync = row.flag();
  facts.receivers = row.number();
  facts.synchronous = row.number();
  facts.hidden = row.number();
  facts.lag = row.number();
  if (result.rows() != 1 || !row.done()) return std::nullopt;
  return facts;
}

}  // namespace postwain::qmgr
