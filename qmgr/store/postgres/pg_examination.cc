#include "qmgr/store/postgres/pg_examination.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "common/base/time.h"
#include "queue-schema/pg_migrations.h"

#include "qmgr/store/postgres/session/pg_connection.h"
#include "qmgr/store/postgres/session/pg_durability.h"
#include "qmgr/store/postgres/session/pg_schema.h"

namespace postwain::qmgr {

namespace {

using cluster::ServerFacts;
using Micros = std::chrono::microseconds;

constexpr int kRoundTrips = 11;

StoreResult<std::unique_ptr<PgConnection>> connect_to_examine(const PgOptions& options) {
  PgTarget target{options.conninfo,      {},
                  "postwain/check/",     options.connect_within,
                  options.answer_within, options.places};
  if (options.secret) target.secret = options.secret->get();
  return PgConnection::open(target);
}

// The settings, and the rights of our role.
StoreStatus ask_settings(PgConnection& connection, ServerFacts& facts) {
  std::vector<PgCommand> commands;
  commands.push_back({Pg::examine_server, {}});
  commands.push_back({Pg::select_durability, {}});
  PgAnswers answers = connection.run(commands);
  if (answers.error) return *answers.error;
  PgReader row(answers.results[0], 0);
  facts.version = row.number();
  facts.full_page_writes = row.flag();
  facts.autovacuum = row.flag();
  facts.may_create = row.flag();
  facts.superuser = row.flag();
  facts.sees_standbys = row.flag();
  facts.foreign_tables = row.number();
  std::optional<cluster::CommitFacts> commit = read_durability(answers.results[1]);
  if (!row.done() || !commit) return strange_answer();
  facts.commit = *commit;
  return {};
}

// Tables of another role may be closed to us; that is told by the facts themselves.
StoreStatus ask_tables(PgConnection& connection, ServerFacts& facts) {
  facts.schema_wanted = queue_schema::pg_schema_version();
  if (facts.foreign_tables > 0) return {};
  StoreResult<std::int64_t> version = version_of_tables(connection);
  if (version)
    facts.schema = *version;
  else if (connection.is_lost())
    return version.error();
  else
    facts.schema_trouble = version.error().text;
  return {};
}

StoreStatus ask_node(PgConnection& connection, const PgOptions& options, ServerFacts& facts) {
  facts.node = options.node_name;
  if (facts.schema == 0) return {};
  PgCommand command{Pg::find_node, PgParameters().bytes(options.node_name)};
  PgAnswers answers = connection.run({&command, 1});
  if (answers.error) return *answers.error;
  const PgResult& found = answers.results[0];
  if (found.rows() == 0) return {};
  PgReader row(found, 0);
  const bool lives = row.number() != 0;
  const bool ours = row.view() == options.machine;
  if (!row.done()) return strange_answer();
  facts.node_taken = lives && !ours;
  return {};
}

// The quickest answer is the one that tells most about the clock, too.
StoreStatus measure_way(PgConnection& connection, ServerFacts& facts) {
  facts.round_trip = Micros::max();
  for (int i = 0; i < kRoundTrips; ++i) {
    PgCommand command{Pg::server_time, {}};
    const auto began = std::chrono::steady_clock::now();
    const WallTime asked = wall_now();
    PgAnswers answers = connection.run({&command, 1});
    const auto took = std::chrono::duration_cast<Micros>(std::chrono::steady_clock::now() - began);
    if (answers.error) return *answers.error;
    PgReader row(answers.results[0], 0);
    const std::int64_t server_ms = row.number();
    if (!row.done()) return strange_answer();
    if (took >= facts.round_trip) continue;
    facts.round_trip = took;
    facts.clock_difference =
        Duration(server_ms - to_unix_ms(asked)) - std::chrono::duration_cast<Duration>(took / 2);
  }
  return {};
}

}  // namespace

StoreResult<ServerFacts> examine_database(const PgOptions& options) {
  auto connection = connect_to_examine(options);
  if (!connection) return connection.error();
  ServerFacts facts;
  facts.server = (*connection)->describe();
  if (StoreStatus s = ask_settings(**connection, facts); !s) return s.error();
  if (StoreStatus s = ask_tables(**connection, facts); !s) return s.error();
  if (StoreStatus s = ask_node(**connection, options, facts); !s) return s.error();
  if (StoreStatus s = measure_way(**connection, facts); !s) return s.error();
  return facts;
}

}  // namespace postwain::qmgr
