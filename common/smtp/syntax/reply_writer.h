// A reply as bytes (RFC 5321 4.2, RFC 2034): code, enhanced code on every line, text. One of the
// two places that write to a client; the other is the EHLO answer in the engine.
#pragma once

#include <string>

#include "common/mail/reply.h"

namespace postwain::smtp {

// Appends the reply with its CRLF. '\n' in the text begins a continuation line; what cannot stand
// in a reply line becomes '?', and a line is cut at kReplyTextMax.
void append_reply(std::string& out, const mail::Reply& reply);

}  // namespace postwain::smtp
