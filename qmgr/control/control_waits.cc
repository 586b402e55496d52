// Suspensions, and what is told of mail that waits: why, until when, and why a command cannot act.
#include <map>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/base/text.h"

#include "qmgr/control/control.h"
#include "qmgr/control/json/answer_json.h"
#include "qmgr/control/json/destination_json.h"
#include "qmgr/model/held_domains.h"
#include "qmgr/routing/suspend_scope.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kWhysMax = 20;  // told apart

}  // namespace

// --- suspensions -------------------------------------------------------------------------------

SuspendScopes Control::scopes() const {
  return SuspendScopes(queue_.config(), queue_.router(), [this](const std::string& key) {
    return queue_.scheduler().find(key).has_value() && held_domain(key).empty();
  });
}

void Control::suspend(std::uint64_t peer, std::uint64_t request, const Command& command) {
  if (command.destination.empty() || command.destination.size() > kDestinationKeyMax)
    return reply(peer, request, json_error("say which destination"), true, kExitUsage);
  Result<SuspendScope> scope = scopes().find(command.destination);
  if (!scope) return reply(peer, request, json_error(scope.error().text), true, scope.error().code);
  Suspension suspension;
  suspension.destination = scope->name;
  if (command.for_time) suspension.until = wall_now() + *command.for_time;
  suspension.author = command.by.substr(0, kAuthorMax);
  suspension.reason = command.reason.substr(0, kReasonMax);
  WallTime until = suspension.until;
  if (!queue_.suspend(std::move(suspension)))
    return reply(peer, request, json_error("too many destinations are suspended"), true,
                 kExitUnavailable);
  reply(peer, request, json_suspended(scope->name, scope->says, until));
}

void Control::resume(std::uint64_t peer, std::uint64_t request, const Command& command) {
  if (command.destination.empty() || command.destination.size() > kDestinationKeyMax)
    return reply(peer, request, json_error("say which destination"), true, kExitUsage);
  SuspendScopes names = scopes();
  Result<std::string> name = names.find_among(queue_.suspensions(), command.destination);
  if (!name) return reply(peer, request, json_error(name.error().text), true, name.error().code);
  std::string says = names.says(*name);
  queue_.resume(*name, command.by.substr(0, kAuthorMax));
  reply(peer, request, json_suspended(*name, says, std::nullopt));
}

// --- destinations ------------------------------------------------------------------------------

// What was split off for a suspended domain is told as one, by the name of the suspension.
std::vector<DestinationReport> Control::destination_reports(std::size_t limit) const {
  std::vector<DestinationReport> all = queue_.scheduler().report(kListDestinations);
  std::map<std::string, std::uint32_t, std::less<>> held;
  std::erase_if(all, [&](const DestinationReport& one) {
    std::string_view domain = held_domain(one.key);
    if (domain.empty()) return false;
    held[std::string(domain)] += one.queued;
    return true;
  });
  std::erase_if(all, [&](DestinationReport& one) {
    std::string_view domain = domain_of_scope(one.key);
    if (domain.empty()) return false;
    auto queued = held.find(domain);
    if (queued != held.end()) one.queued = queued->second;
    return queue_.suspensions().count(one.key) == 0;
  });
  if (all.size() > limit) all.resize(limit);
  for (DestinationReport& one : all) {
    auto id = queue_.scheduler().find(one.key);
    const MxSet* set = id ? queue_.scheduler().mx_set(*id) : nullptr;
    if (one.open || !one.mx_set_open || set == nullptr) continue;
    one.hold_until = set->health.hold_until();
  }
  return all;
}

void Control::destinations(std::uint64_t peer, std::uint64_t request) {
  std::vector<DestinationReport> all = destination_reports(kListDestinations);
  WallTime now = wall_now();
  std::size_t shown = 0;
  for (const DestinationReport& one : all) {
    if (!has_room(peer)) {
      reply(peer, request, json_not_shown(all.size() - shown), false);
      break;
    }
    ++shown;
    auto suspension = queue_.suspensions().find(one.key);
    bool known = suspension != queue_.suspensions().end();
    std::optional<Wait> wait = queue_.wait_at(one.key, now);
    reply(peer, request,
          json_destination(one, known ? &suspension->second : nullptr,
                           wait && wait->cause == WaitCause::breaker ? wait->reason : std::string(),
                           queue_.lacking_hosts().of(one.key, now), delivery_.connections(one.key)),
          false);
  }
  reply(peer, request, {});
}

// --- why a recipient waits ---------------------------------------------------------------------

std::optional<Wait> Control::wait_of(const MessageInfo& info, const StoredRecipient& row,
                                     WallTime now) const {
  if (row.state == RecipientState::held) return std::nullopt;
  std::string key = queue_.route(row.recipient.address, info.envelope.reverse_path).key;
  if (std::optional<Wait> wait = queue_.wait_at(key, now)) return wait;
  if (row.next_attempt_at > now) return std::nullopt;
  Wait wait;
  wait.scope = way_name(key);
  if (std::string why = hooks_.standstill ? hooks_.standstill() : std::string(); !why.empty()) {
    wait.cause = WaitCause::standstill;
    wait.reason = std::move(why);
    return wait;
  }
  if (auto id = queue_.scheduler().find(key)) wait.running = queue_.scheduler().running(*id);
  return wait;
}

// Those that wait for such a reason, or whose last reply says so.
void Control::keep_reason(StoredMessage& slice, const std::string& words) const {
  if (words.empty()) return;
  WallTime now = wall_now();
  std::erase_if(slice.recipients, [&](const StoredRecipient& row) {
    std::optional<Wait> wait = wait_of(slice.info, row, now);
    return !(wait && icontains(wait->words(now), words)) && !has_words(row, words);
  });
}

RowView Control::row_view() {
  return {[this](mail::QueueId id, std::uint32_t index) { return queue_.is_active(id, index); },
          [this, now = wall_now()](const MessageInfo& info, const StoredRecipient& row) {
            return wait_of(info, row, now);
          }};
}

// Of an address: where its mail goes at the moment, and what holds it there.
void Control::way(std::uint64_t peer, std::uint64_t request, const Command& command) {
  StoredRecipient row;
  row.recipient.address = mail::Address::from_text(command.query);
  MessageInfo info;
  info.envelope.reverse_path = mail::Address::from_text(command.sender);
  std::string key = queue_.route(row.recipient.address, info.envelope.reverse_path).key;
  WallTime now = wall_now();
  std::optional<Wait> wait = wait_of(info, row, now);
  if (wait && wait->cause == WaitCause::turn) wait.reset();
  reply(peer, request, json_way(way_name(key), wait, now));
}

// --- why a command cannot act ------------------------------------------------------------------

// `retry` leaves alone whom it cannot have tried, and says why. So does `release`, which acts.
void Control::note_hindered(Walk& walk, StoredMessage& slice) {
  if (walk.action != Action::retry && walk.action != Action::release) return;
  WallTime now = wall_now();
  std::erase_if(slice.recipients, [&](StoredRecipient& row) {
    bool held = row.state == RecipientState::held;
    if (walk.action == Action::retry ? held : !held) {
      if (held) note_why(walk, "held; postwain queue release ends that");
      return false;
    }
    if (queue_.is_active(slice.info.id, row.index)) {
      note_why(walk, "an attempt runs at this moment");
      return false;
    }
    StoredRecipient due = row;
    due.state = RecipientState::waiting;
    due.next_attempt_at = {};
    std::optional<Wait> wait = wait_of(slice.info, due, now);
    if (!wait || wait->cause == WaitCause::turn) return false;
    std::string why = wait->words(now);
    if (wait->cause == WaitCause::suspension)
      why += fmt::format("; postwain queue resume '{}' ends that", wait->scope);
    if (wait->cause == WaitCause::breaker)
      why = fmt::format(
          "{} could not be reached: one message is tried at once, the others when it "
          "has got through{}",
          wait->scope, wait->reason.empty() ? "" : ": " + wait->reason);
    note_why(walk, why);
    return walk.action == Action::retry && wait->cause == WaitCause::suspension;
  });
}

void Control::note_why(Walk& walk, const std::string& why) {
  bool room = walk.hindered.size() < kWhysMax || walk.hindered.count(why) > 0;
  ++walk.hindered[room ? why : std::string("for other reasons")];
}

}  // namespace postwain::qmgr
