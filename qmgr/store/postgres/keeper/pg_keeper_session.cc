#include "qmgr/store/postgres/keeper/pg_keeper_session.h"

#include <iterator>
#include <utility>

#include "qmgr/store/postgres/session/pg_registration.h"

namespace postwain::qmgr {

namespace {

// Nothing of the keeper's is worth more patience: whoever waits for it tries again.
constexpr Duration kKeeperWithin = std::chrono::seconds(5);

std::string keeper_sessions(std::int16_t node) {
  return sessions_of_node(node) + "keeper/";
}

StoreError keeper_fenced() {
  return {StoreError::Kind::fenced, "another node has ended this node's term"};
}

}  // namespace

PgKeeperSession::PgKeeperSession(PgOptions options, const SharedQueue::Self& self)
    : options_(std::move(options)), self_(self) {}

StoreStatus PgKeeperSession::make_ready() {
  if (connection_ && !connection_->is_lost()) return {};
  if (mono_now() < connect_from_) return StoreError{StoreError::Kind::away, unreachable_};
  PgTarget target{options_.conninfo,       options_.secret ? options_.secret->get() : std::string(),
                  keeper_sessions(node()), kKeeperWithin,
                  kKeeperWithin,           options_.places,
                  options_.ending};
  auto opened = PgConnection::open(target);
  StoreStatus ready = opened ? take_lane(**opened) : StoreStatus(opened.error());
  if (ready) {
    connection_ = opened.take();
    return {};
  }
  connect_from_ = mono_now() + options_.first_pause;
  unreachable_ = ready.error().text;
  return ready;
}

// As PgSession::retake_on() does for the lane of the batches.
StoreStatus PgKeeperSession::take_lane(PgConnection& connection) {
  PgAnswers answers = connection.run(
      Commands{{Pg::begin, {}},
               {Pg::lock_node, PgParameters().int2(node()).int8(term())},
               {Pg::end_other_sessions, PgParameters().bytes(keeper_sessions(node()))},
               {Pg::raise_lane, PgParameters().int2(node()).int2(kKeeperLane)},
               {Pg::commit, {}}});
  if (answers.failed == Pg::lock_node) return keeper_fenced();
  if (answers.error) return *answers.error;
  if (!is_commit(answers))
    return StoreError{StoreError::Kind::away, "the database warned while the lane was taken"};
  StoreResult<std::int64_t> token = number_in(answers.results[3]);
  if (!token) return token.error();
  token_ = *token;
  return {};
}

PgKeeperSession::Results PgKeeperSession::run(const Commands& commands) {
  PgAnswers answers = connection_->run(commands);
  // A commit that only warned may be gone after a failover.
  if (answers.ok() && answers.warned)
    return StoreError{StoreError::Kind::away, "the database warned when it committed"};
  if (answers.ok()) return std::move(answers.results);
  if (answers.lost)
    connection_.reset();
  else
    (void)connection_->run(Commands{{Pg::roll_back, {}}});
  if (answers.failed == Pg::fence && answers.sqlstate == "22012") return keeper_fenced();
  StoreError error = *answers.error;
  if (error.kind == StoreError::Kind::unsure) error.kind = StoreError::Kind::away;
  return error;
}

PgKeeperSession::Results PgKeeperSession::write(Commands commands, Sync sync) {
  if (StoreStatus ready = make_ready(); !ready) return ready.error();
  Commands all;
  all.push_back({Pg::begin, {}});
  all.push_back({Pg::limit_locks, {}});
  if (sync == Sync::later) all.push_back({Pg::sync_later, {}});
  const auto first = static_cast<std::ptrdiff_t>(all.size());
  const auto count = static_cast<std::ptrdiff_t>(commands.size());
  std::move(commands.begin(), commands.end(), std::back_inserter(all));
  all.push_back({Pg::fence, PgParameters().int2(node()).int2(kKeeperLane).int8(token_)});
  all.push_back({Pg::commit, {}});
  Results results = run(all);
  if (!results) return results;
  if (results->back().tag() != "COMMIT")
    return StoreError{StoreError::Kind::away, "the database did not commit what was sent"};
  results->erase(results->begin() + first + count, results->end());
  results->erase(results->begin(), results->begin() + first);
  return results;
}

PgKeeperSession::Results PgKeeperSession::read(Commands commands) {
  if (StoreStatus ready = make_ready(); !ready) return ready.error();
  return run(commands);
}

}  // namespace postwain::qmgr
