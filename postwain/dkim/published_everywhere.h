// Whether each of our DNS servers has the records of keys that are about to sign; blocks. A server
// that has not heard of a record yet would have receivers behind others like it refuse our mail.
#pragma once

#include <string>
#include <vector>

#include "common/config/config_fwd.h"
#include "postwain/dns_check/own_keys.h"

namespace postwain::tool {

// A sentence for each record that a server lacks, or has otherwise; empty: they are all there.
// Without servers in the configuration, the resolver of the machine is asked. Where we are root, a
// process without root's rights asks, since its caller needs them later.
std::vector<std::string> not_published(const config::Config& config,
                                       const std::vector<OwnKey>& keys);

}  // namespace postwain::tool
