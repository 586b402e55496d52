// What a Content-Type or Content-Transfer-Encoding says (RFC 2045 5.1), as far as anything of ours
// goes by it. Comments within the value are not understood. Pure.
#pragma once

#include <string>
#include <string_view>

namespace postwain::mail {

// Blanks, and line ends of folding, away at both ends.
std::string_view without_blanks(std::string_view text);
// What stands before the first parameter, in lower case: "text/plain", "base64".
std::string first_token(std::string_view value);
// The parameter's value, without its quotes; empty where there is none.
std::string parameter_of(std::string_view value, std::string_view name);

}  // namespace postwain::mail
