#include "common/authentication/dkim/folded_field.h"

namespace postwain::authentication::dkim {

FoldedField FoldedField::begun(std::string_view text) {
  FoldedField field;
  field.text_ = text;
  field.line_ = text.rfind('\n') + 1;  // npos + 1 is 0
  return field;
}

void FoldedField::put(std::string_view word, std::string_view gap) {
  if (text_.size() - line_ + gap.size() + word.size() > kFieldLineMax)
    fold();
  else
    text_ += gap;
  text_ += word;
}

void FoldedField::fold() {
  text_ += "\r\n ";
  line_ = text_.size() - 1;
}

void FoldedField::add_list(std::string_view tag, const std::vector<std::string>& words) {
  std::string first = std::string(tag) + "=";
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string word = words[i] + (i + 1 < words.size() ? ":" : ";");
    put(i == 0 ? first + word : word, i == 0 ? " " : "");
  }
}

void FoldedField::append(std::string_view octets) {
  while (!octets.empty()) {
    std::size_t used = text_.size() - line_;
    if (used >= kFieldLineMax) {
      fold();
      continue;
    }
    std::string_view part = octets.substr(0, kFieldLineMax - used);
    text_ += part;
    octets.remove_prefix(part.size());
  }
}

}  // namespace postwain::authentication::dkim
