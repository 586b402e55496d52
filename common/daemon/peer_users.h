// Which user may come to qmgr in which role. The supervisor knows whom it starts, and puts it into
// qmgr's bundle; qmgr asks no user database.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "common/ipc/messages.h"

namespace postwain::daemon {

// The place in the bundle: no file has this name.
inline constexpr const char* kPeerUsersFile = "@users";

using PeerUsers = std::map<ipc::Role, std::uint32_t>;

// One "role uid" a line.
std::string encode(const PeerUsers& users);
// Lines that cannot be read are left out: whoever they were meant for is not let in.
PeerUsers decode_peer_users(std::string_view text);

}  // namespace postwain::daemon
