// What an operator has suspended: destinations, and the mail for domains. Kept in the store, until
// he resumes it or its time is over. Names are those of held_domains.h.
#pragma once

#include <map>
#include <string>

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
  void end_over(WallTime now);

  const std::map<std::string, Suspension>& all() const { return all_; }
  // Null: nothing of that name is suspended now.
  const Suspension* find(const std::string& name, WallTime now) const;

 private:
  void hold(Suspension suspension);
  void free_domain(const std::string& domain);

  QueueCore& core_;
  Destinations& destinations_;
  SplitDomains& split_;
  PutBack& put_back_;
  std::map<std::string, Suspension> all_;
};

}  // namespace postwain::qmgr
