// The session around the transactions: greeting, hello, TLS, the end. Transactions are in
// client_engine_transaction.cc, the login in client_engine_login.cc.
#include "common/smtp/client/client_engine.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/check.h"
#include "common/base/text.h"
#include "common/mail/broken_off.h"

namespace postwain::smtp {

using mail::Blame;
using mail::Disposition;
using mail::Outcome;
using mail::Stage;

ClientEngine::ClientEngine(ClientOptions options) : options_(std::move(options)) {
  if (options_.implicit_tls) {
    state_ = State::tls;
    emit(ClientEvent::Kind::start_tls);
  } else {
    expected_.push_back({Command::greeting});
  }
}

Stage ClientEngine::stage_of(Command command) {
  switch (command) {
    case Command::greeting:
      return Stage::greeting;
    case Command::ehlo:
    case Command::helo:
      return Stage::hello;
    case Command::starttls:
      return Stage::tls;
    case Command::auth:
      return Stage::auth;
    case Command::xforward:
    case Command::mail:
    case Command::rset:
    case Command::quit:
      return Stage::mail;
    case Command::rcpt:
      return Stage::rcpt;
    case Command::data:
      return Stage::data;
    case Command::first_chunk:
      return Stage::content;
    case Command::end_of_data:
    case Command::empty_end:
      return Stage::final_reply;
  }
  return Stage::local;
}

// Until the server says something under TLS the handshake is not over for it: with TLS 1.3 it looks
// at our certificate, or misses it, when we have long gone on.
Stage ClientEngine::stage_now() const {
  if (tls_on_ && !tls_answered_) return Stage::tls;
  if (is_before_end()) return Stage::content;
  if (!expected_.empty()) return stage_of(expected_.front().command);
  if (state_ == State::tls) return Stage::tls;
  if (state_ == State::login) return Stage::auth;
  if (!active_.empty() && active_.front().step == Step::content) return Stage::content;
  return Stage::mail;
}

Stage ClientEngine::stage(std::uint64_t key) const {
  auto a = std::find_if(active_.begin(), active_.end(),
                        [key](const Active& one) { return one.transaction.key == key; });
  // Replies that are awaited are those of the oldest one first.
  if (a == active_.begin() || a == active_.end()) return stage_now();
  if (a->step == Step::end_sent) return has_left(*a) ? Stage::final_reply : Stage::content;
  return a->mail_accepted ? Stage::data : Stage::mail;
}

Wait ClientEngine::wait() const {
  if (state_ == State::over) return Wait::none;
  if (expected_.empty() && active_.empty() && state_ != State::tls && state_ != State::login)
    return Wait::none;
  return wait_at(stage_now());
}

// For texts. XFORWARD belongs to the stage of MAIL, but whoever reads why mail waits has to learn
// which command was not answered.
std::string_view ClientEngine::doing_at_command(Command command) {
  if (command == Command::xforward) return "waiting for the reply to XFORWARD";
  return doing_at(stage_of(command));
}

std::string_view ClientEngine::doing_now() const {
  const bool of_handshake = tls_on_ && !tls_answered_;
  if (of_handshake || expected_.empty() || is_before_end()) return doing_at(stage_now());
  return doing_at_command(expected_.front().command);
}

void ClientEngine::receive(std::string_view bytes) {
  while (state_ != State::over && !bytes.empty()) {
    // Clear text where only a handshake may come.
    if (state_ == State::tls) return tls_failed("bytes in clear after the reply to STARTTLS");
    switch (parser_.parse(bytes)) {
      case ReplyParser::State::need_more:
        return;
      case ReplyParser::State::broken:
        return fail_session(
            stage_now(), {4, 5, 0},
            fmt::format("protocol error while {}: {}", doing_now(), parser_.why_broken()));
      case ReplyParser::State::reply:
        ++progress_;
        handle_reply(!bytes.empty());
        break;
    }
  }
}

void ClientEngine::handle_reply(bool more_bytes) {
  bool turned_away = parser_.code() >= 500 && !options_.implicit_tls;
  if (tls_on_ && !turned_away) tls_answered_ = true;
  if (parser_.code() == 421) return refused_session(stage_now());
  if (is_early_verdict()) return early_verdict();
  if (is_before_end()) return reply_before_end();
  if (expected_.empty())
    return fail_session(stage_now(), {4, 5, 0},
                        fmt::format("unexpected reply {}", parser_.stored().one_line()));
  Expected expected = expected_.front();
  if (expected.piped) proven_.add(mail::Ability::pipelining);
  ReplyClass what = classify(stage_of(expected.command), parser_.code());
  // No class (354 to MAIL, 250 to DATA): server and client no longer mean the same command.
  if (what == ReplyClass::none)
    return fail_session(
        stage_of(expected.command), {4, 5, 0},
        fmt::format("unexpected reply while {}: {}", doing_at_command(expected.command),
                    parser_.stored().one_line()));
  switch (expected.command) {
    case Command::greeting:
    case Command::ehlo:
    case Command::helo:
    case Command::starttls:
    case Command::auth:
      expected_.pop_front();
      return session_reply(expected.command, what, more_bytes);
    case Command::rset:
      expected_.pop_front();
      return;
    case Command::xforward:
      expected_.pop_front();
      return xforward_reply(what);
    case Command::quit:
      expected_.pop_front();
      return end_session({}, true);
    case Command::mail:
    case Command::rcpt:
    case Command::data:
    case Command::first_chunk:
    case Command::end_of_data:
    case Command::empty_end:
      return transaction_reply(expected, what);
  }
}

void ClientEngine::session_reply(Command command, ReplyClass what, bool more_bytes) {
  bool positive = what == ReplyClass::positive;
  switch (command) {
    case Command::greeting:
      if (!positive) return refused_session(stage_of(command));
      return say(fmt::format("{} {}\r\n", options_.dialect->hello, options_.hello_name),
                 Command::ehlo);
    case Command::ehlo:
      peer_ = positive ? PeerExtensions::parse(parser_.text()) : PeerExtensions();
      peer_.require_tls = peer_.require_tls && tls_on_;
      peer_.leave_out(options_.avoid);
      if (!options_.xforward) peer_.xforward = {};
      return positive ? hello_accepted() : hello_refused(command, what);
    case Command::helo:
      return positive ? hello_accepted() : refused_session(stage_of(command));
    case Command::starttls:
      if (positive) {
        state_ = State::tls;
        // A reply that came in the same segment was put there by somebody in between (RFC 3207 6,
        // Exim CVE-2021-38371).
        if (more_bytes) return tls_failed("bytes in clear after the reply to STARTTLS");
        return emit(ClientEvent::Kind::start_tls);
      }
      if (options_.tls == TlsUse::required) return refused_session(stage_of(command));
      starttls_failed_ = true;
      return log_in();
    case Command::auth:
      if (!positive) return refused_session(stage_of(command));
      return parser_.code() == 334 ? take_challenge() : emit(ClientEvent::Kind::logged_in);
    default:
      PW_CHECK(false);
  }
}

// An old server does not know EHLO; HELO then gives a session without any extension.
void ClientEngine::hello_refused(Command command, ReplyClass what) {
  bool may_fall_back = command == Command::ehlo && what == ReplyClass::permanent && !tls_on_ &&
                       options_.dialect->plain_hello && options_.tls != TlsUse::required &&
                       !options_.login;
  bool behind_handshake = tls_on_ && !tls_answered_;
  if (!may_fall_back) return refused_session(behind_handshake ? Stage::tls : stage_of(command));
  say(fmt::format("HELO {}\r\n", options_.hello_name), Command::helo);
}

void ClientEngine::hello_accepted() {
  bool may_start = !tls_on_ && options_.tls != TlsUse::never;
  if (may_start && peer_.starttls) return say("STARTTLS\r\n", Command::starttls);
  if (may_start && options_.tls == TlsUse::required)
    return fail_session(Stage::tls, {4, 7, 4},
                        "TLS is required, but the next hop does not offer "
                        "STARTTLS");
  if (auto unfit = options_.require_tls ? unfit_for_require_tls(peer_, tls_on_) : std::nullopt)
    return end_session(*unfit, false);
  log_in();
}

void ClientEngine::become_ready() {
  state_ = State::ready;
  emit(ClientEvent::Kind::ready);
}

void ClientEngine::tls_started() {
  PW_CHECK(state_ == State::tls);
  // Everything learned in clear is forgotten (RFC 3207 4.2).
  state_ = State::session;
  tls_on_ = true;
  peer_ = {};
  parser_ = {};
  ++progress_;
  if (options_.implicit_tls) return expected_.push_back({Command::greeting});
  say(fmt::format("{} {}\r\n", options_.dialect->hello, options_.hello_name), Command::ehlo);
}

void ClientEngine::tls_failed(std::string_view why) {
  fail_session(Stage::tls, {4, 7, 5}, fmt::format("TLS failed: {}", printable(why, 200)));
}

void ClientEngine::lost(std::string_view why) {
  std::string text = fmt::format("connection lost while {}", doing_now());
  if (!why.empty()) text += fmt::format(": {}", printable(why, 200));
  suspect_pipelining();
  fail_session(stage_now(), {4, 4, 2}, std::move(text));
}

void ClientEngine::timed_out() {
  suspect_pipelining();
  fail_session(stage_now(), {4, 4, 2}, fmt::format("timed out while {}", doing_now()));
}

void ClientEngine::quit() {
  quit_wanted_ = true;
}

void ClientEngine::say(std::string_view line, Command command) {
  out_.append(line);
  expected_.push_back({command});
  ++progress_;
}

void ClientEngine::emit(ClientEvent::Kind kind, std::uint64_t key, Outcome outcome) {
  events_.push_back({kind, key, 0, std::move(outcome), {}, {}});
}

bool ClientEngine::next(ClientEvent& event) {
  if (events_.empty()) return false;
  event = std::move(events_.front());
  events_.pop_front();
  return true;
}

void ClientEngine::refused_session(Stage stage) {
  end_session(outcome_of(*options_.dialect, stage, parser_.stored()), true);
}

void ClientEngine::fail_session(Stage stage, mail::EnhancedCode enhanced, std::string text) {
  end_session(outcome_without_reply(*options_.dialect, stage, enhanced, std::move(text)), false);
}

// The recipient whose reply would be next: when the session ends there, it ends at him, and nothing
// was said of the others of his message.
std::optional<std::size_t> ClientEngine::asked_now() const {
  if (expected_.empty() || active_.empty()) return std::nullopt;
  const Active& a = active_.front();
  const Expected& next = expected_.front();
  if (next.command == Command::rcpt) return next.recipient;
  bool each = next.command == Command::end_of_data && options_.dialect->reply_per_recipient;
  if (each && a.answered < a.accepted.size()) return a.accepted[a.answered];
  return std::nullopt;
}

// Ends everything. answered: a reply of the server ended it, so nobody's fate is unknown.
void ClientEngine::end_session(const Outcome& why, bool answered) {
  if (state_ == State::over) return;
  state_ = State::over;
  std::optional<std::size_t> asked = asked_now();
  expected_.clear();
  if (!ends_in_out_.empty()) out_.clear();  // an end of data that nobody is going to await
  ends_in_out_.clear();
  for (Active& a : active_) {
    bool end_sent = has_left(a);
    if (a.ledger.open() > 0 && !a.mail_accepted && (answered || !end_sent)) {
      emit(ClientEvent::Kind::returned, a.transaction.key, why);
      continue;
    }
    // In this transaction they got nothing; a refused MAIL or an abandoned one has settled all.
    bool here = &a == &active_.front() && a.ledger.open() > 1;
    Outcome beside = why;
    if (here && asked && why.blame == Blame::destination) {
      beside.reply = mail::beside_another();
      beside.blame = Blame::nobody;
    }
    for (std::size_t recipient : a.postponed)
      if (!a.ledger.settled(recipient)) settle(a, recipient, beside);
    Outcome outcome = why;
    if (end_sent && !answered) {
      outcome.stage = beside.stage = Stage::final_reply;
      outcome.in_doubt = beside.in_doubt = true;
    }
    for (std::size_t i = 0; i < a.ledger.size(); ++i)
      if (!a.ledger.settled(i)) settle(a, i, here && asked && i != *asked ? beside : outcome);
    emit(ClientEvent::Kind::finished, a.transaction.key);
  }
  active_.clear();
  emit(ClientEvent::Kind::unusable, 0, why);
}

void ClientEngine::abandon(std::string_view why) {
  if (state_ == State::over) return;
  for (Active& a : active_)
    if (!has_left(a))
      settle_open(a, local_outcome(Disposition::deferred, Stage::local, Blame::local, {4, 3, 0},
                                   std::string(why)));
  fail_session(stage_now(), {4, 3, 0}, std::string(why));
}

void ClientEngine::stop(std::string_view why) {
  stopped_ = true;
  why_stopped_ = why;
  end_if_stopped();
  give_up_unsent();
}

void ClientEngine::end_if_stopped() {
  if (stopped_ && (active_.empty() || !has_left(active_.front()))) abandon(why_stopped_);
}

// Those whose end has not left are the last ones. The replies to what was sent of them stay
// expected, and are not looked at: with the last transaction before them the session ends.
void ClientEngine::give_up_unsent() {
  auto first = std::find_if(active_.begin(), active_.end(),
                            [this](const Active& a) { return !has_left(a); });
  for (auto a = first; a != active_.end(); ++a) {
    settle_open(*a, local_outcome(Disposition::deferred, Stage::local, Blame::local, {4, 3, 0},
                                  why_stopped_));
    emit(ClientEvent::Kind::finished, a->transaction.key);
  }
  active_.erase(first, active_.end());
}

}  // namespace postwain::smtp
