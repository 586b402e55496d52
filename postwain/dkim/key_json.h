// A key as JSON; only for sources of commands.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "postwain/dns_check/own_keys.h"

namespace postwain::tool {

// Without anything that is secret.
nlohmann::ordered_json key_to_json(const OwnKey& key);

}  // namespace postwain::tool
