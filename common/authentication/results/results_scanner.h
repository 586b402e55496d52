// The lexical side of a field Authentication-Results (RFC 8601 2.2, RFC 5322 3.2, RFC 2045 5.1).
// Pure, one pass.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postwain::authentication {

class ResultsScanner {
 public:
  explicit ResultsScanner(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  bool at(char c) const { return !rest_.empty() && rest_.front() == c; }
  // That octet, and the blanks behind it.
  bool take(char c);
  // Blanks, folds and comments. False: a comment does not end, or a control octet stands there. The
  // text of the first comment goes into *comment, without its parentheses and backslashes.
  bool skip_blanks(std::string* comment = nullptr);

  // Letters, digits and hyphens, in lower case; empty: there are none. No blanks are passed over.
  std::string word();
  bool digits();
  // A quoted string without quotes and backslashes, or what goes on to the next blank, semicolon,
  // parenthesis or quote.
  std::optional<std::string> value();
  // The same, and "local"@domain, which stays as it is.
  std::optional<std::string> property_value();

 private:
  std::optional<std::string> quoted_string();
  bool skip_comment(std::string* text);

  std::string_view rest_;
};

}  // namespace postwain::authentication
