// The hosts of a next hop as the DNS says now, with what smtp-client would make of them. Blocks
// until the answers are there.
#pragma once

#include "common/agent/hosts/next_hosts.h"
#include "common/base/result.h"
#include "common/config/config_fwd.h"
#include "common/dns/client_facts.h"
#include "postwain/explain/explanation.h"

namespace postwain::tool {

Result<agent::NextHosts> look_up_hosts(const config::Config& config,
                                       const mail::Transport& transport);

// What smtpd would ask of the DNS about the client, its hello and the sender; blocks.
Result<dns::ClientFacts> look_at_client(const config::Config& config, const Question& question);

}  // namespace postwain::tool
