// New messages: frames of smtpd and sendmail become requests to the queue, and the commit becomes
// their answer. Large content goes to its file while it arrives: smtpd is lent the file and writes
// itself; what comes in chunks is written here.
//
// Whatever comes passes the gate first (gate.h), and nothing comes in while admission is closed, by
// whichever role. To smtpd, pickup and an import an id is the message's; to sendmail it is
// but a name for the transaction. An id whose content is under way is refused to everybody else.
//
// What a lent file can be used for: an smtpd could write to it later than it should. It wrote all
// of that message in any case, and an smtpd that was not taken over closes the file at its end; so
// who takes one over gains nothing. Whoever may submit as sendmail is anybody, and is lent nothing:
// he could let a file grow that nobody looks at any more.
//
// The order that the guarantee rests on: file synced and named, rows committed and synced, then
// SubmitResult 250. A peer that goes away in the middle leaves nothing behind.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/daemon/ipc_connection.h"
#include "common/daemon/peer_users.h"

#include "qmgr/intake/probes.h"
#include "qmgr/intake/upload.h"
#include "qmgr/peers/peer_service.h"
#include "qmgr/queue/queue.h"
#include "qmgr/verdicts/account_limits.h"
#include "qmgr/verdicts/gate.h"

namespace postwain::qmgr {

// What may be under way before no more is read, for each smtpd, which has many sessions behind it,
// and for each user who comes with commands, however often he connects and goes away again.
struct IntakeLimits {
  std::size_t transactions;  // large messages of one connection; one more ends it
  std::size_t messages;      // neither answered nor given up
  std::size_t octets;        // of content that is not stored
};
constexpr IntakeLimits kReceiverLimits{10000, 10000, 64U << 20};
constexpr IntakeLimits kSubmitterLimits{2, 200, 16U << 20};
constexpr std::size_t kEnvelopeRecipientsMax = 100000;
constexpr std::uint64_t kContentSizeMax = 1ULL << 50;
constexpr std::uint32_t kRefusalsLogged = 10;  // a second; the others are counted

class Intake : public PeerService {
 public:
  Intake(Queue& queue, Probes& probes, const config::Config& config, daemon::LocalUsers users);

  // A new configuration; what accounts have sent stays counted.
  void configure(const config::Config& config, daemon::LocalUsers users);

  // Only smtpd's past_data figures tell how many sessions may join a commit; only who may import
  // may say that a message was queued before; only pickup may say whose a message is.
  void connected(std::uint64_t peer, daemon::IpcConnection& connection,
                 const PeerIdentity& identity) override;
  bool frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload) override;
  void lost(std::uint64_t peer) override;

  // Tells all peers when it changed, and the log, with the reason; at level info where that is no
  // trouble (as_meant).
  void set_admission(const ipc::Admission& admission, const std::string& why = {},
                     bool as_meant = false);
  // Of a queue that several machines share, as bits (mail::QueueId::bag()): the bags that this
  // machine owns, and those of them that new messages may be of. Ids given here and by smtpd are of
  // `open` from now on; where that is empty, of `owned`. A message whose bag is not owned is
  // refused for the moment, at its beginning and at its end. Until it is called: all.
  void set_open_bags(std::uint64_t open, std::uint64_t owned);
  // For who has other nodes count with this one (qmgr/nodes/shared_accounts.h).
  AccountLimits& account_limits() { return limits_; }

 private:
  using UploadPtr = std::shared_ptr<Upload>;
  // What is under way; it stays known when the peer has gone and its work has not ended.
  struct Work {
    IntakeLimits limits;
    std::size_t messages = 0;
    std::size_t octets = 0;
    std::vector<std::uint64_t> paused;  // peers that are not read from meanwhile
  };
  using WorkPtr = std::shared_ptr<Work>;
  struct Transaction {
    NewMessage message;
    UploadPtr upload;
    WorkPtr work;
    bool lent = false;         // smtpd writes it
    std::uint64_t sent = 0;    // handed to the content thread
    std::uint64_t stored = 0;  // confirmed
    bool ending = false;
  };
  struct Peer {
    daemon::IpcConnection* connection;
    ipc::Role role = ipc::Role::sendmail;
    std::uint32_t uid = 0;
    bool counts = false;  // it is an smtpd
    WorkPtr work;
    std::uint32_t past_data = 0;
    std::uint32_t sessions = 0;                // of an smtpd, as it said last
    std::optional<ipc::QueueImport> imported;  // said of the submission that comes next
    std::optional<ipc::DropOwner> owner;       // the same
    std::optional<ipc::Decided> decided;       // the same
    std::optional<ipc::Hold> hold;             // the same
    struct {
      mail::QueueId id{};
      std::string octets{};
    } judged;                                                     // the same
    std::unordered_map<mail::QueueId, Transaction> transactions;  // by the id the peer says
  };

  bool submit(std::uint64_t number, Peer& peer, std::string_view payload);
  bool open(std::uint64_t number, Peer& peer, std::string_view payload);
  // Of a frame; false: nothing that a program of ours would send.
  static bool has_sane_size(const mail::Envelope& envelope);
  // The recipients leave the envelope.
  static void fill(NewMessage& message, mail::QueueId id, mail::Envelope envelope,
                   ipc::Arrival arrival);
  // Who brings the message of that id; nothing: he may not.
  std::optional<Carrier> carrier_of(Peer& peer, mail::QueueId id);
  // The gate, and whether there is room at all.
  std::optional<mail::Reply> refusal_for(const Carrier& carrier, NewMessage& message);
  void refuse(std::uint64_t number, mail::QueueId id, const Carrier& carrier,
              const mail::Reply& reply);
  void begin_upload(std::uint64_t number, mail::QueueId id, const Transaction& transaction);
  void lend(std::uint64_t number, mail::QueueId id, const UploadPtr& upload, UniqueFd file);
  bool chunk(std::uint64_t number, Peer& peer, std::string_view payload);
  bool end(std::uint64_t number, Peer& peer, std::string_view payload);
  bool end_of_lent(std::uint64_t number, Peer& peer, std::string_view payload);
  std::optional<mail::Reply> change_envelope(const Carrier& carrier, Peer& peer,
                                             NewMessage& message, mail::Envelope envelope);
  // octets: of content, held until the file is finished.
  void finish_upload(std::uint64_t number, mail::QueueId id, Transaction& transaction,
                     std::size_t octets, std::function<void(Upload&)> finish);
  bool abort(Peer& peer, std::string_view payload);
  bool counts(Peer& peer, std::string_view payload);
  bool refusals(Peer& peer, std::string_view payload);
  void count_sessions();
  bool queue_import(Peer& peer, std::string_view payload);
  bool drop_owner(Peer& peer, std::string_view payload);
  static bool decided(Peer& peer, std::string_view payload);
  static bool hold(Peer& peer, std::string_view payload);
  static bool judged(Peer& peer, std::string_view payload);
  bool discarded(Peer& peer, std::string_view payload);
  // What smtpd said of the message's filters.
  static void mark_filtered(Peer& peer, NewMessage& message);
  static void mark_announced(Peer& peer, NewMessage& message);
  bool probe(std::uint64_t number, Peer& peer, std::string_view payload);
  void stored(std::uint64_t number, mail::QueueId id, std::size_t bytes);
  void file_finished(std::uint64_t number, mail::QueueId id, mail::QueueId real,
                     const UploadPtr& upload, const WorkPtr& work);
  void take_back(mail::QueueId real, const UploadPtr& upload);
  // Counts it for its account and gives it to the queue; on_end hears before the peer does.
  void hand_on(std::uint64_t number, mail::QueueId id, NewMessage message,
               std::function<void(AcceptEnd)> on_end);
  void answer(std::uint64_t number, mail::QueueId id, const mail::Reply& reply);
  void note_past_data(Peer& peer, std::uint32_t sessions);
  void drop(const Transaction& transaction);
  WorkPtr work_for(ipc::Role role, std::uint32_t uid);
  static void begin_work(std::uint64_t number, Peer& peer, std::size_t messages,
                         std::size_t octets);
  void end_work(const WorkPtr& work, std::size_t messages, std::size_t octets);

  Queue& queue_;
  Probes& probes_;
  std::map<std::uint64_t, Peer> peers_;
  std::map<std::uint32_t, std::weak_ptr<Work>> work_;  // by user
  std::unordered_set<mail::QueueId> under_way_;        // whose content is on its way into a file
  ipc::Admission admission_;
  std::string waits_for_;  // the last reason that was as it is meant
  AccountLimits limits_;
  GateRules rules_;
  daemon::LocalUsers users_;
  MonoTime refusals_since_{};
  std::uint32_t refusals_ = 0;  // since then
};

}  // namespace postwain::qmgr
