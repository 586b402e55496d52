// What qmgr knows of the process that reports how TLS went and what DMARC found: what has been
// counted of it since qmgr's start. In memory only. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "common/ipc/reporter_report.h"

namespace postwain::qmgr {

struct ReporterSums {
  bool wanted = false;  // the configuration asks for such reports
  std::uint64_t results = 0;
  std::uint64_t sent = 0;
  std::uint64_t put_off = 0;
  std::uint64_t given_up = 0;
  std::uint64_t waiting = 0;  // as it was told last
};

class ReporterBoard {
 public:
  void configure(bool tls_wanted, bool dmarc_wanted);
  // A frame of a reporter. False: none that it may send.
  bool take_frame(ipc::FrameType type, std::string_view payload);

  const ReporterSums& of(ipc::ReportTopic topic) const {
    return sums_[static_cast<std::size_t>(topic)];
  }

 private:
  std::array<ReporterSums, ipc::kReportTopics> sums_{};
};

}  // namespace postwain::qmgr
