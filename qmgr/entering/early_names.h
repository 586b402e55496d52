// Attempts that are named by the batch that stores their message, where several nodes share the
// queue (AttemptFact): new mail that can be lent at once need not wait for a commit of its own.
//
// A recipient is chosen before his message goes to the store, if he will probably be lent as soon
// as it is there: his destination has a free place, or other new mail for it was lent at once. When
// the commit has come and he is lent, his name is there already. Where that does not happen within
// kEarlyNameStays his name is ended again, with whatever is written next, and he is named anew when
// his turn comes. Until then a node that dies leaves him in doubt although he was lent to nobody.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/clock.h"

#include "qmgr/shared/queue_core.h"

namespace postwain::qmgr {

constexpr Duration kEarlyNameStays = std::chrono::milliseconds(20);
constexpr std::uint32_t kEarlyExpectedMax = 256;  // as many as one commit takes
constexpr std::size_t kEarlyNamesOfOne = 100;     // recipients of a message; with more it waits
constexpr std::size_t kEarlyNamesMax = 10'000;    // of messages on their way into the store
constexpr std::size_t kEarlyPlacesMax = 10'000;   // destinations that are remembered

class EarlyNames {
 public:
  explicit EarlyNames(QueueCore& core) : core_(core), alarm_(core.clock.alarm()) {}

  // Names are wanted while leases are given out, and not before this is called.
  void set_lending(bool lending) { lending_ = lending; }
  // Of a message that goes to the store now; each such request is answered by ended().
  void choose(AcceptRequest& request);
  void ended(const AcceptRequest& request);

  // Whether all recipients of this lease are named; otherwise it has to name them. In both cases
  // they are the lease's from now on.
  bool take(const Pick& pick);
  // What was stored and has stayed too long is ended; looks again when there is more of that.
  void end_unused();

 private:
  struct Place {
    std::uint32_t under_way = 0;  // chosen, their messages are on their way into the store
    std::uint32_t expected = 0;   // so many may be chosen even if no place is free
  };
  // A message that was stored a moment ago.
  struct Fresh {
    std::vector<std::uint32_t> named;       // whom no lease has taken
    std::vector<std::string> destinations;  // where none was lent
  };

  void choose_in(const NewMessage& message, std::vector<AttemptName>& named);
  bool has_place(const NewMessage& message, const std::string& destination) const;
  void give_back(const std::string& destination);
  void note_lent(Fresh& fresh, const std::string& destination);
  void note_unused(const Fresh& fresh);

  QueueCore& core_;
  std::unique_ptr<Alarm> alarm_;
  bool lending_ = false;
  std::size_t under_way_ = 0;
  std::unordered_map<std::string, Place> places_;
  std::unordered_map<mail::QueueId, Fresh> fresh_;
  std::deque<std::pair<MonoTime, mail::QueueId>> by_age_;
};

}  // namespace postwain::qmgr
