// Keys in the tables that nodes share are bounded there, and what they name is not: the hosts
// behind a domain, groups of connections. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postwain::qmgr::cluster {

// A number that stands for a name, the same on every node. Two names may have the same one.
std::uint64_t key_number(std::string_view name);
// The prefix and the name; where that has more than `most` octets, its beginning, a line end and
// the name's number, which are `most` octets. most: at least the prefix and nine more.
std::string bounded_key(std::string_view prefix, std::string_view name, std::size_t most);

}  // namespace postwain::qmgr::cluster
