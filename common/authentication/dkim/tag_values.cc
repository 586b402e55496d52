// Values that tags of signatures share.
#include <algorithm>
#include <limits>

#include "common/authentication/dkim/signature_field.h"
#include "common/authentication/dkim/tag_list.h"
#include "common/base/text.h"
#include "common/mail/address.h"

namespace postwain::authentication::dkim {

namespace {

constexpr std::size_t kDomainOctetsMax = 253;  // RFC 1035 2.3.4
constexpr std::size_t kLabelOctetsMax = 63;

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= kLabelOctetsMax &&
         std::all_of(label.begin(), label.end(),
                     [](char c) { return is_alnum(c) || c == '-' || c == '_'; });
}

std::optional<Canonical> read_form(std::string_view word) {
  if (iequals(word, "simple")) return Canonical::simple;
  if (iequals(word, "relaxed")) return Canonical::relaxed;
  return std::nullopt;
}

}  // namespace

std::optional<std::string> read_base64(std::string_view value) {
  std::string text = without_fws(value);
  if (text.empty()) return std::nullopt;
  return base64_decode(text);
}

std::optional<std::uint64_t> read_seconds(std::string_view value) {
  bool digits = !value.empty() && std::all_of(value.begin(), value.end(), is_digit);
  if (!digits) return std::nullopt;
  return parse_decimal<std::uint64_t>(value).value_or(std::numeric_limits<std::uint64_t>::max());
}

std::string read_domain(std::string_view value) {
  if (value.empty() || value.size() > kFactOctetsMax || value.back() == '.') return {};
  std::string key = mail::domain_key(value);
  auto labels = split(key, '.');
  bool good = key.size() <= kDomainOctetsMax && std::all_of(labels.begin(), labels.end(), is_label);
  return good ? key : std::string();
}

std::optional<Forms> read_forms(std::string_view value) {
  std::size_t slash = value.find('/');
  auto header = read_form(value.substr(0, slash));
  auto body =
      slash == std::string_view::npos ? Canonical::simple : read_form(value.substr(slash + 1));
  if (!header || !body) return std::nullopt;
  return Forms{*header, *body};
}

}  // namespace postwain::authentication::dkim
