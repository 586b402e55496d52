// Tells the history what the queue does, in the history's words. The queue calls one function for
// each thing that happens; what is worth an event, and with which particulars, is decided here.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/mail/outcome.h"
#include "common/net/loop.h"

#include "qmgr/history/attempt_journal.h"
#include "qmgr/history/history.h"
#include "qmgr/model/attempt_facts.h"
#include "qmgr/scheduling/working_set.h"
#include "qmgr/verdicts/notice_plan.h"
#include "qmgr/verdicts/verdict.h"

namespace postwain::qmgr {

class Recorder {
 public:
  // folder: the spool, without symbolic links in it.
  Recorder(net::Loop& loop, const std::string& folder, Duration keep);
  ~Recorder();

  History& history() { return history_; }

  // What happens, as it happens, for whoever looks on; it may not change anything. The views are
  // good during the call.
  struct Live {
    std::string_view name;  // that of the history's event, or "received"
    const EventRecord& event;
    std::string_view sender;  // of received
    std::uint64_t size = 0;   // the same
  };
  void watch(std::function<void(const Live&)> watcher) { watcher_ = std::move(watcher); }

  // What a former qmgr left behind (attempt_journal.h), to be looked up in the queue at the start.
  // What is still queued is put into the history by name, so that a mark of doubt finds it however
  // soon the next kill comes; what was in doubt already is marked now.
  std::vector<AttemptJournal::Leftover> leftovers() const { return journal_.leftovers(); }
  // Of another node, or of an earlier life of this one.
  void take_over(mail::QueueId id, std::uint32_t index) { journal_.take_over(id, index); }
  // That is so of this recipient, and he has not been lent again yet.
  bool is_left(mail::QueueId id, std::uint32_t index) const { return journal_.is_left(id, index); }
  // Bags with recipients of whom that is so, and who have not been lent again yet.
  std::uint64_t left_bags() const { return journal_.left_bags(); }
  void left_queued(const MessageInfo& message, const StoredRecipient& recipient, bool doubt,
                   WallTime now);
  // Another node has its message now, and has heard of the attempt from the database.
  void leftover_elsewhere(const AttemptJournal::Leftover& left) {
    journal_.end(journal_.take_left(left.id, left.index));
  }
  void leftover_gone(const AttemptJournal::Leftover& left, WallTime now);
  // The name of this node, where several share the queue.
  void set_node(std::string name) { node_ = std::move(name); }
  // The queue has it from the node `former`, which is gone and may have delivered it.
  void adopted(const MessageInfo& message, const StoredRecipient& recipient,
               const std::string& former, WallTime now);
  // Its late outcome, told by outcome(), is committed.
  void left_settled(mail::QueueId id, std::uint32_t index, bool in_doubt);

  void arrived(const NewMessage& message);
  // A filter has discarded it: it was never queued. header: its header section, or the beginning.
  void discarded(const NewMessage& message, std::string_view header, const std::string& filter);
  // Its filters have been asked: the history knows it from now on as they have left it, with the
  // destinations that it has now.
  void judged(const NewMessage& message);
  // What they said of one that has arrived before (ipc::encode_judgements()).
  void judgements(mail::QueueId id, std::string_view judgements);
  void held(const NewMessage& message, WallTime now);  // from the start
  // Lent to an agent, until the outcome is committed or the recipient leaves memory otherwise.
  void leased(const MessageInfo& message, WorkingRecipient& recipient,
              const std::string& destination, WallTime now);
  void ended(WorkingRecipient& recipient);
  // An agent says so; what a kill of qmgr must not make unsaid until the commit.
  void reported_delivered(const WorkingRecipient& recipient, bool dsn_passed_on) {
    journal_.delivered(recipient.journal, dsn_passed_on);
    if (commits_wait_) journal_.sync(recipient.journal);
  }
  // The disk is full: until a commit works the journal is all that knows of a delivery.
  void set_commits_wait(bool wait) { commits_wait_ = wait; }
  // Its outcome, told by outcome(), is in doubt: the journal keeps it until the history has it.
  void keep_doubt(WorkingRecipient& recipient);

  // Of a plain success.
  void delivered(const MessageInfo& message, const WorkingRecipient& recipient,
                 const std::string& destination, const mail::Outcome& outcome,
                 const AttemptFacts& facts, WallTime now);
  // began, facts: zero where they are not known (a lease of a former qmgr).
  void outcome(const MessageInfo& message, const RecipientFacts& before,
               const mail::Outcome& outcome, const RecipientChange& change, const RetryRules& rules,
               const AttemptFacts& facts, WallTime began, WallTime now);
  // untold: nobody hears of what failed (ends_untold).
  void gave_up(const MessageInfo& message, const std::vector<RecipientEvent>& events, bool untold);
  void told(const MessageInfo& message, const std::vector<NoticeOrder>& notices, WallTime now);
  // kind: held, released, retried, cancelled or returned.
  void asked(HistoryKind kind, mail::QueueId id, const StoredRecipient& recipient,
             const std::string& who, WallTime now);

 private:
  EventRecord attempt(mail::QueueId id, std::uint32_t index, const mail::Outcome& outcome,
                      WallTime began, WallTime now) const;

  bool wanted() const { return history_.on() || watcher_ != nullptr; }
  void add(const EventRecord& event);
  void show_arrival(const NewMessage& message);
  void add_doubt(EventRecord event, std::uint32_t ticket, WallTime now);
  void end_when_written(std::uint32_t ticket);

  std::function<void(const Live&)> watcher_;
  std::string node_;
  History history_;
  AttemptJournal journal_;
  std::vector<std::uint32_t> unwritten_;  // tickets of doubts the history may not have yet
  bool flushing_ = false;
  bool commits_wait_ = false;
};

}  // namespace postwain::qmgr
