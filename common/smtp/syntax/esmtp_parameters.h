// The parameters behind the path of MAIL and RCPT (RFC 5321 4.1.2), cut into keyword and value.
// What each means stands in mail_command.cc and rcpt_command.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/mail/reply.h"

namespace postwain::smtp {

// Why a command is not obeyed; nothing when it is good.
using Refusal = std::optional<mail::Reply>;

struct EsmtpParameter {
  std::string_view keyword;
  std::string_view value;  // empty when there is no "="
  bool has_value = false;
};

class EsmtpParameters {
 public:
  explicit EsmtpParameters(std::string_view text) : rest_(text) {}
  // The next parameter; nothing at the end, and at bad syntax, when bad() is true.
  std::optional<EsmtpParameter> next();
  bool bad() const { return bad_; }

 private:
  std::string_view rest_;
  bool bad_ = false;
};

mail::Reply bad_parameter_reply(std::string_view keyword);  // 501 5.5.4
mail::Reply unknown_parameter_reply();                      // 555 5.5.4

}  // namespace postwain::smtp
