// `postwain filter check` and `postwain filter test`: this process plays smtpd to its own filters,
// as the same user and confined as ever. It looks at each filter and each DNS list, or shows one
// message to the whole chain; nothing comes of that but a report. Strangers are not judged: that
// would be remembered.
//
// The request lies in descriptor kTrialRequest: a line of JSON, and for a test the message behind
// it, with CRLF lines. The report is written to kTrialReport, as JSON. Texts that may hold any
// octets are base64.
#pragma once

#include <string>

#include "common/config/config.h"
#include "filter/shared.h"
#include "filter/strangers/list_port.h"

namespace postwain::filter {

constexpr int kTrialRequest = 4;
constexpr int kTrialReport = 5;
constexpr std::size_t kTrialMax = 64U << 20;  // octets of a request
constexpr std::size_t kTrialRecipientsMax = 100;

// Until the report is written: an exit code. The shared parts are those of the configuration.
int run_trial(Shared& shared, const config::Config& config, ListPort& dns,
              const std::string& request);

}  // namespace postwain::filter
