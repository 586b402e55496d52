#include "common/authentication/dmarc/author_domain.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "common/authentication/dmarc/author_tokens.h"
#include "common/authentication/dmarc/domain_name.h"
#include "common/base/text.h"
#include "common/content/header_edits.h"

namespace postwain::authentication {

namespace {

using AuthorKind = AuthorToken::Kind;
using AuthorWords = std::vector<AuthorToken>;

// word *("." word), with more or fewer dots than there should be.
bool is_author_local(AuthorWords::const_iterator begin, AuthorWords::const_iterator end) {
  bool after_word = false;
  for (auto word = begin; word != end; ++word) {
    bool is_dot = word->is('.');
    if (!is_dot && (!word->is_word() || after_word || !is_valid_utf8(word->text))) return false;
    after_word = !is_dot;
  }
  return begin != end;
}

// Atoms with dots between them; the comments and blanks of the obsolete form are gone.
std::optional<std::string> author_domain_text(AuthorWords::const_iterator begin,
                                              AuthorWords::const_iterator end) {
  std::string text;
  bool after_atom = false;
  for (auto word = begin; word != end; ++word) {
    bool is_dot = word->is('.');
    if (!is_dot && (word->kind != AuthorKind::atom || after_atom)) return std::nullopt;
    text += word->text;
    after_atom = !is_dot;
  }
  return text;
}

class AuthorList {
 public:
  explicit AuthorList(std::string_view value) : tokens_(value) {}
  // False: it is no list of mailboxes.
  bool read();
  Author author() const;
  std::vector<mail::Address> addresses() && { return std::move(addresses_); }

 private:
  bool take(const AuthorToken& token);
  bool take_special(const AuthorToken& token);
  bool begin_group();
  bool end_mailbox();
  bool take_bracket();
  bool take_address(const AuthorWords& words);
  void take_seen_addresses();
  void add(std::string domain);
  void note(AuthorWords::const_iterator begin, AuthorWords::const_iterator end,
            std::string_view domain);

  AuthorTokens tokens_;
  AuthorWords words_;       // of the mailbox under way, before its bracket or without one
  bool bracketed_ = false;  // its bracket has come
  bool in_group_ = false;
  std::size_t mailboxes_ = 0;
  std::string domain_;
  bool several_ = false;
  std::vector<mail::Address> addresses_;
};

bool AuthorList::read() {
  for (;;) {
    AuthorToken token = tokens_.next();
    if (token.kind == AuthorKind::end) return !in_group_ && end_mailbox();
    if (!take(token)) return false;
  }
}

bool AuthorList::take(const AuthorToken& token) {
  if (token.kind == AuthorKind::bad || (bracketed_ && !token.is(',') && !token.is(';')))
    return false;
  if (token.kind == AuthorKind::special && !token.is('@') && !token.is('.'))
    return take_special(token);
  words_.push_back(token);
  return true;
}

bool AuthorList::take_special(const AuthorToken& token) {
  switch (token.text.front()) {
    case ',':
      return end_mailbox();
    case ':':
      return begin_group();
    case ';':
      return std::exchange(in_group_, false) && end_mailbox();
    case '<':
      return take_bracket();
    default:
      return false;
  }
}

bool AuthorList::begin_group() {
  bool has_name = std::any_of(words_.begin(), words_.end(), [](auto& w) { return w.is_word(); });
  bool has_at = std::any_of(words_.begin(), words_.end(), [](auto& w) { return w.is('@'); });
  if (in_group_ || !has_name || has_at) return false;
  words_.clear();
  in_group_ = true;
  return true;
}

// Nothing at all between two commas is the obsolete form of a list (RFC 5322 4.4).
bool AuthorList::end_mailbox() {
  bool fits = bracketed_ || words_.empty() || take_address(words_);
  if (bracketed_ || !words_.empty()) ++mailboxes_;
  bracketed_ = false;
  words_.clear();
  return fits && mailboxes_ <= kAuthorsMax;
}

bool AuthorList::take_bracket() {
  take_seen_addresses();
  words_.clear();
  bracketed_ = true;
  AuthorWords inner;
  for (AuthorToken token = tokens_.next(); !token.is('>'); token = tokens_.next()) {
    if (token.kind == AuthorKind::end || token.kind == AuthorKind::bad) return false;
    inner.push_back(token);
  }
  if (!inner.empty() && inner.front().is('@')) {
    auto colon = std::find_if(inner.begin(), inner.end(), [](auto& w) { return w.is(':'); });
    if (colon == inner.end()) return false;
    inner.erase(inner.begin(), colon + 1);
  }
  return inner.empty() || take_address(inner);
}

bool AuthorList::take_address(const AuthorWords& words) {
  auto at = std::find_if(words.begin(), words.end(), [](auto& w) { return w.is('@'); });
  if (!is_author_local(words.begin(), at)) return false;
  if (at == words.end()) {  // a local part alone
    note(words.begin(), at, {});
    return true;
  }
  auto begin = at + 1;
  if (words.end() - begin == 1 && begin->kind == AuthorKind::literal) {
    note(words.begin(), at, begin->text);
    return true;
  }
  auto text = author_domain_text(begin, words.end());
  auto domain = text ? canonical_domain(*text) : std::nullopt;
  if (!domain) return false;
  note(words.begin(), at, *domain);
  add(*std::move(domain));
  return true;
}

// Words and dots as they stand, without what was between them; quoted words keep their quotes.
void AuthorList::note(AuthorWords::const_iterator begin, AuthorWords::const_iterator end,
                      std::string_view domain) {
  std::string local;
  for (auto word = begin; word != end; ++word) local += word->text;
  addresses_.emplace_back(local, domain);
}

// Of the words before a bracket: each "@" with a name of several labels directly behind it.
void AuthorList::take_seen_addresses() {
  for (std::size_t i = 1; i + 1 < words_.size(); ++i) {
    if (!words_[i].is('@') || words_[i].apart || !words_[i - 1].is_word()) continue;
    std::size_t end = i + 1;
    while (end < words_.size() && !words_[end].apart &&
           (words_[end].is('.') || words_[end].kind == AuthorKind::atom))
      ++end;
    auto begin = words_.begin();
    auto text = author_domain_text(begin + static_cast<std::ptrdiff_t>(i) + 1,
                                   begin + static_cast<std::ptrdiff_t>(end));
    auto domain = text ? canonical_domain(*text) : std::nullopt;
    if (!domain || domain->find('.') == std::string::npos) continue;
    std::size_t first = i - 1;
    while (first > 0 && !words_[first].apart &&
           (words_[first - 1].is('.') || words_[first - 1].kind == AuthorKind::atom))
      --first;
    note(begin + static_cast<std::ptrdiff_t>(first), begin + static_cast<std::ptrdiff_t>(i),
         *domain);
    add(*std::move(domain));
  }
}

void AuthorList::add(std::string domain) {
  if (domain_.empty())
    domain_ = std::move(domain);
  else if (domain_ != domain)
    several_ = true;
}

Author AuthorList::author() const {
  if (several_) return {AuthorVerdict::several};
  if (domain_.empty()) return {AuthorVerdict::none};
  return {AuthorVerdict::one, domain_};
}

}  // namespace

std::string_view text_of(AuthorVerdict verdict) {
  switch (verdict) {
    case AuthorVerdict::one:
      return "one author domain";
    case AuthorVerdict::none:
      return "no author domain";
    case AuthorVerdict::several:
      return "several author domains";
    case AuthorVerdict::unparsable:
      return "a From field that cannot be parsed";
  }
  return "";
}

Author author_of_field(std::string_view value) {
  if (value.size() > kAuthorFieldMax) return {AuthorVerdict::unparsable};
  AuthorList list(value);
  return list.read() ? list.author() : Author{AuthorVerdict::unparsable};
}

namespace {

// The values of the fields of that name, with their folds.
std::vector<std::string_view> author_values(const mail::HeaderEdits& fields,
                                            std::string_view name) {
  std::vector<std::string_view> out;
  for (std::string_view field : fields.shown()) {
    std::size_t colon = field.find(':');
    if (colon == std::string_view::npos || !iequals(trim(field.substr(0, colon)), name)) continue;
    std::string_view value = field.substr(colon + 1);
    while (!value.empty() && (value.back() == '\n' || value.back() == '\r')) value.remove_suffix(1);
    out.push_back(value);
  }
  return out;
}

}  // namespace

Author author_of(std::string_view header) {
  mail::HeaderEdits fields(header, 0);
  std::vector<std::string_view> values = author_values(fields, "From");
  if (values.empty()) return {AuthorVerdict::none};
  return values.size() > 1 ? Author{AuthorVerdict::several} : author_of_field(values.front());
}

std::optional<std::vector<mail::Address>> addresses_in(std::string_view header,
                                                       std::string_view name) {
  mail::HeaderEdits fields(header, 0);
  std::vector<mail::Address> out;
  for (std::string_view value : author_values(fields, name)) {
    if (value.size() > kAuthorFieldMax) return std::nullopt;
    AuthorList list(value);
    if (!list.read()) return std::nullopt;
    for (mail::Address& one : std::move(list).addresses()) out.push_back(std::move(one));
  }
  if (out.size() > kAuthorsMax) return std::nullopt;
  return out;
}

}  // namespace postwain::authentication
