#include "smtpd/session/session.h"

#include "common/config/config.h"
#include "common/log/log.h"
#include "smtpd/acceptance/access_rules.h"
#include "smtpd/acceptance/client_address.h"

namespace postwain::smtpd {

namespace {

// Reading stops while so much input waits for an answer of ours …
constexpr std::size_t kInputMax = 256U << 10;
// … and obeying stops while so many bytes of replies are not taken by the client.
constexpr std::size_t kOutputMax = 64U << 10;
// The first octet of a TLS handshake; no command begins with it.
constexpr char kTlsHandshake = 0x16;
// Buffers of a session that waits for its next command are not larger than this.
constexpr std::size_t kIdleBuffer = 32U << 10;

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
  return options;
}

Client client_of(const Shared& shared, const config::Listener& listener, const net::Stream& stream,
                 const Proxied* proxied) {
  bool named = proxied != nullptr && !proxied->address.empty();
  Client client =
      shared.policy.classify(named ? proxied->address : plain_address(stream.peer().host));
  bool unknown = !named && listener.unix_path.empty() && stream.peer().host.empty();
  if ((proxied != nullptr && !named) || unknown) client.trusted = false;
  return client;
}

}  // namespace

Session::Session(const Shared& shared, const config::Listener& listener, net::Stream stream,
                 std::function<void(Session&)> on_over)
    : Session(shared, listener, std::move(stream), nullptr, std::move(on_over)) {}

Session::Session(const Shared& shared, const config::Listener& listener, net::Stream stream,
                 const Proxied* proxied, std::function<void(Session&)> on_over)
    : shared_(shared),
      listener_(listener),
      on_over_(std::move(on_over)),
      client_(client_of(shared, listener, stream, proxied)),
      client_key_(proxied != nullptr && proxied->address.empty()
                      ? std::string()
                      : smtpd::client_key(client_.address)),
      rate_key_(client_key_),
      engine_(engine_options(shared, listener, client_.address)),
      timeout_(shared.config.limits.command_timeout, shared.config.limits.data_timeout) {
  if (shared.resolver != nullptr) {
    looks_ = std::make_unique<dns::ClientLookups>(shared.loop, *shared.resolver);
    if (!client_.address.empty() && asks_client(shared.config)) looks_->client(client_.address);
  }
  know_client();
  count(ipc::Counted::sessions);
  log::Line(log::Level::debug, "connect").kv("client", client_.address).kv("on", listener.name());
  channel_ = std::make_unique<daemon::Channel>(
      shared_.loop, std::move(stream),
      daemon::Channel::Callbacks{
          .on_data = [this](std::string_view bytes) { received(bytes); },
          .on_tls = [this] { tls_opened(); },
          .on_closed = [this](const std::string& why) { closed(why); },
          .on_drained = [this] { pump(); },
      });
  if (listener.tls == config::ListenerTls::implicit) {
    timeout_.enter(SessionTimeout::Phase::handshake, shared_.loop.now());
    channel_->start_tls_server(*shared_.tls);
  } else {
    engine_.greet();
    timeout_.enter(SessionTimeout::Phase::command, shared_.loop.now());
    flush();
  }
}

mail::Reply shutting_down() {
  return {421, {4, 3, 2}, "Service shutting down, try again later"};
}

Session::~Session() {
  if (probe_ != 0) shared_.intake.cancel_probe(probe_);
}

void Session::received(std::string_view bytes) {
  if (over_) return;
  bool first = !bytes.empty() && !std::exchange(heard_, true);
  if (first && bytes.front() == kTlsHandshake && !engine_.tls()) {
    log_tls_failed("a TLS handshake on a listener that begins in clear (STARTTLS)");
    engine_.shut_down({500, {5, 5, 2}, "Error: no TLS before STARTTLS here"}, "TLS in clear");
    return pump();
  }
  engine_.receive(bytes);
  if (timeout_.phase() == SessionTimeout::Phase::content)
    timeout_.progress(bytes.size(), shared_.loop.now());
  pump();
}

void Session::tls_opened() {
  if (over_) return;
  count(channel_->tls_version() == "TLSv1.2" ? ipc::Counted::tls12 : ipc::Counted::tls13);
  engine_.tls_started();
  client_.account.clear();
  look_at_certificate();
  know_client();
  if (listener_.tls == config::ListenerTls::implicit) engine_.greet();
  timeout_.enter(SessionTimeout::Phase::command, shared_.loop.now());
  flush();
}

void Session::closed(const std::string& why) {
  if (over_) return;
  if (timeout_.phase() == SessionTimeout::Phase::handshake) {
    count(ipc::Counted::tls_failed);
    // Closed or reset before TLS had anything to object to: most are health checks of the port.
    bool silent = listener_.tls == config::ListenerTls::implicit && why.substr(0, 4) != "TLS:";
    if (!silent) log_tls_failed(why.empty() ? "closed by client" : why);
  }
  // A client may send its end behind its last command and still wants its replies.
  if (why.empty() && content_ended_) {
    half_closed_ = true;
    return;
  }
  finish(why.empty() ? "closed by client" : why);
}

void Session::pump() {
  if (pumping_ || over_) return;
  pumping_ = true;
  while (!over_) {
    if (engine_.output().size() >= kOutputMax) flush();
    if (channel_->pending() >= kOutputMax) break;
    smtp::Event event = engine_.next(content_);
    log_own_refusals();
    if (!handle(event)) break;
  }
  pumping_ = false;
  if (over_) return;
  flush();
  adjust_reading();
}

void Session::flush() {
  std::string& output = engine_.output();
  if (output.empty()) return;
  channel_->send(output);
  output.clear();
  if (timeout_.phase() == SessionTimeout::Phase::command)
    timeout_.enter(SessionTimeout::Phase::command, shared_.loop.now());
}

void Session::adjust_reading() {
  bool window_full = handover_ && !handover_->over() && handover_->window_full(content_.size());
  bool want = !window_full && engine_.buffered() < kInputMax && channel_->pending() < kOutputMax;
  if (want == reading_) return;
  reading_ = want;
  if (want)
    channel_->resume();
  else
    channel_->pause();
  if (window_full) timeout_.enter(SessionTimeout::Phase::waiting, shared_.loop.now());
}

void Session::finish(std::string_view why) {
  flush();
  over_ = true;
  log_own_refusals();
  log_refusals_left_out();
  count_replies();
  log::Line(log::Level::debug, "disconnect").kv("client", client_.address).kv("reason", why);
  drop_transaction();
  login_delay_.reset();
  login_given_up();
  looks_.reset();
  if (probe_ != 0) shared_.intake.cancel_probe(probe_);
  channel_->close_after_flush();
  on_over_(*this);
}

void Session::sweep(MonoTime now) {
  if (over_ || !timeout_.exhausted(now)) return;
  switch (timeout_.phase()) {
    case SessionTimeout::Phase::handshake:
      count(ipc::Counted::tls_failed);
      log_tls_failed("timed out");
      return finish("TLS handshake timed out");
    case SessionTimeout::Phase::waiting:
      if (handover_ && !handover_->over()) return handover_->give_up();
      if (login_) return login_step({LoginStep::Kind::trouble, "no answer in time"});
      if (probe_ != 0) {
        shared_.intake.cancel_probe(probe_);
        return finish("no answer about a recipient in time");
      }
      return finish("timed out");
    case SessionTimeout::Phase::command:
    case SessionTimeout::Phase::content:
      engine_.shut_down({421, {4, 4, 2}, "Error: timeout exceeded"}, "timed out");
      return pump();
  }
}

void Session::drain() {
  if (over_ || draining_) return;
  draining_ = true;
  if (mail_waits_ || probe_ != 0 || (handover_ && !handover_->over())) return;
  engine_.shut_down(shutting_down(), "shutdown");
  pump();
  if (!over_) finish("shutdown");
}

bool Session::handle(smtp::Event& event) {
  switch (event.kind) {
    case smtp::EventKind::need_more:
      if (half_closed_) finish("closed by client");
      return false;
    case smtp::EventKind::waiting:
      return false;
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
      on_content();
      return true;
    case smtp::EventKind::content_end:
      on_content_end();
      return true;
    case smtp::EventKind::content_refused:
      count(ipc::Counted::refused_content);
      log_refused("content", event.reply, {}, "content", nullptr);
      drop_transaction();
      if (draining_) engine_.shut_down(shutting_down(), "shutdown");
      return true;
    case smtp::EventKind::reset:
      drop_transaction();
      if (draining_) engine_.shut_down(shutting_down(), "shutdown");
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
      auth_over(event.reply);
      return true;
    case smtp::EventKind::close:
      finish(event.why);
      return false;
  }
  return false;
}

void Session::on_hello() {
  if (engine_.auth_allowed()) {
    std::string mechanisms;
    if (shared_.logins != nullptr) mechanisms = shared_.logins->mechanisms(engine_.tls());
    if (!certified_.empty()) mechanisms += mechanisms.empty() ? "EXTERNAL" : " EXTERNAL";
    engine_.offer_auth(std::move(mechanisms));
  }
  // Who can still log in may have it then, and says no second hello for it (RFC 4954 4).
  engine_.offer_dsn(shared_.policy.takes_dsn(client_) || engine_.auth_allowed());
  look_at_hello();
  engine_.answer({250, {}, {}});
}

// Believed for all that is decided from now on; the connection itself stays whose it is.
void Session::on_xclient() {
  const smtp::ClientClaim& claim = engine_.claim();
  forwarded_ = {};
  if (claim.address) {
    // One of whom nothing is known has no trust, and this connection's address.
    if (!claim.address->empty()) client_ = shared_.policy.classify(plain_address(*claim.address));
    if (claim.address->empty()) client_.trusted = false;
  }
  client_.account = claim.login.value_or(std::string());
  know_client();
  rate_key_ = smtpd::client_key(client_.address);
  certified_.clear();
  if (looks_) {
    if (claim.name)
      looks_->told(!claim.name->empty() ? dns::LookupState::good
                   : claim.name_trouble ? dns::LookupState::trouble
                                        : dns::LookupState::bad,
                   *claim.name);
    else if (!client_.address.empty() && asks_client(shared_.config))
      looks_->client(client_.address);
  }
  log::Line(log::Level::debug, "xclient")
      .kv("client", client_.address)
      .kv("account", client_.account)
      .kv("trusted", client_.trusted);
  engine_.answer({220, {}, {}});
  look_at_hello();
}

// For what it may leave away and get wrong, not for what it may do: that is the policy's.
void Session::know_client() {
  engine_.know_client(client_.may_relay());
}

// Of the next message, and those after it until it is said anew.
void Session::on_xforward() {
  forwarded_ = engine_.claim();
  engine_.answer({250, {2, 0, 0}, "Ok"});
}

void Session::on_starttls() {
  engine_.answer({220, {2, 0, 0}, "Ready to start TLS"});
  flush();
  timeout_.enter(SessionTimeout::Phase::handshake, shared_.loop.now());
  channel_->start_tls_server(*shared_.tls);
}

void Session::drop_transaction() {
  in_transaction_ = false;
  handover_.reset();
  content_ended_ = false;
  drop_content();
  if (!over_) timeout_.enter(SessionTimeout::Phase::command, shared_.loop.now());
}

void Session::drop_content() {
  header_share_.reset();
  if (content_.capacity() > kIdleBuffer)
    std::string().swap(content_);
  else
    content_.clear();
}

void Session::count(ipc::Counted what, std::uint64_t number) {
  if (shared_.counters != nullptr) shared_.counters->add(what, number);
}

// What the engine said since it was asked last.
void Session::count_replies() {
  auto said = engine_.take_replies_said();
  count(ipc::Counted::replies_2xx, said[2]);
  count(ipc::Counted::replies_3xx, said[3]);
  count(ipc::Counted::replies_4xx, said[4]);
  count(ipc::Counted::replies_5xx, said[5]);
}

}  // namespace postwain::smtpd
