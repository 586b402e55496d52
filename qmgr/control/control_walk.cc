// Commands that go through the queue: list, show, and what an operator does with messages.
#include <algorithm>

#include "common/base/sysexits.h"
#include "common/log/log.h"

#include "qmgr/control/control.h"
#include "qmgr/control/json/answer_json.h"
#include "qmgr/store/queue_walk.h"

namespace postwain::qmgr {

namespace {

StoreResult<bool> skim(QueueStore& store, mail::QueueId& after, mail::QueueId last,
                       const ListFilter& filter) {
  if (filter.looks_at_recipients())
    return QueueWalk(store).skim_recipients(
        after, last, kSkimRows, [&](std::string_view address) { return filter.may_match(address); },
        [&](RecipientState state, std::uint32_t tried) { return filter.may_match(state, tried); });
  if (filter.looks_at_sender())
    return QueueWalk(store).skim_senders(
        after, last, kSkimRows, [&](auto sender) { return filter.may_match_sender(sender); });
  return true;
}

void keep_meant(ListPage& page, const ListFilter& filter) {
  WallTime now = wall_now();
  std::erase_if(page.parts, [&](StoredMessage& slice) {
    if (!filter.matches(slice.info, now)) return true;
    std::erase_if(slice.recipients, [&](const StoredRecipient& r) { return !filter.matches(r); });
    return slice.recipients.empty();
  });
}

// Only what the filter means; perhaps nothing, although it is not the end.
StoreResult<ListPage> read_page(QueueStore& store, ListCursor at, mail::QueueId last,
                                const ListFilter& filter) {
  if (at.from == 0) {
    StoreResult<bool> found = skim(store, at.after, last, filter);
    if (!found) return found.error();
    if (!*found) return ListPage{{}, at, at.after >= last};
  }
  StoreResult<ListPage> page = QueueWalk(store).list(at, last, kWalkMessages, kWalkRecipients);
  if (page) keep_meant(*page, filter);
  return page;
}

// One after the other of these.
StoreResult<ListPage> read_one(QueueStore& store, ListCursor at,
                               const std::vector<mail::QueueId>& only, const ListFilter& filter) {
  mail::QueueId id = at.within;
  if (at.from == 0) {
    auto next = std::upper_bound(only.begin(), only.end(), at.after);
    if (next == only.end()) return ListPage{{}, at, true};
    id = *next;
    at.after = mail::QueueId{id.value - 1};
  }
  StoreResult<ListPage> page = QueueWalk(store).list(at, id, 1, kWalkRecipients);
  if (!page) return page;
  keep_meant(*page, filter);
  page->next.after = id;
  page->end = false;
  return page;
}

}  // namespace

void Control::walk(std::uint64_t peer, std::uint64_t request, const Command& command,
                   Purpose purpose, Action action) {
  auto walk = std::make_shared<Walk>();
  walk->peer = peer;
  walk->request = request;
  walk->command = command;
  walk->purpose = purpose;
  walk->action = action;
  if (purpose == Purpose::act) walk->who = operator_at(peer);
  walk->last = queue_.next_id();
  if (command.filter.id) {
    walk->last = *command.filter.id;
    walk->at.after = mail::QueueId{command.filter.id->value - 1};
  }
  if (command.filter.state == ShownState::active) walk->only = active_messages();
  next_page(walk);
}

// Attempts run only for what is in memory.
std::vector<mail::QueueId> Control::active_messages() const {
  std::vector<mail::QueueId> ids;
  for (mail::QueueId id : queue_.working().ids())
    if (queue_.has_active(id)) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

// What the store alone can decide is sorted out on its thread.
void Control::next_page(const WalkPtr& walk) {
  queue_.store().read([this, walk, at = walk->at, last = walk->last, filter = walk->command.filter](
                          QueueStore& store) -> StoreWorker::Completion {
    // `only` is not changed after the beginning.
    auto found = std::make_shared<StoreResult<ListPage>>(
        walk->only ? read_one(store, at, *walk->only, filter) : read_page(store, at, last, filter));
    return [this, walk, found] {
      if (!*found)
        return reply(walk->peer, walk->request, json_error(found->error().text), true,
                     kExitIoError);
      page(walk, found->take());
    };
  });
}

void Control::page(const WalkPtr& walk, ListPage page) {
  if (peers_.count(walk->peer) == 0) return;  // nobody waits any more
  walk->at = page.next;
  walk->done = page.end && !begin_second_leg(*walk);
  walk->page_done = false;
  for (StoredMessage& slice : page.parts) {
    keep_reason(slice, walk->command.filter.reason);
    if (slice.recipients.empty()) continue;
    if (std::optional<ShownState> wanted = walk->command.filter.state) {
      std::erase_if(slice.recipients, [&](const StoredRecipient& r) {
        return shown_state(r, queue_.is_active(slice.info.id, r.index)) != *wanted;
      });
      if (slice.recipients.empty()) continue;
    }
    bool first = std::exchange(walk->matched_last, slice.info.id) != slice.info.id;
    if (first) ++walk->acted.matched;
    walk->acted.recipients += slice.recipients.size();
    if (walk->purpose == Purpose::list)
      for (std::string& part : json_listed(slice, row_view(), !first))
        reply(walk->peer, walk->request, std::move(part), false);
    if (walk->purpose == Purpose::show)
      for (std::string& part : json_shown(slice, row_view(), !first))
        reply(walk->peer, walk->request, std::move(part), false);
    if (walk->purpose == Purpose::act) note_hindered(*walk, slice);
    if (walk->purpose == Purpose::act && !walk->command.dry_run) act_on(walk, slice);
  }
  walk->page_done = true;
  if (walk->acting == 0) go_on(walk);
}

bool Control::begin_second_leg(Walk& walk) {
  bool single = walk.only || walk.command.filter.id;
  if (single || std::exchange(walk.second_leg, true)) return false;
  walk.at = {};
  walk.at.after = mail::QueueId::first_of(wall_now() + mail::QueueIdSource::kPassMax);
  walk.last = mail::QueueId{mail::QueueId::kLast};
  return true;
}

void Control::act_on(const WalkPtr& walk, const StoredMessage& slice) {
  ++walk->acting;
  auto busy = queue_.act(walk->action, slice, walk->who,
                         [this, walk, id = slice.info.id](std::size_t changed) {
                           if (changed > 0 && std::exchange(walk->changed_last, id) != id)
                             ++walk->acted.changed;
                           walk->acted.recipients_changed += changed;
                           --walk->acting;
                           if (walk->page_done && walk->acting == 0) go_on(walk);
                         });
  if (!busy.empty())
    wait_for_attempts(walk, slice, std::move(busy), walk->changed_last == slice.info.id);
}

// Later pages do not wait for them; the last word does.
void Control::wait_for_attempts(const WalkPtr& walk, const StoredMessage& slice,
                                std::vector<std::uint32_t> busy, bool counted) {
  std::size_t count = busy.size();
  walk->waiting += count;
  queue_.act_later(walk->action, slice.info.id, std::move(busy), walk->who,
                   [this, walk, count, counted](std::size_t changed) {
                     if (changed > 0 && !counted) ++walk->acted.changed;
                     walk->acted.recipients_changed += changed;
                     walk->waiting -= count;
                     if (walk->done && walk->page_done && walk->acting == 0) end_walk(walk);
                   });
}

void Control::go_on(const WalkPtr& walk) {
  auto peer = peers_.find(walk->peer);
  if (peer == peers_.end()) return;
  if (walk->done) {
    if (walk->waiting > 0) reply(walk->peer, walk->request, json_waiting(walk->waiting), false);
    return end_walk(walk);
  }
  if (walk->purpose == Purpose::act && ++walk->pages % kTellPages == 0)
    reply(walk->peer, walk->request, json_looked_at(walk->acted.matched), false);
  if (peer->second->pending() > kWalkBacklog)
    waiting_[walk->peer] = walk;
  else
    next_page(walk);
}

// A message that was named, and that a command did not meet.
std::string Control::not_found(const Walk& walk) {
  ListFilter rest = walk.command.filter;
  rest.id.reset();
  std::string id = walk.command.filter.id->text();
  return rest.is_empty() ? "no message " + id + " in the queue"
                         : "no message " + id + " in the queue matches";
}

void Control::end_walk(const WalkPtr& walk) {
  if (walk->waiting > 0) return;
  if (walk->command.filter.id && walk->acted.matched == 0)
    return reply(walk->peer, walk->request, json_error(not_found(*walk)), true, kExitNoInput);
  if (walk->purpose == Purpose::act)
    return reply(walk->peer, walk->request, json_acted(walk->acted, walk->hindered));
  reply(walk->peer, walk->request, {});
}

}  // namespace postwain::qmgr
