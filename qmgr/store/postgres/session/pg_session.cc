#include "qmgr/store/postgres/session/pg_session.h"

#include <algorithm>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "common/base/check.h"
#include "common/log/log.h"

#include "qmgr/store/postgres/session/pg_schema.h"

namespace postwain::qmgr {

namespace {

constexpr std::int64_t kLane = 0;  // that writes batches

std::string session_prefix(std::int16_t node) {
  return fmt::format("postwain/{}/", node);
}

std::string lane_session(std::int16_t node) {
  return fmt::format("{}lane{}/", session_prefix(node), kLane);
}

StoreError not_now(std::string text) {
  return {StoreError::Kind::away, std::move(text)};
}

// Of a committed transaction, nothing else: not ROLLBACK, and no warning beside it.
bool is_commit(const PgAnswers& answers) {
  return answers.ok() && !answers.warned && !answers.results.empty() &&
         answers.results.back().tag() == "COMMIT";
}

// The one number of the one row.
StoreResult<std::int64_t> number_in(const PgResult& result) {
  PgReader row(result, 0);
  std::int64_t number = row.number();
  if (result.rows() != 1 || !row.done()) return strange_answer();
  return number;
}

bool is_fence(Pg statement) {
  return statement == Pg::fence || statement == Pg::lock_node;
}

StoreError fenced() {
  return {StoreError::Kind::fenced, "another process has taken over this node's part of the queue"};
}

}  // namespace

PgSession::PgSession(PgOptions options)
    : options_(std::move(options)), pause_(options_.first_pause) {}

PgSession::~PgSession() = default;

// --- connecting -------------------------------------------------------------------------------

StoreResult<std::unique_ptr<PgConnection>> PgSession::connect() {
  PgTarget target{options_.conninfo,
                  {},
                  lane_session(options_.node),
                  options_.connect_within,
                  options_.answer_within};
  if (options_.secret) target.secret = options_.secret->get();
  ++round_trips_;
  auto opened = PgConnection::open(target);
  if (opened) (*opened)->on_silence(on_silence_);
  return opened;
}

void PgSession::on_silence(std::function<void()> tell) {
  on_silence_ = std::move(tell);
  if (connection_) connection_->on_silence(on_silence_);
}

// After a failure the next try waits; calls until then fail at once.
StoreStatus PgSession::make_ready() {
  if (ended_) return *ended_;
  if (connection_ && !connection_->is_lost()) return {};
  if (mono_now() < connect_from_) return not_now(unreachable_);
  StoreStatus done = retake();
  if (done) {
    pause_ = options_.first_pause;
  } else {
    connection_.reset();
    unreachable_ = done.error().text;
    connect_from_ = mono_now() + pause_;
    pause_ = std::min(pause_ * 2, options_.longest_pause);
  }
  return done;
}

StoreStatus PgSession::retake() {
  connection_.reset();
  auto opened = connect();
  if (!opened) return opened.error();
  if (StoreStatus s = retake_on(**opened); !s) return s;
  connection_ = opened.take();
  log::Line(log::Level::warning, "database_session_renewed").kv("last_batch", found_);
  if (found_ >= committed_) return {};
  return note(
      {StoreError::Kind::broken,
       fmt::format("the database has lost committed batches: {} was the last, and it has {}",
                   committed_, found_)});
}

// The raising waits for the end of the old session, where that still has the lane; what is read
// behind it is final.
StoreStatus PgSession::retake_on(PgConnection& connection) {
  const std::int16_t node = options_.node;
  std::vector<PgCommand> commands;
  commands.push_back({Pg::begin, {}});
  commands.push_back({Pg::lock_node, PgParameters().int2(node).int8(term_)});
  commands.push_back({Pg::end_other_sessions, PgParameters().bytes(lane_session(node))});
  commands.push_back({Pg::raise_own_lane, PgParameters().int2(node).int2(kLane)});
  commands.push_back({Pg::last_batch, PgParameters().int2(node).int8(term_)});
  commands.push_back({Pg::commit, {}});
  ++round_trips_;
  PgAnswers answers = connection.run(commands);
  if (answers.error) return note(answers);
  if (!is_commit(answers)) return not_now("the database warned while the lane was taken");
  StoreResult<std::int64_t> token = number_in(answers.results[3]);
  StoreResult<std::int64_t> found = number_in(answers.results[4]);
  if (!token) return note(fenced());
  if (!found) return note(found.error());
  token_ = *token;
  found_ = *found;
  return {};
}

// --- opening ----------------------------------------------------------------------------------

StoreResult<std::unique_ptr<PgSession>> PgSession::open(PgOptions options) {
  if (options.bags.empty()) options.bags = every_bag();
  std::unique_ptr<PgSession> session(new PgSession(std::move(options)));
  auto opened = session->connect();
  if (!opened) return opened.error();
  session->connection_ = opened.take();
  StoreStatus tables = session->options_.make_tables ? bring_schema_up(*session->connection_)
                                                     : check_schema(*session->connection_);
  if (!tables) return tables.error();
  auto queue = queue_number(*session->connection_);
  if (!queue) return queue.error();
  session->queue_ = *queue;
  if (StoreStatus s = session->enter_cluster(); !s) return s.error();
  return session;
}

// A new term: what the former one may still have on its way cannot be committed any more.
StoreStatus PgSession::enter_cluster() {
  std::vector<PgCommand> commands;
  commands.push_back({Pg::begin, {}});
  commands.push_back({Pg::register_node, PgParameters()
                                             .int2(options_.node)
                                             .bytes(options_.node_name)
                                             .bytes(options_.machine)
                                             .int2(options_.take_over ? 1 : 0)});
  PgAnswers answers = ask(commands, {});
  if (answers.error) return *answers.error;
  if (answers.results.back().rows() == 0)
    return StoreError{
        StoreError::Kind::busy,
        fmt::format("the queue in this database belongs to another machine, or to another spool "
                    "(node {})",
                    options_.node)};
  StoreResult<std::int64_t> term = number_in(answers.results.back());
  if (!term) return term.error();
  return take_what_is_ours(*term);
}

StoreStatus PgSession::take_what_is_ours(std::int64_t term) {
  const std::int16_t node = options_.node;
  PgArray bags(PgArray::Element::int2);
  for (std::int16_t bag : options_.bags) bags.number(bag);
  std::vector<PgCommand> commands;
  commands.push_back({Pg::end_other_sessions, PgParameters().bytes(session_prefix(node))});
  commands.push_back({Pg::raise_lane, PgParameters().int2(node).int2(kLane)});
  commands.push_back({Pg::take_bags, PgParameters().int2(node).array(std::move(bags))});
  commands.push_back({Pg::forget_terms, PgParameters().int2(node).int8(term)});
  commands.push_back({Pg::put_placement, PgParameters().bytes(bytes_of(options_.bags))});
  commands.push_back({Pg::list_placements, PgParameters().int8(kPlacementsMax + 1)});
  PgAnswers answers = ask(commands, {});
  if (answers.error) return *answers.error;
  StoreResult<std::int64_t> token = number_in(answers.results[1]);
  if (!token) return token.error();
  if (StoreStatus s = take_places(answers.results[2], answers.results[5]); !s) return s;
  PgAnswers ended = ask({PgCommand{Pg::commit, {}}}, {});
  if (ended.error) return *ended.error;
  if (!is_commit(ended)) return not_now("the database warned while the lane was taken");
  term_ = term;
  token_ = *token;
  return {};
}

StoreStatus PgSession::take_places(const PgResult& bags, const PgResult& placements) {
  if (static_cast<std::size_t>(bags.rows()) != options_.bags.size())
    return StoreError{StoreError::Kind::busy, "a part of the queue belongs to another node"};
  std::vector<BagList> former;
  for (int i = 0; i < placements.rows(); ++i) {
    PgReader row(placements, i);
    std::optional<BagList> set = bags_of(row.view());
    if (!set || !row.done()) return strange_answer();
    former.push_back(*std::move(set));
  }
  places_ = std::make_unique<BagPlaces>(options_.bags, std::move(former), options_.bags);
  return {};
}

// --- round trips ------------------------------------------------------------------------------

PgAnswers PgSession::ask(const std::vector<PgCommand>& commands, std::optional<Duration> patience) {
  ++round_trips_;
  return connection_->run(commands, patience);
}

// What goes out with BEGIN, or is no transaction, may be sent on another session as well.
PgAnswers PgSession::try_twice(const std::vector<PgCommand>& commands,
                               std::optional<Duration> patience) {
  PgAnswers answers;
  for (int i = 0; i < 2; ++i) {
    if (StoreStatus s = make_ready(); !s) {
      answers = {};
      answers.error = s.error();
      return answers;
    }
    answers = ask(commands, patience);
    if (!answers.lost) break;
  }
  return answers;
}

// Those that end everything are remembered.
StoreError PgSession::note(StoreError error) {
  using Kind = StoreError::Kind;
  if (error.kind == Kind::fenced || error.kind == Kind::unsure || error.kind == Kind::damaged ||
      error.kind == Kind::broken)
    ended_ = error;
  return error;
}

StoreError PgSession::note(const PgAnswers& answers) {
  if (answers.failed && is_fence(*answers.failed) && answers.sqlstate == "22012")
    return note(fenced());
  return note(*answers.error);
}

void PgSession::begin() {
  PW_CHECK(transaction_ == Transaction::none);
  transaction_ = Transaction::begun;
}

void PgSession::defer(Pg statement, PgParameters parameters) {
  PW_CHECK(in_transaction());
  deferred_.push_back({statement, std::move(parameters)});
}

StoreResult<PgResult> PgSession::run(Pg statement, PgParameters parameters,
                                     std::optional<Duration> patience) {
  std::vector<PgCommand> one;
  one.push_back({statement, std::move(parameters)});
  auto results = run(std::move(one), patience);
  if (!results) return results.error();
  return std::move(results->front());
}

StoreResult<std::vector<PgResult>> PgSession::run(std::vector<PgCommand> commands,
                                                  std::optional<Duration> patience) {
  const std::size_t wanted = commands.size();
  std::vector<PgCommand> all;
  bool is_first = transaction_ != Transaction::open;
  if (transaction_ == Transaction::begun) all.push_back({Pg::begin, {}});
  std::move(deferred_.begin(), deferred_.end(), std::back_inserter(all));
  std::move(commands.begin(), commands.end(), std::back_inserter(all));
  deferred_.clear();
  if (ended_) return *ended_;
  PgAnswers answers = is_first ? try_twice(all, patience) : ask(all, patience);
  if (in_transaction() && connection_) transaction_ = Transaction::open;
  if (answers.lost && !is_first) return StoreError{StoreError::Kind::again, answers.error->text};
  if (answers.error) return note(answers);
  answers.results.erase(answers.results.begin(),
                        answers.results.end() - static_cast<std::ptrdiff_t>(wanted));
  return std::move(answers.results);
}

void PgSession::roll_back() {
  bool is_open = transaction_ == Transaction::open;
  transaction_ = Transaction::none;
  deferred_.clear();
  if (is_open && connection_ && !connection_->is_lost())
    (void)ask({PgCommand{Pg::roll_back, {}}}, {});
}

// --- the commit -------------------------------------------------------------------------------

StoreStatus PgSession::commit() {
  PW_CHECK(in_transaction());
  if (transaction_ == Transaction::begun && deferred_.empty()) {
    transaction_ = Transaction::none;
    return {};
  }
  if (ended_) return *ended_;
  std::vector<PgCommand> all;
  bool is_first = transaction_ == Transaction::begun;
  if (is_first) {
    if (StoreStatus s = make_ready(); !s) return s;
    all.push_back({Pg::begin, {}});
  }
  std::move(deferred_.begin(), deferred_.end(), std::back_inserter(all));
  deferred_.clear();
  const std::int64_t n = committed_ + 1;
  all.push_back({Pg::name_batch, PgParameters().int2(options_.node).int8(term_).int8(n).bytes("")});
  all.push_back({Pg::forget_batches,
                 PgParameters().int2(options_.node).int8(term_).int8(committed_).int8(n)});
  all.push_back({Pg::fence, PgParameters().int2(options_.node).int2(kLane).int8(token_)});
  all.push_back({Pg::commit, {}});
  transaction_ = Transaction::open;
  PgAnswers answers = ask(all, {});
  return end_of_commit(answers);
}

StoreStatus PgSession::end_of_commit(const PgAnswers& answers) {
  if (is_commit(answers)) {
    ++committed_;
    transaction_ = Transaction::none;
    return {};
  }
  // A statement before it was refused: COMMIT was not looked at.
  if (answers.failed && *answers.failed != Pg::commit) {
    if (answers.lost) return StoreError{StoreError::Kind::again, answers.error->text};
    return note(answers);
  }
  bool is_refused = answers.failed && !answers.lost && !answers.warned &&
                    answers.error->kind != StoreError::Kind::unsure;
  if (is_refused) return note(answers);
  return resolve_doubt();
}

// The session is given up even where it lives: a commit that only warned is settled by what a later
// transaction finds, as one whose answer was lost.
StoreStatus PgSession::resolve_doubt() {
  const MonoTime deadline = mono_now() + options_.doubt_within;
  transaction_ = Transaction::none;
  connection_.reset();
  for (;;) {
    StoreStatus ready = make_ready();
    if (ready) break;
    if (on_silence_) on_silence_();
    if (ended_) return *ended_;
    if (mono_now() >= deadline)
      return note({StoreError::Kind::unsure,
                   "whether the last batch was committed is unknown: " + ready.error().text});
    std::this_thread::sleep_for(std::max(Duration(1), connect_from_ - mono_now()));
  }
  bool is_there = found_ > committed_;
  log::Line(log::Level::warning, "commit_resolved").kv("committed", is_there);
  if (!is_there)
    return StoreError{StoreError::Kind::again,
                      "the answer to a commit was lost, and it was not done"};
  committed_ = found_;
  return {};
}

}  // namespace postwain::qmgr
