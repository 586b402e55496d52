// The listening sockets, bound by the supervisor while it has the right to or passed to it by the
// service manager, and inherited by every smtpd. They outlive any smtpd, so a restart refuses no
// connection.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/base/file.h"
#include "common/config/table/listener.h"

namespace postwain::tool {

class ListenerSet {
 public:
  ListenerSet() = default;
  ListenerSet(ListenerSet&&) noexcept = default;
  ListenerSet& operator=(ListenerSet&&) noexcept = default;
  ~ListenerSet();

  // Takes the sockets that were opened for us; call it before bind(). The error names one that is
  // no address of these listeners: connections to it would wait for ever.
  Status adopt(std::vector<UniqueFd> passed, const std::vector<config::Listener>& wanted);
  // Binds what is new among these; nothing changes when one of them fails.
  Status bind(const std::vector<config::Listener>& wanted);
  // Closes those that are not wanted any more.
  void keep_only(const std::vector<config::Listener>& wanted);
  void close_all();
  // One for each, in this order; all of them are bound.
  std::vector<int> descriptors(const std::vector<config::Listener>& wanted) const;

 private:
  void close_one(const std::string& name);

  std::map<std::string, UniqueFd> bound_;  // by Listener::name()
  std::set<std::string> passed_;  // those among them whose socket file is not ours to remove
};

}  // namespace postwain::tool
