// The sockets at which qmgr finds the process db-link, one for each host of the network that
// [queue] store names. They are made by whoever starts db-link, so that it needs no right to any
// folder, and so that a connection waits for it while it is being started again.
#pragma once

#include <vector>

#include "common/base/file.h"
#include "common/base/result.h"
#include "common/config/config_fwd.h"
#include "postwain/process/identity.h"

namespace postwain::tool {

// In the order of the hosts; none where no host is one of the network. Their folders below
// runtime_dir, which exists, let the user of qmgr through and nobody else. What a former run has
// left there is replaced: the caller holds the lock of runtime_dir. No link is followed below
// runtime_dir, which belongs to qmgr.
Result<std::vector<UniqueFd>> bind_database_sockets(const config::Config& config,
                                                    const Identities& identities);

}  // namespace postwain::tool
