#include "qmgr/control/queue_commands.h"

#include <utility>

#include "common/base/sysexits.h"

#include "qmgr/control/hindrance.h"
#include "qmgr/control/walk_pages.h"

namespace postwain::qmgr {

void QueueCommands::list(Asker asker, const Command& command) {
  begin(asker, command, Walk::Purpose::list, Action::retry);
}

void QueueCommands::show(Asker asker, const Command& command) {
  if (!command.filter.id) return peers_.refuse(asker, "queue show needs a queue id", kExitUsage);
  begin(asker, command, Walk::Purpose::show, Action::retry);
}

void QueueCommands::act(Asker asker, const Command& command, Action action) {
  if (!command.all && command.filter.is_empty())
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
  read_page(std::make_shared<Running>(Running{
      asker, std::move(who), Walk(command, purpose, action, queue_.next_id(), std::move(only))}));
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
          if (!*found) return peers_.refuse(running->asker, found->error().text, kExitIoError);
          page(running, found->take());
        };
      });
}

void QueueCommands::page(const RunningPtr& running, ListPage page) {
  if (!peers_.is_here(running->asker.peer)) return;
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
  if (walk.purpose() != Walk::Purpose::act) return;
  note_hindered(walk, part);
  if (!command.dry_run && !part.recipients.empty()) act_on(running, part);
}

// Takes out whom the command leaves alone.
void QueueCommands::note_hindered(Walk& walk, StoredMessage& part) const {
  if (queue_.bags().is_elsewhere(part.info.id)) {
    for (std::size_t i = 0; i < part.recipients.size(); ++i)
      walk.hinder("another node has it; give the command there (postwain cluster status)");
    part.recipients.clear();
    return;
  }
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

// Later pages do not wait for them; the last word does.
void QueueCommands::act_after_attempts(const RunningPtr& running, const StoredMessage& part,
                                       std::vector<std::uint32_t> busy) {
  std::size_t count = busy.size();
  bool counted = running->walk.was_changed(part.info.id);
  running->walk.begin_wait(count);
  queue_.operator_actions().act_later(running->walk.action(), part.info.id, std::move(busy),
                                      running->who,
                                      [this, running, count, counted](std::size_t changed) {
                                        running->walk.waited(count, changed, counted);
                                        if (running->walk.is_over()) end(*running);
                                      });
}

void QueueCommands::go_on(const RunningPtr& running) {
  const Asker& asker = running->asker;
  if (!peers_.is_here(asker.peer)) return;
  Walk& walk = running->walk;
  switch (walk.next()) {
    case Walk::Next::end:
      return end(*running);
    case Walk::Next::await:
      return peers_.reply(asker, json_waiting(walk.waiting()), false);
    case Walk::Next::tell:
      peers_.reply(asker, json_looked_at(walk.acted().matched), false);
      break;
    case Walk::Next::page:
      break;
  }
  if (peers_.is_behind(asker.peer))
    waiting_[asker.peer] = running;
  else
    read_page(running);
}

void QueueCommands::end(const Running& running) {
  const Walk& walk = running.walk;
  if (std::optional<std::string> why = walk.not_found())
    return peers_.refuse(running.asker, *why, kExitNoInput);
  bool acts = walk.purpose() == Walk::Purpose::act;
  peers_.reply(running.asker, acts ? json_acted(walk.acted(), walk.hindered()) : std::string());
}

}  // namespace postwain::qmgr
