#include "common/smtp/server/server_table.h"

#include "common/base/check.h"
#include "common/base/text.h"

namespace postwain::smtp {

namespace {

constexpr Ruling obey = Ruling::obey;
constexpr Ruling helo1 = Ruling::hello_first;
constexpr Ruling in_tr = Ruling::in_transaction;
constexpr Ruling mail1 = Ruling::mail_first;
constexpr Ruling rcpt1 = Ruling::rcpt_first;
constexpr Ruling bdat1 = Ruling::chunks_go_on;
constexpr Ruling rset1 = Ruling::rset_first;
constexpr Ruling quit1 = Ruling::quit_only;

// clang-format off
constexpr Ruling kTable[kServerStates][kVerbs] = {
//                 hello helo  mail   rcpt   data   bdat   rset  noop  quit  vrfy  expn  help  starttls auth   xclie  xforw  obsol http  unknown
/* fresh */        {obey, obey, helo1, helo1, helo1, helo1, obey, obey, obey, obey, obey, obey, helo1,   helo1, obey,  obey,  obey, obey, obey},
/* ready */        {obey, obey, obey,  mail1, mail1, mail1, obey, obey, obey, obey, obey, obey, obey,    obey,  obey,  obey,  obey, obey, obey},
/* mail */         {obey, obey, in_tr, obey,  rcpt1, rcpt1, obey, obey, obey, obey, obey, obey, in_tr,   in_tr, in_tr, in_tr, obey, obey, obey},
/* rcpt */         {obey, obey, in_tr, obey,  obey,  obey,  obey, obey, obey, obey, obey, obey, in_tr,   in_tr, in_tr, in_tr, obey, obey, obey},
/* chunking */     {obey, obey, in_tr, bdat1, bdat1, obey,  obey, obey, obey, obey, obey, obey, in_tr,   in_tr, in_tr, in_tr, obey, obey, obey},
/* chunk_failed */ {obey, obey, rset1, rset1, rset1, rset1, obey, obey, obey, obey, obey, obey, rset1,   rset1, rset1, rset1, obey, obey, obey},
/* refused */      {quit1,quit1,quit1, quit1, quit1, quit1, quit1,quit1,obey, quit1,quit1,quit1,quit1,   quit1, quit1, quit1, quit1,quit1,quit1},
};
// clang-format on

struct Word {
  std::string_view text;
  Verb verb;
};

// Ordered by how often they come.
constexpr Word kWords[] = {
    {"MAIL", Verb::mail},       {"RCPT", Verb::rcpt},         {"DATA", Verb::data},
    {"QUIT", Verb::quit},       {"RSET", Verb::rset},         {"BDAT", Verb::bdat},
    {"NOOP", Verb::noop},       {"STARTTLS", Verb::starttls}, {"AUTH", Verb::auth},
    {"XCLIENT", Verb::xclient}, {"XFORWARD", Verb::xforward}, {"VRFY", Verb::vrfy},
    {"EXPN", Verb::expn},       {"HELP", Verb::help},         {"SEND", Verb::obsolete},
    {"SOML", Verb::obsolete},   {"SAML", Verb::obsolete},     {"TURN", Verb::obsolete},
    {"GET", Verb::http},        {"POST", Verb::http},         {"PUT", Verb::http},
    {"HEAD", Verb::http},       {"CONNECT", Verb::http},      {"OPTIONS", Verb::http},
    {"DELETE", Verb::http},     {"PATCH", Verb::http},        {"TRACE", Verb::http},
};

}  // namespace

Verb find_verb(std::string_view word, const Dialect& dialect) {
  if (iequals(word, dialect.hello)) return Verb::hello;
  if (dialect.plain_hello && iequals(word, "HELO")) return Verb::helo;
  for (const Word& known : kWords)
    if (iequals(word, known.text)) return known.verb;
  return Verb::unknown;
}

Ruling ruling(ServerState state, Verb verb) {
  return kTable[static_cast<std::size_t>(state)][static_cast<std::size_t>(verb)];
}

mail::Reply sequence_reply(Ruling ruling) {
  std::string_view text;
  switch (ruling) {
    case Ruling::obey:
      PW_CHECK(ruling != Ruling::obey);
      break;
    case Ruling::hello_first:
      text = "Error: say hello first";
      break;
    case Ruling::in_transaction:
      text = "Error: not allowed within a mail transaction";
      break;
    case Ruling::mail_first:
      text = "Error: need MAIL command";
      break;
    case Ruling::rcpt_first:
      text = "Error: need an accepted recipient";
      break;
    case Ruling::chunks_go_on:
      text = "Error: need BDAT, content has begun";
      break;
    case Ruling::rset_first:
      text = "Error: a chunk failed, need RSET";
      break;
    case Ruling::quit_only:
      text = "Error: the connection is refused, need QUIT";
      break;
  }
  return {503, {5, 5, 1}, std::string(text)};
}

std::string_view name_of(ServerState state) {
  constexpr std::string_view kNames[kServerStates] = {"fresh",    "ready",        "mail",   "rcpt",
                                                      "chunking", "chunk_failed", "refused"};
  return kNames[static_cast<std::size_t>(state)];
}

std::string_view name_of(Verb verb) {
  constexpr std::string_view kNames[kVerbs] = {
      "hello",   "HELO",     "MAIL",     "RCPT", "DATA",   "BDAT",     "RSET",
      "NOOP",    "QUIT",     "VRFY",     "EXPN", "HELP",   "STARTTLS", "AUTH",
      "XCLIENT", "XFORWARD", "obsolete", "http", "unknown"};
  return kNames[static_cast<std::size_t>(verb)];
}

}  // namespace postwain::smtp
