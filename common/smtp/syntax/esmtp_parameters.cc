#include "common/smtp/syntax/esmtp_parameters.h"

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::smtp {

namespace {

// esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
bool is_keyword(std::string_view text) {
  if (text.empty() || !is_alnum(text.front())) return false;
  for (char c : text)
    if (!is_alnum(c) && c != '-') return false;
  return true;
}

// esmtp-value = 1*(%d33-60 / %d62-126), and UTF8-non-ascii (RFC 6531 3.3)
bool is_value(std::string_view text) {
  if (text.empty()) return false;
  for (char c : text)
    if (static_cast<unsigned char>(c) < 33 || c == '=' || c == 127) return false;
  return is_valid_utf8(text);
}

}  // namespace

// Mail-parameters = esmtp-param *(SP esmtp-param)    esmtp-param = esmtp-keyword ["=" esmtp-value]
std::optional<EsmtpParameter> EsmtpParameters::next() {
  if (rest_.empty() || bad_) return std::nullopt;
  if (rest_.front() != ' ') {
    bad_ = true;
    return std::nullopt;
  }
  while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
  if (rest_.empty()) return std::nullopt;
  std::string_view text = rest_.substr(0, rest_.find(' '));
  rest_.remove_prefix(text.size());
  std::size_t equals = text.find('=');
  EsmtpParameter parameter{text.substr(0, equals), {}, equals != std::string_view::npos};
  if (parameter.has_value) parameter.value = text.substr(equals + 1);
  if (!is_keyword(parameter.keyword) || (parameter.has_value && !is_value(parameter.value))) {
    bad_ = true;
    return std::nullopt;
  }
  return parameter;
}

mail::Reply bad_parameter_reply(std::string_view keyword) {
  return {501, {5, 5, 4}, fmt::format("Error: bad {} parameter", keyword)};
}

mail::Reply unknown_parameter_reply() {
  return {555, {5, 5, 4}, "Error: unsupported parameter"};
}

}  // namespace postwain::smtp
