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

// Of a program that has no number yet.
constexpr const char* kNewSession = "postwain/new/";

std::string lane_session(std::int16_t node) {
  return fmt::format("{}lane{}/", sessions_of_node(node), kLane);
}

StoreError not_now(std::string text) {
  return {StoreError::Kind::away, std::move(text)};
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

StoreResult<std::unique_ptr<PgConnection>> PgSession::connect(const std::string& session) {
  PgTarget target{options_.conninfo,
                  {},
                  session,
                  options_.connect_within,
                  options_.answer_within,
                  options_.places,
                  options_.ending};
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
  auto opened = connect(lane_session(node()));
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
  std::vector<PgCommand> commands;
  commands.push_back({Pg::begin, {}});
  commands.push_back({Pg::lock_node, PgParameters().int2(node()).int8(term())});
  commands.push_back({Pg::end_other_sessions, PgParameters().bytes(lane_session(node()))});
  commands.push_back({Pg::raise_own_lane, PgParameters().int2(node()).int2(kLane)});
  commands.push_back({Pg::last_batch, PgParameters().int2(node()).int8(term())});
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
  std::unique_ptr<PgSession> session(new PgSession(std::move(options)));
  auto opened = session->connect(kNewSession);
  if (!opened) return opened.error();
  session->connection_ = opened.take();
  StoreStatus tables = session->options_.make_tables ? bring_schema_up(*session->connection_)
                                                     : check_schema(*session->connection_);
  if (!tables) return tables.error();
  auto queue = queue_number(*session->connection_);
  if (!queue) return queue.error();
  session->queue_ = *queue;
  if (StoreStatus s = session->begin_term(); !s) return s.error();
  return session;
}

StoreStatus PgSession::begin_term() {
  auto registered = register_node(*connection_, options_);
  if (!registered) return registered.error();
  registered_ = registered.take();
  token_ = registered_.token;
  bags_.set_own(registered_.bags);
  for (const AttemptName& name : registered_.names) names_.add(name);
  committed_ = 1;
  names_.committed(committed_);
  std::vector<PgCommand> commands;
  commands.push_back({Pg::name_session, PgParameters().bytes(lane_session(node()))});
  PgAnswers answers = ask(commands, {});
  return answers.error ? StoreStatus(*answers.error) : StoreStatus();
}

StoreResult<std::vector<AttemptName>> PgSession::names_of_terms(PgArray nodes, std::uint64_t bags) {
  auto found =
      run(Pg::select_names, PgParameters().array(std::move(nodes)).int2(node()).int8(term()));
  if (!found) return found.error();
  return read_names(*found, bags);
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
  is_batch_ = false;
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
  names_.rolled_back();
  bool is_open = transaction_ == Transaction::open;
  transaction_ = Transaction::none;
  deferred_.clear();
  if (is_open && connection_ && !connection_->is_lost())
    (void)ask({PgCommand{Pg::roll_back, {}}}, {});
}

// --- the commit -------------------------------------------------------------------------------

StoreStatus PgSession::commit() {
  PW_CHECK(in_transaction());
  if (transaction_ == Transaction::begun && deferred_.empty() && !is_batch_) {
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
  names_.close(n);
  all.push_back(
      {Pg::name_batch, PgParameters().int2(node()).int8(term()).int8(n).bytes(names_.added())});
  all.push_back(
      {Pg::forget_batches, PgParameters().int2(node()).int8(term()).array(batches_to_forget())});
  all.push_back({Pg::fence, PgParameters().int2(node()).int2(kLane).int8(token_)});
  all.push_back({Pg::commit, {}});
  transaction_ = Transaction::open;
  PgAnswers answers = ask(all, {});
  return end_of_commit(answers);
}

// The last batch proves that it was committed until this one does. It stays for its names, too.
PgArray PgSession::batches_to_forget() const {
  PgArray batches(PgArray::Element::int8);
  for (std::int64_t batch : names_.emptied()) batches.number(batch);
  if (!names_.has(committed_)) batches.number(committed_);
  return batches;
}

StoreStatus PgSession::end_of_commit(const PgAnswers& answers) {
  if (is_commit(answers)) {
    names_.committed(++committed_);
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
    if (mono_now() >= deadline || (options_.ending && options_.ending->is_over()))
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
  names_.committed(committed_);
  return {};
}

}  // namespace postwain::qmgr
