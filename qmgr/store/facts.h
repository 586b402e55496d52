// The small things the queue remembers besides its messages, each as one value to be written. They
// ride along with the next commit (store_worker.h); none is larger than a row.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "qmgr/model/message.h"

namespace postwain::qmgr {

// Of destinations (tables destination, mx_set, suspension and sts_policy).
struct RemoveBreaker {
  std::string destination;
};
struct PutMxSet {
  KnownMxSet known;
  WallTime seen_at{};
};
struct RemoveMxSetsBefore {
  WallTime seen_at{};
};
struct RemoveStsPoliciesBefore {
  WallTime fetched_at{};
};
struct RemoveSuspension {
  std::string destination;
};
// Its time is over. It goes only where what is stored ends at `until` or before, or is over by the
// store's own clock: another node may have extended it, and this one not have heard of that yet.
struct EndSuspension {
  std::string destination;
  WallTime until{};
};
using DestinationFact =
    std::variant<OpenBreaker, RemoveBreaker, PutMxSet, RemoveMxSetsBefore, KnownStsPolicy,
                 RemoveStsPoliciesBefore, Suspension, RemoveSuspension, EndSuspension>;

// Of recipients at a next hop (table recipient_check).
struct RemoveRecipientChecksBefore {
  WallTime at{};
};
using RecipientFact = std::variant<RecipientCheck, RemoveRecipientChecksBefore>;

// Of the clock (tables clock and clock_gap).
struct LastSeen {
  WallTime at{};
};
struct AllClockGaps {
  std::vector<ClockGap> gaps;  // those that are not in the list are forgotten
};
using ClockFact = std::variant<LastSeen, AllClockGaps>;

// Of recipients that wait, where nothing but their place in a destination's queue changes.
// The destination can be reached again: what waits for a later attempt because it could not be is
// due now; at most `limit` recipients, those due first.
struct BringForward {
  std::string destination;
  WallTime now{};
  std::size_t limit = 0;
};
// Waiting recipients become those of another destination; who is gone or held stays so.
struct MovedRecipient {
  mail::QueueId id;
  std::uint32_t index = 0;
  std::string destination;
  WallTime due{};  // as the row has it; for the caller
};
struct MoveRecipients {
  std::vector<MovedRecipient> recipients;
};
using WaitingFact = std::variant<BringForward, MoveRecipients>;

// Of attempts, where several nodes share the queue: who is lent what, so that it is known what a
// dead node may have delivered (session/batch_names.h). That they have ended is seen by the store
// itself when their recipients are settled; EndAttempts is for those whose recipient is gone.
struct AttemptName {
  mail::QueueId id;
  std::uint32_t index = 0;
  bool operator==(const AttemptName&) const = default;
};
struct NameAttempts {
  std::vector<AttemptName> names;
};
struct EndAttempts {
  std::vector<AttemptName> names;
};
using AttemptFact = std::variant<NameAttempts, EndAttempts>;

using Fact = std::variant<DestinationFact, RecipientFact, ClockFact, WaitingFact, AttemptFact>;

}  // namespace postwain::qmgr
