// What the engine of a session asks and tells, and what is answered: after a look at the policy, or
// after somebody else was asked.
#include "common/config/config.h"
#include "common/log/log.h"
#include "smtpd/session/session.h"
#include "smtpd/session/trace_field.h"

namespace postwain::smtpd {

namespace {

// Whether the mechanism binds the login to the TLS it happens in.
bool binds(std::string_view mechanism) {
  return mechanism.size() > 5 && mechanism.substr(mechanism.size() - 5) == "-PLUS";
}

sasl::ChannelBindings bindings_of(const daemon::Channel& channel) {
  using Kind = tls::Session::ChannelBinding;
  return {channel.tls_binding(Kind::exporter), channel.tls_binding(Kind::unique),
          channel.tls_binding(Kind::end_point)};
}

}  // namespace

bool Session::handle(smtp::Event& event) {
  switch (event.kind) {
    case smtp::EventKind::need_more:
      if (half_closed_) finish("closed by client");
      return false;
    case smtp::EventKind::waiting:
      return false;
    case smtp::EventKind::connect:
      with_name([this] { on_connect(); });
      return true;
    case smtp::EventKind::hello:
      on_hello();
      return true;
    case smtp::EventKind::mail:
      on_mail();
      return true;
    case smtp::EventKind::rcpt:
      on_rcpt();
      return true;
    case smtp::EventKind::data:
      on_data();
      return true;
    case smtp::EventKind::content:
      if (auto refusal = transaction_.check_growth(!client_.may_relay()))
        engine_.refuse_content(*refusal);
      return true;
    case smtp::EventKind::header_field:
    case smtp::EventKind::header_end:
      engine_.answer({250, {}, {}});
      return true;
    case smtp::EventKind::unknown_command:
      after_filters(filter_.unknown(engine_.unknown_command()),
                    [this](const ipc::FilterAnswer& said) {
                      mail::Reply reply;
                      (void)is_refused("command", said, reply);
                      answer_filtered(reply);
                    });
      return true;
    case smtp::EventKind::content_end:
      on_content_end();
      return true;
    case smtp::EventKind::content_refused:
      shared_.count(ipc::Counted::refused_content);
      refusals_.add("content", event.reply, {}, "content");
      drop_transaction();
      return true;
    case smtp::EventKind::reset:
      drop_transaction();
      return true;
    case smtp::EventKind::starttls:
      on_starttls();
      return true;
    case smtp::EventKind::auth:
      on_auth();
      return true;
    case smtp::EventKind::xclient:
      on_xclient();
      return true;
    case smtp::EventKind::xforward:
      on_xforward();
      return true;
    case smtp::EventKind::auth_over:
      login_.ended_by_engine(client_.address(), engine_.auth_mechanism(), event.reply);
      go_on(Awaited::command);
      return true;
    case smtp::EventKind::close:
      finish(event.why);
      return false;
  }
  return false;
}

void Session::on_hello() {
  if (engine_.auth_allowed()) engine_.offer_auth(login_.mechanisms(engine_.tls()));
  // Who can still log in may have it then, and says no second hello for it (RFC 4954 4).
  engine_.offer_dsn(shared_.policy.takes_dsn(client_.client()) || engine_.auth_allowed());
  client_.look_up_hello(engine_.hello_name());
  after_filters(filter_.helo(engine_.hello_name()), [this](const ipc::FilterAnswer& said) {
    mail::Reply reply{250, {}, {}};
    (void)is_refused("hello", said, reply);
    answer_filtered(reply);
  });
}

// Filters hear of a client by the name of its address, so they wait for the DNS.
void Session::with_name(std::function<void()> then) {
  if (!client_.awaits_name()) return then();
  wait_.begin(Awaited::lookups, now(),
              {.cancel = [this] { client_.forget_lookups(); }, .overdue = {}});
  client_.when_known(std::move(then));
}

void Session::on_connect() {
  tell_client();
  after_filters(filter_.connect(), [this](const ipc::FilterAnswer& said) {
    if (engine_.buffered() > 0) filter_.note_early_talk();
    mail::Reply reply{220, {}, {}};
    if (is_refused("connect", said, reply)) reply.code = reply.permanent() ? 554 : 421;
    answer(reply);
  });
}

// Believed for all that is decided from now on; the connection itself stays whose it is.
void Session::on_xclient() {
  client_.believe(engine_.claim());
  engine_.know_client(client_.may_relay());
  login_.certify({});
  log::Line(log::Level::debug, "xclient")
      .kv("client", client_.address())
      .kv("account", client_.account())
      .kv("trusted", client_.client().trusted);
  client_port_ = 0;
  with_name([this] {
    tell_client();
    client_.look_up_hello(engine_.hello_name());
    after_filters(filter_.connect(), [this](const ipc::FilterAnswer& said) {
      mail::Reply reply{220, {}, {}};
      (void)is_refused("connect", said, reply);
      answer_filtered(reply);
    });
  });
}

// Of the next message, and those after it until it is said anew.
void Session::on_xforward() {
  client_.note_forwarded(engine_.claim());
  answer({250, {2, 0, 0}, "Ok"});
}

void Session::on_starttls() {
  engine_.answer({220, {2, 0, 0}, "Ready to start TLS"});
  flush();
  begin_handshake();
}

void Session::on_auth() {
  wait_.begin(Awaited::login_step, now(),
              {.cancel = [this] { login_.give_up(); }, .overdue = [this] { login_.no_answer(); }});
  if (!login_.is_open()) {
    LoginRequest request{engine_.auth_mechanism(), client_.address(), engine_.tls(), {}};
    if (binds(request.mechanism)) request.bindings = bindings_of(*channel_);
    if (!login_.begin(std::move(request))) return;
  }
  login_.respond(engine_.auth_response());
}

void Session::login_answered(const mail::Reply& reply) {
  if (reply.code != 334) return answer(reply);
  answer(reply, Awaited::login_response, {.cancel = [this] { login_.give_up(); }, .overdue = {}});
}

void Session::login_delayed() {
  wait_.begin(Awaited::login_delay, now(), {.cancel = [this] { login_.give_up(); }, .overdue = {}});
}

void Session::logged_in(const std::string& account) {
  client_.log_in(account);
  engine_.know_client(client_.may_relay());
}

// As if such parameters did not exist: to strangers they were not offered.
bool Session::refuses_dsn(std::string_view stage, bool asked) {
  if (!asked || shared_.policy.takes_dsn(client_.client())) return false;
  mail::Reply reply = smtp::unknown_parameter_reply();
  refusals_.add(stage, reply, {}, "delivery reports are for known clients");
  answer(reply);
  return true;
}

void Session::on_mail() {
  const smtp::MailCommand& asked = engine_.mail();
  if (refuses_dsn("MAIL", asked.envelope.ret != mail::DsnReturn::unspecified ||
                              !asked.envelope.envid.empty()))
    return;
  client_.look_up_sender(asked.envelope.reverse_path);
  if (!client_.awaits_lookups()) return decide_mail();
  wait_.begin(Awaited::lookups, now(),
              {.cancel = [this] { client_.forget_lookups(); }, .overdue = {}});
  client_.when_known([this] { decide_mail(); });
}

void Session::decide_mail() {
  const mail::Address& sender = engine_.mail().envelope.reverse_path;
  if (auto refusal = shared_.queue_link.refusal()) {
    shared_.count(ipc::Counted::refused_queue);
    refusals_.add("MAIL", *refusal, {}, queue_reason(*refusal));
    return answer(*refusal);
  }
  if (auto refusal = filter_.refusal()) {
    shared_.count(ipc::Counted::refused_mail);
    refusals_.add("MAIL", *refusal, {}, "no filter can be asked");
    return answer(*refusal);
  }
  Verdict verdict = shared_.policy.mail(client_.client(), listener_.protocol, engine_.hello_name(),
                                        sender, client_.facts());
  if (verdict.accepted && shared_.rates != nullptr && !client_.may_relay())
    if (auto refusal = shared_.rates->message(client_.rate_key(), now()))
      verdict = {false, *refusal, nullptr, "client_messages"};
  if (verdict.accepted) {
    transaction_.open(shared_.queue_link.next_id(wall_now()), sender.text());
    discard_ = {};
    return ask_about_mail(verdict.reply);
  } else {
    shared_.count(ipc::Counted::refused_mail);
    refusals_.add("MAIL", verdict.reply, {}, verdict.reason, verdict.origin);
  }
  answer(verdict.reply);
}

void Session::on_rcpt() {
  const mail::Recipient& asked = engine_.rcpt();
  bool asks_reports = asked.notify.bits != mail::Notify::unspecified || !asked.orcpt.empty();
  if (refuses_dsn("RCPT", asks_reports)) return;
  Verdict verdict =
      shared_.policy.rcpt(client_.client(), engine_.hello_name(), engine_.envelope().reverse_path,
                          asked.address, wall_now(), client_.facts());
  if (verdict.accepted && shared_.rates != nullptr && !client_.may_relay())
    if (auto refusal = shared_.rates->recipient(client_.rate_key(), now()))
      verdict = {false, *refusal, nullptr, "client_recipients"};
  if (!verdict.accepted || !verdict.probe) return answer_rcpt(verdict);
  if (!shared_.queue_link.up()) return answer_rcpt({false, queue_unavailable(), nullptr, "queue"});
  std::uint64_t number = shared_.queue_link.probe(
      verdict.probed,
      [this, verdict](auto found, const mail::Reply& reply) { probed(verdict, found, reply); });
  wait_.begin(
      Awaited::probe, now(),
      {.cancel = [this, number] { shared_.queue_link.cancel_probe(number); }, .overdue = {}});
}

void Session::answer_rcpt(const Verdict& verdict) {
  if (auto counted = counted_as(verdict.srs)) shared_.count(*counted);
  if (!verdict.accepted) {
    shared_.count(ipc::Counted::refused_rcpt);
    refusals_.add("RCPT", verdict.reply, engine_.rcpt().address.text(), verdict.reason,
                  verdict.origin);
  }
  mail::Reply decided;
  if (verdict.discard)
    decided = {250, {2, 0, 0}, "discarded by the rule at " + verdict.origin->text()};
  engine_.decide_rcpt(std::move(decided));
  ask_about_rcpt(verdict);
}

// A stranger's mail for somebody nobody vouches for is put off; those we know get a bounce at
// worst.
void Session::probed(Verdict verdict, ipc::ProbeVerdict found, const mail::Reply& reply) {
  bool refused = found == ipc::ProbeVerdict::bad ||
                 (found == ipc::ProbeVerdict::undecided && !client_.may_relay());
  if (refused) {
    verdict.accepted = false;
    verdict.reply = reply;
    verdict.reason = found == ipc::ProbeVerdict::bad ? "the next hop refuses the recipient"
                                                     : "the next hop could not be asked";
  }
  answer_rcpt(verdict);
}

ToSign Session::to_sign() const {
  const std::optional<std::string>& address = client_.forwarded().address;
  if (!address) return smtpd::to_sign(client_.client(), nullptr, listener_.sign);
  Client behind = shared_.policy.classify(*address);
  // Nothing is known of him; that of a Unix socket has no address either.
  if (address->empty()) behind.trusted = false;
  return smtpd::to_sign(client_.client(), &behind, listener_.sign);
}

void Session::on_data() {
  if (auto refusal = shared_.queue_link.refusal()) {
    shared_.count(ipc::Counted::refused_queue);
    refusals_.add("DATA", *refusal, {}, queue_reason(*refusal));
    return answer(*refusal);
  }
  mail::Envelope envelope = engine_.take_envelope();
  // <postmaster> has no domain to be routed by; it is whom the configuration names.
  for (mail::Recipient& recipient : envelope.recipients) {
    if (recipient.address.has_domain()) continue;
    if (recipient.orcpt.empty()) recipient.orcpt = "rfc822;postmaster";
    recipient.address = mail::Address::from_text(shared_.config.postmaster);
  }
  const smtp::ClientClaim& forwarded = client_.forwarded();
  ipc::Arrival arrival;
  arrival.protocol = protocol_name(engine_.options().dialect, engine_.extended(), engine_.tls(),
                                   envelope.smtputf8, !client_.account().empty());
  arrival.account = client_.account();
  arrival.client_address = forwarded.address.value_or(client_.address());
  arrival.client_name = forwarded.hello.value_or(engine_.hello_name());
  arrival.received_at = wall_now();
  std::string tls;
  if (engine_.tls()) tls = channel_->tls_version() + ' ' + channel_->tls_cipher();
  dns::ClientFacts facts = client_.facts();
  std::string trace = received_field({engine_.hello_name(), facts.name, client_.address(),
                                      shared_.config.hostname, arrival.protocol, tls},
                                     transaction_.id(), envelope, arrival.received_at);
  transaction_.begin_content(std::move(trace), static_cast<Handover::Owner&>(*this),
                             std::move(envelope), std::move(arrival), to_sign());
  if (filter_.is_on() && discard_.filter.empty()) transaction_.tell(filter_);
  after_filters(filter_.data(), [this](const ipc::FilterAnswer& said) {
    mail::Reply reply{354, {}, "End data with <CR><LF>.<CR><LF>"};
    if (!is_refused("DATA", said, reply)) return answer(reply, Awaited::content);
    transaction_.drop();
    answer_filtered(reply);
  });
}

void Session::on_content_end() {
  if (auto refusal = transaction_.check_whole()) {
    shared_.count(ipc::Counted::refused_content);
    refusals_.add("content", *refusal, {}, "header section");
    transaction_.drop();
    return answer(*refusal);
  }
  if (!discard_.filter.empty())
    return discard_content(discard_.filter, discard_.judgements,
                           transaction_.handover()->envelope());
  if (filter_.is_on()) return judge_content();
  hand_over();
}

void Session::hand_over() {
  wait_.begin(Awaited::queue_reply, now(),
              {.cancel = {}, .overdue = [this] { transaction_.give_up(); }});
  transaction_.pass_on_whole();
}

// Comes from inside pass_on() or pass_on_whole(), or later from qmgr; the handover is not destroyed
// here.
void Session::handed_over(const mail::Reply& reply) {
  if (life_ == Life::over) return;
  if (wait_.what() == Awaited::judgement) {
    // qmgr is gone while the filters still look at the whole message.
    filter_.abort();
    wait_.begin(Awaited::queue_reply, now(), {.cancel = {}, .overdue = [] {}});
  }
  if (wait_.what() != Awaited::queue_reply) {
    wait_.begin(Awaited::refused_content, now());
    engine_.refuse_content(reply);
    return pump();
  }
  if (reply.code == 250) {
    log_accepted();
    transaction_.conclude();
    return answer({250, {2, 0, 0}, "Ok: queued as " + transaction_.id().text()});
  }
  shared_.count(ipc::Counted::refused_queue);
  refusals_.add("content", reply, {}, queue_reason(reply));
  transaction_.conclude();
  answer(reply.transient() || reply.permanent() ? reply : queue_unavailable());
}

void Session::window_opened() {
  if (life_ == Life::over) return;
  if (wait_.what() == Awaited::window) wait_.begin(Awaited::content, now());
  transaction_.pass_on();
  pump();
}

void Session::log_accepted() {
  count_replies();
  refusals_.log_left_out();
  const Handover& handover = *transaction_.handover();
  log::Line line(log::Level::info, "accepted");
  line.kv("id", transaction_.id().text()).kv("from", transaction_.sender());
  line.kv("size", handover.size());
  const auto& recipients = handover.envelope().recipients;
  line.kv("recipients", recipients.size());
  if (recipients.size() == 1) line.kv("to", recipients.front().address.text());
  line.kv("client", client_.address()).kv("protocol", handover.arrival().protocol);
  if (client_.forwarded().address) line.kv("forwarded_for", *client_.forwarded().address);
  if (!client_.account().empty()) line.kv("account", client_.account());
  if (engine_.tls()) line.kv("tls", channel_->tls_version());
}

}  // namespace postwain::smtpd
