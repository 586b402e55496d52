#include "qmgr/store/postgres/session/pg_connection.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <libpq-fe.h>
#include <poll.h>

#include <fmt/format.h>

#include "common/base/check.h"
#include "common/base/text.h"

#include "qmgr/store/postgres/session/sqlstate.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kServerTextMax = 300;

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

std::string first_line(const char* text) {
  std::string_view all = text == nullptr ? "" : text;
  return printable(trim(all.substr(0, all.find('\n'))), kServerTextMax);
}

StoreError away(std::string why) {
  return {StoreError::Kind::away, "the database cannot be reached: " + std::move(why)};
}

// Whether libpq can read it, and finds no password within.
StoreStatus check_conninfo(const std::string& conninfo) {
  char* why = nullptr;
  PQconninfoOption* options = PQconninfoParse(conninfo.c_str(), &why);
  if (options == nullptr) {
    // libpq's words may quote what it could not read.
    PQfreemem(why);
    return StoreError{StoreError::Kind::refused, "the address of the database cannot be read"};
  }
  bool secret = false;
  for (PQconninfoOption* one = options; one->keyword != nullptr; ++one)
    secret = secret || (one->val != nullptr && std::strcmp(one->keyword, "password") == 0);
  PQconninfoFree(options);
  if (!secret) return {};
  return StoreError{StoreError::Kind::refused,
                    "the address of the database has a password in it; give it in a file"};
}

Duration left_until(MonoTime deadline) {
  return std::max(Duration(0), deadline - mono_now());
}

int poll_once(int fd, short events, Duration at_most) {
  pollfd one{fd, events, 0};
  int ready = ::poll(&one, 1, static_cast<int>(std::min<std::int64_t>(at_most.count(), 1 << 30)));
  return ready < 0 && errno == EINTR ? 1 : ready;
}

}  // namespace

// --- opening and ending -----------------------------------------------------------------------

PgConnection::PgConnection(pg_conn* owned, Duration answer_within)
    : connection_(owned), answer_within_(answer_within) {}

PgConnection::~PgConnection() {
  PQfinish(connection_);
}

StoreResult<std::unique_ptr<PgConnection>> PgConnection::open(const PgTarget& target) {
  if (StoreStatus s = check_conninfo(target.conninfo); !s) return s.error();
  // A later word takes the place of an earlier one, so the conninfo stands in front.
  const char* names[] = {
      "dbname",          "options",         "application_name", "target_session_attrs",
      "keepalives_idle", "client_encoding", "password",         nullptr};
  const char* values[] = {
      target.conninfo.c_str(), kSessionOptions, target.session.c_str(), "read-write", "2", "UTF8",
      target.secret.c_str(),   nullptr};
  std::unique_ptr<PgConnection> made(
      new PgConnection(PQconnectStartParams(names, values, 1), target.answer_within));
  if (made->connection_ == nullptr) return away("no memory");
  if (StoreStatus s = made->finish_connecting(mono_now() + target.connect_within); !s)
    return s.error();
  PQsetNoticeReceiver(made->connection_, on_notice, made.get());
  if (PQsetnonblocking(made->connection_, 1) != 0 || PQenterPipelineMode(made->connection_) != 1)
    return away(made->message());
  return made;
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

void PgConnection::on_notice(void* self, const struct pg_result* result) {
  const char* severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity != nullptr && std::string_view(severity) == "WARNING")
    static_cast<PgConnection*>(self)->warned_ = true;
}

std::string PgConnection::message() const {
  return first_line(PQerrorMessage(connection_));
}

std::string PgConnection::describe() const {
  int version = PQserverVersion(connection_);
  const char* host = PQhost(connection_);
  return fmt::format("PostgreSQL {}.{} at {}", version / 10000, version % 10000,
                     printable(host == nullptr ? "" : host, kServerTextMax));
}

// --- one round trip ---------------------------------------------------------------------------

PgAnswers PgConnection::run(std::span<const PgCommand> commands, std::optional<Duration> patience) {
  PgAnswers answers;
  silence_max_ = patience.value_or(answer_within_);
  warned_ = false;
  sent_.clear();
  bool sent = !lost_;
  for (const PgCommand& command : commands) sent = sent && send(command);
  if (!sent || PQpipelineSync(connection_) != 1) {
    lose(answers, message());
    return answers;
  }
  read_answers(answers);
  answers.warned = warned_;
  return answers;
}

bool PgConnection::send(const PgCommand& command) {
  if (!prepared_[static_cast<std::size_t>(command.statement)] && !prepare(command.statement))
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
  bool on_its_way = std::any_of(sent_.begin(), sent_.end(), [statement](const Sent& one) {
    return one.preparation && one.statement == statement;
  });
  if (on_its_way) return true;
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
  return poll_once(PQsocket(connection_), events, silence_max_) > 0;
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
