// What the server that runs tells the programs of its machine, in a small file of the runtime
// folder: so that sendmail and the server agree on names, and sendmail works whatever state the
// configuration file is in.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/config/config_fwd.h"

namespace postwain::tool {

// Lines of "key value"; what a line cannot hold, or no configuration, is left out.
std::string encode_client_facts(const config::Config& config);
// Lays what is well-formed over the configuration; the rest is passed over.
void apply_client_facts(std::string_view text, config::Config& config);

Status write_client_facts(const config::Config& config);
// Nothing happens where no server has left any.
void read_client_facts(config::Config& config);

}  // namespace postwain::tool
