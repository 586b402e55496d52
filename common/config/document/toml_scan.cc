#include "common/config/document/toml_scan.h"

#include <utility>

#include <fmt/format.h>

namespace postwain::config {

namespace {

// Walks over a text; strings and comments are passed as one.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::optional<TextMistake> run() {
    int dots = 0;
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == '"' || c == '\'') {
        string(c);
        continue;
      }
      if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') step();
        continue;
      }
      if (c == '.' && ++dots >= kKeyPartsMax)
        return mistake(fmt::format("a key has more than {} parts", kKeyPartsMax));
      if (static_cast<unsigned char>(c) >= 0x80)
        return mistake("outside of quotation marks only ASCII characters can stand");
      if (c == '=' || c == ',' || c == '[' || c == '{' || c == '\n') dots = 0;
      step();
    }
    return std::nullopt;
  }

 private:
  TextMistake mistake(std::string what) const { return {line_, column_, std::move(what)}; }

  void step() {
    ++column_;
    if (text_[at_++] != '\n') return;
    ++line_;
    column_ = 1;
  }

  // One that does not end goes to the end of its line, or of the text when it has three quotes: the
  // parser will say so.
  void string(char quote) {
    bool long_one = text_.substr(at_, 3) == std::string_view(quote == '"' ? "\"\"\"" : "'''");
    std::size_t quotes = long_one ? 3 : 1;
    for (std::size_t i = 0; i < quotes; ++i) step();
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == '\n' && !long_one) return;
      if (c == '\\' && quote == '"' && at_ + 1 < text_.size()) {
        step();
        step();
        continue;
      }
      bool end = c == quote && (!long_one || text_.substr(at_, 3) ==
                                                 std::string_view(quote == '"' ? "\"\"\"" : "'''"));
      if (!end) {
        step();
        continue;
      }
      for (std::size_t i = 0; i < quotes; ++i) step();
      return;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
  int column_ = 1;
};

}  // namespace

std::optional<TextMistake> mistake_in_form(std::string_view text) {
  return Scanner(text).run();
}

}  // namespace postwain::config
