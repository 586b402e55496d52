// What both delivery clients are: leases come in from qmgr, go to their destinations, and their
// outcomes go back. smtp-client and lmtp-client differ by their dialect and by where the hosts of a
// next hop come from.
//
// When qmgr is lost: attempts that have not sent their end of data are given up (qmgr will lease
// them again); those past it are awaited and reported with LateOutcomes after the next welcome. So
// are deliveries and failures reported in the last moments before the loss, because the qmgr that
// got the report may have died before its commit: that keeps the window for duplicates small.
//
// Of a queue that several machines share, qmgr says words (ipc::Word), and no end of data leaves
// without a good one (end_gate.h).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/agent/destination.h"
#include "common/agent/services.h"
#include "common/agent/signing/signing.h"
#include "common/base/file.h"
#include "common/config/config_fwd.h"
#include "common/daemon/qmgr_link.h"
#include "common/daemon/worker.h"
#include "common/net/loop.h"

namespace postwain::agent {

constexpr Duration kDrainMax = std::chrono::seconds(30);
// So long an agent that drains waits for qmgr's word that nothing is lent to it any more. A qmgr
// that says nothing for longer is stuck, and lends nothing either.
constexpr Duration kNothingMoreWait = std::chrono::seconds(10);
// Outcomes reported within this time before qmgr was lost are reported again.
constexpr Duration kRecentFor = std::chrono::seconds(2);
constexpr std::size_t kRecentBytesMax = 16U << 20;
constexpr std::size_t kSpareBuffersMax = 64;  // each of at most ipc::kInlineContentMax

class Agent : private AttemptSink, private Signing::Owner {
 public:
  struct Setup {
    std::string name;  // "smtp-client[0]"
    ipc::Role role = ipc::Role::smtp_client;
    const smtp::Dialect* dialect = &smtp::kSmtp;
    std::function<void()> on_ready;    // the first time qmgr has welcomed us
    std::function<void()> on_drained;  // after drain(): nothing is left to do
    TlsNotes* notes = nullptr;         // told to qmgr while the agent lives; null: nothing is noted
    daemon::SignerPort* signer = nullptr;  // for leases that are to be signed; outlives the agent
    SealRules seal{};                      // for leases that are to be sealed
    Duration signer_wait = kSignerWaitMax;
    Duration nothing_more_wait = kNothingMoreWait;
    std::function<BootTime()> boot_clock = boot_now;  // for the age of words
    // Takes our end of a link to the process `signer`. Null: nothing is signed, so it is closed.
    std::function<void(UniqueFd end)> on_signer_link{};
  };
  Agent(net::Loop& loop, const config::Config& config, HostFinder& finder, Setup setup);
  ~Agent() override;

  // Tells qmgr, and goes on reading until qmgr has said that it lends nothing more; gives back what
  // has not been started, finishes the rest (at most kDrainMax), then on_drained.
  void drain();

 private:
  void settled(Attempt& attempt, std::size_t row, mail::Outcome outcome) override;
  void finished(Attempt& attempt) override;
  void request_content(Attempt& attempt) override;
  void load_content(Attempt& attempt) override;
  void content_unreadable(Attempt& attempt) override;
  std::uint64_t request_token(const std::string& command, bool refused, TokenDone done) override;
  void forget_token(std::uint64_t request) override { tokens_.erase(request); }
  std::shared_ptr<void> ask_leave(std::uint64_t owner, std::vector<ipc::ConnectionBound> bounds,
                                  LeaveDone done) override;

  // Attempts that are signed (signing/signing.h).
  void signing_done(Attempt& attempt) override;
  void signing_failed(Attempt& attempt, const mail::Outcome& outcome) override;
  void ask_content(Attempt& attempt) override { request_content(attempt); }
  void content_broken(Attempt& attempt) override { content_unreadable(attempt); }

  bool frame(ipc::FrameType type, std::string_view payload);
  bool take_lease(std::string_view payload);
  bool take_content(std::string_view payload);
  void loaded(std::uint64_t lease, std::uint64_t offset, Result<std::string> block);
  bool take_token(std::string_view payload);
  bool take_peer_link(std::string_view payload);
  bool take_word(std::string_view payload);
  void fenced();
  void refuse_tokens(const std::string& why);
  void tell_of_content(Attempt& attempt, bool came);
  // agent_leaves.cc
  bool take_grant(std::string_view payload);
  bool take_wanted(std::string_view payload);
  void give_leave_back(std::uint64_t request);
  void refuse_leaves();
  void send_leaves();
  Destination& destination_for(const ipc::Lease& lease);
  void qmgr_up();
  void qmgr_down();
  void give_back(Attempt& attempt);

  std::string spare_buffer();
  void note_news(Attempt& attempt);
  void end_of_turn();
  void report(Attempt& attempt);
  void report_late(Attempt& attempt);
  void remember(const ipc::LateOutcomes& verdicts);
  void forget_old_reports();
  void sweep();
  void send_notes();
  // agent_draining.cc
  void say_draining();
  bool take_nothing_more(std::string_view payload);
  bool may_be_lent() const;
  void drain_step();

  // For a connection that is counted; done is null once it is given.
  struct Leave {
    std::uint64_t owner;
    std::vector<ipc::ConnectionBound> bounds;
    LeaveDone done;
  };
  class HeldLeave;

  // As frames: they are many, and only needed when qmgr has been lost.
  struct Recent {
    MonoTime since;
    std::string late_outcomes;
  };

  net::Loop& loop_;
  Setup setup_;
  Services services_;
  std::unordered_map<Attempt*, std::unique_ptr<Attempt>> attempts_;
  std::unordered_map<std::uint64_t, Attempt*> leases_;  // of the qmgr of now, by lease number
  // Before the destinations: their connections forget what they asked for when they go.
  std::unordered_map<std::uint64_t, TokenDone> tokens_;         // awaited from qmgr
  std::unordered_map<std::uint64_t, Leave> connection_leaves_;  // by request
  std::unordered_map<std::string, std::unique_ptr<Destination>> destinations_;
  Destination* last_destination_ = nullptr;
  std::vector<Attempt*> with_news_;
  std::deque<Recent> recent_;
  std::size_t recent_bytes_ = 0;
  // Contents are allocations large enough to make malloc tidy up each time; keeping a few saves it.
  std::vector<std::string> spare_buffers_;
  std::uint64_t serial_ = 0;
  net::Timer sweep_timer_;
  net::Timer drain_timer_;
  net::Timer notes_timer_;
  MonoTime drain_until_{};
  MonoTime answer_until_{};  // for NothingMore
  bool draining_ = false;
  bool nothing_more_ = false;  // said by the qmgr of now
  bool drained_ = false;
  bool was_up_ = false;
  Signing signing_;
  daemon::Worker reader_;  // of content that is on the disk only
  daemon::QmgrLink link_;
  // For those who give leaves back when we may be gone; last, so that it ends first.
  std::shared_ptr<Agent*> self_ = std::make_shared<Agent*>(this);
};

}  // namespace postwain::agent
