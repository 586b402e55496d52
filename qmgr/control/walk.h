// One command's way through the queue: how far it is, what it has met, what it has done, and what
// it still waits for. Pure; the reading and the acting are done by QueueCommands.
//
// A walk goes page by page. Messages that are made later (notices) are not part of it. But ids that
// lie ahead, of a clock that was wrong, are found on a second leg: from beyond what is made
// meanwhile to the last id there is. A walk for one message, or for a list of them, has one leg.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.h"

#include "qmgr/control/json/command_json.h"
#include "qmgr/control/json/queue_json.h"
#include "qmgr/model/message.h"
#include "qmgr/queue/queue.h"

namespace postwain::qmgr {

constexpr std::size_t kTellPages = 20;  // an action tells how far it is after so many

class Walk {
 public:
  enum class Purpose : std::uint8_t { list, show, act };
  // What follows when nothing of a page is under way any more.
  enum class Next : std::uint8_t {
    page,   // the next one
    tell,   // how far it is, and then the next page
    await,  // no page is left, but attempts run whose end is awaited; that is told
    end,    // the last word
  };

  // next_id: of the message that would be made now; the first leg ends there. only: the messages to
  // look at, in their order; nothing: whichever the filter means.
  Walk(Command command, Purpose purpose, Action action, mail::QueueId next_id,
       std::optional<std::vector<mail::QueueId>> only);

  const Command& command() const { return command_; }
  Purpose purpose() const { return purpose_; }
  Action action() const { return action_; }
  // The next page: from where, up to which message, of which ones.
  ListCursor at() const { return leg_.at; }
  mail::QueueId last() const { return leg_.last; }
  const std::optional<std::vector<mail::QueueId>>& only() const { return only_; }

  // A page was read: the place after it, and whether the leg ends with it.
  void begin_page(ListCursor next, bool end, WallTime now);
  // Part of a message on this page, with the recipients that are meant. True: the message was not
  // met before, on this page or the page before.
  bool meet(const StoredMessage& part);
  // Recipients of whom nothing can be done, by why not. Few reasons are told apart.
  void hinder(const std::string& why, std::size_t recipients = 1);
  void end_page() { page_ended_ = true; }

  // An action on one message of the page, and how many recipients it changed.
  void begin_act() { ++acting_; }
  void acted(mail::QueueId id, std::size_t changed);
  // The same for recipients whose attempt runs: later pages do not wait for them, the last word
  // does. counted: the message is among the changed ones.
  bool was_changed(mail::QueueId id) const { return changed_last_ == id; }
  void begin_wait(std::size_t recipients) { waiting_ += recipients; }
  void waited(std::size_t recipients, std::size_t changed, bool counted);

  // What other nodes have done of it.
  void merge(const Acted& acted, const std::map<std::string, std::size_t>& hindered);

  // Whether the page is read and everything on it is done; then next() is asked once.
  bool page_is_over() const { return page_ended_ && acting_ == 0; }
  Next next();
  // Whether no page is left.
  bool has_met_all() const { return no_more_pages_; }
  // Whether all that is left is the last word.
  bool is_over() const { return no_more_pages_ && page_is_over() && waiting_ == 0; }

  std::size_t waiting() const { return waiting_; }  // recipients
  const Acted& acted() const { return acted_; }
  const std::map<std::string, std::size_t>& hindered() const { return hindered_; }
  // Why a walk for one message ends with an error: it met nothing, and nobody else did.
  std::optional<std::string> not_found() const;

 private:
  struct Leg {
    ListCursor at{};
    mail::QueueId last;
    bool is_second = false;
  };
  bool begin_second_leg(WallTime now);

  Command command_;
  Purpose purpose_;
  Action action_;
  std::optional<std::vector<mail::QueueId>> only_;
  Leg leg_;
  Acted acted_{};
  std::map<std::string, std::size_t> hindered_;
  mail::QueueId matched_last_{};  // a message may come in several parts: it counts once
  mail::QueueId changed_last_{};
  std::size_t pages_ = 0;
  std::size_t acting_ = 0;   // messages of this page
  std::size_t waiting_ = 0;  // recipients whose attempt still runs
  bool page_ended_ = false;
  bool no_more_pages_ = false;
};

}  // namespace postwain::qmgr
