// How a DNS list is, in words for people.
#pragma once

#include <string>

namespace postwain::tool {

// state: a name of ipc::ListStanding. Others, made printable, are themselves.
std::string list_words(const std::string& state);

}  // namespace postwain::tool
