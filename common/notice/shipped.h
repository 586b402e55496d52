// The templates of etc/bounce as they were at the build. shipped.cc is made by CMake from them.
#pragma once

#include <span>
#include <string_view>

namespace postwain::notice {

struct ShippedText {
  std::string_view language;
  std::string_view text;
};
std::span<const ShippedText> shipped_texts();

}  // namespace postwain::notice
