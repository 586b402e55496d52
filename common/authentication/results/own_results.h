// What we have written ourselves about a message: the Authentication-Results field of our own
// authserv-id, which was put into its header section when it came. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postwain::authentication {

// The value behind the colon, with its folds and without the CRLF at its end. Nothing: there is no
// such field, or several claim to be ours, or one cannot be read; then nobody can say what we
// wrote.
std::optional<std::string> own_results(std::string_view header, std::string_view authserv_id);

// What a value says of a method: "pass", "none" …; empty: nothing, or it cannot be parsed.
std::string result_of(std::string_view value, std::string_view method);

}  // namespace postwain::authentication
