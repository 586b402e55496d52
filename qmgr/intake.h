// New messages: frames of smtpd and sendmail become requests to the queue, and the commit becomes
// their answer. Large content goes to its file while it arrives: smtpd is lent the file and writes
// itself; what comes in chunks is written here.
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

#include "common/daemon/ipc_connection.h"

#include "qmgr/account_limits.h"
#include "qmgr/probes.h"
#include "qmgr/queue.h"

namespace postwain::qmgr {

constexpr std::size_t kOpenTransactionsMax = 10000;  // large messages of one peer under way
constexpr std::size_t kEnvelopeRecipientsMax = 100000;

constexpr std::size_t kHeldForMax = 200;

class Intake {
 public:
  Intake(Queue& queue, Probes& probes, const config::Auth& auth)
      : queue_(queue), probes_(probes), limits_(auth) {}

  // A new configuration; what accounts have sent stays counted.
  void configure(const config::Auth& auth) { limits_.configure(auth); }

  // Only smtpd's past_data figures tell how many sessions may join a commit; only who may restore
  // may say that a message was queued before.
  void peer_connected(std::uint64_t peer, daemon::IpcConnection& connection, ipc::Role role);
  void peer_lost(std::uint64_t peer);
  // False: not a valid frame of an intake peer.
  bool frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload);

  void set_admission(const ipc::Admission& admission);  // tells all peers when it changed

 private:
  // A message whose content is on its way into a file. Used by the content thread, in order.
  struct Upload {
    std::unique_ptr<ContentFile> file;
    Error error;
    bool failed = false;
    bool existed = false;
    std::string message_id;

    void fail(const Error& why);
    void finish(const ContentFolder& files, mail::QueueId id, std::uint64_t size);
  };
  struct Transaction {
    NewMessage message;
    std::shared_ptr<Upload> upload;
    bool lent = false;         // smtpd writes it
    std::uint64_t sent = 0;    // handed to the content thread
    std::uint64_t stored = 0;  // confirmed
    bool ending = false;
  };
  struct Peer {
    daemon::IpcConnection* connection;
    bool counts = false;
    bool may_restore = false;
    std::uint32_t past_data = 0;
    std::uint32_t sessions = 0;           // of an smtpd, as it said last
    std::optional<ipc::Restore> restore;  // said of the submission that comes next
    std::unordered_map<mail::QueueId, Transaction> transactions;
  };

  bool submit(std::uint64_t number, Peer& peer, std::string_view payload);
  bool open(std::uint64_t number, Peer& peer, std::string_view payload);
  void lend(std::uint64_t number, mail::QueueId id, const std::shared_ptr<Upload>& upload,
            UniqueFd file);
  bool chunk(std::uint64_t number, Peer& peer, std::string_view payload);
  bool end(std::uint64_t number, Peer& peer, std::string_view payload);
  bool abort(Peer& peer, std::string_view payload);
  bool counts(Peer& peer, std::string_view payload);
  void count_sessions();
  bool restore(Peer& peer, std::string_view payload);
  static void mark_restored(Peer& peer, NewMessage& message);
  bool probe(std::uint64_t number, Peer& peer, std::string_view payload);
  void stored(std::uint64_t number, mail::QueueId id, std::size_t bytes);
  void file_finished(std::uint64_t number, mail::QueueId id, const std::shared_ptr<Upload>& upload);
  // Counts it for its account and gives it to the queue; on_end hears before the peer does.
  void hand_on(std::uint64_t number, NewMessage message, std::function<void(AcceptEnd)> on_end);
  void answer(std::uint64_t number, mail::QueueId id, const mail::Reply& reply);
  void note_past_data(Peer& peer, std::uint32_t sessions);
  void drop(mail::QueueId id, std::shared_ptr<Upload> upload);

  Queue& queue_;
  Probes& probes_;
  std::map<std::uint64_t, Peer> peers_;
  ipc::Admission admission_;
  AccountLimits limits_;
};

}  // namespace postwain::qmgr
