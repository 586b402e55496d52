// What qmgr tells of a queue that several machines share, for people. Pure.
#pragma once

#include <string>

namespace postwain::tool {

// Of every command about nodes, where there are none.
inline constexpr const char* kOneMachineQueue =
    "this queue belongs to one machine, and has no nodes: several machines share a queue in "
    "PostgreSQL ([queue] store)";

// `cluster status`, from qmgr's JSON.
std::string cluster_lines(const std::string& json);

}  // namespace postwain::tool
