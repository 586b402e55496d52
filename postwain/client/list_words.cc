#include "postwain/client/list_words.h"

#include <utility>

#include "common/base/text.h"

namespace postwain::tool {

std::string list_words(const std::string& state) {
  constexpr std::pair<const char*, const char*> kWords[] = {
      {"untested", "not tested yet"},
      {"good", "believed"},
      {"lists_all", "lists everything"},
      {"lists_none", "lists nothing"},
      {"refused", "does not serve us, or not through this resolver"},
      {"broken", "answers like no list"},
      {"silent", "does not answer"}};
  for (const auto& [word, words] : kWords)
    if (state == word) return words;
  return printable(state);
}

}  // namespace postwain::tool
