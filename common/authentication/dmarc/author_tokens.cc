#include "common/authentication/dmarc/author_tokens.h"

#include <algorithm>

#include "common/base/text.h"

namespace postwain::authentication {

namespace {

constexpr std::size_t kNoToken = std::string_view::npos;
constexpr std::string_view kAuthorSpecials = "<>,:;@.";

// CRLF or LF, and white space behind it.
std::size_t author_fold_size(std::string_view text) {
  std::size_t line_end = text.substr(0, 2) == "\r\n" ? 2 : text.front() == '\n' ? 1 : 0;
  if (line_end == 0 || line_end == text.size()) return 0;
  return text[line_end] == ' ' || text[line_end] == '\t' ? line_end + 1 : 0;
}

bool is_author_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

bool ends_author_atom(char c) {
  return c == ' ' || is_author_control(c) || kAuthorSpecials.find(c) != std::string_view::npos ||
         std::string_view("\"()[]\\").find(c) != std::string_view::npos;
}

// From its first octet to the closing one; folds may stand within.
std::size_t author_bracketed_size(std::string_view text, char closing) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == closing) return i + 1;
    if (text[i] == '\\') {
      if (++i == text.size() || is_author_control(text[i])) return kNoToken;
    } else if (std::size_t fold = author_fold_size(text.substr(i))) {
      i += fold - 1;
    } else if (is_author_control(text[i]) && text[i] != '\t') {
      return kNoToken;
    }
  }
  return kNoToken;
}

}  // namespace

bool AuthorTokens::skip_comment() {
  std::size_t depth = 0;
  for (std::size_t i = 0; i < rest_.size(); ++i) {
    if (rest_[i] == '\\') {
      ++i;
    } else if (rest_[i] == '(') {
      ++depth;
    } else if (rest_[i] == ')' && --depth == 0) {
      rest_.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

bool AuthorTokens::skip_blanks(bool& skipped) {
  while (!rest_.empty()) {
    std::size_t fold = author_fold_size(rest_);
    if (rest_.front() == ' ' || rest_.front() == '\t')
      rest_.remove_prefix(1);
    else if (fold > 0)
      rest_.remove_prefix(fold);
    else if (rest_.front() != '(')
      break;
    else if (!skip_comment())
      return false;
    skipped = true;
  }
  return true;
}

std::size_t AuthorTokens::token_size(AuthorToken::Kind& kind) const {
  if (kAuthorSpecials.find(rest_.front()) != std::string_view::npos) {
    kind = AuthorToken::Kind::special;
    return 1;
  }
  if (rest_.front() == '"' || rest_.front() == '[') {
    bool quoted = rest_.front() == '"';
    kind = quoted ? AuthorToken::Kind::quoted : AuthorToken::Kind::literal;
    return author_bracketed_size(rest_, quoted ? '"' : ']');
  }
  kind = AuthorToken::Kind::atom;
  auto end = std::find_if(rest_.begin(), rest_.end(), ends_author_atom);
  return end == rest_.begin() ? kNoToken : static_cast<std::size_t>(end - rest_.begin());
}

AuthorToken AuthorTokens::next() {
  AuthorToken token;
  std::size_t size = 0;
  if (!skip_blanks(token.apart))
    size = kNoToken;
  else if (rest_.empty())
    return token;
  else
    size = token_size(token.kind);
  if (size == kNoToken) {
    rest_ = {};
    return {AuthorToken::Kind::bad, {}, token.apart};
  }
  token.text = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return token;
}

}  // namespace postwain::authentication
