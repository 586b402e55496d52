#include "smtpd/server.h"

#include <algorithm>

#include "common/daemon/server_tls.h"
#include "common/log/log.h"
#include "common/smtp/syntax/reply_writer.h"
#include "smtpd/acceptance/client_address.h"
#include "smtpd/login/dovecot_login.h"
#include "smtpd/login/users_login.h"

namespace postwain::smtpd {

namespace {

constexpr Duration kSweepEvery = std::chrono::seconds(1);
constexpr Duration kSendCounts = std::chrono::seconds(5);
constexpr Duration kQmgrWaitMax = std::chrono::seconds(2);
constexpr Duration kDrainMax = std::chrono::seconds(30);
// Sessions of a replaced process may last that long.
constexpr Duration kRetireMax = std::chrono::hours(1);
constexpr std::uint16_t kSmtpPort = 25;

std::unique_ptr<filtering::FilterLink> filter_link(net::Loop& loop, const config::Config& config) {
  std::map<std::string, filtering::FilterFallback> fallbacks;
  for (const config::Listener& listener : config.listeners)
    for (const config::Filter& filter : config.filters)
      if (filter.is_on(listener)) {
        filtering::FilterFallback& one = fallbacks[listener.name()];
        one = std::max(one, filtering::fallback_of(filter));
      }
  // Rules that nobody can look at leave the mail with its sender.
  for (const config::Listener& listener : config.listeners)
    for (const config::ContentRule& rule : config.content_rules)
      if (rule.is_on(listener)) {
        bool watched = rule.mode == config::FilterMode::watch;
        filtering::FilterFallback& one = fallbacks[listener.name()];
        one = std::max(
            one, watched ? filtering::FilterFallback::accept : filtering::FilterFallback::defer);
      }
  // What is thought of strangers costs no mail while nobody can think.
  for (const config::Listener& listener : config.listeners)
    if (config.strangers.hears(listener)) {
      filtering::FilterFallback& one = fallbacks[listener.name()];
      one = std::max(one, filtering::FilterFallback::accept);
    }
  // Mail that nobody has looked at would bring in results that others claim in our name.
  for (const config::Listener& listener : config.listeners)
    if (config.authentication.is_on(listener)) {
      bool watched = config.authentication.mode == config::FilterMode::watch;
      filtering::FilterFallback& one = fallbacks[listener.name()];
      one = std::max(
          one, watched ? filtering::FilterFallback::accept : filtering::FilterFallback::defer);
    }
  if (fallbacks.empty()) return nullptr;
  return std::make_unique<filtering::FilterLink>(loop, std::move(fallbacks));
}

}  // namespace

Server::Server(net::Loop& loop, daemon::Start& start)
    : loop_(loop),
      start_(start),
      config_(start.config()),
      policy_(config_),
      limits_(share_of(config_.limits.connections, config_.workers.smtpd),
              share_of(config_.limits.connections_per_ip, config_.workers.smtpd)),
      filters_(filter_link(loop, config_)),
      queue_link_(
          loop, config_.qmgr_socket(), start.name,
          [this] {
            begin_accepting();
            daemon::announce_ready(start_);
          },
          [this](UniqueFd end) {
            if (filters_ != nullptr) filters_->adopt(std::move(end));
          }),
      guard_(share_of(config_.auth.lockout_failures, config_.workers.smtpd),
             config_.auth.lockout_period),
      rates_(config_.limits, config_.workers.smtpd),
      shared_{loop_,   config_, policy_,    queue_link_, nullptr,    nullptr,    &guard_,
              &rates_, nullptr, &counters_, &headers_,   &accounts_, &refusals_, filters_.get()},
      accept_anyway_(loop),
      sweeper_(loop) {
  sweeper_.repeat(kSweepEvery, [this] { sweep(); });
}

Server::~Server() {
  loop_.forget_turn_end(this);
  loop_.forget_turn_end(&receptions_);
}

Status Server::open() {
  Status status = open_tls();
  if (!status) return status;
  if (status = open_resolver(); !status) return status;
  open_logins();
  bool inherited = !start_.listener_fds.empty();
  if (inherited && start_.listener_fds.size() != config_.listeners.size())
    return Error{"not one descriptor for each listener", 0};
  for (std::size_t i = 0; i < config_.listeners.size(); ++i) {
    const config::Listener& listener = config_.listeners[i];
    int fd = -1;
    if (inherited) {
      fd = start_.listener_fds[i];
    } else {
      auto bound = net::bind_listener({listener.host, listener.port, listener.unix_path});
      if (!bound) return Error{listener.name() + ": " + bound.error().text, bound.error().code};
      fd = *bound;
    }
    status = listen(listener, fd);
    if (!status) return status;
  }
  accept_anyway_.start(kQmgrWaitMax, [this] { begin_accepting(); });
  return {};
}

Status Server::open_tls() {
  auto context = daemon::open_server_tls(config_, start_.loaded.bundle);
  if (!context) return context.error();
  tls_ = context.take();
  shared_.tls = tls_.get();
  return {};
}

Status Server::open_resolver() {
  const config::Access& access = config_.access;
  bool filters_ask = std::any_of(
      config_.listeners.begin(), config_.listeners.end(),
      [this](const config::Listener& listener) { return filters_ask_client(config_, listener); });
  if (!filters_ask && !asks_client(config_) && access.hello != config::HelloCheck::resolves &&
      access.sender_domain == config::SenderCheck::any)
    return {};
  auto resolver = dns::Resolver::create(loop_, config_.dns.servers);
  if (!resolver) return resolver.error();
  resolver_ = resolver.take();
  shared_.resolver = resolver_.get();
  return {};
}

void Server::open_logins() {
  const config::Auth& auth = config_.auth;
  if (!auth.users_file.empty())
    logins_ = std::make_unique<UsersLogin>(loop_, auth.users,
                                           start_.loaded.bundle.files[daemon::kLoginSecretFile]);
  else if (!auth.dovecot_socket.empty())
    logins_ = std::make_unique<DovecotLogin>(loop_, auth.dovecot_socket);
  shared_.logins = logins_.get();
}

Status Server::listen(const config::Listener& listener, int fd) {
  // `check` says all of this with line and column; here it is the last line of defence.
  if (listener.protocol == config::ListenerProtocol::lmtp && listener.port == kSmtpPort)
    return Error{listener.name() + ": LMTP must not be spoken on port 25 (RFC 2033 5)", 0};
  bool needs_tls = listener.tls == config::ListenerTls::implicit ||
                   listener.tls == config::ListenerTls::required;
  if (needs_tls && tls_ == nullptr)
    return Error{listener.name() + ": TLS is required and there is no certificate", 0};
  bound_.push_back({&listener, fd});
  return {};
}

// Once the link to qmgr stands, or has had its time: until then connections wait in the kernel, or
// go to the process that this one replaces, instead of being told to come again later.
void Server::begin_accepting() {
  accept_anyway_.stop();
  for (const Bound& one : std::exchange(bound_, {})) {
    listeners_.push_back(std::make_unique<net::Listener>(
        loop_, one.fd, [this, listener = one.listener](net::Stream stream) {
          admit(*listener, std::move(stream));
        }));
    listeners_.back()->watch_trouble(
        [this](const Status& status) { accept_trouble_.note(status); });
  }
}

// A client that is gone before its address was asked for is nobody, and nobody is served: no
// address must not be taken for that of a Unix socket, which is trusted as this machine is.
void Server::admit(const config::Listener& listener, net::Stream stream) {
  if (listener.unix_path.empty() && stream.peer().host.empty()) return;
  if (listener.proxy_protocol) return receive_header(listener, std::move(stream));
  begin_session(listener, std::move(stream), nullptr);
}

// Only a listed proxy may say who the client is; and a listener that expects a header serves nobody
// without one, or every stranger who reaches it directly could pretend to be anybody.
void Server::receive_header(const config::Listener& listener, net::Stream stream) {
  std::string proxy = plain_address(stream.peer().host);
  if (!believes_proxy(listener, proxy)) {
    log::Line(log::Level::info, "refused")
        .kv("client", proxy)
        .kv("on", listener.name())
        .kv("reason", "not in proxy_from");
    return;
  }
  // It counts among all connections until the client is known.
  if (limits_.admit({}) != ConnectionLimits::Verdict::admitted)
    return turn_away(listener, std::move(stream),
                     {421, {4, 3, 2}, "Too many connections, try again later"});
  auto reception = std::make_unique<ProxyReception>(loop_, listener, std::move(stream), [this] {
    loop_.at_turn_end(&receptions_, [this] { take_proxied(); });
  });
  ProxyReception* raw = reception.get();
  receptions_.emplace(raw, std::move(reception));
}

void Server::take_proxied() {
  std::vector<std::unique_ptr<ProxyReception>> over;
  for (auto& [raw, reception] : receptions_)
    if (raw->state() != ProxyReception::State::reading) over.push_back(std::move(reception));
  for (const auto& reception : over) receptions_.erase(reception.get());
  for (const auto& reception : over) {
    limits_.release({});
    if (reception->state() != ProxyReception::State::whole) continue;
    Proxied proxied = reception->take_proxied();
    begin_session(reception->listener(), reception->take_stream(), &proxied);
  }
  stop_when_idle();
}

void Server::begin_session(const config::Listener& listener, net::Stream stream,
                           const Proxied* proxied) {
  bool named = proxied != nullptr && !proxied->address.empty();
  std::string client = named ? proxied->address : plain_address(stream.peer().host);
  // Clients a proxy does not name would share one key and shut each other out.
  std::string key = proxied == nullptr || named ? client_key(client) : std::string();
  switch (limits_.admit(key, client_site(key))) {
    case ConnectionLimits::Verdict::admitted:
      break;
    case ConnectionLimits::Verdict::too_many:
      return turn_away(listener, std::move(stream),
                       {421, {4, 3, 2}, "Too many connections, try again later"});
    case ConnectionLimits::Verdict::too_many_from_client:
      return turn_away(listener, std::move(stream),
                       {421, {4, 7, 0}, "Too many connections from your address"});
  }
  bool exempt = (proxied == nullptr || named) && policy_.classify(client).trusted;
  if (auto refusal = exempt ? std::nullopt : rates_.connection(key, loop_.now())) {
    limits_.release(key, client_site(key));
    return turn_away(listener, std::move(stream), *refusal);
  }
  auto session = std::make_unique<Session>(shared_, listener, std::move(stream), proxied,
                                           [this](Session& over) { session_over(over); });
  Session* raw = session.get();
  sessions_.emplace(raw, std::move(session));
  raw->start();
  if (proxied != nullptr && !proxied->rest.empty()) raw->feed(proxied->rest);
}

void Server::note_turned_away(const config::Listener& listener, const std::string& client,
                              const mail::Reply& reply) {
  ipc::Refusal note;
  note.at = to_unix_ms(wall_now());
  note.client = client;
  note.listener = listener.name();
  note.stage = "connect";
  note.reply = reply;
  note.reason = "too many connections";
  refusals_.add(std::move(note), loop_.now());
}

void Server::turn_away(const config::Listener& listener, net::Stream stream,
                       const mail::Reply& reply) {
  counters_.add(ipc::Counted::turned_away);
  note_turned_away(listener, plain_address(stream.peer().host), reply);
  log::Line(log::Level::info, "refused")
      .kv("client", stream.peer().host)
      .kv("on", listener.name())
      .kv("stage", "connect")
      .kv("reply", reply.one_line());
  // A client that waits for a TLS handshake could not read a reply in clear.
  if (listener.tls == config::ListenerTls::implicit) return;
  std::string bytes;
  smtp::append_reply(bytes, reply);
  stream.write(bytes);
  stream.close_after_flush(kSweepEvery);
}

// Called from inside the session, so it is only put aside here.
void Server::session_over(Session& session) {
  auto found = sessions_.find(&session);
  PW_CHECK(found != sessions_.end());
  limits_.release(session.client_key(), client_site(session.client_key()));
  ended_.push_back(std::move(found->second));
  sessions_.erase(found);
  loop_.at_turn_end(this, [this] { destroy_later(); });
}

void Server::destroy_later() {
  ended_.clear();
  stop_when_idle();
}

void Server::sweep() {
  MonoTime now = loop_.now();
  std::vector<Session*> all;
  all.reserve(sessions_.size());
  for (auto& [raw, session] : sessions_) all.push_back(raw);
  if (retiring_ && !draining_ && now >= drain_until_) return drain();
  if (now - counts_sent_ >= kSendCounts) send_counts();
  bool give_up = draining_ && now >= drain_until_;
  // A session may end here, but none is destroyed before the end of the turn.
  for (Session* session : all) session->sweep(now);
  for (auto& [raw, reception] : receptions_) raw->sweep(now);
  if (give_up) {
    log::Line(log::Level::warning, "drain_cut_short").kv("sessions", sessions_.size());
    loop_.stop();
  }
}

void Server::send_counts() {
  counts_sent_ = loop_.now();
  if (!queue_link_.up()) return;
  ipc::ReceiverNumbers numbers = counters_.take();
  queue_link_.send(ipc::ReceiverCounts{static_cast<std::uint32_t>(sessions_.size()),
                                       {numbers.begin(), numbers.end()}});
  if (auto refusals = refusals_.take(); !refusals.empty())
    queue_link_.send(ipc::Refusals{std::move(refusals)});
}

void Server::drain() {
  if (draining_) return;
  draining_ = true;
  drain_until_ = loop_.now() + kDrainMax;
  bound_.clear();
  listeners_.clear();
  for (std::size_t i = receptions_.size(); i > 0; --i) limits_.release({});
  receptions_.clear();
  std::vector<Session*> all;
  all.reserve(sessions_.size());
  for (auto& [raw, session] : sessions_) all.push_back(raw);
  for (Session* session : all) session->drain();
  stop_when_idle();
}

void Server::retire() {
  if (draining_ || retiring_) return;
  retiring_ = true;
  drain_until_ = loop_.now() + kRetireMax;
  bound_.clear();
  listeners_.clear();
  stop_when_idle();
}

void Server::stop_when_idle() {
  if ((!draining_ && !retiring_) || !sessions_.empty() || !receptions_.empty()) return;
  send_counts();
  loop_.stop();
}

}  // namespace postwain::smtpd
