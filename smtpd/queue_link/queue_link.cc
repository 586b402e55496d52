#include "smtpd/queue_link/queue_link.h"

#include "common/ipc/filter_messages.h"
#include "common/log/log.h"

namespace postwain::smtpd {

namespace {
// So many bytes may wait in the link before new mail is refused: qmgr stands still.
constexpr std::size_t kLinkBacklogMax = 64U << 20;
}  // namespace

QueueLink::QueueLink(net::Loop& loop, const std::string& socket_path, const std::string& name,
                     std::function<void()> on_up, std::function<void(UniqueFd)> on_filter)
    : on_up_(std::move(on_up)),
      on_filter_(std::move(on_filter)),
      writer_(loop),
      link_(loop, socket_path, ipc::Role::smtpd, name,
            daemon::QmgrLink::Callbacks{
                .on_up =
                    [this](const ipc::Welcome& welcome) {
                      ids_.emplace(welcome.worker);
                      accepting_ = true;
                      on_up_();
                    },
                .on_down = [this](const std::string&) { down(); },
                .on_frame = [this](ipc::FrameType type,
                                   std::string_view payload) { return frame(type, payload); },
                .on_drained = [] {},
            }) {}

std::optional<mail::Reply> QueueLink::refusal() const {
  if (!link_.up() || link_.pending() > kLinkBacklogMax) return queue_unavailable();
  if (!accepting_) return refusal_;
  return std::nullopt;
}

mail::QueueId QueueLink::next_id(WallTime now) {
  PW_CHECK(ids_.has_value());
  return ids_->next(now);
}

bool QueueLink::frame(ipc::FrameType type, std::string_view payload) {
  if (type == ipc::FrameType::submit_result) return result(payload);
  if (type == ipc::FrameType::submit_file) return lent(payload);
  if (type == ipc::FrameType::admission) return admission(payload);
  if (type == ipc::FrameType::open_bags) return open_bags(payload);
  if (type == ipc::FrameType::probe_result) return probe_result(payload);
  if (type == ipc::FrameType::peer_link) return peer_link(payload);
  return false;
}

bool QueueLink::result(std::string_view payload) {
  ipc::SubmitResult message;
  if (!ipc::decode(payload, message)) return false;
  if (Handover* handover = find(message.id))
    handover->result(message.reply);
  else if (message.reply.code == 250)
    // The client went away between its last octet and qmgr's word; the message is queued all the
    // same.
    log::Line(log::Level::info, "accepted").kv("id", message.id.text()).kv("client_gone", true);
  return true;
}

// Taken also for a handover that is over.
bool QueueLink::lent(std::string_view payload) {
  ipc::SubmitFile message;
  if (!ipc::decode(payload, message)) return false;
  UniqueFd file = link_.take_descriptor(message.file);
  if (!file)
    log::Line(log::Level::error, "content_not_written")
        .kv("id", message.id.text())
        .kv("error", "too many open files");
  if (Handover* handover = find(message.id)) handover->lent(std::move(file));
  return true;
}

// Without a descriptor there is none: qmgr makes another link when somebody comes back.
bool QueueLink::peer_link(std::string_view payload) {
  ipc::PeerLink message;
  if (!ipc::decode(payload, message) || message.role != ipc::Role::filter || !on_filter_)
    return false;
  if (UniqueFd end = link_.take_descriptor(message.file)) on_filter_(std::move(end));
  return true;
}

void QueueLink::write(mail::QueueId id, std::shared_ptr<LentFile> file, std::string bytes,
                      bool anew) {
  writer_.write(std::move(file), std::move(bytes), anew,
                [this, id](const Status& status, std::string buffer) {
                  if (!status)
                    log::Line(log::Level::error, "content_not_written")
                        .kv("id", id.text())
                        .kv("error", status.error().text);
                  if (Handover* handover = find(id)) handover->written(status, std::move(buffer));
                });
}

bool QueueLink::admission(std::string_view payload) {
  ipc::Admission message;
  if (!ipc::decode(payload, message)) return false;
  if (message.accepting != accepting_)
    log::Line(message.accepting ? log::Level::info : log::Level::warning,
              message.accepting ? "admission_open" : "admission_closed")
        .kv("reply", message.refusal.one_line());
  accepting_ = message.accepting;
  refusal_ = message.refusal.transient() ? std::move(message.refusal) : queue_unavailable();
  return true;
}

// A new link begins with all of them: qmgr says it again.
bool QueueLink::open_bags(std::string_view payload) {
  ipc::OpenBags message;
  if (!ipc::decode(payload, message) || !ids_) return false;
  ids_->keep_to(message.bags);
  return true;
}

std::uint64_t QueueLink::probe(const mail::Address& recipient, ProbeDone done) {
  probes_.emplace(++last_probe_, std::move(done));
  link_.send(ipc::Probe{last_probe_, recipient});
  return last_probe_;
}

bool QueueLink::probe_result(std::string_view payload) {
  ipc::ProbeResult message;
  if (!ipc::decode(payload, message)) return false;
  auto found = probes_.find(message.request);
  if (found == probes_.end()) return true;  // its client has gone
  ProbeDone done = std::move(found->second);
  probes_.erase(found);
  done(message.verdict, message.reply);
  return true;
}

void QueueLink::down() {
  for (auto& [number, done] : std::exchange(probes_, {}))
    done(ipc::ProbeVerdict::undecided, queue_unavailable());
  auto lost = std::move(watched_);
  watched_.clear();
  for (auto& [id, handover] : lost) handover->lost();
}

Handover* QueueLink::find(mail::QueueId id) {
  auto found = watched_.find(id);
  return found == watched_.end() ? nullptr : found->second;
}

}  // namespace postwain::smtpd
