// The words of a From field (RFC 5322 3.2, 3.4, with the obsolete forms and the UTF-8 of RFC 6532),
// one after the other; comments and folds are passed over. Pure, one pass, whatever comes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace postwain::authentication {

struct AuthorToken {
  enum class Kind : std::uint8_t {
    atom,
    quoted,   // a quoted string, with its quotes
    literal,  // [192.0.2.1]
    special,  // one of < > , : ; @ .
    end,
    bad,  // what cannot stand there; nothing follows
  };
  Kind kind = Kind::end;
  std::string_view text;
  bool apart = false;  // white space or a comment stands before it

  bool is(char special) const { return kind == Kind::special && text.front() == special; }
  bool is_word() const { return kind == Kind::atom || kind == Kind::quoted; }
};

class AuthorTokens {
 public:
  // value: with its folds; outlives the tokens.
  explicit AuthorTokens(std::string_view value) : rest_(value) {}
  AuthorToken next();

 private:
  bool skip_blanks(bool& skipped);
  bool skip_comment();
  std::size_t token_size(AuthorToken::Kind& kind) const;

  std::string_view rest_;
};

}  // namespace postwain::authentication
