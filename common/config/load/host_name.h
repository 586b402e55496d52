// The names the machine has, for a configuration that gives none.
#pragma once

#include <optional>
#include <string>

namespace postwain::config {

inline const std::string kNamelessHost = "localhost.localdomain";

// The fully qualified name; nothing when the machine does not know it. May ask the resolver.
std::optional<std::string> machine_host_name();

// What completes names without a domain, by Debian's policy (11.6): the first line of
// /etc/mailname. Empty where there is none that is a qualified domain.
std::string machine_mail_name();

}  // namespace postwain::config
