// What a server offers in its reply to EHLO or LHLO (RFC 5321 4.1.1.1). No I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/mail/ability.h"
#include "common/smtp/client/xforward.h"

namespace postwain::smtp {

constexpr std::size_t kMechanismsMax = 30;

struct PeerExtensions {
  bool pipelining = false;       // RFC 2920
  bool size = false;             // RFC 1870
  std::uint64_t size_limit = 0;  // 0: none given
  bool eight_bit_mime = false;   // RFC 6152
  bool smtputf8 = false;         // RFC 6531
  bool dsn = false;              // RFC 3461
  bool chunking = false;         // RFC 3030
  bool binary_mime = false;      // RFC 3030
  bool starttls = false;         // RFC 3207
  bool require_tls = false;      // RFC 8689; counts under TLS only
  XforwardOffer xforward{};      // documented by Postfix, in no RFC
  // RFC 9422; 0: no limit given.
  std::uint32_t mail_max = 0;             // messages of one connection
  std::uint32_t rcpt_max = 0;             // recipients of one transaction
  std::uint32_t rcpt_domain_max = 0;      // domains of them
  std::vector<std::string> mechanisms{};  // of AUTH (RFC 4954), at most kMechanismsMax

  // As if the server did not offer these; of TLS nothing is said here.
  void leave_out(mail::AbilitySet abilities);

  // text: the lines of the reply joined with '\n'; the first is the greeting and is not looked at.
  static PeerExtensions parse(std::string_view text);
};

}  // namespace postwain::smtp
