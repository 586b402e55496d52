#include "qmgr/control/control.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/base/sysexits.h"

namespace postwain::qmgr {

using ipc::OperatorCommand;

Control::Control(Queue& queue, Delivery& delivery, Hooks hooks)
    : view_(queue, std::exchange(hooks.standstill, nullptr), hooks.cluster),
      queue_commands_(queue, peers_, view_),
      destinations_(queue, delivery, peers_, view_),
      status_(queue, delivery, peers_, view_, std::move(hooks.admission),
              {hooks.filters, hooks.signer, hooks.reporter, hooks.cluster}),
      history_(queue, peers_, view_, hooks.others, hooks.cluster),
      backup_(queue, peers_, status_),
      cluster_(peers_, hooks.cluster),
      supervisor_(peers_, std::move(hooks.on_config)),
      metrics_([this] { return status_.metrics(); }) {
  if (hooks.requests != nullptr) join_others(hooks);
  on_queue_commands();
  on_other_commands();
  on_cluster_commands();
  PW_CHECK(std::all_of(handlers_.begin(), handlers_.end(),
                       [](const Handler& handler) { return handler != nullptr; }));
}

void Control::on(OperatorCommand command, Handler handler) {
  handlers_[static_cast<std::size_t>(command)] = std::move(handler);
}

void Control::on_queue_commands() {
  on(OperatorCommand::queue_list,
     [this](Asker asker, const Command& command) { queue_commands_.list(asker, command); });
  on(OperatorCommand::queue_show,
     [this](Asker asker, const Command& command) { queue_commands_.show(asker, command); });
  constexpr std::pair<OperatorCommand, Action> kActions[] = {
      {OperatorCommand::queue_retry, Action::retry},
      {OperatorCommand::queue_hold, Action::hold},
      {OperatorCommand::queue_release, Action::release},
      {OperatorCommand::queue_cancel, Action::cancel},
      {OperatorCommand::queue_bounce, Action::bounce},
  };
  for (const auto& [command, action] : kActions)
    on(command, [this, action = action](Asker asker, const Command& asked) {
      queue_commands_.act(asker, asked, action);
    });
}

void Control::on_other_commands() {
  on(OperatorCommand::status, [this](Asker asker, const Command&) { status_.status(asker); });
  on(OperatorCommand::queue_stats, [this](Asker asker, const Command&) { status_.stats(asker); });
  on(OperatorCommand::processes,
     [this](Asker asker, const Command& command) { status_.processes(asker, command); });
  on(OperatorCommand::queue_destinations,
     [this](Asker asker, const Command&) { destinations_.destinations(asker); });
  on(OperatorCommand::queue_suspend,
     [this](Asker asker, const Command& command) { destinations_.suspend(asker, command); });
  on(OperatorCommand::queue_resume,
     [this](Asker asker, const Command& command) { destinations_.resume(asker, command); });
  on(OperatorCommand::queue_way,
     [this](Asker asker, const Command& command) { destinations_.way(asker, command); });
  on(OperatorCommand::trace,
     [this](Asker asker, const Command& command) { history_.trace(asker, command); });
  on(OperatorCommand::watch,
     [this](Asker asker, const Command& command) { history_.watch(asker, command); });
  on(OperatorCommand::queue_backup, [this](Asker asker, const Command&) { backup_.backup(asker); });
  on(OperatorCommand::queue_content,
     [this](Asker asker, const Command& command) { backup_.content(asker, command); });
  for (OperatorCommand relayed : {OperatorCommand::stop, OperatorCommand::reload})
    on(relayed,
       [this](Asker asker, const Command& command) { supervisor_.relay(asker, command.json); });
}

void Control::on_cluster_commands() {
  on(OperatorCommand::cluster_status,
     [this](Asker asker, const Command&) { cluster_.status(asker); });
  on(OperatorCommand::cluster_drain,
     [this](Asker asker, const Command& command) { cluster_.set_stay(asker, command, false); });
  on(OperatorCommand::cluster_join,
     [this](Asker asker, const Command& command) { cluster_.set_stay(asker, command, true); });
  on(OperatorCommand::cluster_leave,
     [this](Asker asker, const Command& command) { cluster_.leave(asker, command); });
  on(OperatorCommand::cluster_fence,
     [this](Asker asker, const Command& command) { cluster_.fence(asker, command); });
}

// Operators act on messages of any node from any node.
void Control::join_others(const Hooks& hooks) {
  others_ = std::make_unique<RemoteActions>(
      *hooks.loop, *hooks.cluster, *hooks.requests,
      [this](const ActionOrder& order, RemoteActions::Done done) {
        queue_commands_.obey(order, [done = std::move(done)](Result<ActionResult> result) {
          if (result) return done(result.take());
          ActionResult refused;
          refused.hindered[result.error().text] = 1;
          done(std::move(refused));
        });
      });
  queue_commands_.set_others(others_.get());
  hooks.requests->serve(Requests::Kind::action, [this, cluster = hooks.cluster](
                                                    std::uint8_t from, const std::string& data,
                                                    Requests::Reply reply) {
    Result<ActionOrder> order = parse_order(data);
    if (!order) return reply(order.error());
    order->who += (order->who.empty() ? "on " : ", on ") + cluster->name_of(from);
    queue_commands_.obey(*order, [reply = std::move(reply)](Result<ActionResult> result) {
      if (!result) return reply(result.error());
      reply(json_result(*result));
    });
  });
}

void Control::connected(std::uint64_t peer, daemon::IpcConnection& connection,
                        const PeerIdentity& identity) {
  peers_.add(peer, connection, identity);
  if (identity.role == ipc::Role::supervisor) supervisor_.connected(peer);
}

void Control::lost(std::uint64_t peer) {
  peers_.remove(peer);
  queue_commands_.lost(peer);
  history_.lost(peer);
  backup_.lost(peer);
  supervisor_.lost(peer);
}

void Control::drained(std::uint64_t peer) {
  queue_commands_.drained(peer);
}

bool Control::frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload) {
  if (type != ipc::FrameType::control_request) return supervisor_.frame(peer, type, payload);
  ipc::ControlRequest frame;
  if (!ipc::decode(payload, frame)) return false;
  obey({peer, frame.request}, frame.json);
  return true;
}

void Control::obey(Asker asker, const std::string& json) {
  if (!peers_.begins_request(asker.peer))
    return peers_.refuse(asker, "too many questions at once", kExitTempFail);
  Result<Command> command = parse_command(json);
  if (!command) return peers_.refuse(asker, command.error());
  std::optional<Error> refusal =
      refusal_of(*command, peers_.only_looks(asker.peer), supervisor_.is_supervisor(asker.peer));
  if (refusal) return peers_.refuse(asker, *refusal);
  handlers_[static_cast<std::size_t>(command->info->command)](asker, *command);
}

}  // namespace postwain::qmgr
