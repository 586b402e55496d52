// Reading the whole queue, for an operator's command or a count: page by page, and past what is not
// meant. Messages of both forms (queue_store.h) come in the order of their ids; one that becomes
// rows between two pages is neither missed nor read twice.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "qmgr/store/queue_store.h"

namespace postwain::qmgr {

struct ListPage {
  std::vector<StoredMessage> parts;  // messages; the first and the last perhaps not whole
  ListCursor next;
  bool end = false;
};

class QueueWalk {
 public:
  explicit QueueWalk(QueueStore& store) : store_(store) {}

  // From `at` on, up to the message `last`. max_recipients: of the page; a message that has more is
  // cut there, and the next page goes on within it.
  StoreResult<ListPage> list(ListCursor at, mail::QueueId last, std::size_t max_messages,
                             std::size_t max_recipients);

  // Goes through at most max_rows rows of recipients, or of senders, above `after` and up to
  // `last`. True: the first message that may be meant was found, and `after` is just before it.
  // False: none was; `after` is the end of what was looked at.
  using MayMatch = std::function<bool(std::string_view address)>;
  using MayMatchState = std::function<bool(RecipientState, std::uint32_t attempts)>;
  StoreResult<bool> skim_recipients(mail::QueueId& after, mail::QueueId last, std::size_t max_rows,
                                    const MayMatch& may_match,
                                    const MayMatchState& may_match_state);
  StoreResult<bool> skim_senders(mail::QueueId& after, mail::QueueId last, std::size_t max_rows,
                                 const MayMatch& may_match);

  // Every recipient of the queue, about max_rows at a time behind `at`, which moves on, of messages
  // up to `last`. False: that was the end.
  using OnRecipient = std::function<void(mail::QueueId id, std::string_view address)>;
  StoreResult<bool> survey(SurveyCursor& at, mail::QueueId last, std::size_t max_rows,
                           const OnRecipient& on_recipient);

  // Counts one scan window of at most max_messages rows above `after`, up to `last`: the window's
  // end, or nothing when there are no more.
  StoreResult<std::optional<mail::QueueId>> count(mail::QueueId after, mail::QueueId last,
                                                  std::size_t max_messages, Counts& counts);

 private:
  using SkimRows = std::function<StoreResult<bool>(mail::QueueId last)>;
  StoreResult<bool> skim(mail::QueueId& after, mail::QueueId last, const SkimRows& rows);
  StoreResult<bool> skim_recipient_rows(mail::QueueId& after, mail::QueueId last,
                                        std::size_t max_rows, const MayMatch& may_match,
                                        const MayMatchState& may_match_state);
  StoreResult<bool> skim_sender_rows(mail::QueueId& after, mail::QueueId last, std::size_t max_rows,
                                     const MayMatch& may_match);
  StoreResult<ListPage> with_recipients(ListCursor at, std::vector<MessageInfo> infos, bool end,
                                        std::size_t max_recipients);
  StoreStatus count_compact(mail::QueueId after, mail::QueueId end, Counts& counts);

  QueueStore& store_;
};

}  // namespace postwain::qmgr
