#include "postwain/sendmail/address_list.h"

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::tool {

namespace {

constexpr int kCommentDepthMax = 100;

struct Token {
  enum class Kind { word, quoted, literal, special, end, bad };
  Kind kind = Kind::end;
  std::string_view text;  // as it stands there, with quotes or brackets

  bool is(char special) const {
    return kind == Kind::special && text.size() == 1 && text.front() == special;
  }
};

// RFC 5322 3.2: atoms, quoted strings, domain literals; comments and white space fall away.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Token next() {
    if (!skip_blanks()) return bad("a comment that does not end");
    if (at_ == text_.size()) return Token{};
    char c = text_[at_];
    if (c == '"') return delimited('"', Token::Kind::quoted, "a quote that does not end");
    if (c == '[') return delimited(']', Token::Kind::literal, "'[' without ']'");
    if (kSpecials.find(c) != std::string_view::npos)
      return Token{Token::Kind::special, text_.substr(at_++, 1)};
    if (is_control(c)) return bad("a control character");
    std::size_t start = at_;
    while (at_ < text_.size() && !is_control(text_[at_]) && text_[at_] != ' ' &&
           kSpecials.find(text_[at_]) == std::string_view::npos && text_[at_] != '"' &&
           text_[at_] != '(' && text_[at_] != '[')
      ++at_;
    return Token{Token::Kind::word, text_.substr(start, at_ - start)};
  }

  const std::string& problem() const { return problem_; }
  std::size_t place() const { return at_; }
  // Behind what could not be read.
  void go_on() {
    problem_.clear();
    if (at_ < text_.size()) ++at_;
  }

 private:
  static constexpr std::string_view kSpecials = "<>:;@,.)]\\";

  static bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

  Token bad(std::string problem) {
    problem_ = std::move(problem);
    return Token{Token::Kind::bad, {}};
  }

  bool skip_blanks() {
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == '(') {
        if (!skip_comment()) return false;
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        ++at_;
      } else {
        break;
      }
    }
    return true;
  }

  bool skip_comment() {
    int depth = 0;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '(') {
        if (++depth > kCommentDepthMax) return false;
      } else if (text_[at_] == ')' && --depth == 0) {
        ++at_;
        return true;
      }
    }
    return false;
  }

  Token delimited(char close, Token::Kind kind, const char* problem) {
    std::size_t start = at_++;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\')
        ++at_;
      else if (text_[at_] == close)
        return Token{kind, text_.substr(start, ++at_ - start)};
      else if (text_[at_] != '\t' && is_control(text_[at_]))
        return bad("a control character");
    }
    return bad(problem);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string problem_;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text), lexer_(text) { advance(); }

  AddressList run() {
    bool in_group = false;
    for (;;) {
      if (token_.kind == Token::Kind::end) break;
      if (token_.is(',') || token_.is(';')) {
        if (token_.is(';')) in_group = false;
        advance();
        continue;
      }
      start_ = token_start_;
      std::size_t before = out_.addresses.size();
      std::size_t marks = out_.unqualified.size();
      if (element(in_group)) continue;
      // The one that went wrong is not taken in part.
      out_.addresses.resize(before);
      out_.unqualified.resize(marks);
      skip_element();
    }
    if (in_group) note_bad(text_.size(), "a group without ';'");
    return std::move(out_);
  }

 private:
  void advance() {
    token_start_ = lexer_.place();
    token_ = lexer_.next();
    if (!token_.text.empty())
      token_start_ = static_cast<std::size_t>(token_.text.data() - text_.data());
  }

  bool fail(std::string text) {
    problem_ = std::move(text);
    if (!lexer_.problem().empty()) problem_ = lexer_.problem();
    return false;
  }

  void note_bad(std::size_t end, std::string why) {
    std::string_view text = text_.substr(start_, end - start_);
    auto is_folding = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
    while (!text.empty() && is_folding(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_folding(text.back())) text.remove_suffix(1);
    out_.bad.push_back({std::string(text), std::move(why)});
  }

  void skip_element() {
    std::string why = problem_;
    while (token_.kind != Token::Kind::end && !token_.is(',') && !token_.is(';')) {
      if (token_.kind == Token::Kind::bad) lexer_.go_on();
      advance();
    }
    note_bad(token_.kind == Token::Kind::end ? text_.size() : token_start_, std::move(why));
  }

  // A mailbox, or the name of a group up to its colon. What comes before '<' or ':' is a name;
  // otherwise it was the address itself.
  bool element(bool& in_group) {
    std::vector<Token> words;
    while (token_.kind == Token::Kind::word || token_.kind == Token::Kind::quoted ||
           token_.kind == Token::Kind::literal || token_.is('.') || token_.is('@')) {
      words.push_back(token_);
      advance();
    }
    if (token_.kind == Token::Kind::bad) return fail({});
    if (token_.is('<')) return angle_address();
    if (token_.is(':') && !in_group) {
      advance();
      in_group = true;
      return true;
    }
    if (words.empty()) return fail(fmt::format("'{}' in a wrong place", token_.text));
    return take(words) && separator();
  }

  bool separator() {
    if (token_.kind == Token::Kind::end || token_.is(',') || token_.is(';')) return true;
    return fail(fmt::format("'{}' in a wrong place", token_.text));
  }

  bool angle_address() {
    advance();
    if (token_.is('@') && !skip_route()) return false;
    std::vector<Token> words;
    while (token_.kind != Token::Kind::end && token_.kind != Token::Kind::bad && !token_.is('>')) {
      words.push_back(token_);
      advance();
    }
    if (!token_.is('>')) return fail("'<' without '>'");
    advance();
    if (words.empty()) return fail("an empty address <>");
    if (!take(words)) return false;
    if (token_.kind == Token::Kind::end || token_.is(',') || token_.is(';')) return true;
    return fail("text behind '>'");
  }

  // <@a.example,@b.example:user@c.example>: the way is not ours to follow (RFC 5322 4.4).
  bool skip_route() {
    while (token_.kind != Token::Kind::end && token_.kind != Token::Kind::bad && !token_.is(':'))
      advance();
    if (!token_.is(':')) return fail("a route without ':'");
    advance();
    return true;
  }

  // local-part ["@" domain], words and dots in turn.
  bool take(const std::vector<Token>& words) {
    std::string local;
    std::string domain;
    std::size_t i = 0;
    if (!dotted(words, i, false, local)) return fail("not an address: " + joined(words));
    if (i < words.size()) {
      if (!words[i].is('@') || !dotted(words, ++i, true, domain) || i != words.size())
        return fail("not an address: " + joined(words));
    }
    out_.addresses.emplace_back(local, domain);
    std::string_view last = words.back().text;
    if (domain.empty())
      out_.unqualified.push_back(static_cast<std::size_t>(last.data() - text_.data()) +
                                 last.size());
    return true;
  }

  static bool dotted(const std::vector<Token>& words, std::size_t& i, bool domain,
                     std::string& out) {
    if (domain && i < words.size() && words[i].kind == Token::Kind::literal) {
      out = words[i++].text;
      return true;
    }
    for (;;) {
      if (i == words.size()) return false;
      bool fits =
          words[i].kind == Token::Kind::word || (!domain && words[i].kind == Token::Kind::quoted);
      if (!fits) return false;
      out += words[i++].text;
      if (i == words.size() || !words[i].is('.')) return true;
      // The root of the DNS, as some write it: "example.com."
      if (domain && ++i == words.size()) return true;
      if (!domain) ++i;
      out += '.';
    }
  }

  static std::string joined(const std::vector<Token>& words) {
    std::string out;
    for (const Token& word : words) {
      if (!out.empty()) out += ' ';
      out += word.text;
    }
    return printable(out, 80);
  }

  std::string_view text_;
  Lexer lexer_;
  Token token_;
  std::size_t token_start_ = 0;
  std::size_t start_ = 0;  // of the element
  std::string problem_;
  AddressList out_;
};

}  // namespace

AddressList read_address_list(std::string_view text) {
  return Parser(text).run();
}

std::optional<std::vector<mail::Address>> parse_address_list(std::string_view text,
                                                             std::string* why_not) {
  AddressList list = read_address_list(text);
  if (list.bad.empty()) return std::move(list.addresses);
  if (why_not != nullptr) *why_not = std::move(list.bad.front().why);
  return std::nullopt;
}

}  // namespace postwain::tool
