// This process's link to the filters, shared by all its sessions. qmgr makes a connection, and
// another one when `filter` has been started anew or qmgr has. Conversations (one for each session
// that filters want to hear of) end on the connection where they began; new ones begin on the
// newest one that is up.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/file.h"
#include "common/filtering/fallback.h"
#include "common/filtering/filter_connection.h"
#include "common/net/loop.h"

namespace postwain::filtering {

class FilterLink {
 public:
  // fallbacks: by name of the listener.
  FilterLink(net::Loop& loop, std::map<std::string, FilterFallback> fallbacks);
  ~FilterLink();
  FilterLink(const FilterLink&) = delete;
  FilterLink& operator=(const FilterLink&) = delete;

  // An end of a connection, from qmgr. Those before live on for the conversations they have.
  void adopt(UniqueFd end);
  // fn: filters can be asked, can no longer, or want to hear something else than before.
  void watch(std::function<void()> fn) { on_change_ = std::move(fn); }
  FilterFallback fallback(const std::string& listener) const;

  // Where a conversation may begin; null: the filters cannot be asked.
  FilterConnection* current() const;
  std::uint64_t next_session() { return ++last_session_; }

 private:
  void wants_changed(FilterConnection& connection, bool first);
  void lost(FilterConnection& connection, const std::string& why);
  // Those before the current one that nobody needs any more.
  void leave_idle();
  void take_out(FilterConnection& connection);

  net::Loop& loop_;
  std::map<std::string, FilterFallback> fallbacks_;
  std::vector<std::unique_ptr<FilterConnection>> connections_;  // the newest one last
  std::vector<std::unique_ptr<FilterConnection>> gone_;         // their code may be on the stack
  std::uint64_t last_session_ = 0;
  std::function<void()> on_change_;
};

}  // namespace postwain::filtering
