// What an engine can do besides keeping messages where several nodes share its database: bags that
// come and go, the names of attempts, and the ends of other nodes' terms. Its words are those of
// qmgr/cluster/values.h; doc/cluster.md explains the whole.
//
// A part of QueueStore: it is used where the store is, by the same thread, and outside of
// transactions. Each change is one transaction, which is committed when the call has succeeded;
// false: its condition did not hold any more, and nothing was changed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "qmgr/store/facts.h"
#include "qmgr/store/store_error.h"

namespace postwain::qmgr {

class SharedQueue {
 public:
  virtual ~SharedQueue() = default;

  struct Self {
    std::uint8_t node = 0;
    std::int64_t term = 0;
    std::int64_t registered_ms = 0;  // of CLOCK_BOOTTIME, before the registration was sent
  };
  virtual Self self() const = 0;

  // Sets of bags, as in common/mail/queue_id.h.
  virtual std::uint64_t own_bags() const = 0;
  // Of the bags that were ours when the store was opened: attempts that began in former terms, and
  // of which nobody knows whether they have ended. They are named under this term now.
  virtual const std::vector<AttemptName>& inherited() const = 0;

  // Of own bags these are not read any more (except by their ids), because they are to be given
  // away; none: all are.
  virtual void hide_bags(std::uint64_t bags) = 0;
  // Scans read these alone, whoever has them, until nothing is passed.
  virtual void look_only_at(std::optional<std::uint64_t> bags) = 0;
  // They were given to us by their owner, as a beat has read.
  virtual void receive(std::uint64_t bags) = 0;

  struct Dead {
    std::uint8_t node = 0;
    std::int64_t term = 0;  // as its row has it since the former one was ended
  };
  // Ends the term of that node, if it still has this term and beat. A beat below 0: whichever it
  // has.
  virtual StoreResult<bool> fence(std::uint8_t node, std::int64_t term, std::int64_t beat) = 0;
  // Takes all of these bags over from a node that is gone, or that never had an owner. The names of
  // its attempts in them are ours with the same transaction.
  struct Adopted {
    bool done = false;
    std::vector<AttemptName> names;
  };
  virtual StoreResult<Adopted> adopt(std::optional<Dead> from, std::uint64_t bags) = 0;
  // The caller knows that no attempt runs in the bag and none is in doubt: what is named there is
  // over.
  virtual StoreResult<bool> give(std::uint8_t bag, std::uint8_t to) = 0;

  // What an operator wants of a node. No: false where there is none of that name or, for forget(),
  // where it lives or has bags.
  virtual StoreResult<bool> set_stay(const std::string& node, bool stay) = 0;
  virtual StoreResult<bool> forget(const std::string& node) = 0;

  // The end of this process in good order: others take the bags at once. Nothing can be written
  // afterwards.
  virtual StoreStatus leave() = 0;
};

}  // namespace postwain::qmgr
