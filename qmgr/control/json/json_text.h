// JSON as qmgr sends it. Words of strangers stand in it, of any length and in any octets, and an
// answer has to fit into a frame: a text is cut, with a word about what is missing, and long lists
// come in parts.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace postwain::qmgr {

constexpr std::size_t kJsonTextMax = 2560;        // octets of one text; replies have 2048 at most
constexpr std::size_t kJsonPartMax = 512U << 10;  // of a list: then another part begins
constexpr std::size_t kTraceMax = 2U << 20;       // of one message's events, and of its recipients

// Octets that are no UTF-8 are replaced, and each text has at most kJsonTextMax of them.
std::string write_json(nlohmann::ordered_json value);

// An object whose member "recipients" lists what `recipient` gives: in one part, or in several, of
// which all but the first begin with the members of `continued`. A part has kJsonPartMax octets, or
// one recipient.
std::vector<std::string> json_parts(
    const nlohmann::ordered_json& head, const nlohmann::ordered_json& continued, std::size_t count,
    const std::function<nlohmann::ordered_json(std::size_t)>& recipient);

}  // namespace postwain::qmgr
