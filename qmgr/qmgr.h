// The queue manager as a whole: opens the spool, joins the parts, watches the disk, ends in order.
//
// It needs its spool folder (doc/queue-format.md says what lies there) and its socket in the
// runtime folder. It does not touch the network, and no other file.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/config/config.h"
#include "common/daemon/accept_trouble.h"
#include "common/daemon/daemon.h"
#include "common/net/loop.h"
#include "common/net/loop_clock.h"
#include "common/net/stream.h"

#include "qmgr/control/control.h"
#include "qmgr/destinations/shared_breakers.h"
#include "qmgr/disk/ballast.h"
#include "qmgr/dispatch/delivery.h"
#include "qmgr/dispatch/link_relay.h"
#include "qmgr/dispatch/result_relay.h"
#include "qmgr/dispatch/token_relay.h"
#include "qmgr/history/block_reader.h"
#include "qmgr/history/block_writer.h"
#include "qmgr/intake/intake.h"
#include "qmgr/judging/filter_asker.h"
#include "qmgr/model/filter_board.h"
#include "qmgr/model/reporter_board.h"
#include "qmgr/model/signer_board.h"
#include "qmgr/nodes/late_told.h"
#include "qmgr/nodes/nodes.h"
#include "qmgr/nodes/requests.h"
#include "qmgr/nodes/shared_accounts.h"
#include "qmgr/nodes/shared_paces.h"
#include "qmgr/nodes/shared_places.h"
#include "qmgr/peers/peers.h"
#include "qmgr/queue/admission.h"
#include "qmgr/queue/queue.h"
#include "qmgr/spool.h"
#include "qmgr/store/writing/store_worker.h"

namespace postwain::qmgr {

constexpr Duration kDiskCheck = std::chrono::seconds(2);
constexpr Duration kDrainMax = std::chrono::seconds(5);

class Qmgr {
 public:
  Qmgr(net::Loop& loop, Spool spool, CpuPressure cpu_pressure, const daemon::Start& start);
  ~Qmgr();
  Qmgr(const Qmgr&) = delete;
  Qmgr& operator=(const Qmgr&) = delete;

  // Listens on its socket from here on.
  ::postwain::Status listen();
  // No new mail, no new leases; when the running ones have ended (or kDrainMax is over) everything
  // is committed and the loop stops.
  void drain();
  // Of the process; not 0 when it drained to be started again.
  int exit_code() const { return exit_code_; }

 private:
  void begin_node();
  void beat_answered(const BeatAnswer& answer);
  void begin_telling();
  bool has_told();
  void look_at_filters();
  void look_around();  // at the disk and the clock
  void look_at_admission();
  void look_at_room();  // after each commit
  void look_at_ballast();
  void look_at_log();
  void look_at_standstill();
  std::string without_agent();
  Result<bool> take_config(std::string_view bundle);
  void broken(const StoreError& error);
  void try_to_end();

  net::Loop& loop_;
  std::string name_;
  config::Config config_;
  TokenRelay tokens_;
  ReporterBoard reporter_board_;
  ResultRelay reports_;
  FilterBoard filter_board_;
  LinkRelay filters_;
  SignerBoard signer_board_;
  LinkRelay signers_;
  net::LoopClock clock_;
  std::unique_ptr<StoreWorker> store_;
  std::unique_ptr<SharedPaces> paces_;  // where several may share the queue
  std::unique_ptr<Queue> queue_;
  std::unique_ptr<Delivery> delivery_;
  std::unique_ptr<Probes> probes_;
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<FilterAsker> asker_;
  std::unique_ptr<SharedBreakers> breakers_;  // where several may share the queue
  std::unique_ptr<KeeperService> keeper_;     // the same; its jobs' ends come to what is above
  std::unique_ptr<Requests> requests_;        // the same
  std::unique_ptr<SharedPlaces> places_;      // the same
  std::unique_ptr<SharedAccounts> accounts_;  // the same
  std::unique_ptr<Nodes> nodes_;              // the same
  std::unique_ptr<LateTold> late_told_;       // the same
  std::unique_ptr<BlockWriter> told_;         // the same: the history, for other nodes
  std::unique_ptr<BlockReader> tellings_;     // the same
  std::unique_ptr<Control> control_;
  std::unique_ptr<Peers> peers_;
  std::unique_ptr<net::Listener> listener_;
  net::Timer watch_;
  net::Timer ending_;
  Ballast ballast_;
  bool ballast_wanted_ = false;  // one is being made
  MonoTime ballast_again_{};     // not tried before
  daemon::AcceptTrouble accept_trouble_;
  AdmissionFacts facts_;
  ipc::Admission admission_;
  Engine engine_;              // without its store, which store_ has
  std::string standstill_;     // why nothing is tried; empty: it is
  MonoTime agents_seen_at_{};  // all kinds that are needed
  bool draining_ = false;
  int exit_code_ = 0;
  MonoTime drain_until_{};
  MonoTime tell_until_{};  // the end of the history
};

// The whole process behind its start, until it is told to stop; the exit code.
int run(daemon::Start& start);

}  // namespace postwain::qmgr
