// How we asked: what a server refuses or does not understand is asked otherwise, and what it is
// found to lack is told. None of it is a verdict on the mail.
#include <algorithm>
#include <utility>

#include "common/smtp/client/client_engine.h"

namespace postwain::smtp {

using mail::Ability;
using mail::Outcome;
using mail::Stage;

namespace {

constexpr std::size_t kFirstChunkMax = 1000;

// The first line with its end: as a command it would be one command, and one nobody knows.
std::size_t first_chunk_of(std::string_view content) {
  std::size_t end = content.substr(0, kFirstChunkMax).find("\r\n");
  return end == std::string_view::npos ? std::min(content.size(), kFirstChunkMax) : end + 2;
}

}  // namespace

void ClientEngine::notify(ClientEvent::Kind kind, Ability ability) {
  emit(kind);
  events_.back().ability = ability;
}

// The peer as this transaction sees it.
const PeerExtensions& ClientEngine::peer_for(const Active& a, PeerExtensions& room) const {
  if (a.without.empty()) return peer_;
  room = peer_;
  room.leave_out(a.without);
  return room;
}

// True: `said` holds a parameter that may be the cause, and the command is said again without it.
bool ClientEngine::refused_for_form(Active& a, Command command, mail::AbilitySet said,
                                    const mail::Reply& reply) {
  if (said.empty() || !is_refusal_of_form(reply)) return false;
  Ability blamed = blamed_parameter(said, reply.text);
  a.without_next.add(blamed);
  a.first_use = blamed;
  a.first_use_at = command;
  return true;
}

// What was refused with the parameter is taken without it.
void ClientEngine::note_first_use(Active& a, Command command) {
  if (!a.first_use || a.first_use_at != command || !a.without.has(*a.first_use)) return;
  mail::AbilitySet lacking;
  lacking.add(*a.first_use);
  peer_.leave_out(lacking);
  notify(ClientEvent::Kind::lacks, *std::exchange(a.first_use, std::nullopt));
}

// A server that throws away what stands behind a command answers the first one only.
void ClientEngine::suspect_pipelining() {
  if (state_ != State::ready || expected_.empty() || !expected_.front().piped) return;
  if (proven_.has(Ability::pipelining) || expected_.front().command == Command::end_of_data) return;
  notify(ClientEvent::Kind::suspected, Ability::pipelining);
}

void ClientEngine::append_chunk(Active& a, std::string& out) {
  std::string_view content = a.transaction.content;
  content.remove_prefix(a.chunk);
  bool first = a.chunk == 0 && options_.prove_chunking && !proven_.has(Ability::chunking) &&
               !content.empty();
  if (first) content = content.substr(0, first_chunk_of(content));
  out += "BDAT ";
  out += std::to_string(content.size());
  out += first ? "\r\n" : " LAST\r\n";
  out.append(content);
  if (!first) note_end(a, ends_, out.size());
  if (first) a.chunk = content.size();
  a.step = first ? Step::chunk_sent : Step::end_sent;
  expect(a, first ? Command::first_chunk : Command::end_of_data);
}

void ClientEngine::chunk_reply(Active& a, ReplyClass what) {
  if (a.accepted.empty()) return;  // it echoes that nobody was accepted
  if (what == ReplyClass::positive) {
    proven_.add(Ability::chunking);
    a.step = Step::data;  // the rest of it
    return;
  }
  mail::Reply reply = parser_.stored();
  if (is_refusal_of_form(reply)) return chunking_refused(a, reply);
  settle_accepted(a, outcome_of(*options_.dialect, Stage::content, reply));
}

// Lines of the content may have been taken for commands, so nothing that comes now belongs to what
// was sent: the session is over. Nobody got anything.
void ClientEngine::chunking_refused(Active& a, const mail::Reply& reply) {
  notify(ClientEvent::Kind::lacks, Ability::chunking);
  Outcome outcome = outcome_of(*options_.dialect, Stage::data, reply);
  outcome.disposition = mail::Disposition::deferred;
  outcome.blame = mail::Blame::destination;
  a.mail_accepted = false;
  end_session(outcome, true);
}

bool ClientEngine::clear_refused(Stage stage, const mail::Reply& reply) {
  bool failed_before = !tls_on_ && (options_.clear_after_tls || starttls_failed_);
  if (!failed_before || !refuses_clear(stage, reply)) return false;
  clear_refused_ = true;
  Outcome outcome = outcome_of(*options_.dialect, stage, reply);
  outcome.disposition = mail::Disposition::deferred;
  outcome.blame = mail::Blame::destination;
  end_session(outcome, true);
  return true;
}

// A negative reply while the content is still being sent.
bool ClientEngine::is_early_verdict() const {
  return expected_.empty() && state_ == State::ready && !active_.empty() &&
         active_.front().step == Step::content && parser_.code() >= 400;
}

// It is the answer to the content, given early. What the server does with the rest of it nobody
// knows, so the session ends.
void ClientEngine::early_verdict() {
  Active& a = active_.front();
  settle_accepted(a, outcome_of(*options_.dialect, Stage::content, parser_.stored()));
  Outcome rest = outcome_without_reply(*options_.dialect, Stage::content, {4, 5, 0},
                                       "the next hop answered before the end of the content");
  end_session(rest, true);
}

// The reply to an end of data is awaited which has not left yet. Where nobody was accepted the end
// means nothing, and its refusal may come at any time.
bool ClientEngine::is_before_end() const {
  if (expected_.empty() || expected_.front().command != Command::end_of_data) return false;
  return !active_.empty() && !active_.front().accepted.empty() && !has_left(active_.front());
}

// A server may refuse BDAT as a command, or the content, before it has seen the end. One that takes
// what it has not got means something else by its reply.
void ClientEngine::reply_before_end() {
  Active& a = active_.front();
  if (parser_.code() < 400)
    return fail_session(Stage::content, {4, 5, 0},
                        "the next hop took the content before its end was sent");
  mail::Reply reply = parser_.stored();
  if (a.chunked && is_refusal_of_form(reply)) return chunking_refused(a, reply);
  early_verdict();
}

}  // namespace postwain::smtp
