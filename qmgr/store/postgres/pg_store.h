// The queue's store on PostgreSQL: tables that several nodes may share, of which each node writes
// its own bags (pg_session.h). One round trip for each call of the port at most, and one more for
// new messages where former sets of bags have to be looked at (taken_ids.h); where calls only
// write, none until somebody waits for an answer.
//
// The server takes care of its log, its free space and its copies: Maintenance does next to
// nothing.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "qmgr/store/postgres/pg_attempts.h"
#include "qmgr/store/postgres/pg_cluster.h"
#include "qmgr/store/postgres/pg_compact.h"
#include "qmgr/store/postgres/pg_facts.h"
#include "qmgr/store/postgres/pg_pieces.h"
#include "qmgr/store/postgres/pg_rows.h"
#include "qmgr/store/postgres/pg_scan.h"
#include "qmgr/store/postgres/pg_waiting.h"
#include "qmgr/store/postgres/session/pg_options.h"
#include "qmgr/store/postgres/session/pg_session.h"
#include "qmgr/store/queue_store.h"

namespace postwain::qmgr {

class PgMaintenance final : public Maintenance {
 public:
  explicit PgMaintenance(PgSession& session) : session_(session) {}

  std::int64_t log_bytes() const override { return 0; }
  StoreStatus checkpoint(bool) override { return {}; }
  StoreResult<bool> vacuum_step() override { return false; }
  void keep_log_file() override {}
  StoreStatus prove_writable() override;
  bool was_unclean() const override { return false; }
  StoreResult<bool> check(Duration) override { return true; }
  StoreResult<std::unique_ptr<StoreCopy>> begin_copy(const std::string& path) override;

 private:
  PgSession& session_;
};

class PgStore final : public QueueStore {
 public:
  // away: the database cannot be reached; busy: our node, or one of its bags, is another machine's;
  // damaged: the tables are not ours, or of a newer program; refused: the options cannot be used.
  // A former opener of the same node can commit nothing from then on.
  static StoreResult<std::unique_ptr<PgStore>> open(PgOptions options);

  StoreStatus begin() override {
    session_->begin();
    return {};
  }
  StoreStatus commit() override { return session_->commit(); }
  void roll_back() override { session_->roll_back(); }

  CompactMessages& compact() override { return compact_; }
  MessageRows& rows() override { return rows_; }
  RowScan& scan() override { return scan_; }
  WaitingRows& waiting() override { return waiting_; }
  DestinationFacts& destinations() override { return destinations_; }
  RecipientChecks& recipient_checks() override { return recipient_checks_; }
  ClockMemory& clock() override { return clock_; }
  Maintenance& maintenance() override { return maintenance_; }
  SharedQueue* shared() override { return &cluster_; }
  AttemptNames* attempts() override { return &attempts_; }
  ContentPieces* pieces() override { return &pieces_; }

  void on_silence(std::function<void()> tell) override { session_->on_silence(std::move(tell)); }

  // A number that tells this queue from those of other databases.
  std::int64_t queue() const { return session_->queue(); }
  // For tests of the engine itself.
  PgSession& session() { return *session_; }

 private:
  explicit PgStore(std::unique_ptr<PgSession> session) : session_(std::move(session)) {}

  std::unique_ptr<PgSession> session_;
  PgCompact compact_{*session_};
  PgRows rows_{*session_};
  PgScan scan_{*session_};
  PgWaiting waiting_{*session_};
  PgDestinationFacts destinations_{*session_};
  PgRecipientChecks recipient_checks_{*session_};
  PgClock clock_{*session_};
  PgMaintenance maintenance_{*session_};
  PgCluster cluster_{*session_};
  PgAttempts attempts_{*session_};
  PgPieces pieces_{*session_};
};

}  // namespace postwain::qmgr
