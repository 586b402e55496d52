// What comes of the network is not read with root's rights.
#pragma once

#include "common/base/result.h"
#include "common/config/config_fwd.h"

namespace postwain::tool {

// Where we are root: becomes the user of smtp-client, who asks the DNS in the running server, too.
// For the whole process and for good, so all files have to be read by now.
Status go_on_without_root(const config::Config& config);

}  // namespace postwain::tool
