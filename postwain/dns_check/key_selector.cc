#include "postwain/dns_check/key_selector.h"

#include <algorithm>
#include <cstddef>

#include "common/base/text.h"

namespace postwain::tool {

namespace {

constexpr std::size_t kDigits = 8;

}  // namespace

bool is_dated_selector(std::string_view selector) {
  return selector.size() == kDigits + 2 && selector.front() == 's' && selector.back() >= 'a' &&
         selector.back() <= 'z' &&
         std::all_of(selector.begin() + 1, selector.end() - 1, [](char c) { return is_digit(c); });
}

std::optional<std::string> free_selector(WallTime now,
                                         const std::function<bool(const std::string&)>& is_taken) {
  std::string day = format_rfc3339(now).substr(0, 10);
  std::erase(day, '-');
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    std::string selector = "s" + day + letter;
    if (!is_taken(selector)) return selector;
  }
  return std::nullopt;
}

}  // namespace postwain::tool
