// Asks the process `filter` about messages of the store, over a link of qmgr's own to it: a session
// is played for each of them (judged_session.h).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/config/config.h"
#include "common/filtering/filter_link.h"
#include "common/net/loop.h"

#include "qmgr/judging/filter_port.h"
#include "qmgr/judging/judged_session.h"
#include "qmgr/shared/content_access.h"

namespace postwain::qmgr {

class FilterAsker final : public FilterPort {
 public:
  // All outlive it. on_up: filters can be asked, after a time in which they could not.
  FilterAsker(net::Loop& loop, Clock& clock, ContentAccess& content, const config::Config& config,
              std::function<mail::QueueId()> next_id, std::function<void()> on_up);
  ~FilterAsker() override;
  FilterAsker(const FilterAsker&) = delete;
  FilterAsker& operator=(const FilterAsker&) = delete;

  // By the configuration there is something to ask, so a link is needed.
  bool is_needed() const;
  // Our end of one (LinkRelay). What was under way on the one before is lost.
  void adopt(UniqueFd end) { link_.adopt(std::move(end)); }

  bool up() const override;
  config::FilterFailure fallback(ipc::FilterKind kind) const override;
  void ask(std::shared_ptr<const UnjudgedMessage> message, Done done) override;
  void stop() override;

 private:
  struct Asked {
    std::unique_ptr<JudgedSession> session;
    Done done;
  };
  void over(std::uint64_t number, Judged judged);
  void tell();

  net::Loop& loop_;
  Clock& clock_;
  ContentAccess& content_;
  const config::Config& config_;
  std::function<mail::QueueId()> next_id_;
  std::function<void()> on_up_;
  filtering::FilterLink link_;
  bool was_up_ = false;
  std::map<std::uint64_t, Asked> asked_;
  std::uint64_t last_ = 0;
  std::vector<std::pair<std::uint64_t, Judged>> over_;  // told at the end of the turn
};

}  // namespace postwain::qmgr
