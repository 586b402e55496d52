#include "common/mail/address.h"

#include "common/base/text.h"
#include "common/mail/idn.h"

namespace postwain::mail {

Address::Address(std::string_view local, std::string_view domain)
    : text_(local), local_size_(local.size()) {
  if (!domain.empty()) {
    text_ += '@';
    text_ += domain;
  }
}

Address Address::from_text(std::string_view text) {
  bool quoted = false;
  std::size_t at = std::string_view::npos;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      quoted = !quoted;
    else if (text[i] == '@' && !quoted)
      at = i;
  }
  // Nothing behind it is no domain; the sign stays, or "a@" would have become the address "a".
  if (at == std::string_view::npos || at + 1 == text.size()) return Address(text, {});
  return Address(text.substr(0, at), text.substr(at + 1));
}

std::string_view Address::domain() const {
  if (!has_domain()) return {};
  return std::string_view(text_).substr(local_size_ + 1);
}

std::string domain_key(std::string_view domain) {
  if (domain.size() > 1 && domain.back() == '.') domain.remove_suffix(1);
  if (is_ascii(domain)) return to_lower(domain);
  Result<std::string> ascii = to_ascii(domain);
  std::string key = to_lower(ascii ? std::string_view(*ascii) : domain);
  if (key.size() > 1 && key.back() == '.') key.pop_back();  // one of the other full stops
  return key;
}

std::string address_key(std::string_view text) {
  Address address = Address::from_text(text);
  if (!address.has_domain()) return to_lower(text);
  return to_lower(address.local_unquoted()) + '@' + address.domain_key();
}

std::string Address::domain_key() const {
  return mail::domain_key(domain());
}

std::string Address::local_unquoted() const {
  std::string_view name = local();
  if (name.size() < 2 || name.front() != '"' || name.back() != '"') return std::string(name);
  name = name.substr(1, name.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '\\' && i + 1 < name.size()) ++i;
    out += name[i];
  }
  return out;
}

bool Address::is_utf8() const {
  return !is_ascii(text_);
}

bool Address::needs_smtputf8() const {
  return is_utf8() && (!is_ascii(local()) || !to_ascii(domain()));
}

std::string Address::ascii_text() const {
  if (!has_domain() || is_ascii(domain())) return text_;
  Result<std::string> ascii = to_ascii(domain());
  return ascii ? std::string(local()) + '@' + *ascii : text_;
}

}  // namespace postwain::mail
