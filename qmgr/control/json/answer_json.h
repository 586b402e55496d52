// Answers that every command of operators may give.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postwain::qmgr {

std::string json_error(const std::string& text);
std::string json_ok();
// {"data": base64}, of at most kContentPiece octets.
constexpr std::size_t kContentPiece = 512U << 10;
std::string json_content(std::string_view bytes);
// The last of a list that had to be cut: so many more there are.
std::string json_not_shown(std::size_t count);

}  // namespace postwain::qmgr
