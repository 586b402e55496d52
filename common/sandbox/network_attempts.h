// Attempts at the network and at sockets of others; the others, and the list, are in attempts.cc.
#pragma once

#include "common/sandbox/attempts.h"

namespace postwain::sandbox {

bool sniffs(const Targets&);
bool uses_network(const Targets&);
bool opens_port(const Targets&);
bool listens_unbound(const Targets&);
bool connects_anywhere(const Targets&);
bool uses_other_protocols(const Targets&);
bool connects_by_mptcp(const Targets&);
bool fast_open_by_sendto(const Targets&);
bool fast_open_by_sendmsg(const Targets&);
bool fast_open_by_sendmmsg(const Targets&);
bool fast_open_by_option(const Targets&);
bool loads_upper_protocol(const Targets&);
bool sends_datagrams(const Targets&);
bool reaches_unix_sockets(const Targets&);
bool reaches_abstract_socket(const Targets&);

}  // namespace postwain::sandbox
