// This process's link to qmgr, shared by all its sessions: whether mail can be taken at all, ids
// for new messages, and which handover a frame of qmgr belongs to.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

#include "common/daemon/qmgr_link.h"
#include "common/ipc/refusals.h"
#include "smtpd/queue_link/handover.h"

namespace postwain::smtpd {

class QueueLink final : public QmgrPort {
 public:
  // on_up: each time the link to qmgr stands.
  // on_filter: an end of a link to `filter` has come.
  QueueLink(net::Loop& loop, const std::string& socket_path, const std::string& name,
            std::function<void()> on_up, std::function<void(UniqueFd)> on_filter = nullptr);

  // Why MAIL must be answered with a 4xx now; nothing when mail is welcome.
  std::optional<mail::Reply> refusal() const;
  mail::QueueId next_id(WallTime now);  // only while refusal() is nothing

  bool up() const override { return link_.up(); }
  bool send(const ipc::Submit& message) override { return submit(message); }
  bool send(const ipc::SubmitOpen& message) override { return submit(message); }
  bool send(const ipc::SubmitFinal& message) override {
    bool changed = message.envelope.has_value();
    return (!changed || announce(message.id, *message.envelope)) && link_.try_send(message);
  }
  void send(const ipc::SubmitAbort& message) override { link_.send(message); }
  void send(const ipc::Hold& message) override { link_.send(message); }
  void send(const ipc::Judged& message) override { link_.send(message); }
  void send(const ipc::Discarded& message) override { (void)link_.try_send(message); }
  void write(mail::QueueId id, std::shared_ptr<LentFile> file, std::string bytes,
             bool anew) override;
  void send(const ipc::ReceiverCounts& counts) { link_.send(counts); }
  void send(const ipc::Refusals& refusals) { link_.send(refusals); }
  void watch(mail::QueueId id, Handover& handover) override { watched_[id] = &handover; }
  void forget(mail::QueueId id) override { watched_.erase(id); }
  std::uint32_t& past_data() override { return past_data_; }

  // Asks whether the recipient exists; the number is for cancel_probe(). done is called once,
  // later, unless that comes first; undecided when qmgr is lost.
  using ProbeDone = std::function<void(ipc::ProbeVerdict, const mail::Reply&)>;
  std::uint64_t probe(const mail::Address& recipient, ProbeDone done);
  void cancel_probe(std::uint64_t number) { probes_.erase(number); }

 private:
  template <class Message>
  bool submit(const Message& message) {
    return announce(message.id, message.envelope) && link_.try_send(message);
  }
  // What is decided of recipients goes before the frame with the envelope.
  bool announce(mail::QueueId id, const mail::Envelope& envelope) {
    auto decided = ipc::decided_in(id, envelope);
    return !decided || link_.try_send(*decided);
  }
  bool frame(ipc::FrameType type, std::string_view payload);
  bool result(std::string_view payload);
  bool lent(std::string_view payload);
  bool admission(std::string_view payload);
  bool open_bags(std::string_view payload);
  bool probe_result(std::string_view payload);
  bool peer_link(std::string_view payload);
  void down();
  Handover* find(mail::QueueId id);

  std::function<void()> on_up_;
  std::function<void(UniqueFd)> on_filter_;
  std::optional<mail::QueueIdSource> ids_;
  bool accepting_ = true;
  mail::Reply refusal_;
  std::unordered_map<mail::QueueId, Handover*> watched_;
  std::unordered_map<std::uint64_t, ProbeDone> probes_;
  std::uint64_t last_probe_ = 0;
  std::uint32_t past_data_ = 0;
  ContentWriter writer_;
  daemon::QmgrLink link_;
};

}  // namespace postwain::smtpd
