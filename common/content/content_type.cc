#include "common/content/content_type.h"

#include <algorithm>

#include "common/base/text.h"

namespace postwain::mail {

std::string_view without_blanks(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  std::size_t begin = std::min(text.find_first_not_of(kBlank), text.size());
  std::size_t end = text.find_last_not_of(kBlank);
  return end == std::string_view::npos ? std::string_view() : text.substr(begin, end + 1 - begin);
}

std::string first_token(std::string_view value) {
  value = without_blanks(value);
  return to_lower(value.substr(0, value.find_first_of("; \t\r\n(")));
}

std::string parameter_of(std::string_view value, std::string_view name) {
  for (std::size_t at = value.find(';'); at != std::string_view::npos;) {
    std::string_view rest = without_blanks(value.substr(at + 1));
    std::size_t equals = rest.find('=');
    if (equals == std::string_view::npos) return {};
    bool found = iequals(without_blanks(rest.substr(0, equals)), name);
    rest = without_blanks(rest.substr(equals + 1));
    std::string text;
    std::size_t end = 0;
    if (!rest.empty() && rest.front() == '"') {
      for (end = 1; end < rest.size() && rest[end] != '"'; ++end) {
        if (rest[end] == '\\' && end + 1 < rest.size()) ++end;
        text += rest[end];
      }
    } else {
      end = std::min(rest.find_first_of("; \t\r\n"), rest.size());
      text = std::string(rest.substr(0, end));
    }
    if (found) return text;
    std::size_t next = rest.find(';', end);
    if (next == std::string_view::npos) return {};
    value = rest.substr(next);
    at = 0;
  }
  return {};
}

}  // namespace postwain::mail
