// The last part of an explanation: what bounds a client, and how, how fast and how long a route
// delivers, each with the line of the configuration it stands in. Pure.
#pragma once

#include <string>

#include "postwain/explain/explanation.h"

namespace postwain::tool {

void add_client_bounds(Explanation& out, const config::Config& config, const smtpd::Client& client);
// Of out.route. for_bounce: the mail has the null reverse-path.
void add_route_bounds(Explanation& out, const config::Config& config, bool for_bounce);

// Empty: there is none.
std::string fallback_text(const qmgr::RouteSettings& route);

}  // namespace postwain::tool
