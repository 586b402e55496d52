#include "common/mail/reply.h"

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::mail {

std::string EnhancedCode::text() const {
  return present() ? fmt::format("{}.{}.{}", klass, subject, detail) : std::string();
}

EnhancedCode EnhancedCode::parse(std::string_view text) {
  auto parts = split(text, '.');
  if (parts.size() != 3 || parts[1].size() > 3 || parts[2].size() > 3) return {};
  auto klass = parse_decimal<std::uint8_t>(parts[0]);
  auto subject = parse_decimal<std::uint16_t>(parts[1]);
  auto detail = parse_decimal<std::uint16_t>(parts[2]);
  if (!klass || !subject || !detail || (*klass != 2 && *klass != 4 && *klass != 5)) return {};
  return EnhancedCode{*klass, *subject, *detail};
}

std::string Reply::one_line() const {
  std::string out = code != 0 ? fmt::format("{}", code) : std::string();
  auto add = [&out](const std::string& part) {
    if (!out.empty() && !part.empty()) out += ' ';
    out += part;
  };
  add(enhanced.text());
  add(text);
  for (char& c : out)
    if (c == '\n' || c == '\r') c = ' ';
  return out;
}

}  // namespace postwain::mail
