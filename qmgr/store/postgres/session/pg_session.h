// The transactions of one node's lane: the session through which everything of its bags is written.
//
// Round trips. begin() sends nothing: BEGIN goes out with the first command of the transaction.
// Commands that nobody waits for (defer()) go out with the next that somebody waits for, at the
// latest with the commit; their failure is then that call's. commit() sends what is left, the name
// of the batch, the fence and COMMIT together.
//
// Fence. Each transaction ends by locking the lane's row, and fails where the token in it is not
// ours any more. Whoever takes over raises the token first: a process that was asleep can commit
// nothing then, and everything fails as `fenced` from then on.
//
// Lost sessions. What goes out with BEGIN or outside of a transaction is sent once more on a new
// session. A transaction that had answers before fails as `again`: nothing of it is stored. A new
// session takes the lane anew: it ends the old one, raises the own token and reads which batch was
// committed last. So a commit whose answer was lost is known to be done (commit() succeeds), or
// known never to be done (`again`); as long as the database is away, neither: `unsure`, and nothing
// can be done with this store any more. A warning with COMMIT counts as a lost answer: the server
// says so when it could not wait for its standby.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.h"

#include "qmgr/store/postgres/session/bag_places.h"
#include "qmgr/store/postgres/session/pg_connection.h"
#include "qmgr/store/postgres/session/pg_options.h"
#include "qmgr/store/store_error.h"

namespace postwain::qmgr {

class PgSession {
 public:
  // Connects, brings the schema to its present version, begins a new term of the node and takes its
  // lane and bags. busy: the node lives on another machine, or a bag is another node's; damaged:
  // the tables are not ours, or of a newer program.
  static StoreResult<std::unique_ptr<PgSession>> open(PgOptions options);
  ~PgSession();

  void begin();
  StoreStatus commit();
  void roll_back();

  // A command of this transaction whose answer nobody reads.
  void defer(Pg statement, PgParameters parameters = {});
  // A result for each command. patience: how long the server may be silent, for those that take
  // long.
  StoreResult<std::vector<PgResult>> run(std::vector<PgCommand> commands,
                                         std::optional<Duration> patience = {});
  StoreResult<PgResult> run(Pg statement, PgParameters parameters,
                            std::optional<Duration> patience = {});

  // QueueStore::on_silence().
  void on_silence(std::function<void()> tell);

  bool in_transaction() const { return transaction_ != Transaction::none; }
  const BagPlaces& places() const { return *places_; }
  std::int64_t token() const { return token_; }
  std::int16_t node() const { return options_.node; }
  std::int64_t term() const { return term_; }
  const PgOptions& options() const { return options_; }
  std::int64_t queue() const { return queue_; }  // queue_number() of its database
  std::uint64_t round_trips() const { return round_trips_; }
  // Null while there is none.
  PgConnection* connection() { return connection_.get(); }

 private:
  // begun: nothing of it has been sent.
  enum class Transaction : std::uint8_t { none, begun, open };

  explicit PgSession(PgOptions options);

  StoreResult<std::unique_ptr<PgConnection>> connect();
  StoreStatus enter_cluster();
  StoreStatus take_what_is_ours(std::int64_t term);
  StoreStatus take_places(const PgResult& bags, const PgResult& placements);
  StoreStatus make_ready();  // there is a session, and the lane is ours
  StoreStatus retake();
  StoreStatus retake_on(PgConnection& connection);
  PgAnswers ask(const std::vector<PgCommand>& commands, std::optional<Duration> patience);
  PgAnswers try_twice(const std::vector<PgCommand>& commands, std::optional<Duration> patience);
  StoreError note(StoreError error);
  StoreError note(const PgAnswers& answers);
  StoreStatus end_of_commit(const PgAnswers& answers);
  StoreStatus resolve_doubt();

  PgOptions options_;
  std::unique_ptr<PgConnection> connection_;
  std::unique_ptr<BagPlaces> places_;
  Transaction transaction_ = Transaction::none;
  std::vector<PgCommand> deferred_;

  std::int64_t queue_ = 0;
  std::int64_t term_ = 0;
  std::int64_t token_ = 0;
  std::int64_t committed_ = 0;       // the number of the last batch that is known to be
  std::int64_t found_ = 0;           // that of the last one in the database, at the last retaking
  std::optional<StoreError> ended_;  // fenced, unsure or worse: of all calls from then on

  std::function<void()> on_silence_;
  std::string unreachable_ = "the database cannot be reached";  // as the last try said
  Duration pause_{};
  MonoTime connect_from_{};
  std::uint64_t round_trips_ = 0;
};

}  // namespace postwain::qmgr
