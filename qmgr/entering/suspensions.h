// What an operator has suspended: destinations, and the mail for domains. Kept in the store, until
// he resumes it or its time is over. Names are those of held_domains.h.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "qmgr/entering/put_back.h"

namespace postwain::qmgr {

constexpr std::size_t kSuspensionsMax = 1000;

class Suspensions {
 public:
  Suspensions(QueueCore& core, Destinations& destinations, SplitDomains& split, PutBack& put_back)
      : core_(core), destinations_(destinations), split_(split), put_back_(put_back) {}

  // From the store, at the start. Mail that came in since and is in memory is held like any other.
  void restore(Suspension suspension);
  // False: there are too many already.
  bool suspend(Suspension suspension);
  // False: it is not suspended. author: for the log.
  bool resume(const std::string& name, const std::string& author);
  // Those whose time is over. One that another node has extended stays in the store, and holds
  // here again as soon as this node has heard of it.
  void end_over(WallTime now);
  // Other nodes, which share the store, have suspended or resumed something: reads what holds now.
  void look_again();

  // Raised when something is changed here, and when that is committed.
  std::uint64_t version() const { return version_; }

  const std::map<std::string, Suspension>& all() const { return all_; }
  // Null: nothing of that name is suspended now.
  const Suspension* find(const std::string& name, WallTime now) const;

 private:
  void hold(Suspension suspension);
  void write(DestinationFact fact);
  void forget(const std::string& name);
  void found(std::vector<Suspension> stored);
  void free_domain(const std::string& domain);

  QueueCore& core_;
  Destinations& destinations_;
  SplitDomains& split_;
  PutBack& put_back_;
  std::map<std::string, Suspension> all_;
  // What was read between two of its values is not believed.
  std::uint64_t version_ = 0;
  bool looking_ = false;
};

}  // namespace postwain::qmgr
