#include "qmgr/control/control.h"

#include <algorithm>

#include <unistd.h>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/log/log.h"

#include "qmgr/control/json/answer_json.h"
#include "qmgr/control/metrics_text.h"
#include "qmgr/store/queue_reader.h"

namespace postwain::qmgr {

namespace {

// Of a command on messages.
Action action_of(ipc::OperatorCommand command) {
  switch (command) {
    case ipc::OperatorCommand::queue_cancel:
      return Action::cancel;
    case ipc::OperatorCommand::queue_hold:
      return Action::hold;
    case ipc::OperatorCommand::queue_release:
      return Action::release;
    case ipc::OperatorCommand::queue_bounce:
      return Action::bounce;
    default:
      return Action::retry;
  }
}

}  // namespace

Control::Control(Queue& queue, Delivery& delivery, Hooks hooks)
    : queue_(queue),
      snapshot_(queue),
      delivery_(delivery),
      hooks_(std::move(hooks)),
      metrics_([this] {
        return metrics_text(status(), queue_.metrics(),
                            queue_.scheduler().report(kMetricsDestinations));
      }) {
  report_.processes.push_back({"qmgr", ::getpid()});
}

void Control::connected(std::uint64_t peer, daemon::IpcConnection& connection,
                        const PeerIdentity& identity) {
  constexpr std::size_t kNameMax = 64;
  peers_[peer] = &connection;
  names_[peer] = printable(std::string_view(identity.name).substr(0, kNameMax));
  if (identity.role == ipc::Role::supervisor) supervisor_ = peer;
  if (identity.only_looks) viewers_.emplace(peer, 0);
}

void Control::lost(std::uint64_t peer) {
  peers_.erase(peer);
  names_.erase(peer);
  viewers_.erase(peer);
  waiting_.erase(peer);
  if (watchers_.erase(peer) > 0 && watchers_.empty()) queue_.watch(nullptr);
  if (snapshot_for_ == peer) {
    snapshot_for_.reset();
    snapshot_.release();
  }
  if (supervisor_ != peer) return;
  supervisor_.reset();
  for (const auto& [number, relayed] : std::exchange(relayed_, {}))
    reply(relayed.peer, relayed.request, json_error("the supervisor is gone"), true,
          kExitUnavailable);
}

void Control::drained(std::uint64_t peer) {
  auto found = waiting_.find(peer);
  if (found == waiting_.end()) return;
  WalkPtr walk = std::move(found->second);
  waiting_.erase(found);
  next_page(walk);
}

bool Control::frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload) {
  if (type == ipc::FrameType::control_request) return request(peer, payload);
  if (supervisor_ != peer) return false;
  if (type == ipc::FrameType::control_reply) return supervisor_reply(payload);
  if (type == ipc::FrameType::config_update) return config_update(peer, payload);
  return false;
}

bool Control::request(std::uint64_t peer, std::string_view payload) {
  ipc::ControlRequest frame;
  if (!ipc::decode(payload, frame)) return false;
  // Each may be a walk through the whole queue.
  auto viewer = viewers_.find(peer);
  if (viewer != viewers_.end() && ++viewer->second > kRequestsOfViewer) {
    reply(peer, frame.request, json_error("too many questions at once"), true, kExitTempFail);
    return true;
  }
  Result<Command> command = parse_command(frame.json);
  std::optional<Error> refused;
  if (!command)
    refused = command.error();
  else
    refused = refusal_of(*command, viewers_.contains(peer), supervisor_ == peer);
  if (refused)
    reply(peer, frame.request, json_error(refused->text), true, refused->code);
  else if (command->info->relayed)
    relay(peer, frame.request, frame.json);
  else
    run(peer, frame.request, command.take());
  return true;
}

void Control::run(std::uint64_t peer, std::uint64_t request, Command command) {
  switch (command.info->command) {
    case ipc::OperatorCommand::status:
      return reply(peer, request, json_status(status()));
    case ipc::OperatorCommand::processes:
      report_ = std::move(command.report);
      return reply(peer, request, json_ok());
    case ipc::OperatorCommand::queue_stats:
      return stats(peer, request);
    case ipc::OperatorCommand::queue_backup:
      return backup(peer, request);
    case ipc::OperatorCommand::queue_destinations:
      return destinations(peer, request);
    case ipc::OperatorCommand::queue_suspend:
      return suspend(peer, request, command);
    case ipc::OperatorCommand::queue_resume:
      return resume(peer, request, command);
    case ipc::OperatorCommand::queue_way:
      return way(peer, request, command);
    case ipc::OperatorCommand::queue_content:
      return content(peer, request, command);
    case ipc::OperatorCommand::trace:
      return trace(peer, request, command);
    case ipc::OperatorCommand::watch:
      return watch(peer, request, command);
    case ipc::OperatorCommand::queue_list:
      return walk(peer, request, command, Purpose::list);
    case ipc::OperatorCommand::queue_show:
      if (!command.filter.id)
        return reply(peer, request, json_error("queue show needs a queue id"), true, kExitUsage);
      return walk(peer, request, command, Purpose::show);
    default:
      if (!command.all && command.filter.is_empty())
        return reply(peer, request, json_error("say which messages: --all or a filter"), true,
                     kExitUsage);
      walk(peer, request, command, Purpose::act, action_of(command.info->command));
  }
}

// The snapshot is there as long as the connection of the peer that copies it.
void Control::backup(std::uint64_t peer, std::uint64_t request) {
  log::Line(log::Level::info, "backup").kv("by", operator_at(peer));
  snapshot_.make([this, peer, request](Result<std::string> made) {
    if (!made) {
      log::Line(log::Level::error, "backup_failed").kv("error", made.error().text);
      return reply(peer, request, json_error(made.error().text), true, kExitIoError);
    }
    if (peers_.count(peer) == 0) return snapshot_.release();
    snapshot_for_ = peer;
    reply(peer, request, json_snapshot(*made, status()));
  });
}

// A piece of a message's content, from an offset on.
void Control::content(std::uint64_t peer, std::uint64_t request, const Command& command) {
  if (!command.filter.id)
    return reply(peer, request, json_error("say which message"), true, kExitUsage);
  mail::QueueId id = *command.filter.id;
  std::uint64_t offset = command.offset;
  auto gone = [this, peer, request, id] {
    reply(peer, request, json_error("no message " + id.text() + " in the queue"), true,
          kExitNoInput);
  };
  queue_.store().read([this, peer, request, id, offset,
                       gone](QueueStore& store) -> StoreWorker::Completion {
    auto found = QueueReader(store).message(id, 0, 1);
    bool there = found && *found && offset <= (*found)->info.size;
    if (!there) return gone;
    const MessageInfo& info = (*found)->info;
    auto length =
        static_cast<std::size_t>(std::min<std::uint64_t>(kContentPiece, info.size - offset));
    return [this, peer, request, id, offset, length, in_file = info.in_file] {
      queue_.read_content(
          id, in_file, offset, length,
          [this, peer, request, id](const std::optional<std::string>& bytes) {
            if (bytes) return reply(peer, request, json_content(*bytes));
            reply(peer, request,
                  json_error("the content of " + id.text() + " cannot be read; the log says why"),
                  true, kExitIoError);
          });
    };
  });
}

bool Control::has_room(std::uint64_t peer) const {
  auto found = peers_.find(peer);
  return found != peers_.end() && found->second->pending() < kAnswerBacklog;
}

void Control::relay(std::uint64_t peer, std::uint64_t request, const std::string& json) {
  if (!supervisor_)
    return reply(peer, request, json_error("no supervisor is running"), true, kExitUnavailable);
  std::uint64_t number = ++last_relayed_;
  relayed_[number] = {peer, request};
  peers_[*supervisor_]->send(ipc::ControlRequest{number, json});
}

bool Control::supervisor_reply(std::string_view payload) {
  ipc::ControlReply frame;
  if (!ipc::decode(payload, frame)) return false;
  auto found = relayed_.find(frame.request);
  if (found == relayed_.end()) return true;
  reply(found->second.peer, found->second.request, frame.json, frame.last, frame.exit_code);
  if (frame.last) relayed_.erase(found);
  return true;
}

bool Control::config_update(std::uint64_t peer, std::string_view payload) {
  ipc::ConfigUpdate frame;
  if (!ipc::decode(payload, frame)) return false;
  Result<bool> taken = hooks_.on_config(frame.bundle);
  if (taken)
    reply(peer, frame.request, json_ok());
  else
    reply(peer, frame.request, json_error(taken.error().text), true, kExitConfig);
  return true;
}

void Control::reply(std::uint64_t peer, std::uint64_t request, std::string json, bool last,
                    int exit_code) {
  auto found = peers_.find(peer);
  if (found == peers_.end()) return;
  if (auto viewer = viewers_.find(peer); last && viewer != viewers_.end() && viewer->second > 0)
    --viewer->second;
  ipc::ControlReply answer{request, last, static_cast<std::uint8_t>(exit_code), std::move(json)};
  if (found->second->try_send(answer)) return;
  // What lies in the queue decides how large an answer is.
  answer.json = json_error("the answer is too large to be sent");
  answer.exit_code = kExitUnavailable;
  found->second->send(answer);
}

QueueStatus Control::status() const {
  QueueStatus status;
  ipc::Admission admission = hooks_.admission();
  status.supervisor = report_;
  status.messages = queue_.queue_counts().messages();
  status.recipients = queue_.queue_counts().recipients();
  status.counted = queue_.queue_counts().complete();
  status.groups = queue_.queue_counts().groups();
  status.oldest = queue_.oldest();
  status.accepting = admission.accepting;
  status.refusal = admission.accepting ? std::string() : admission.refusal.one_line();
  if (hooks_.standstill) status.standstill = hooks_.standstill();
  status.active = delivery_.leases();
  status.in_memory = queue_.working().messages();
  status.content_bytes = queue_.working().content_bytes();
  status.wal_bytes = queue_.store().wal_bytes();
  status.history = queue_.history().status();
  status.smtp_clients = delivery_.agents(Pool::smtp);
  status.lmtp_clients = delivery_.agents(Pool::lmtp);
  return status;
}

}  // namespace postwain::qmgr
