// Which user may come to qmgr in which role, and what users are called. The supervisor knows whom
// it starts, and puts it into qmgr's bundle; qmgr asks no user database.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/ipc/messages.h"

namespace postwain::daemon {

// The place in the bundle: no file has this name.
inline constexpr const char* kPeerUsersFile = "@users";

using PeerUsers = std::map<ipc::Role, std::uint32_t>;

// One "role uid" a line.
std::string encode(const PeerUsers& users);
// Lines that cannot be read are left out: whoever they were meant for is not let in.
PeerUsers decode_peer_users(std::string_view text);

// The number of the user that qmgr runs as, for whom only qmgr may come to; in the bundle.
inline constexpr const char* kQueueUserFile = "@queue_user";

// The groups whose members may look at the queue ([control] viewers), by number; in the bundle.
inline constexpr const char* kViewersFile = "@viewers";
inline constexpr std::size_t kViewersMax = 1000;

using Groups = std::set<std::uint32_t>;

// One number a line; what is none is left out.
std::string encode(const Groups& groups);
Groups decode_groups(std::string_view text);

// The users of this machine by number, for whoever may not look into its files: what they submit is
// put down under their names.
inline constexpr const char* kLocalUsersFile = "@accounts";
inline constexpr std::size_t kLocalUsersMax = 100'000;

using LocalUsers = std::unordered_map<std::uint32_t, std::string>;

// From the lines of passwd(5). Names that are none, or could be taken for something else in a
// header field or a log, are left out; of several names of one number the first counts.
LocalUsers local_users(std::string_view passwd);
// One "uid name" a line.
std::string encode(const LocalUsers& users);
LocalUsers decode_local_users(std::string_view text);

}  // namespace postwain::daemon
