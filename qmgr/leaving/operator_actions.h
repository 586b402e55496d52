// What operators ask for a message: try again, hold, release, cancel, return. What an attempt that
// runs now will bring cannot be foreseen, so such recipients wait for its end.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "qmgr/leaving/late_outcomes.h"

namespace postwain::qmgr {

enum class Action : std::uint8_t { retry, cancel, hold, release, bounce };

class OperatorActions {
 public:
  using Done = std::function<void(std::size_t changed)>;
  OperatorActions(QueueCore& core, Destinations& destinations, Settling& settling,
                  LateOutcomes& late_outcomes, const BlockedRecipients& blocked,
                  std::function<void(mail::QueueId)> on_unjudged)
      : core_(core),
        destinations_(destinations),
        settling_(settling),
        late_outcomes_(late_outcomes),
        blocked_(blocked),
        on_unjudged_(std::move(on_unjudged)) {}

  // done tells how many recipients were changed; who is the operator, for the history. Recipients
  // with an attempt that runs stay as they are and are returned, for act_later().
  std::vector<std::uint32_t> act(Action action, const StoredMessage& message,
                                 const std::string& who, Done done);
  // Acts on those of these that are still queued after the end of their attempts. indices: in
  // order.
  void act_later(Action action, mail::QueueId id, std::vector<std::uint32_t> indices,
                 const std::string& who, Done done);
  // Some recipients of this message are no longer tried or settled. Commands that wait for others,
  // or for those who are tried again, wait on.
  void attempts_ended(mail::QueueId id);

  bool is_active(mail::QueueId id, std::uint32_t index) const;
  bool has_active(mail::QueueId id) const;

 private:
  // A command that waits for the end of attempts.
  struct Waiting {
    Action action;
    std::vector<std::uint32_t> indices;
    std::string who;
    Done done;
  };

  // Leased, being settled, or leased by a former qmgr.
  bool is_busy(mail::QueueId id, std::uint32_t index) const;
  void act_now(mail::QueueId id, const Waiting& waiting, StoredMessage message);
  RecipientChange change_of(const MessageInfo& info, const StoredRecipient& row, ChangeKind kind,
                            WallTime now);

  QueueCore& core_;
  Destinations& destinations_;
  Settling& settling_;
  LateOutcomes& late_outcomes_;
  const BlockedRecipients& blocked_;
  std::function<void(mail::QueueId)> on_unjudged_;  // the filters' word counts no more
  std::unordered_multimap<mail::QueueId, Waiting> waiting_;
};

}  // namespace postwain::qmgr
