// The exposition format of Prometheus (text, version 0.0.4). Every name that is written here stands
// in postwain-metrics(7); a test compares both.
#pragma once

#include <string>
#include <vector>

#include "qmgr/control/json/status_json.h"
#include "qmgr/shared/metrics.h"

namespace postwain::qmgr {

constexpr std::size_t kMetricsDestinations = 10000;  // looked at for the sums

std::string metrics_text(const QueueStatus& status, const Metrics& metrics,
                         const std::vector<DestinationReport>& destinations);

}  // namespace postwain::qmgr
