// The hosts of a next hop as the DNS says now, with what smtp-client would make of them. Blocks
// until the answers are there.
#pragma once

#include "common/agent/next_hosts.h"
#include "common/base/result.h"
#include "common/config/config.h"

namespace postwain::tool {

Result<agent::NextHosts> look_up_hosts(const config::Config& config, const mail::NextHop& hop,
                                       mail::TlsLevel tls);

}  // namespace postwain::tool
