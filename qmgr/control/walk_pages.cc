#include "qmgr/control/walk_pages.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "common/base/time.h"

#include "qmgr/store/scoped_bags.h"

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
  std::erase_if(page.parts, [&](StoredMessage& part) {
    if (!filter.matches(part.info, now)) return true;
    std::erase_if(part.recipients, [&](const StoredRecipient& r) { return !filter.matches(r); });
    return part.recipients.empty();
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

// The next one of these.
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

StoreResult<ListPage> read_these(QueueStore& store, ListCursor at,
                                 const std::vector<mail::QueueId>& only, const ListFilter& filter) {
  ListPage all{{}, at, false};
  std::size_t recipients = 0;
  for (std::size_t n = 0; n < kWalkMessages && recipients < kWalkRecipients; ++n) {
    StoreResult<ListPage> one = read_one(store, all.next, only, filter);
    if (!one) return one;
    for (StoredMessage& part : one->parts) {
      recipients += part.recipients.size();
      all.parts.push_back(std::move(part));
    }
    all.next = one->next;
    all.end = one->end;
    if (all.end || all.next.from != 0) break;  // more of that one is in the next page
  }
  return all;
}

}  // namespace

StoreResult<ListPage> read_walk_page(QueueStore& store, ListCursor at, mail::QueueId last,
                                     const std::optional<std::vector<mail::QueueId>>& only,
                                     const ListFilter& filter) {
  // Also those of other nodes, where several share the queue.
  ScopedBags all(store, mail::kAllBags);
  return only ? read_these(store, at, *only, filter) : read_page(store, at, last, filter);
}

}  // namespace postwain::qmgr
