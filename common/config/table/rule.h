// [[rule]]: decisions by client, hello, sender and recipient.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/config/table/network.h"

namespace postwain::config {

// discard: the client hears that its mail is taken, and nobody gets it.
enum class RuleAction : std::uint8_t { allow, refuse, defer, discard };

// [[rule]]: holds when each condition that is there holds; an empty list is no condition.
struct Rule {
  std::vector<Network> clients;
  std::vector<std::string> client_names;  // lower case: "name", ".domain", "unknown"
  std::vector<std::string> hellos;        // lower case: "name", ".domain"
  std::vector<std::string> senders;       // as in SenderGrant, and "<>"
  std::vector<std::string> recipients;    // the same
  RuleAction action = RuleAction::refuse;
  std::string text;
  Origin origin;
};

}  // namespace postwain::config
