// What a connection learns of its host, and what it tells of it.
#include <algorithm>

#include <fmt/format.h>

#include "common/agent/connection.h"
#include "common/log/log.h"

namespace postwain::agent {

using mail::Ability;
using mail::AbilitySet;
using mail::Stage;

namespace {

AbilitySet of_tls() {
  AbilitySet out;
  out.add(Ability::tls_session);
  out.add(Ability::tls13);
  return out;
}

void log_lack(const std::string& host, Ability ability) {
  log::Line(log::Level::info, "host_lacks").kv("host", host).kv("lacks", name_of(ability));
}

}  // namespace

const AbilitySet kOfTls = of_tls();

// A server says 4.3.0, too, with a code of its own.
bool is_our_own_end(const mail::Outcome& outcome) {
  return outcome.reply.code == 0 && outcome.reply.enhanced == mail::EnhancedCode{4, 3, 0};
}

bool may_go_on(const mail::Outcome& outcome) {
  bool stage = outcome.stage == Stage::mail || outcome.stage == Stage::rcpt ||
               outcome.stage == Stage::data || outcome.stage == Stage::content;
  return stage && outcome.disposition == mail::Disposition::deferred && !outcome.in_doubt &&
         outcome.blame != mail::Blame::local && !is_our_own_end(outcome);
}

void Connection::note_lack(Ability ability) {
  std::string host = host_key(plan_.candidate);
  otherwise_ = true;
  if (services_.memory.learn(host, ability, services_.loop.now())) log_lack(host, ability);
}

// Without these the session went well.
void Connection::confirm_lacks(AbilitySet without) {
  AbilitySet seen;
  for (Ability ability : without.list())
    if (plan_.avoid.has(ability)) seen.add(ability);
  if (!channel_->tls_open()) seen.remove(kOfTls);
  std::string host = host_key(plan_.candidate);
  for (Ability ability : services_.memory.confirm(host, seen, services_.loop.now()).list())
    log_lack(host, ability);
}

void Connection::note_served(Attempt& attempt) {
  std::string host = host_key(plan_.candidate);
  MonoTime now = services_.loop.now();
  services_.memory.works(host, engine_.proven(), now);
  bool ended_well = engine_.usable();
  if (ended_well) confirm_lacks(plan_.avoid);
  AbilitySet known = services_.memory.learned(host, now);
  if (!known.empty()) attempt.lacks = mail::HostLacks{host, known};
}

// A handshake that offered a session is tried once more without, whatever became of it; one of TLS
// 1.3 whose end the server did not like, with TLS 1.2. Where that does not help either, it was
// something else.
void Connection::note_trouble(const mail::Outcome& outcome) {
  std::string host = host_key(plan_.candidate);
  MonoTime now = services_.loop.now();
  HostMemory& memory = services_.memory;
  bool silent = outcome.reply.code == 0;
  bool in_transaction =
      outcome.stage == Stage::mail || outcome.stage == Stage::rcpt || outcome.stage == Stage::data;
  if (silent && in_transaction && plan_.avoid.has(Ability::pipelining))
    memory.acquit(host, Ability::pipelining);
  bool begun = channel_ != nullptr && (handshaking_ || channel_->tls_open());
  if (outcome.stage != Stage::tls || !begun || is_our_own_end(outcome)) return;
  // Another connection may have found the same.
  auto suspect = [&](Ability ability) {
    memory.suspect(host, ability, now);
    otherwise_ = otherwise_ || memory.lacks(host, now).has(ability);
  };
  if (channel_->tls_offered_session()) {
    suspect(Ability::tls_session);
  } else if (channel_->tls_version() == "TLSv1.3") {
    suspect(Ability::tls13);
  } else {
    for (Ability ability : kOfTls.list())
      if (plan_.avoid.has(ability)) memory.acquit(host, ability);
  }
}

// What an operator may want to know of an end without a reply.
std::string Connection::hint_for(const mail::Outcome& outcome) const {
  constexpr std::uint16_t kSubmissions = 465;
  const Candidate& at = plan_.candidate;
  const std::string& text = outcome.reply.text;
  if (outcome.stage == Stage::greeting && !at.implicit_tls) {
    std::string hint = fmt::format(" ({}, {})", at.host, at.endpoint.text());
    if (at.endpoint.port == kSubmissions)
      hint += fmt::format("; port 465 speaks TLS from the first byte: smtps:{}:465", at.host);
    return hint;
  }
  bool clear = text.find("wrong version number") != std::string::npos ||
               text.find("packet length too long") != std::string::npos;
  if (outcome.stage == Stage::tls && at.implicit_tls && clear)
    return fmt::format(" ({}, {}; it speaks in clear first, as smtp: expects)", at.host,
                       at.endpoint.text());
  return {};
}

}  // namespace postwain::agent
