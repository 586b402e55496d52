// One session with a PostgreSQL server, by libpq in pipeline mode: many statements go out together,
// and their answers come back in one round trip. It blocks its thread, with deadlines of its own;
// no call waits for the server without one. (Only the look-up of a host's name is left to libpq and
// the system's resolver, which has its own limits.)
//
// Statements are prepared when they are first used, within the same round trip. A session that has
// failed stays so: whoever owns it opens another one.
//
// What the server says of a failure may name values of mail; only its first line and its SQLSTATE
// are kept. The secret is given to libpq and to nothing else.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/time.h"

#include "qmgr/store/postgres/session/pg_options.h"
#include "qmgr/store/postgres/session/pg_parameters.h"
#include "qmgr/store/postgres/session/pg_result.h"
#include "qmgr/store/postgres/session/pg_statements.h"
#include "qmgr/store/store_error.h"

struct pg_conn;

namespace postwain::qmgr {

struct PgCommand {
  Pg statement{};
  PgParameters parameters;
};

// Where the server is, and who we are to it.
struct PgTarget {
  std::string conninfo;       // a URI or keywords, as libpq takes them; without a password
  std::string secret;         // the password; empty: none is needed
  std::string session;        // what the server's lists call us: "postwain/0/lane0/"
  Duration connect_within{};  // shared by all hosts that the conninfo names
  Duration answer_within{};   // the longest silence while we wait for an answer
  std::vector<PgPlace> places{};
  // Shortens both; null: nothing does.
  std::shared_ptr<const PgEnding> ending = nullptr;
};

// What came back for the commands of one round trip.
struct PgAnswers {
  // Of the commands in their order, up to the first that failed.
  std::vector<PgResult> results;
  std::optional<StoreError> error;  // of that one, or of the connection
  std::string sqlstate;             // of error; empty: the server did not say
  std::optional<Pg> failed;         // which command the server refused
  bool lost = false;                // the connection; whether the rest was done is unknown
  bool warned = false;              // the server added a warning to COMMIT

  bool ok() const { return !error; }
};

class PgConnection {
 public:
  // Refuses a conninfo that has a password in it, because it would be shown in logs.
  static StoreResult<std::unique_ptr<PgConnection>> open(const PgTarget& target);
  ~PgConnection();
  PgConnection(const PgConnection&) = delete;
  PgConnection& operator=(const PgConnection&) = delete;

  // Sends the commands and waits for all answers. patience: the longest silence, for commands that
  // take long.
  PgAnswers run(std::span<const PgCommand> commands, std::optional<Duration> patience = {});
  // Several statements without parameters as one text, for migrations; outside of the pipeline. A
  // number in the first column of the last row comes back; 0 where there is none.
  StoreResult<std::int64_t> run_script(const std::string& sql);

  // QueueStore::on_silence(): told once in each call, after a second.
  void on_silence(std::function<void()> tell) { on_silence_ = std::move(tell); }

  bool is_lost() const { return lost_; }
  // "PostgreSQL 15.18 at /run/postgresql", "PostgreSQL 15.18 at db1.example.org:5432".
  std::string describe() const;

 private:
  struct Sent {
    Pg statement{};
    bool preparation = false;
  };

  PgConnection(pg_conn* owned, const PgTarget& target);

  static void on_notice(void* self, const struct pg_result* result);
  StoreStatus begin_session();  // of one that is connected
  StoreStatus finish_connecting(MonoTime deadline);
  bool send(const PgCommand& command);
  bool prepare(Pg statement);
  void read_answers(PgAnswers& answers);
  void take_answer(pg_result* owned, const Sent& of, PgAnswers& answers);
  void lose(PgAnswers& answers, const std::string& why);
  bool wait_for_answer();             // false: nothing came in time, or the connection is gone
  bool wait_for_socket(bool writes);  // until something can be done, or the silence is too long
  std::string message() const;        // libpq's own, one line, without the server's name
  StoreError away(const std::string& why) const;

  pg_conn* connection_;
  std::string place_;  // the server's, in words; empty: only libpq knows
  Duration answer_within_;
  std::shared_ptr<const PgEnding> ending_;
  Duration silence_max_{};
  std::function<void()> on_silence_;
  std::deque<Sent> sent_;                   // whose answers are to come
  std::array<bool, kPgCount> prepared_{};   // the server has said so
  std::array<bool, kPgCount> preparing_{};  // that, or it was asked to in this round trip
  bool lost_ = false;
  bool warned_ = false;
};

}  // namespace postwain::qmgr
