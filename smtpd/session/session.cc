#include "smtpd/session/session.h"

#include <utility>

#include "common/config/config.h"
#include "common/log/log.h"
#include "smtpd/acceptance/access_rules.h"
#include "smtpd/login/certificate_accounts.h"

namespace postwain::smtpd {

namespace {

// Reading stops while so much input waits for an answer of ours …
constexpr std::size_t kInputMax = 256U << 10;
// … and obeying stops while so many bytes of replies are not taken by the client.
constexpr std::size_t kOutputMax = 64U << 10;
// The first octet of a TLS handshake; no command begins with it.
constexpr char kTlsHandshake = 0x16;

smtp::ServerOptions engine_options(const Shared& shared, const config::Listener& listener,
                                   const std::string& peer) {
  const config::Limits& limits = shared.config.limits;
  bool lmtp = listener.protocol == config::ListenerProtocol::lmtp;
  bool starttls = listener.tls == config::ListenerTls::optional ||
                  listener.tls == config::ListenerTls::required;
  smtp::ServerOptions options;
  options.dialect = lmtp ? smtp::kLmtp : smtp::kSmtp;
  options.hostname = shared.config.hostname;
  options.message_size = limits.message_size;
  options.recipients = limits.recipients;
  options.errors = limits.errors;
  options.starttls = starttls && shared.tls != nullptr;
  options.auth = listener.auth && (shared.logins != nullptr || shared.config.auth.external());
  options.auth_without_tls = listener.auth_without_tls;
  options.xclient = lies_in(shared.config.access.xclient_from, peer);
  options.xforward = lies_in(shared.config.access.xforward_from, peer);
  options.tls_required = listener.tls == config::ListenerTls::required;
  // Who may still log in is not known yet; his hello is judged at MAIL, if he does not.
  options.any_hello = listener.protocol == config::ListenerProtocol::submission || options.auth ||
                      shared.config.access.hello == config::HelloCheck::any;
  if (shared.config.access.bare_addresses) options.bare_origin = shared.config.addresses.origin;
  options.ask.connect = true;
  options.ask.unknown_command = shared.filters != nullptr;
  return options;
}

}  // namespace

mail::Reply shutting_down() {
  return {421, {4, 3, 2}, "Service shutting down, try again later"};
}

Session::Session(const Shared& shared, const config::Listener& listener, net::Stream stream,
                 std::function<void(Session&)> on_over)
    : Session(shared, listener, std::move(stream), nullptr, std::move(on_over)) {}

Session::Session(const Shared& shared, const config::Listener& listener, net::Stream stream,
                 const Proxied* proxied, std::function<void(Session&)> on_over)
    : shared_(shared),
      listener_(listener),
      on_over_(std::move(on_over)),
      client_(shared, listener, stream, proxied),
      engine_(engine_options(shared, listener, client_.address())),
      wait_(shared.config.limits.command_timeout, shared.config.limits.data_timeout),
      login_(shared, static_cast<LoginDialog::Owner&>(*this)),
      local_(stream.local()),
      client_port_(proxied == nullptr ? stream.peer().port : std::uint16_t(0)),
      transaction_(shared, listener.protocol == config::ListenerProtocol::submission),
      refusals_(shared, listener, client_, engine_, transaction_),
      filter_(shared.filters, listener.name(),
              listener.protocol == config::ListenerProtocol::submission
                  ? ipc::FilterKind::submission
                  : ipc::FilterKind::world,
              static_cast<filtering::SessionFilter::Owner&>(*this)) {
  engine_.know_client(client_.may_relay());
  shared_.count(ipc::Counted::sessions);
  log::Line(log::Level::debug, "connect").kv("client", client_.address()).kv("on", listener.name());
  channel_ = std::make_unique<daemon::Channel>(
      shared_.loop, std::move(stream),
      daemon::Channel::Callbacks{
          .on_data = [this](std::string_view bytes) { received(bytes); },
          .on_tls = [this] { tls_opened(); },
          .on_closed = [this](const std::string& why) { closed(why); },
          .on_drained = [this] { pump(); },
      });
}

void Session::start() {
  if (listener_.tls == config::ListenerTls::implicit) return begin_handshake();
  engine_.begin();
  go_on(Awaited::command);
}

Session::~Session() {
  wait_.cancel();
}

void Session::received(std::string_view bytes) {
  if (life_ == Life::over) return;
  bool first = !bytes.empty() && !std::exchange(heard_, true);
  if (first && bytes.front() == kTlsHandshake && !engine_.tls()) {
    refusals_.add_tls_failed("a TLS handshake on a listener that begins in clear (STARTTLS)");
    engine_.shut_down({500, {5, 5, 2}, "Error: no TLS before STARTTLS here"}, "TLS in clear");
    return pump();
  }
  engine_.receive(bytes);
  wait_.progress(bytes.size(), now());
  pump();
}

void Session::begin_handshake() {
  wait_.begin(Awaited::handshake, now(), {.cancel = {}, .overdue = [this] {
                                            handshake_failed("timed out");
                                            finish("TLS handshake timed out");
                                          }});
  channel_->start_tls_server(*shared_.tls);
}

void Session::handshake_failed(std::string_view why) {
  shared_.count(ipc::Counted::tls_failed);
  if (!why.empty()) refusals_.add_tls_failed(why);
}

void Session::tls_opened() {
  if (life_ == Life::over) return;
  shared_.count(channel_->tls_version() == "TLSv1.2" ? ipc::Counted::tls12 : ipc::Counted::tls13);
  engine_.tls_started();
  client_.log_out();
  check_certificate();
  tell_tls();
  engine_.know_client(client_.may_relay());
  if (listener_.tls == config::ListenerTls::implicit) engine_.begin();
  go_on(Awaited::command);
}

void Session::check_certificate() {
  tls::PeerCertificate certificate = channel_->tls_peer_certificate();
  if (certificate.fingerprint.empty()) return;
  std::vector<std::string> accounts = accounts_of(shared_.config.auth, certificate);
  const config::Fingerprint* trusted = trusted_as(shared_.config.access, certificate);
  if (trusted != nullptr) client_.trust(trusted->origin);
  log::Line(log::Level::info, "client_certificate")
      .kv("client", client_.address())
      .kv("fingerprint", certificate.fingerprint)
      .kv("verified", certificate.verified)
      .kv("accounts", accounts.size())
      .kv("trusted", trusted != nullptr);
  login_.certify(std::move(accounts));
}

void Session::closed(const std::string& why) {
  if (life_ == Life::over) return;
  if (wait_.what() == Awaited::handshake) {
    // Closed or reset before TLS had anything to object to: most are health checks of the port.
    bool silent = listener_.tls == config::ListenerTls::implicit && why.substr(0, 4) != "TLS:";
    std::string_view told = why.empty() ? std::string_view("closed by client") : why;
    handshake_failed(silent ? std::string_view() : told);
  }
  // A client may send its end behind its last command and still wants its replies.
  if (why.empty() && wait_.rule().outlasts_client) {
    half_closed_ = true;
    return;
  }
  finish(why.empty() ? "closed by client" : why);
}

void Session::pump() {
  if (pumping_ || life_ == Life::over) return;
  pumping_ = true;
  while (life_ != Life::over) {
    if (engine_.output().size() >= kOutputMax) flush();
    if (channel_->pending() >= kOutputMax) break;
    smtp::Event event = engine_.next(transaction_.content());
    refusals_.add_own();
    if (!handle(event)) break;
  }
  pumping_ = false;
  if (life_ == Life::over) return;
  flush();
  adjust_reading();
}

void Session::flush() {
  std::string& output = engine_.output();
  if (output.empty()) return;
  channel_->send(output);
  output.clear();
  if (wait_.what() == Awaited::command) wait_.begin(Awaited::command, now());
}

void Session::adjust_reading() {
  if (const Handover* handover = transaction_.handover()) channel_->limit_reads(handover->share());
  bool window_full = transaction_.window_is_full();
  bool want = !window_full && engine_.buffered() < kInputMax && channel_->pending() < kOutputMax;
  if (want == reading_) return;
  reading_ = want;
  if (want)
    channel_->resume();
  else
    channel_->pause();
  if (window_full && wait_.what() == Awaited::content)
    wait_.begin(Awaited::window, now(),
                {.cancel = {}, .overdue = [this] { transaction_.give_up(); }});
}

// The answer to the engine's open question, at once or after something of others was awaited, and
// what is awaited next.
void Session::answer(const mail::Reply& reply, Awaited next, WaitEnds ends) {
  engine_.answer(reply);
  if (next != Awaited::command || wait_.what() != Awaited::command) go_on(next, std::move(ends));
}

// What was awaited is there.
void Session::go_on(Awaited next, WaitEnds ends) {
  wait_.begin(next, now(), std::move(ends));
  if (life_ == Life::draining) engine_.shut_down(shutting_down(), "shutdown");
  pump();
}

// What is awaited may belong to the command that has ended the transaction, and then stays.
void Session::drop_transaction() {
  filter_.abort();
  transaction_.drop();
  if (wait_.is_for_content()) go_on(Awaited::command);
}

void Session::finish(std::string_view why) {
  flush();
  life_ = Life::over;
  refusals_.add_own();
  refusals_.log_left_out();
  count_replies();
  log::Line(log::Level::debug, "disconnect").kv("client", client_.address()).kv("reason", why);
  transaction_.drop();
  wait_.cancel();
  channel_->close_after_flush();
  on_over_(*this);
}

void Session::sweep(MonoTime now) {
  if (life_ == Life::over || !wait_.is_overdue(now)) return;
  switch (wait_.rule().overdue) {
    case Overdue::refuse:
      engine_.shut_down({421, {4, 4, 2}, "Error: timeout exceeded"}, "timed out");
      return pump();
    case Overdue::end:
      return finish(wait_.rule().why);
    case Overdue::resolve:
      return wait_.resolve();
  }
}

void Session::drain() {
  if (life_ != Life::serving) return;
  life_ = Life::draining;
  if (wait_.rule().outlasts_drain) return;
  engine_.shut_down(shutting_down(), "shutdown");
  pump();
  if (life_ != Life::over) finish("shutdown");
}

// What the engine has said since it was asked last.
void Session::count_replies() {
  auto said = engine_.take_replies_said();
  shared_.count(ipc::Counted::replies_2xx, said[2]);
  shared_.count(ipc::Counted::replies_3xx, said[3]);
  shared_.count(ipc::Counted::replies_4xx, said[4]);
  shared_.count(ipc::Counted::replies_5xx, said[5]);
}

}  // namespace postwain::smtpd
