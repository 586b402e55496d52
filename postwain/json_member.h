// Parts of qmgr's answers as text for a terminal. Words of strangers end there: they are made
// printable.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace postwain::tool {

constexpr std::size_t kMemberShown = 2048;

// Empty where there is no such member, or it is no text.
std::string text_member(const nlohmann::ordered_json& object, const char* key);
bool flag_member(const nlohmann::ordered_json& object, const char* key);
// "2026-11-21T09:30:00Z" as "2026-11-21 09:30:00Z".
std::string readable_time(std::string time);

}  // namespace postwain::tool
