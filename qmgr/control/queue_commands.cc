#include "qmgr/control/queue_commands.h"

#include <optional>
#include <utility>

#include "common/base/sysexits.h"

#include "qmgr/control/hindrance.h"
#include "qmgr/control/walk_pages.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kOrdersAtOnce = 4;  // of one command
constexpr const char* kElsewhere =
    "another node has it; give the command there (postwain cluster status)";

std::optional<Action> action_of(const Command& command) {
  using ipc::OperatorCommand;
  if (command.info == nullptr) return std::nullopt;
  switch (command.info->command) {
    case OperatorCommand::queue_retry:
      return Action::retry;
    case OperatorCommand::queue_hold:
      return Action::hold;
    case OperatorCommand::queue_release:
      return Action::release;
    case OperatorCommand::queue_cancel:
      return Action::cancel;
    case OperatorCommand::queue_bounce:
      return Action::bounce;
    default:
      return std::nullopt;
  }
}

bool says_which(const Command& command) {
  return command.all || !command.filter.is_empty();
}

}  // namespace

void QueueCommands::list(Asker asker, const Command& command) {
  begin(asker, command, Walk::Purpose::list, Action::retry);
}

void QueueCommands::show(Asker asker, const Command& command) {
  if (!command.filter.id) return peers_.refuse(asker, "queue show needs a queue id", kExitUsage);
  begin(asker, command, Walk::Purpose::show, Action::retry);
}

void QueueCommands::act(Asker asker, const Command& command, Action action) {
  if (!says_which(command))
    return peers_.refuse(asker, "say which messages: --all or a filter", kExitUsage);
  begin(asker, command, Walk::Purpose::act, action);
}

void QueueCommands::drained(std::uint64_t peer) {
  auto found = waiting_.find(peer);
  if (found == waiting_.end()) return;
  RunningPtr running = std::move(found->second);
  waiting_.erase(found);
  read_page(running);
}

void QueueCommands::begin(Asker asker, const Command& command, Walk::Purpose purpose,
                          Action action) {
  std::optional<std::vector<mail::QueueId>> only;
  if (command.filter.state == ShownState::active) only = view_.active_messages();
  std::string who = purpose == Walk::Purpose::act ? peers_.author(asker.peer) : std::string();
  auto running = std::make_shared<Running>(
      Running{asker, std::move(who), Walk(command, purpose, action, queue_.next_id(), only)});
  if (purpose == Walk::Purpose::act && only) pass_on_active(running);
  read_page(running);
}

// What is said of the order is for the node that has sent it.
void QueueCommands::obey(const ActionOrder& order, OrderDone done) {
  Result<Command> command = parse_command(order.command);
  if (!command) return done(command.error());
  std::optional<Action> action = action_of(*command);
  if (!action || !says_which(*command))
    return done(Error{"what another node wants is no action on messages", kExitUsage});
  std::vector<mail::QueueId> only = order.ids.empty() ? view_.active_messages() : order.ids;
  auto running = std::make_shared<Running>(
      Running{{},
              order.who,
              Walk(*command, Walk::Purpose::act, *action, queue_.next_id(), std::move(only))});
  running->tell = std::move(done);
  read_page(running);
}

// Nobody waits for a command whose asker is gone.
bool QueueCommands::is_wanted(const Running& running) const {
  return running.tell != nullptr || peers_.is_here(running.asker.peer);
}

void QueueCommands::refuse(const Running& running, const std::string& text, int exit_code) {
  if (running.tell) return running.tell(Error{text, exit_code});
  peers_.refuse(running.asker, text, exit_code);
}

void QueueCommands::read_page(const RunningPtr& running) {
  const Walk& walk = running->walk;
  queue_.store().read(
      [this, running, at = walk.at(), last = walk.last(),
       filter = walk.command().filter](QueueStore& store) -> StoreService::Completion {
        // What only() says is not changed after the beginning.
        auto found = std::make_shared<StoreResult<ListPage>>(
            read_walk_page(store, at, last, running->walk.only(), filter));
        return [this, running, found] {
          if (!*found)
            return refuse(*running, found->error().text, command_exit_code(found->error()));
          page(running, found->take());
        };
      });
}

void QueueCommands::page(const RunningPtr& running, ListPage page) {
  if (!is_wanted(*running)) return;
  Walk& walk = running->walk;
  walk.begin_page(page.next, page.end, wall_now());
  for (StoredMessage& part : page.parts) take_part(running, part);
  walk.end_page();
  if (walk.page_is_over()) go_on(running);
}

// A part of a message that is meant by what is on the disk; the rest of the filter is judged here.
void QueueCommands::take_part(const RunningPtr& running, StoredMessage& part) {
  Walk& walk = running->walk;
  const Command& command = walk.command();
  bool acts = walk.purpose() == Walk::Purpose::act;
  if (acts && queue_.bags().is_elsewhere(part.info.id)) return take_others(*running, part);
  view_.keep_reason(part, command.filter.reason);
  if (std::optional<ShownState> wanted = command.filter.state)
    std::erase_if(part.recipients, [&](const StoredRecipient& r) {
      return shown_state(r, view_.is_active(part.info.id, r.index)) != *wanted;
    });
  if (part.recipients.empty()) return;
  bool continued = !walk.meet(part);
  if (walk.purpose() == Walk::Purpose::list)
    for (std::string& piece : json_listed(part, view_.row_view(), continued))
      peers_.reply(running->asker, std::move(piece), false);
  if (walk.purpose() == Walk::Purpose::show)
    for (std::string& piece : json_shown(part, view_.row_view(), continued))
      peers_.reply(running->asker, std::move(piece), false);
  if (!acts) return;
  note_hindered(walk, part);
  if (!command.dry_run && !part.recipients.empty()) act_on(running, part);
}

// Its owner knows what of the filter is known in memory only. An order is not passed on: whoever
// sent it asks where the message is.
void QueueCommands::take_others(Running& running, const StoredMessage& part) const {
  if (running.tell) {
    std::vector<mail::QueueId>& ids = running.elsewhere;
    if (ids.empty() || ids.back() != part.info.id) ids.push_back(part.info.id);
  } else if (others_ != nullptr) {
    running.for_others[part.info.id] += part.recipients.size();
  } else {
    running.walk.hinder(kElsewhere, part.recipients.size());
  }
}

// Takes out whom the command leaves alone.
void QueueCommands::note_hindered(Walk& walk, StoredMessage& part) const {
  WallTime now = wall_now();
  std::erase_if(part.recipients, [&](const StoredRecipient& row) {
    auto wait_if_due = [&] {
      StoredRecipient due = row;
      due.state = RecipientState::waiting;
      due.next_attempt_at = {};
      return view_.wait_of(part.info, due, now);
    };
    std::optional<Hindrance> hindrance = hindrance_of(
        walk.action(),
        {row.state == RecipientState::held, view_.is_active(part.info.id, row.index), wait_if_due},
        now);
    if (hindrance) walk.hinder(hindrance->why);
    return hindrance && hindrance->leaves_alone;
  });
}

void QueueCommands::act_on(const RunningPtr& running, const StoredMessage& part) {
  running->walk.begin_act();
  auto busy =
      queue_.operator_actions().act(running->walk.action(), part, running->who,
                                    [this, running, id = part.info.id](std::size_t changed) {
                                      running->walk.acted(id, changed);
                                      if (running->walk.page_is_over()) go_on(running);
                                    });
  if (!busy.empty()) act_after_attempts(running, part, std::move(busy));
}

// Later pages do not wait for them; the last word does, but not that of an order.
void QueueCommands::act_after_attempts(const RunningPtr& running, const StoredMessage& part,
                                       std::vector<std::uint32_t> busy) {
  std::size_t count = busy.size();
  if (running->tell) {
    running->walk.hinder("an attempt runs at this moment; obeyed when it has ended", count);
    return queue_.operator_actions().act_later(running->walk.action(), part.info.id,
                                               std::move(busy), running->who, [](std::size_t) {});
  }
  bool counted = running->walk.was_changed(part.info.id);
  running->walk.begin_wait(count);
  queue_.operator_actions().act_later(running->walk.action(), part.info.id, std::move(busy),
                                      running->who,
                                      [this, running, count, counted](std::size_t changed) {
                                        running->walk.waited(count, changed, counted);
                                        end_if_over(running);
                                      });
}

void QueueCommands::go_on(const RunningPtr& running) {
  const Asker& asker = running->asker;
  if (!is_wanted(*running)) return;
  Walk& walk = running->walk;
  pass_on(running);
  if (running->orders >= kOrdersAtOnce && !walk.has_met_all()) {
    running->stalled = true;
    return;
  }
  switch (walk.next()) {
    case Walk::Next::end:
      return end_if_over(running);
    case Walk::Next::await:
      return peers_.reply(asker, json_waiting(walk.waiting()), false);
    case Walk::Next::tell:
      peers_.reply(asker, json_looked_at(walk.acted().matched), false);
      break;
    case Walk::Next::page:
      break;
  }
  if (!running->tell && peers_.is_behind(asker.peer))
    waiting_[asker.peer] = running;
  else
    read_page(running);
}

// --- other nodes --------------------------------------------------------------------------------

void QueueCommands::pass_on(const RunningPtr& running) {
  RemoteActions::Messages& met = running->for_others;
  const bool last = running->walk.has_met_all();
  while (!met.empty() && (last || met.size() >= kOrderMessages)) {
    RemoteActions::Messages some;
    while (!met.empty() && some.size() < kOrderMessages) some.insert(met.extract(met.begin()));
    ++running->orders;
    others_->act(running->walk.command().json, running->who, std::move(some), order_done(running));
  }
}

// Which attempts run there is known there only.
void QueueCommands::pass_on_active(const RunningPtr& running) {
  if (others_ == nullptr) return;
  ++running->orders;
  others_->act_on_active(running->walk.command().json, running->who, order_done(running));
}

RemoteActions::Done QueueCommands::order_done(const RunningPtr& running) {
  return [this, running](const ActionResult& result) {
    --running->orders;
    running->walk.merge(result.acted, result.hindered);
    if (std::exchange(running->stalled, false)) return go_on(running);
    end_if_over(running);
  };
}

void QueueCommands::end_if_over(const RunningPtr& running) {
  bool waits = running->orders > 0 || !running->for_others.empty();
  if (waits || !running->walk.is_over() || std::exchange(running->ended, true)) return;
  end(*running);
}

void QueueCommands::end(const Running& running) {
  const Walk& walk = running.walk;
  if (running.tell)
    return running.tell(ActionResult{walk.acted(), walk.hindered(), running.elsewhere});
  if (std::optional<std::string> why = walk.not_found())
    return peers_.refuse(running.asker, *why, kExitNoInput);
  bool acts = walk.purpose() == Walk::Purpose::act;
  peers_.reply(running.asker, acts ? json_acted(walk.acted(), walk.hindered()) : std::string());
}

}  // namespace postwain::qmgr
