#include "qmgr/model/reporter_board.h"

namespace postwain::qmgr {

void ReporterBoard::configure(bool tls_wanted, bool dmarc_wanted) {
  sums_[static_cast<std::size_t>(ipc::ReportTopic::tls)].wanted = tls_wanted;
  sums_[static_cast<std::size_t>(ipc::ReportTopic::dmarc)].wanted = dmarc_wanted;
}

bool ReporterBoard::take_frame(ipc::FrameType type, std::string_view payload) {
  ipc::ReporterReport report;
  if (type != ipc::FrameType::reporter_report || !ipc::decode(payload, report)) return false;
  for (std::size_t i = 0; i < report.topics.size(); ++i) {
    const ipc::ReporterCounts& told = report.topics[i];
    ReporterSums& sums = sums_[i];
    sums.results += told.results;
    sums.sent += told.sent;
    sums.put_off += told.put_off;
    sums.given_up += told.given_up;
    sums.waiting = told.waiting;
  }
  return true;
}

}  // namespace postwain::qmgr
