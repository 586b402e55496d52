// [[domain]]: whose mail strangers may bring.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/config/table/origin.h"

namespace postwain::config {

enum class RecipientCheck : std::uint8_t { any, probe, list };

// A domain we accept mail for from strangers.
struct Domain {
  std::vector<std::string> names;  // lower case: "example.org" or ".example.org" (any subdomain)
  RecipientCheck recipients = RecipientCheck::any;
  // list: local parts ("a") and whole addresses ("b@example.org"), local part and domain in lower
  // case.
  std::vector<std::string> allowed;
  Origin origin;
};

}  // namespace postwain::config
