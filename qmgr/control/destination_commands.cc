#include "qmgr/control/destination_commands.h"

#include <utility>

#include "common/base/sysexits.h"

#include "qmgr/control/json/answer_json.h"
#include "qmgr/control/json/destination_json.h"
#include "qmgr/model/held_domains.h"

namespace postwain::qmgr {

SuspendScopes DestinationCommands::scopes() const {
  return SuspendScopes(
      queue_.config(), queue_.destinations().router(), [this](const std::string& key) {
        return queue_.scheduler().find(key).has_value() && held_domain(key).empty();
      });
}

bool DestinationCommands::names_destination(Asker asker, const Command& command) {
  bool named = !command.destination.empty() && command.destination.size() <= kDestinationKeyMax;
  if (!named) peers_.refuse(asker, "say which destination", kExitUsage);
  return named;
}

void DestinationCommands::suspend(Asker asker, const Command& command) {
  if (!names_destination(asker, command)) return;
  Result<SuspendScope> scope = scopes().find(command.destination);
  if (!scope) return peers_.refuse(asker, scope.error());
  Suspension suspension;
  suspension.destination = scope->name;
  if (command.for_time) suspension.until = wall_now() + *command.for_time;
  suspension.author = command.by.substr(0, kAuthorMax);
  suspension.reason = command.reason.substr(0, kReasonMax);
  WallTime until = suspension.until;
  if (!queue_.suspensions().suspend(std::move(suspension)))
    return peers_.refuse(asker, "too many destinations are suspended", kExitUnavailable);
  peers_.reply(asker, json_suspended(scope->name, scope->says, until));
}

void DestinationCommands::resume(Asker asker, const Command& command) {
  if (!names_destination(asker, command)) return;
  SuspendScopes names = scopes();
  Result<std::string> name = names.find_among(queue_.suspensions().all(), command.destination);
  if (!name) return peers_.refuse(asker, name.error());
  std::string says = names.says(*name);
  queue_.suspensions().resume(*name, command.by.substr(0, kAuthorMax));
  peers_.reply(asker, json_suspended(*name, says, std::nullopt));
}

void DestinationCommands::destinations(Asker asker) {
  std::vector<DestinationReport> all = view_.destinations(kListDestinations);
  WallTime now = wall_now();
  std::size_t shown = 0;
  for (const DestinationReport& one : all) {
    if (!peers_.has_room(asker.peer)) {
      peers_.reply(asker, json_not_shown(all.size() - shown), false);
      break;
    }
    ++shown;
    auto suspension = queue_.suspensions().all().find(one.key);
    bool known = suspension != queue_.suspensions().all().end();
    std::optional<Wait> wait = queue_.waits().at(one.key, now);
    bool down = wait && wait->cause == WaitCause::breaker;
    peers_.reply(
        asker,
        json_destination(one, known ? &suspension->second : nullptr,
                         down ? wait->reason : std::string(),
                         queue_.lacking_hosts().of(one.key, now), delivery_.connections(one.key)),
        false);
  }
  peers_.reply(asker, {});
}

void DestinationCommands::way(Asker asker, const Command& command) {
  StoredRecipient row;
  row.recipient.address = mail::Address::from_text(command.query);
  MessageInfo info;
  info.envelope.reverse_path = mail::Address::from_text(command.sender);
  info.arrival.client_address = command.client;
  std::string key = view_.destination_of(row.recipient.address, info);
  WallTime now = wall_now();
  std::optional<Wait> wait = view_.wait_of(info, row, now);
  if (wait && wait->cause == WaitCause::turn) wait.reset();
  peers_.reply(asker, json_way(unsplit_key(key), wait, now));
}

}  // namespace postwain::qmgr
