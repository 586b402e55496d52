#include "qmgr/store/postgres/session/pg_connection.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>
#include <vector>

#include <libpq-fe.h>
#include <poll.h>

#include <fmt/format.h>

#include "common/base/check.h"
#include "common/base/text.h"

#include "qmgr/store/postgres/session/sqlstate.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kServerTextMax = 300;
constexpr Duration kSilenceTold = std::chrono::seconds(1);
constexpr Duration kEndLooked = std::chrono::milliseconds(250);
constexpr std::size_t kHostsMax = 16;  // of one conninfo; more are not asked

// What every session of ours is like, whatever the server's or the role's defaults are.
// - Only what has been synced is committed; only what is committed is read.
// - A transaction whose client is gone must not hold its locks.
// - Plans go by index whatever the statistics say: a table is empty one minute, and full of rows
//   that are gone the next. So there is one plan for each statement, and a test reads it. What
//   it costs to read a page is no reason for another one.
constexpr const char* kSessionOptions =
    "-c default_transaction_isolation=read\\ committed -c default_transaction_read_only=off "
    "-c synchronous_commit=on -c statement_timeout=0 -c lock_timeout=0 "
    "-c idle_in_transaction_session_timeout=5s -c tcp_keepalives_idle=2 "
    "-c tcp_keepalives_interval=1 -c tcp_keepalives_count=3 -c client_connection_check_interval=2s "
    "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off "
    "-c seq_page_cost=0 -c random_page_cost=0 -c plan_cache_mode=force_generic_plan -c "
    "bytea_output=hex -c client_min_messages=warning";

// Nobody's home folder is looked into for passwords.
constexpr const char* kNoFile = "/nonexistent/pgpass";

std::string first_line(const char* text) {
  std::string_view all = text == nullptr ? "" : text;
  return printable(trim(all.substr(0, all.find('\n'))), kServerTextMax);
}

// What libpq puts in front of a reason, which is the server's address as it has it: a socket of
// ours where db-link is between. `place_` says it better.
std::string_view without_prefix(std::string_view text) {
  constexpr std::string_view kFront = "connection to server ";
  constexpr std::string_view kBehind = " failed: ";
  std::size_t end = text.starts_with(kFront) ? text.find(kBehind) : std::string_view::npos;
  if (end != std::string_view::npos) text.remove_prefix(end + kBehind.size());
  constexpr std::string_view kFatal = "FATAL:";
  if (text.starts_with(kFatal)) text = trim(text.substr(kFatal.size()));
  return text;
}

// The server as a person knows it. The port of a socket's folder is told where it is not the usual
// one.
std::string place_of(const pg_conn* connection, const std::vector<PgPlace>& places) {
  constexpr std::string_view kUsualPort = "5432";
  const char* host = PQhost(connection);
  const char* port = PQport(connection);
  if (host == nullptr || *host == 0) return {};
  for (const PgPlace& one : places)
    if (one.folder == host) return one.shown;
  const std::string_view number = port == nullptr || *port == 0 ? kUsualPort : port;
  std::string name = printable(host, kServerTextMax);
  if (*host == '/' && number == kUsualPort) return name;
  const bool v6 = name.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", name, v6 ? "]" : "", printable(number, 5));
}

// One server of those that a conninfo names. Empty values are left to the conninfo.
struct PgHost {
  std::string name;
  std::string address;
  std::string port;
};

// The n-th part of a list as libpq has it; a list of one counts for every n.
std::string nth_of(std::string_view list, std::size_t n) {
  std::vector<std::string_view> parts = split(list, ',');
  if (parts.size() == 1) return std::string(parts.front());
  return n < parts.size() ? std::string(parts[n]) : std::string();
}

// The servers that the conninfo names, and whether libpq can read it and finds no password within.
// Each is asked by itself: libpq would give all the time to the first one that is silent.
StoreResult<std::vector<PgHost>> hosts_of(const std::string& conninfo) {
  char* why = nullptr;
  PQconninfoOption* options = PQconninfoParse(conninfo.c_str(), &why);
  if (options == nullptr) {
    // libpq's words may quote what it could not read.
    PQfreemem(why);
    return StoreError{StoreError::Kind::refused, "the address of the database cannot be read"};
  }
  std::map<std::string, std::string> given;
  for (PQconninfoOption* one = options; one->keyword != nullptr; ++one)
    if (one->val != nullptr) given[one->keyword] = one->val;
  PQconninfoFree(options);
  if (given.count("password") > 0)
    return StoreError{StoreError::Kind::refused,
                      "the address of the database has a password in it; give it in a file"};
  const std::string& names = given["host"];
  const std::string& addresses = given["hostaddr"];
  const std::string& longest = addresses.empty() ? names : addresses;
  std::size_t count = std::min(split(longest, ',').size(), kHostsMax);
  std::vector<PgHost> hosts(std::max<std::size_t>(count, 1));
  // Nothing to tell apart: all of it is libpq's to read.
  if (hosts.size() == 1) return hosts;
  for (std::size_t i = 0; i < hosts.size(); ++i)
    hosts[i] = {nth_of(names, i), nth_of(addresses, i), nth_of(given["port"], i)};
  return hosts;
}

Duration left_until(MonoTime deadline) {
  return std::max(Duration(0), deadline - mono_now());
}

int poll_once(int fd, short events, Duration at_most) {
  pollfd one{fd, events, 0};
  int ready = ::poll(&one, 1, static_cast<int>(std::min<std::int64_t>(at_most.count(), 1 << 30)));
  return ready < 0 && errno == EINTR ? 1 : ready;
}

pg_conn* start_connecting(const PgTarget& target, const PgHost& host) {
  // A later word takes the place of an earlier one, so the conninfo stands in front.
  std::vector<const char*> names = {
      "dbname",          "options",         "application_name", "target_session_attrs",
      "keepalives_idle", "client_encoding", "passfile",         "password"};
  std::vector<const char*> values = {target.conninfo.c_str(),
                                     kSessionOptions,
                                     target.session.c_str(),
                                     "read-write",
                                     "2",
                                     "UTF8",
                                     kNoFile,
                                     target.secret.c_str()};
  auto add = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    names.push_back(name);
    values.push_back(value.c_str());
  };
  add("host", host.name);
  add("hostaddr", host.address);
  add("port", host.port);
  names.push_back(nullptr);
  values.push_back(nullptr);
  return PQconnectStartParams(names.data(), values.data(), 1);
}

}  // namespace

// --- opening and ending -----------------------------------------------------------------------

PgConnection::PgConnection(pg_conn* owned, const PgTarget& target)
    : connection_(owned), answer_within_(target.answer_within), ending_(target.ending) {
  if (owned != nullptr) place_ = place_of(owned, target.places);
}

PgConnection::~PgConnection() {
  PQfinish(connection_);
}

StoreResult<std::unique_ptr<PgConnection>> PgConnection::open(const PgTarget& target) {
  auto hosts = hosts_of(target.conninfo);
  if (!hosts) return hosts.error();
  // Whoever ends still looks whether the server is back.
  const MonoTime end = target.ending ? target.ending->when() : MonoTime::max();
  const MonoTime deadline =
      std::min(mono_now() + target.connect_within, std::max(end, mono_now() + kSilenceTold));
  StoreError last;
  for (std::size_t i = 0; i < hosts->size(); ++i) {
    std::unique_ptr<PgConnection> made(
        new PgConnection(start_connecting(target, (*hosts)[i]), target));
    if (made->connection_ == nullptr) return made->away("no memory");
    // What is left of the time is shared by those that are left.
    Duration share = left_until(deadline) / static_cast<std::int64_t>(hosts->size() - i);
    StoreStatus done = made->finish_connecting(mono_now() + share);
    if (done) done = made->begin_session();
    if (done) return made;
    last = done.error();
  }
  return last;
}

StoreStatus PgConnection::begin_session() {
  PQsetNoticeReceiver(connection_, on_notice, this);
  if (PQsetnonblocking(connection_, 1) != 0 || PQenterPipelineMode(connection_) != 1)
    return away(message());
  return {};
}

StoreStatus PgConnection::finish_connecting(MonoTime deadline) {
  for (PostgresPollingStatusType now = PGRES_POLLING_WRITING; now != PGRES_POLLING_OK;) {
    if (now == PGRES_POLLING_FAILED || PQstatus(connection_) == CONNECTION_BAD)
      return away(message());
    short events = now == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (poll_once(PQsocket(connection_), events, left_until(deadline)) <= 0)
      return away("no answer in time");
    now = PQconnectPoll(connection_);
  }
  return {};
}

// A warning belongs to the statement whose answer is to come next. Only that of COMMIT matters:
// when old sessions are ended, the server warns of those that were gone already.
void PgConnection::on_notice(void* self, const struct pg_result* result) {
  auto* connection = static_cast<PgConnection*>(self);
  const char* severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  bool is_warning = severity != nullptr && std::string_view(severity) == "WARNING";
  const std::deque<Sent>& sent = connection->sent_;
  if (is_warning && (sent.empty() || sent.front().statement == Pg::commit))
    connection->warned_ = true;
}

// db-link begins with the host, too.
std::string PgConnection::message() const {
  std::string text = first_line(PQerrorMessage(connection_));
  std::string_view reason = without_prefix(text);
  if (!place_.empty() && reason.starts_with(place_ + ": ")) reason.remove_prefix(place_.size() + 2);
  return std::string(reason);
}

StoreError PgConnection::away(const std::string& why) const {
  return {StoreError::Kind::away, fmt::format("the database{}{} cannot be reached: {}",
                                              place_.empty() ? "" : " at ", place_, why)};
}

std::string PgConnection::describe() const {
  int version = PQserverVersion(connection_);
  return fmt::format("PostgreSQL {}.{} at {}", version / 10000, version % 10000, place_);
}

// --- one round trip ---------------------------------------------------------------------------

PgAnswers PgConnection::run(std::span<const PgCommand> commands, std::optional<Duration> patience) {
  PgAnswers answers;
  silence_max_ = patience.value_or(answer_within_);
  warned_ = false;
  sent_.clear();
  preparing_ = prepared_;
  bool sent = !lost_;
  for (const PgCommand& command : commands) sent = sent && send(command);
  if (!sent || PQpipelineSync(connection_) != 1) {
    lose(answers, message());
    return answers;
  }
  read_answers(answers);
  answers.warned = warned_;
  // Whoever reads the results may count on one for each command.
  if (answers.ok() && answers.results.size() != commands.size()) answers.error = strange_answer();
  return answers;
}

bool PgConnection::send(const PgCommand& command) {
  if (!preparing_[static_cast<std::size_t>(command.statement)] && !prepare(command.statement))
    return false;
  const std::vector<std::string>& texts = command.parameters.values();
  std::vector<const char*> values;
  std::vector<int> lengths;
  for (const std::string& text : texts) {
    values.push_back(text.data());
    lengths.push_back(static_cast<int>(text.size()));
  }
  std::vector<int> formats(texts.size(), 1);
  sent_.push_back({command.statement, false});
  return PQsendQueryPrepared(connection_, name_of(command.statement).c_str(),
                             static_cast<int>(texts.size()), values.data(), lengths.data(),
                             formats.data(), 1) == 1;
}

bool PgConnection::prepare(Pg statement) {
  preparing_[static_cast<std::size_t>(statement)] = true;
  sent_.push_back({statement, true});
  return PQsendPrepare(connection_, name_of(statement).c_str(), sql_text(statement).c_str(), 0,
                       nullptr) == 1;
}

// Each statement's answer is followed by a null pointer, and all of them by the sync's.
void PgConnection::read_answers(PgAnswers& answers) {
  int nothing = 0;
  for (;;) {
    if (!wait_for_answer()) return lose(answers, message());
    pg_result* result = PQgetResult(connection_);
    if (result == nullptr) {
      if (!sent_.empty()) sent_.pop_front();
      if (++nothing > 1) return lose(answers, "no answer to a statement");
      continue;
    }
    nothing = 0;
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) return PQclear(result);
    Sent of = sent_.empty() ? Sent{} : sent_.front();
    take_answer(result, of, answers);
    if (PQstatus(connection_) == CONNECTION_BAD) return lose(answers, message());
  }
}

void PgConnection::take_answer(pg_result* owned, const Sent& of, PgAnswers& answers) {
  PgResult result(owned);
  switch (PQresultStatus(owned)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
      if (of.preparation)
        prepared_[static_cast<std::size_t>(of.statement)] = true;
      else if (!answers.error)
        answers.results.push_back(std::move(result));
      return;
    case PGRES_PIPELINE_ABORTED:
      return;
    default:
      break;
  }
  if (answers.error) return;
  const char* state = PQresultErrorField(owned, PG_DIAG_SQLSTATE);
  answers.sqlstate = printable(state == nullptr ? "" : state, 5);
  std::string text = first_line(PQresultErrorField(owned, PG_DIAG_MESSAGE_PRIMARY));
  answers.error =
      StoreError{kind_of_sqlstate(answers.sqlstate),
                 fmt::format("{}: {} ({})", name_of(of.statement), text, answers.sqlstate)};
  if (state != nullptr) answers.failed = of.statement;
}

void PgConnection::lose(PgAnswers& answers, const std::string& why) {
  lost_ = answers.lost = true;
  if (answers.error && !answers.sqlstate.empty()) return;
  answers.error = away(why.empty() ? "no answer in time" : why);
}

// --- waiting ----------------------------------------------------------------------------------

// Reads while it writes: a server that has to send much before it takes more would wait for us.
bool PgConnection::wait_for_answer() {
  for (;;) {
    int left = PQflush(connection_);
    if (left < 0) return PQisBusy(connection_) == 0;  // what came before the failure can be read
    if (PQisBusy(connection_) == 0) return true;
    if (!wait_for_socket(left > 0)) return false;
    if (PQconsumeInput(connection_) != 1) return PQisBusy(connection_) == 0;
  }
}

bool PgConnection::wait_for_socket(bool writes) {
  auto events = static_cast<short>(writes ? POLLIN | POLLOUT : POLLIN);
  Duration first = std::min(silence_max_, kSilenceTold);
  if (poll_once(PQsocket(connection_), events, first) > 0) return true;
  if (on_silence_) on_silence_();
  const MonoTime deadline = mono_now() + (silence_max_ - first);
  for (Duration left = left_until(deadline); left > Duration(0); left = left_until(deadline)) {
    if (ending_ && ending_->is_over()) return false;
    if (poll_once(PQsocket(connection_), events, std::min(left, kEndLooked)) > 0) return true;
  }
  return false;
}

// --- scripts ----------------------------------------------------------------------------------

StoreResult<std::int64_t> PgConnection::run_script(const std::string& sql) {
  PgAnswers answers;
  silence_max_ = answer_within_;
  std::int64_t number = 0;
  if (lost_ || PQexitPipelineMode(connection_) != 1 || PQsendQuery(connection_, sql.c_str()) != 1) {
    lose(answers, message());
    return *answers.error;
  }
  for (;;) {
    if (!wait_for_answer()) {
      lose(answers, message());
      return *answers.error;
    }
    pg_result* result = PQgetResult(connection_);
    if (result == nullptr) break;
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) > 0 && PQnfields(result) > 0)
      number =
          parse_decimal<std::int64_t>(PQgetvalue(result, PQntuples(result) - 1, 0)).value_or(0);
    take_answer(result, Sent{}, answers);
  }
  if (PQstatus(connection_) == CONNECTION_BAD || PQenterPipelineMode(connection_) != 1)
    lose(answers, message());
  if (answers.error) return *answers.error;
  return number;
}

}  // namespace postwain::qmgr
