// Whose folders and sockets are ours. Names in the file system can be somebody else's who was there
// first: so owners and rights of folders are looked at before they are used, and who listens at a
// socket is asked of the kernel.
#pragma once

#include <optional>
#include <set>
#include <string>

#include <sys/types.h>

#include "common/base/result.h"
#include "common/config/config_fwd.h"
#include "common/net/stream.h"
#include "postwain/process/kind.h"

namespace postwain::tool {

// Root, ourselves, the user of that kind of process, and whoever owns the configuration file that
// names the folder (key, at the top of it): he decides in any case.
std::set<uid_t> trusted_users(const config::Config& config, Kind kind, std::string_view key);

// The folder belongs to one of them, others may not write to it (unless it is meant for that and
// sticky), and nobody else can put another in its place: the one above it belongs to one of them
// and is closed to others or sticky, too. It has to be there.
enum class OthersMayAdd : bool { no, yes };
Status check_folder(const std::string& path, const std::set<uid_t>& trusted, OthersMayAdd others);

// Whoever listens at qmgr's socket is one of ours; none: the kernel does not say. Root's own
// commands also talk to a qmgr whose user owns the folders it runs in, since they take nothing of
// root's with them (control_client.h).
Status check_server(const config::Config& config,
                    const std::optional<net::PeerCredentials>& server);

// Where we are root: becomes the user that listens there, for good, so that nothing it answers is
// read with root's rights.
Status give_up_root_for(const net::PeerCredentials& server);

}  // namespace postwain::tool
