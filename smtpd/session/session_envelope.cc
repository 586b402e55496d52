// The part of a session that decides about the envelope: MAIL and RCPT, and the next hop that is
// asked in between (recipients = "probe").
#include "smtpd/session/session.h"

namespace postwain::smtpd {

// What is known by now, for whoever is asked about.
dns::ClientFacts Session::facts() const {
  return looks_ ? looks_->facts() : dns::ClientFacts{};
}

void Session::look_at_hello() {
  if (!looks_) return;
  looks_->forget_hello();
  std::string name = mail::domain_key(engine_.hello_name());
  if (asks_hello(shared_.config, name)) looks_->hello(name);
}

// As if such parameters did not exist: to strangers they were not offered.
bool Session::refuses_dsn(std::string_view stage, bool asked) {
  if (!asked || shared_.policy.takes_dsn(client_)) return false;
  mail::Reply reply = smtp::unknown_parameter_reply();
  log_refused(stage, reply, {}, "delivery reports are for known clients", nullptr);
  engine_.answer(reply);
  return true;
}

void Session::on_mail() {
  const smtp::MailCommand& asked = engine_.mail();
  if (refuses_dsn("MAIL", asked.ret != mail::DsnReturn::unspecified || !asked.envid.empty()))
    return;
  if (looks_ && !client_.may_relay()) {
    const mail::Address& sender = engine_.mail().reverse_path;
    looks_->forget_sender();
    if (asks_sender(shared_.config, sender)) looks_->sender(sender.domain_key());
  }
  // Whoever may relay is not made to wait, unless a rule asks: else the name is for the record.
  if (!looks_ || !looks_->pending() || (client_.may_relay() && !rules_ask_client(shared_.config)))
    return decide_mail();
  mail_waits_ = true;
  timeout_.enter(SessionTimeout::Phase::waiting, shared_.loop.now());
  looks_->when_known([this] {
    mail_waits_ = false;
    timeout_.enter(SessionTimeout::Phase::command, shared_.loop.now());
    decide_mail();
    if (draining_) engine_.shut_down(shutting_down(), "shutdown");
    pump();
  });
}

void Session::decide_mail() {
  const std::string& sender = engine_.mail().reverse_path.text();
  if (auto refusal = shared_.intake.refusal()) {
    count(ipc::Counted::refused_queue);
    log_refused("MAIL", *refusal, {}, "queue", nullptr);
    return engine_.answer(*refusal);
  }
  Verdict verdict = shared_.policy.mail(client_, listener_.protocol, engine_.hello_name(),
                                        engine_.mail().reverse_path, facts());
  if (verdict.accepted && shared_.rates != nullptr && !client_.may_relay())
    if (auto refusal = shared_.rates->message(rate_key_, shared_.loop.now()))
      verdict = {false, *refusal, nullptr, "client_messages"};
  if (verdict.accepted) {
    id_ = shared_.intake.next_id(wall_now());
    sender_ = sender;
    in_transaction_ = true;
  } else {
    count(ipc::Counted::refused_mail);
    log_refused("MAIL", verdict.reply, {}, verdict.reason, verdict.origin);
  }
  engine_.answer(verdict.reply);
}

void Session::on_rcpt() {
  const mail::Recipient& asked = engine_.rcpt();
  bool asks_reports = asked.notify.bits != mail::Notify::unspecified || !asked.orcpt.empty();
  if (refuses_dsn("RCPT", asks_reports)) return;
  const mail::Address& address = engine_.rcpt().address;
  Verdict verdict = shared_.policy.rcpt(client_, engine_.hello_name(),
                                        engine_.envelope().reverse_path, address, facts());
  if (verdict.accepted && shared_.rates != nullptr && !client_.may_relay())
    if (auto refusal = shared_.rates->recipient(rate_key_, shared_.loop.now()))
      verdict = {false, *refusal, nullptr, "client_recipients"};
  if (!verdict.accepted || !verdict.probe) return answer_rcpt(verdict);
  if (!shared_.intake.up()) return answer_rcpt({false, queue_unavailable(), nullptr, "queue"});
  timeout_.enter(SessionTimeout::Phase::waiting, shared_.loop.now());
  probe_ = shared_.intake.probe(
      verdict.probed,
      [this, verdict](auto found, const mail::Reply& reply) { probed(verdict, found, reply); });
}

void Session::answer_rcpt(const Verdict& verdict) {
  if (!verdict.accepted) {
    count(ipc::Counted::refused_rcpt);
    log_refused("RCPT", verdict.reply, engine_.rcpt().address.text(), verdict.reason,
                verdict.origin);
  }
  mail::Reply decided;
  if (verdict.discard)
    decided = {250, {2, 0, 0}, "discarded by the rule at " + verdict.origin->text()};
  engine_.decide_rcpt(std::move(decided));
  engine_.answer(verdict.reply);
}

// A stranger's mail for somebody nobody vouches for is put off; those we know get a bounce at
// worst.
void Session::probed(Verdict verdict, ipc::ProbeVerdict found, const mail::Reply& reply) {
  probe_ = 0;
  bool refused = found == ipc::ProbeVerdict::bad ||
                 (found == ipc::ProbeVerdict::undecided && !client_.may_relay());
  if (refused) {
    verdict.accepted = false;
    verdict.reply = reply;
    verdict.reason = found == ipc::ProbeVerdict::bad ? "the next hop refuses the recipient"
                                                     : "the next hop could not be asked";
  }
  timeout_.enter(SessionTimeout::Phase::command, shared_.loop.now());
  answer_rcpt(verdict);
  if (draining_) engine_.shut_down(shutting_down(), "shutdown");
  pump();
}

}  // namespace postwain::smtpd
