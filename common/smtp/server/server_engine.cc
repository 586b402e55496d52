#include "common/smtp/server/server_engine.h"

#include <fmt/format.h>

#include "common/base/check.h"
#include "common/base/text.h"
#include "common/smtp/syntax/reply_writer.h"

namespace postwain::smtp {

ServerEngine::ServerEngine(ServerOptions options) : options_(std::move(options)) {}

void ServerEngine::begin() {
  if (mode_ == Mode::closed) return;
  if (options_.ask.connect)
    mode_ = Mode::connected;
  else
    greet();
}

void ServerEngine::answer_connect(const mail::Reply& reply_given) {
  if (reply_given.positive()) return greet();
  say(reply_given);
  if (reply_given.code == 421) return close("refused at connect");
  state_ = ServerState::refused;
}

void ServerEngine::greet() {
  // "ESMTP" in the greeting is what some old clients look for before they dare to say EHLO.
  ++replies_said_[2];
  output_ += fmt::format("220 {} {}{} Postwain\r\n", options_.hostname,
                         options_.dialect.plain_hello ? "E" : "", options_.dialect.name);
}

void ServerEngine::receive(std::string_view bytes) {
  if (mode_ == Mode::closed) return;
  // Between 220 and the handshake the host gives us nothing; clear bytes here would be an attack.
  if (mode_ == Mode::tls_handshake) return close("clear bytes instead of TLS");
  reader_.append(bytes);
}

Event ServerEngine::next(std::string& content) {
  for (;;) {
    if (reset_due_) {
      reset_due_ = false;
      return {EventKind::reset, {}, {}};
    }
    std::optional<Event> event;
    switch (mode_) {
      case Mode::connected:
        return ask(EventKind::connect);
      case Mode::asking:
        return {EventKind::waiting, {}, {}};
      case Mode::tls_handshake:
        return {EventKind::need_more, {}, {}};
      case Mode::closed:
        return {EventKind::close, close_why_, {}};
      case Mode::dots:
        event = read_dots(content);
        break;
      case Mode::chunk:
        event = read_chunk(content);
        break;
      case Mode::auth: {
        auto line = reader_.next_line(line_max());
        if (line)
          event = take_auth_line(*line);
        else if (!end_flood({5, 5, 6}))
          event = Event{EventKind::need_more, {}, {}};
        break;
      }
      case Mode::commands: {
        stage_ = "session";
        auto line = reader_.next_line(line_max());
        if (line)
          event = take_line(*line);
        else if (!end_flood({5, 5, 2}))
          event = Event{EventKind::need_more, {}, {}};
        line_ = {};
        break;
      }
    }
    if (event) return *std::move(event);
  }
}

// A line without end: the peer does not speak this protocol. True: the session is over.
bool ServerEngine::end_flood(mail::EnhancedCode enhanced) {
  if (!reader_.flooded()) return false;
  say({500, enhanced, "Error: line too long"});
  shut_down({421, {4, 7, 0}, "Error: line without end, closing connection"}, "line without end");
  return true;
}

Event ServerEngine::ask(EventKind question) {
  question_ = question;
  mode_ = Mode::asking;
  return {question, {}, {}};
}

void ServerEngine::answer(const mail::Reply& reply_given) {
  PW_CHECK(mode_ == Mode::asking);
  mode_ = Mode::commands;
  answering_ = true;
  take_answer(reply_given);
  answering_ = false;
}

void ServerEngine::take_answer(const mail::Reply& reply_given) {
  switch (question_) {
    case EventKind::connect:
      return answer_connect(reply_given);
    case EventKind::hello:
      return answer_hello(reply_given);
    case EventKind::mail:
      if (reply_given.positive()) {
        envelope_ = std::move(mail_.envelope);
        transaction_.open = true;
        state_ = ServerState::mail;
      }
      return reply(reply_given);
    case EventKind::rcpt:
      if (reply_given.positive()) {
        envelope_.recipients.push_back(std::move(rcpt_));
        ++transaction_.recipients;
        state_ = ServerState::rcpt;
      }
      return answer_rcpt(reply_given);
    case EventKind::data:
      return answer_data(reply_given);
    case EventKind::header_field:
    case EventKind::header_end:
      return answer_header(reply_given);
    case EventKind::content_end:
      return answer_content(reply_given);
    case EventKind::auth:
      return answer_auth(reply_given);
    case EventKind::xclient:
      return answer_xclient(reply_given);
    case EventKind::xforward:
      return reply(reply_given);
    case EventKind::starttls:
      reply(reply_given);
      if (reply_given.positive()) mode_ = Mode::tls_handshake;
      return;
    case EventKind::unknown_command:
      return answer_unknown(reply_given);
    case EventKind::need_more:
    case EventKind::waiting:
    case EventKind::content:
    case EventKind::content_refused:
    case EventKind::auth_over:
    case EventKind::reset:
    case EventKind::close:
      break;
  }
  PW_CHECK(false);  // only the events above are questions
}

void ServerEngine::tls_started() {
  end_transaction();
  reader_.clear();
  hello_name_.clear();
  extended_ = false;
  authenticated_ = false;
  auth_offered_.clear();
  claim_ = ClientClaim();
  tls_ = true;
  state_ = ServerState::fresh;
  if (mode_ != Mode::closed) mode_ = Mode::commands;
}

// A client we know may have a list with many who have left: those do not end the transaction for
// the others. It cannot go on for ever, either.
void ServerEngine::answer_rcpt(const mail::Reply& reply_given) {
  bool forgiven = client_known_ && reply_given.permanent() &&
                  ++transaction_.recipients_refused <= options_.recipients;
  forgiven ? say(reply_given) : reply(reply_given);
}

// The client behind this one has said nothing yet, unless it is known what.
void ServerEngine::answer_xclient(const mail::Reply& reply_given) {
  if (!reply_given.positive()) return reply(reply_given);
  end_transaction();
  hello_name_ = claim_.hello.value_or(std::string());
  extended_ = !hello_name_.empty() && claim_.extended.value_or(options_.dialect.plain_hello);
  authenticated_ = !claim_.login.value_or(std::string()).empty();
  auth_offered_.clear();
  state_ = hello_name_.empty() ? ServerState::fresh : ServerState::ready;
  begin();
}

void ServerEngine::shut_down(const mail::Reply& last, std::string_view why) {
  if (mode_ == Mode::closed) return;
  if (in_content()) stage_ = "content";
  say(last);
  note_own(last, why);
  close(why);
}

void ServerEngine::close(std::string_view why) {
  end_transaction();
  mode_ = Mode::closed;
  close_why_ = why;
  reader_.clear();
}

void ServerEngine::end_transaction() {
  if (transaction_.open) reset_due_ = true;
  transaction_ = Transaction();
  envelope_ = mail::Envelope();
  mail_ = MailCommand();
  rcpt_ = mail::Recipient();
  if (state_ == ServerState::refused) return;
  state_ = hello_name_.empty() ? ServerState::fresh : ServerState::ready;
}

void ServerEngine::say(const mail::Reply& reply) {
  auto digit = static_cast<std::size_t>(reply.code / 100);
  if (digit < replies_said_.size()) ++replies_said_[digit];
  append_reply(output_, reply);
}

void ServerEngine::reply(const mail::Reply& reply_given) {
  say(reply_given);
  if (!answering_) note_own(reply_given, {});
  if (reply_given.permanent()) count_error();
}

namespace {

// Of "FROM:<a@b> SIZE=1" or "TO:a@b": a@b, whatever it looks like.
std::string_view address_in(std::string_view line) {
  std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {};
  std::string_view rest = trim(line.substr(colon + 1));
  if (rest.empty() || rest.front() != '<') return rest.substr(0, rest.find(' '));
  return rest.substr(1,
                     rest.find('>') == std::string_view::npos ? rest.size() : rest.find('>') - 1);
}

}  // namespace

void ServerEngine::note_own(const mail::Reply& reply_given, std::string_view why) {
  if (!reply_given.transient() && !reply_given.permanent()) return;
  if (refusals_.size() >= kRefusalsKept) {
    ++refusals_more_;
    return;
  }
  OwnRefusal refusal{stage_, reply_given, why, std::string(line_.substr(0, kSaidMax)), {}};
  if (stage_ == name_of(Verb::mail) || stage_ == name_of(Verb::rcpt))
    refusal.address = address_in(line_).substr(0, kPathMax);
  refusals_.push_back(std::move(refusal));
}

std::vector<OwnRefusal> ServerEngine::take_refusals(std::uint64_t& more) {
  more = std::exchange(refusals_more_, 0);
  return std::exchange(refusals_, {});
}

void ServerEngine::reply(int code, mail::EnhancedCode enhanced, std::string_view text) {
  reply(mail::Reply{code, enhanced, std::string(text)});
}

void ServerEngine::count_error() {
  if (++errors_ < options_.errors) return;
  shut_down({421, {4, 7, 0}, "Error: too many errors"}, "too many errors");
}

// Commands that do no work are free at first; without a bound a peer could keep us busy for ever.
void ServerEngine::count_idle() {
  if (++idle_commands_ > kIdleCommandsMax) count_error();
}

}  // namespace postwain::smtp
