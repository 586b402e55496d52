// `postwain filter check`: looks at all filters and DNS lists of the configuration at once.
#pragma once

#include <string>

#include "common/config/config.h"
#include "filter/shared.h"
#include "filter/strangers/list_port.h"

namespace postwain::filter {

// Who a made-up message comes from, unless an operator says it: nobody's address (RFC 5737), and a
// name that cannot exist (RFC 6761 6.4).
constexpr const char* kTrialClient = "192.0.2.1";
constexpr const char* kTrialHello = "client.invalid";

// Runs the loop until everything has been looked at, or somebody else stops it; what is not over
// then has failed, since it was late. The report is {"filters": [...], "dns_lists": [...]}, as
// postwain.8 has it.
std::string check_filters(Shared& shared, const config::Config& config, ListPort& dns);

}  // namespace postwain::filter
