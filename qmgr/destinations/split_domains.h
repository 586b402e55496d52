// The domains whose mail waits because an operator suspended them, and which destinations were
// split off for each (held_domains.h). Pure.
#pragma once

#include <map>
#include <set>
#include <string>

#include "qmgr/model/held_domains.h"

namespace postwain::qmgr {

class SplitDomains {
 public:
  bool empty() const { return domains_.empty(); }
  bool has(const std::string& domain) const { return domains_.count(domain) > 0; }
  // Whether a destination was split off for one of them.
  bool has_destination(const std::string& key) const {
    return !domains_.empty() && has(std::string(held_domain(key)));
  }
  // False: it is there already.
  bool add(const std::string& domain) { return domains_.try_emplace(domain).second; }
  // A destination that was split off is in use. True: for the first time. False: it was known
  // already, or belongs to no suspended domain.
  bool note_used(const std::string& key) {
    auto found = domains_.find(std::string(held_domain(key)));
    return found != domains_.end() && found->second.insert(key).second;
  }
  // Ends the domain; the destinations that were split off for it.
  std::set<std::string> take(const std::string& domain) {
    auto held = domains_.extract(domain);
    return held.empty() ? std::set<std::string>() : std::move(held.mapped());
  }

 private:
  std::map<std::string, std::set<std::string>> domains_;
};

}  // namespace postwain::qmgr
