// What qmgr knows of the outside filters and of DNS lists: how each of them is, as the process
// `filter` tells, and what has been counted of it since qmgr's start. In memory only. Bounded: it
// knows the filters of the configuration and no others, whatever a process calls its own. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/config_fwd.h"
#include "common/ipc/filter_report.h"

#include "qmgr/model/report_board.h"

namespace postwain::qmgr {

struct FilterStageSums {
  std::array<std::uint64_t, ipc::kFilterWords> words{};
  std::array<std::uint64_t, ipc::kFilterSeconds.size() + 1> waits{};  // as in ipc::FilterWaits
  std::uint64_t milliseconds = 0;                                     // of all of them
};

struct FilterSums {
  std::array<std::uint64_t, ipc::kFilterFailures> failures{};
  std::map<ipc::FilterStage, FilterStageSums> stages{};  // by the stage of its last word
  std::uint64_t words(ipc::FilterWord word) const;       // at all stages
};

struct KnownFilter {
  ipc::FilterState state;  // as it was told last; its counts are empty
  bool reported = false;   // nothing was told of it yet, where not
  FilterSums sums{};
};

struct KnownList {
  ipc::ListState state;   // as it was told last; its counts are empty
  bool reported = false;  // nothing was told of it yet, where not
  std::array<std::uint64_t, ipc::kListVerdicts> answers{};
};

class FilterBoard final : public ReportBoard {
 public:
  // The filters of the configuration, between who judges strangers and the content rules; what is
  // known of those that stay stays.
  void configure(const config::Config& config);
  bool take_frame(ipc::FrameType type, std::string_view payload, bool is_newest) override;
  // is_newest: another process that is about to end tells how the filters were to it; only its
  // counts are taken.
  void take(const ipc::FilterReport& report, bool is_newest);

  const std::vector<KnownFilter>& filters() const { return filters_; }
  // Of [authentication], where that is wanted.
  const ipc::AuthenticationSums& authentication() const { return authentication_; }
  bool authenticates() const { return authenticates_; }
  // The DNS lists of the configuration.
  const std::vector<KnownList>& lists() const { return lists_; }
  // Whether what was told of the list last holds, and says that its answers count.
  bool is_believed(const KnownList& list) const {
    return is_known(list) && list.state.standing == ipc::ListStanding::good;
  }
  bool is_known(const KnownList& list) const { return is_connected() && list.reported; }

 private:
  void configure_lists(const config::Config& config);

  std::vector<KnownFilter> filters_;
  std::vector<KnownList> lists_;
  ipc::AuthenticationSums authentication_;
  bool authenticates_ = false;
};

}  // namespace postwain::qmgr
