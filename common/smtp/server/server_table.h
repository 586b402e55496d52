// The server's states, its verbs, and the one table of what each verb means in each state.
//
// Theory. A session is fresh until a hello; then it is ready, and a transaction may be opened:
// MAIL, then RCPT until one is accepted, then DATA, or BDAT until the last chunk. Whatever ends a
// transaction leads back to ready. Only a failed chunk does not: the client cannot know which of
// the chunks it has already sent failed, so nothing but RSET (or a new hello) is obeyed after it.
// A client that was refused when it connected (RFC 5321 3.1) may only say QUIT.
// While content is read or an answer is awaited, no verb is looked at, so those are no states here.
// Exceptions that are not in the table, because they depend on the session and not on the state:
// STARTTLS that is not offered, XCLIENT and XFORWARD that are not (unknown then), and MAIL before
// TLS where TLS is required (server_commands.cc).
#pragma once

#include <cstdint>
#include <string_view>

#include "common/mail/reply.h"
#include "common/smtp/syntax/dialect.h"

namespace postwain::smtp {

enum class ServerState : std::uint8_t {
  fresh,         // greeted, or TLS has begun; no hello yet
  ready,         // hello said, no transaction
  mail,          // sender accepted
  rcpt,          // at least one recipient accepted
  chunking,      // chunks accepted, the last one has not come
  chunk_failed,  // a chunk was refused
  refused,       // the client was refused instead of greeted
};
constexpr std::size_t kServerStates = 7;

enum class Verb : std::uint8_t {
  hello,  // EHLO, or LHLO in LMTP
  helo,
  mail,
  rcpt,
  data,
  bdat,
  rset,
  noop,
  quit,
  vrfy,
  expn,
  help,
  starttls,
  auth,
  xclient,
  xforward,
  obsolete,  // SEND, SOML, SAML, TURN
  http,      // GET, POST, CONNECT and the like: a browser was tricked into talking to us
  unknown,
};
constexpr std::size_t kVerbs = 19;

enum class Ruling : std::uint8_t {
  obey,
  hello_first,     // 503 5.5.1
  in_transaction,  // 503 5.5.1 MAIL or STARTTLS inside a transaction
  mail_first,      // 503 5.5.1
  rcpt_first,      // 503 5.5.1
  chunks_go_on,    // 503 5.5.1 only BDAT may follow BDAT
  rset_first,      // 503 5.5.1 after a failed chunk
  quit_only,       // 503 5.5.1 after a refusal at connect
};

Verb find_verb(std::string_view word, const Dialect& dialect);
Ruling ruling(ServerState state, Verb verb);
// The refusal for every ruling but obey.
mail::Reply sequence_reply(Ruling ruling);

std::string_view name_of(ServerState state);
std::string_view name_of(Verb verb);

}  // namespace postwain::smtp
