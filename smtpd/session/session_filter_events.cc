// What a session tells the filters, and what follows from their answers.
#include "common/config/config.h"
#include "common/filtering/judgement_log.h"
#include "common/filtering/told_arguments.h"
#include "common/ipc/judgements.h"
#include "common/ipc/told_macros.h"
#include "common/log/log.h"
#include "smtpd/session/session.h"
#include "smtpd/session/trace_field.h"

namespace postwain::smtpd {

using ipc::ToldMacro;

namespace {

// Of the names that TLS has for its ciphers: two key sizes are in use.
std::string cipher_bits(std::string_view cipher) {
  for (std::string_view mark : {"AES_256", "AES256", "CHACHA20"})
    if (cipher.find(mark) != std::string_view::npos) return "256";
  return cipher.empty() ? "" : "128";
}

}  // namespace

// The session goes on when the answer is there; at once where none is awaited. Filters that are
// silent for too long have no opinion: of the message at hand they are asked again at its end.
void Session::after_filters(bool awaited, OnFilter then) {
  if (!awaited) return then({});
  on_filter_ = std::move(then);
  wait_.begin(Awaited::filter, now(),
              {.cancel = [this] { on_filter_ = nullptr; },
               .overdue =
                   [this] {
                     filter_.abort();
                     filter_answered({});
                   }});
}

void Session::filter_answered(const ipc::FilterAnswer& answer) {
  if (life_ == Life::over || !on_filter_) return;
  std::exchange(on_filter_, nullptr)(answer);
}

// Whether the command is refused; then reply says how.
bool Session::is_refused(std::string_view stage, const ipc::FilterAnswer& answer,
                         mail::Reply& reply) {
  switch (answer.verdict) {
    case ipc::FilterVerdict::keep_going:
      return false;
    case ipc::FilterVerdict::discard:
      discard_ = {answer.filter, answer.judgements};
      return false;
    case ipc::FilterVerdict::refuse:
    case ipc::FilterVerdict::defer:
    case ipc::FilterVerdict::hang_up:
      break;
  }
  reply = answer.reply;
  std::vector<std::string> recipients;
  if (stage == "RCPT")
    recipients = {engine_.rcpt().address.text()};
  else if (stage == "DATA" || stage == "content")
    recipients = refused_recipients();
  refusals_.add_filtered(stage, reply, recipients, answer.filter, answer.judgements);
  if (answer.verdict == ipc::FilterVerdict::hang_up) reply.code = 421;
  return true;
}

// A filter can end the session, too.
void Session::answer_filtered(const mail::Reply& reply) {
  if (reply.code != 421) return answer(reply);
  engine_.shut_down(reply, "closed by a filter");
  pump();
}

void Session::tell_client() {
  if (!filter_.is_on()) return;
  using Family = ipc::FilterSession::Family;
  const std::string& address = client_.address();
  bool is_local = address.empty();
  Family family = is_local ? Family::local
                           : (address.find(':') != std::string::npos ? Family::ipv6 : Family::ipv4);
  filter_.set_client(family, shown_client_name(), address, client_port_);
  filter_.set_known(client_.may_relay());
  filter_.set_macro(ToldMacro::hostname, shared_.config.hostname);
  filter_.set_macro(ToldMacro::daemon_name, listener_.name());
  filter_.set_macro(ToldMacro::product, "Postwain");
  filter_.set_macro(ToldMacro::daemon_address, local_.host);
  filter_.set_macro(ToldMacro::daemon_port, local_.port == 0 ? "" : std::to_string(local_.port));
  filter_.set_macro(ToldMacro::client_address, address);
  filter_.set_macro(ToldMacro::client_port, client_port_ == 0 ? "" : std::to_string(client_port_));
  tell_client_names();
}

std::string Session::shown_client_name() const {
  const std::string& address = client_.address();
  if (address.empty()) return "localhost";
  std::string name = client_.facts().name;
  return name.empty() ? "[" + address + "]" : name;
}

// The DNS is asked beside the session; what it says may come after the first events.
void Session::tell_client_names() {
  std::string name = shown_client_name();
  std::string reverse = client_.facts().reverse_name;
  filter_.set_macro(ToldMacro::client_name, name);
  filter_.set_macro(ToldMacro::client_ptr, reverse.empty() ? "unknown" : reverse);
  filter_.set_macro(ToldMacro::client_and_name, name + " [" + client_.address() + "]");
}

void Session::tell_tls() {
  if (!filter_.is_on()) return;
  std::string cipher = channel_->tls_cipher();
  filter_.set_macro(ToldMacro::tls_version, channel_->tls_version());
  filter_.set_macro(ToldMacro::cipher, cipher);
  filter_.set_macro(ToldMacro::cipher_bits, cipher_bits(cipher));
  tls::PeerCertificate certificate = channel_->tls_peer_certificate();
  filter_.set_macro(ToldMacro::cert_fingerprint, certificate.fingerprint);
  filter_.set_macro(ToldMacro::cert_subject, certificate.verified ? certificate.common_name : "");
}

void Session::ask_about_mail(const mail::Reply& accepted) {
  const smtp::MailCommand& asked = engine_.mail();
  if (filter_.is_on()) {
    tell_client_names();
    filter_.set_known(client_.may_relay());
    filter_.set_macro(ToldMacro::queue_id, transaction_.id().text());
    filter_.set_macro(ToldMacro::protocol,
                      protocol_name(engine_.options().dialect, engine_.extended(), engine_.tls(),
                                    asked.envelope.smtputf8, !client_.account().empty()));
    filter_.set_macro(ToldMacro::mail_address, asked.envelope.reverse_path.text());
    filter_.set_macro(ToldMacro::hello, engine_.hello_name());
    filter_.set_macro(ToldMacro::auth_authen, client_.account());
    filter_.set_macro(ToldMacro::auth_type,
                      client_.account().empty() ? "" : engine_.auth_mechanism());
    filter_.set_macro(ToldMacro::auth_author, client_.account());
  }
  bool awaited = filter_.mail(filtering::in_brackets(asked.envelope.reverse_path),
                              filtering::arguments_of(asked.envelope, asked.size));
  after_filters(awaited, [this, accepted](const ipc::FilterAnswer& said) {
    mail::Reply reply = accepted;
    if (is_refused("MAIL", said, reply)) {
      shared_.count(ipc::Counted::refused_mail);
      transaction_.drop();
    }
    answer_filtered(reply);
  });
}

void Session::ask_about_rcpt(const Verdict& verdict) {
  const mail::Recipient& asked = engine_.rcpt();
  if (filter_.is_on()) {
    filter_.set_macro(ToldMacro::rcpt_address,
                      verdict.accepted ? asked.address.text() : verdict.reply.text);
    filter_.set_macro(ToldMacro::rcpt_mailer, verdict.accepted ? "smtp" : "error");
    filter_.set_macro(ToldMacro::rcpt_host, verdict.accepted ? std::string(asked.address.domain())
                                                             : verdict.reply.enhanced.text());
  }
  if (!verdict.accepted) {
    filter_.rejected_rcpt(filtering::in_brackets(asked.address),
                          filtering::arguments_of(asked, engine_.envelope().smtputf8));
    return answer(verdict.reply);
  }
  bool awaited = filter_.rcpt(filtering::in_brackets(asked.address),
                              filtering::arguments_of(asked, engine_.envelope().smtputf8));
  after_filters(awaited, [this, accepted = verdict.reply](const ipc::FilterAnswer& said) {
    mail::Reply reply = accepted;
    if (is_refused("RCPT", said, reply)) shared_.count(ipc::Counted::refused_rcpt);
    answer_filtered(reply);
  });
}

// --- content
// ---------------------------------------------------------------------------------------

void Session::filter_refused_content(const ipc::FilterAnswer& said) {
  if (life_ == Life::over) return;
  if (said.verdict == ipc::FilterVerdict::discard) {
    discard_ = {said.filter, said.judgements};
    return;
  }
  if (!wait_.is_for_content()) return;  // the result says it, too
  mail::Reply reply;
  if (!is_refused("content", said, reply)) return;
  wait_.begin(Awaited::refused_content, now());
  engine_.refuse_content(reply);
  pump();
}

void Session::filter_window_opened() {
  if (life_ == Life::over) return;
  if (wait_.what() == Awaited::judgement) return tell_whole();
  if (wait_.what() == Awaited::window) wait_.begin(Awaited::content, now());
  if (transaction_.handover() != nullptr) transaction_.pass_on();
  pump();
}

void Session::judge_content() {
  wait_.begin(Awaited::judgement, now(),
              {.cancel = [this] { filter_.abort(); },
               .overdue =
                   [this] {
                     filter_.abort();
                     ipc::FilterResult late;
                     late.verdict = ipc::FilterVerdict::defer;
                     late.reply = filtering::filters_unavailable();
                     late.judgements = {filtering::unasked(late, ipc::FilterFailure::late)};
                     filter_concluded(late);
                   }});
  tell_whole();
}

void Session::tell_whole() {
  if (transaction_.tell_rest()) filter_.end_of_message(transaction_.octets());
}

void Session::filter_concluded(const ipc::FilterResult& result) {
  if (life_ == Life::over || wait_.what() != Awaited::judgement) return;
  filtering::log_judgements(transaction_.id(), result);
  switch (result.verdict) {
    case ipc::FilterVerdict::keep_going:
      break;
    case ipc::FilterVerdict::discard:
      return discard_content(result.filter, result.judgements, transaction_.handover()->envelope());
    case ipc::FilterVerdict::refuse:
    case ipc::FilterVerdict::defer:
    case ipc::FilterVerdict::hang_up: {
      shared_.count(ipc::Counted::refused_content);
      refusals_.add_filtered("content", result.reply, refused_recipients(), result.filter,
                             result.judgements);
      transaction_.drop();
      mail::Reply reply = result.reply;
      if (result.verdict == ipc::FilterVerdict::hang_up) reply.code = 421;
      return answer_filtered(reply);
    }
  }
  mail::Envelope given;
  if (!result.recipients_removed.empty()) given = transaction_.handover()->envelope();
  transaction_.judged(ipc::encode_judgements(result.judgements));
  if (auto refusal = transaction_.apply(result, shared_.config.limits.message_size)) {
    shared_.count(ipc::Counted::refused_content);
    refusals_.add_filtered("content", *refusal, refused_recipients(), result.filter,
                           result.judgements);
    transaction_.drop();
    return answer(*refusal);
  }
  if (transaction_.handover()->envelope().recipients.empty())
    return discard_content(result.filter, result.judgements, given);
  hand_over();
}

// Who would have got the message, as far as the history is told.
std::vector<std::string> Session::refused_recipients() const {
  std::vector<std::string> out;
  const Handover* handover = transaction_.handover();
  if (handover == nullptr) return out;
  for (const mail::Recipient& one : handover->envelope().recipients) {
    if (out.size() == kRefusedRecipients) break;
    out.push_back(one.address.text());
  }
  return out;
}

// The client hears what it would hear of any message.
void Session::discard_content(const std::string& filter,
                              const std::vector<ipc::FilterJudgement>& judgements,
                              const mail::Envelope& envelope) {
  log::Line(log::Level::info, "discarded")
      .kv("id", transaction_.id().text())
      .kv("from", transaction_.sender())
      .kv("client", client_.address())
      .kv("reason", "filter " + filter);
  filter_.abort();
  transaction_.judged(ipc::encode_judgements(judgements));
  transaction_.tell_discarded(filter, envelope);
  transaction_.drop();
  discard_ = {};
  answer({250, {2, 0, 0}, "Ok: queued as " + transaction_.id().text()});
}

}  // namespace postwain::smtpd
