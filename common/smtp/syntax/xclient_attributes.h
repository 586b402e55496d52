// What a client that is believed says of the one behind it: XCLIENT, which makes the session that
// one's, and XFORWARD, which is for the record only. Both as Postfix documents them, values in
// xtext. Pure.
//
// No value is a reason to refuse: what the client in front was told may be anything, and whoever
// passes it on gives up the whole message when it is refused. A hello is kept in a harmless form;
// a name, protocol, port or login that is none counts as not known. An ADDR that is none is left
// out of XFORWARD; in XCLIENT it makes the client one of whom nothing is known, who has no trust.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/smtp/syntax/esmtp_parameters.h"

namespace postwain::smtp {

enum class ClaimKind : std::uint8_t { xclient, xforward };

// As EHLO announces them.
constexpr std::string_view kXclientAttributes = "NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT";
constexpr std::string_view kXforwardAttributes = "NAME ADDR PORT PROTO HELO IDENT SOURCE";

// Absent: nothing was said of it. Empty: it is not known ("[UNAVAILABLE]").
struct ClientClaim {
  std::optional<std::string> address;  // IP address as text, lower case
  std::optional<std::string> name;     // of the address, lower case
  bool name_trouble = false;           // "[TEMPUNAVAIL]": it could not be asked
  std::optional<std::string> hello;    // harmless_hello()
  std::optional<bool> extended;        // it spoke ESMTP
  std::optional<std::string> login;
};

// Attributes of one command replace those of earlier ones. XCLIENT with another ADDR is about
// another client: of him nothing is known but what the same command says.
Refusal parse_claim(std::string_view argument, ClaimKind kind, ClientClaim& claim);

}  // namespace postwain::smtp
