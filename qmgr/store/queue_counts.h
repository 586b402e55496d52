// How many messages and recipients the queue holds, and in which state, without ever asking the
// store for the whole: what was there at start is counted scan window by scan window in the
// background, changes are added as they commit. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/mail/queue_id.h"

#include "qmgr/model/message.h"

namespace postwain::qmgr {

// What a recipient in the queue waits for: its first attempt, the next one, an operator.
enum class QueueState : std::uint8_t { queued, deferred, held };
constexpr std::size_t kQueueStates = 3;
std::string_view name_of(QueueState state);
QueueState queue_state(RecipientState state, std::uint32_t attempts);

// What numbers call a destination: all that are routed by MX are one, "mx", or "mx route=2".
std::string_view route_label_of(std::string_view destination, std::string& buffer);
constexpr std::size_t kRouteLabelsMax = 500;  // told apart; those beyond are "other"

struct Counts {
  struct Group {
    std::string route_label;
    TrafficClass traffic_class = TrafficClass::interactive;
    QueueState state = QueueState::queued;
    std::int64_t recipients = 0;
  };
  std::int64_t messages = 0;
  std::vector<Group> groups;

  std::int64_t recipients() const;
  void add(std::string_view destination, TrafficClass traffic_class, QueueState state);

 private:
  std::string buffer_;
};

class QueueCounts {
 public:
  // A recipient is counted in one: its route label, class and state in one number.
  using CountKey = std::uint32_t;
  CountKey count_key(std::string_view destination, TrafficClass traffic_class, QueueState state);
  static CountKey with_state(CountKey count_key, QueueState state) {
    return count_key - count_key % kQueueStates + static_cast<CountKey>(state);
  }
  static TrafficClass class_of(CountKey count_key) {
    return static_cast<TrafficClass>(count_key / kQueueStates % kTrafficClasses);
  }

  // last: the newest message at start. Ids above it are never part of a scan window.
  void start(mail::QueueId last) {
    last_ = last;
    started_ = true;
  }
  // All is counted once more, because parts of the queue have come or gone.
  void restart(mail::QueueId last) {
    cursor_ = {};
    messages_ = 0;
    recipients_ = 0;
    at_.assign(at_.size(), 0);
    start(last);
  }
  mail::QueueId cursor() const { return cursor_; }
  mail::QueueId last() const { return last_; }
  // A scan window up to `end` was counted; end of the work when there was none.
  void counted(mail::QueueId end, const Counts& counts);
  void finished() { cursor_ = last_; }
  bool complete() const { return started_ && cursor_ >= last_; }

  // What came before start() was called, or has an id that counting has not reached yet (of another
  // machine's clock, of an import), is part of what is counted from then on.
  void added_message(mail::QueueId id) {
    if (is_counted(id)) ++messages_;
  }
  void added(mail::QueueId id, CountKey count_key) {
    if (is_counted(id)) change(count_key, 1);
  }
  // What happens to a message before its scan window was counted will be found there as it then is.
  void removed_message(mail::QueueId id) {
    if (is_counted(id)) --messages_;
  }
  void removed(mail::QueueId id, CountKey count_key) {
    if (is_counted(id)) change(count_key, -1);
  }
  void moved(mail::QueueId id, CountKey from, CountKey to) {
    if (is_counted(id) && from != to) {
      change(from, -1);
      change(to, 1);
    }
  }

  std::int64_t messages() const { return messages_; }
  std::int64_t recipients() const { return recipients_; }
  std::int64_t recipients(QueueState state) const;
  // Each route label, class and state that has had a recipient.
  std::vector<Counts::Group> groups() const;

 private:
  bool is_counted(mail::QueueId id) const { return started_ && (id > last_ || id <= cursor_); }
  void change(CountKey count_key, std::int64_t by);

  bool started_ = false;
  mail::QueueId last_;
  mail::QueueId cursor_;
  std::int64_t messages_ = 0;
  std::int64_t recipients_ = 0;
  std::vector<std::string> labels_;
  std::unordered_map<std::string, std::uint32_t> numbers_;  // of the labels
  std::vector<std::int64_t> at_;                            // recipients, by CountKey
  std::string buffer_;
};

// That of a row.
QueueCounts::CountKey count_key_of(QueueCounts& counts, const MessageInfo& info,
                                   const StoredRecipient& row);

}  // namespace postwain::qmgr
