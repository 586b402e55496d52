// Findings as JSON; only for sources of commands.
#pragma once

#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "postwain/dns_check/dns_finding.h"

namespace postwain::tool {

nlohmann::ordered_json to_json(const std::vector<DnsFinding>& findings);

}  // namespace postwain::tool
