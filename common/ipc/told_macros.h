// The macros that filters are told of: the one list for whoever tells them (smtpd of its sessions,
// qmgr of mail of this machine) and for `postwain filter check`, which says what a filter asks for
// in vain. The names are Sendmail's, without the braces of those that are longer than one letter;
// for what mail authentication has found Sendmail has none, and those are ours.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace postwain::ipc {

enum class ToldMacro : std::uint8_t {
  hostname,  // at the connect, as all up to client_and_name
  daemon_name,
  product,
  daemon_address,
  daemon_port,
  client_address,
  client_port,
  client_name,      // confirmed by the DNS, or the address in brackets
  client_ptr,       // not confirmed, or "unknown"
  client_and_name,  // "name [address]"
  tls_version,      // where there is TLS, as all up to cert_subject
  cipher,
  cipher_bits,
  cert_fingerprint,
  cert_subject,
  queue_id,  // at MAIL, as all up to auth_author
  protocol,
  mail_address,
  hello,
  auth_authen,
  auth_type,
  auth_author,
  rcpt_address,  // at RCPT
  rcpt_mailer,
  rcpt_host,
  spf_result,  // with the content, where [authentication] looks at it, as all that follow
  dkim_result,
  dmarc_result,
  arc_result,
  auth_authres,  // the value of the field Authentication-Results
};

// In the order of the enumeration.
constexpr std::string_view kToldMacros[] = {"j",
                                            "daemon_name",
                                            "v",
                                            "daemon_addr",
                                            "daemon_port",
                                            "client_addr",
                                            "client_port",
                                            "client_name",
                                            "client_ptr",
                                            "_",
                                            "tls_version",
                                            "cipher",
                                            "cipher_bits",
                                            "cert_fingerprint",
                                            "cert_subject",
                                            "i",
                                            "r",
                                            "mail_addr",
                                            "s",
                                            "auth_authen",
                                            "auth_type",
                                            "auth_author",
                                            "rcpt_addr",
                                            "rcpt_mailer",
                                            "rcpt_host",
                                            "spf_result",
                                            "dkim_result",
                                            "dmarc_result",
                                            "arc_result",
                                            "auth_authres"};
static_assert(std::size(kToldMacros) == static_cast<std::size_t>(ToldMacro::auth_authres) + 1);
// Those that the process `filter` finds itself, of one message; the last ones of the list above.
constexpr ToldMacro kResultMacros[] = {ToldMacro::spf_result, ToldMacro::dkim_result,
                                       ToldMacro::dmarc_result, ToldMacro::arc_result,
                                       ToldMacro::auth_authres};
static_assert(std::size(kToldMacros) - std::size(kResultMacros) ==
              static_cast<std::size_t>(kResultMacros[0]));

constexpr std::string_view name_of(ToldMacro macro) {
  return kToldMacros[static_cast<std::size_t>(macro)];
}
// Whether a macro of that name is told at all. has_results: the configuration has [authentication],
// without which nobody finds what kResultMacros are about.
constexpr bool is_told(std::string_view name, bool has_results) {
  const auto* end =
      has_results ? std::end(kToldMacros) : std::end(kToldMacros) - std::size(kResultMacros);
  return std::find(std::begin(kToldMacros), end, name) != end;
}

}  // namespace postwain::ipc
