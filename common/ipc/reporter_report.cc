#include "common/ipc/reporter_report.h"

#include "common/ipc/coding.h"

namespace postwain::ipc {

PW_VISIT(ReporterCounts) {
  fields(a, v.results, v.sent, v.put_off, v.given_up, v.waiting);
}
PW_VISIT(ReporterReport) {
  for (auto& one : v.topics) field(a, one);
}

PW_MESSAGE(ReporterReport)

std::string_view name_of(ReportTopic topic) {
  return topic == ReportTopic::tls ? "tls" : "dmarc";
}

}  // namespace postwain::ipc
