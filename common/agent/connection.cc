#include "common/agent/connection.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "common/smtp/client/outcome_rules.h"

namespace postwain::agent {

namespace {

constexpr std::string_view kUnreadable = "the content of the message cannot be read";
constexpr Duration kAtOnce = std::chrono::milliseconds(500);
constexpr std::size_t kOutputKept = 128U << 10;  // capacity a connection keeps between flights

bool is_no_route(int code) {
  int error = std::abs(code);
  return error == ENETUNREACH || error == EHOSTUNREACH || error == EAFNOSUPPORT ||
         error == EADDRNOTAVAIL;
}

smtp::TlsUse tls_use(mail::TlsLevel level) {
  switch (level) {
    case mail::TlsLevel::off:
      return smtp::TlsUse::never;
    case mail::TlsLevel::may:
    case mail::TlsLevel::policy:
      return smtp::TlsUse::when_offered;
    case mail::TlsLevel::encrypt:
    case mail::TlsLevel::proven:
    case mail::TlsLevel::verify:
    case mail::TlsLevel::dane:
      return smtp::TlsUse::required;
  }
  return smtp::TlsUse::required;
}

smtp::ClientOptions engine_options(const Services& services, const ConnectionPlan& plan) {
  smtp::ClientOptions options;
  options.dialect = &services.dialect;
  options.hello_name = services.config.hostname;
  options.tls = tls_use(plan.tls);
  options.login = plan.logs_in();
  options.login_without_tls = plan.transport->credential.without_tls;
  options.require_tls = plan.transport->require_tls;
  options.flight_max = plan.flight_max;
  options.avoid = plan.avoid;
  options.xforward = plan.transport->xforward && !plan.candidate.is_fallback;
  mail::AbilitySet proven = services.memory.proven(host_key(plan.candidate), services.loop.now());
  options.prove_chunking = !proven.has(mail::Ability::chunking);
  options.implicit_tls = plan.candidate.implicit_tls;
  options.clear_after_tls = plan.in_clear_again;
  return options;
}

}  // namespace

Connection::Connection(Services& services, Owner& owner, ConnectionPlan plan)
    : services_(services),
      owner_(owner),
      plan_(std::move(plan)),
      engine_(engine_options(services, plan_)),
      timer_(services.loop),
      opening_(plan_.spent) {
  ++services_.connections;
  if (plan_.bounds.empty())
    connect();
  else
    ask_leave();
}

Connection::~Connection() {
  PW_CHECK(running_.empty());
  note_idle(false);
  forget_gate();
  if (token_request_ != 0) services_.sink.forget_token(token_request_);
  --services_.connections;
}

void Connection::ask_leave() {
  waits_for_leave_ = true;
  set_deadline(kLeaveWaitMax);
  leave_ = services_.sink.ask_leave(plan_.owner, plan_.bounds, [this](bool given) {
    if (!given || !owner_.wants(*this)) return owner_.ended(*this);
    waits_for_leave_ = false;
    charged_at_ = Attempt::Clock::now();  // until now it was no time of the peer's
    connect();
  });
}

void Connection::connect() {
  opened_at_ = services_.loop.now();
  set_deadline(timeout(smtp::Wait::connect));
  connecting_ = net::Stream::connect(services_.loop, plan_.candidate.endpoint, plan_.source,
                                     [this](Status status) { connected(std::move(status)); });
}

mail::Outcome Connection::not_connected(const Error& error) const {
  std::string from = plan_.source.empty() ? std::string() : " from " + plan_.source;
  std::string what = fmt::format("connect to {} ({}){}: {}", plan_.candidate.host,
                                 plan_.candidate.endpoint.text(), from, error.text);
  // A source of the route that is no address of this machine.
  bool our_source = std::abs(error.code) == EADDRNOTAVAIL && !plan_.source.empty();
  mail::EnhancedCode status =
      our_source ? mail::EnhancedCode{4, 3, 5} : mail::EnhancedCode{4, 4, 1};
  return smtp::outcome_without_reply(services_.dialect, mail::Stage::connect, status,
                                     std::move(what));
}

mail::Outcome Connection::no_leave() const {
  return local_outcome(mail::Disposition::deferred, mail::Stage::local, mail::Blame::local,
                       {4, 3, 2},
                       fmt::format("no connection to {} was free within {} (the route bounds them)",
                                   plan_.candidate.host, format_duration(kLeaveWaitMax)));
}

void Connection::connected(Status status) {
  charge();
  if (!status) {
    no_route_ = is_no_route(status.error().code) && services_.loop.now() - opened_at_ < kAtOnce;
    return owner_.over(*this, complete(not_connected(status.error())));
  }
  channel_ = std::make_unique<daemon::Channel>(
      services_.loop, std::move(connecting_),
      daemon::Channel::Callbacks{
          .on_data = [this](std::string_view bytes) { received(bytes); },
          .on_tls = [this] { tls_opened(); },
          .on_closed = [this](const std::string& why) { closed(why); },
          .on_drained =
              [this] {
                // Not for what TLS says by itself: the peer decides how often that is.
                if (channel_->drained_own()) set_deadline(timeout(engine_.wait()));
                pump();
              },
          .may_leave = [this] { return services_.gate.is_open(); },
          .on_left = [this] { end_left(); },
          .on_held = [this] { end_held(); },
      });
  mark_stages();
  update_deadline();
  if (plan_.candidate.implicit_tls) pump();
}

// The first thing heard behind the hello is a round trip later.
void Connection::received(std::string_view bytes) {
  if (asked_at_ != MonoTime{} && pace_.round_trip() == Duration{})
    pace_.round_trip(std::chrono::duration_cast<Duration>(services_.loop.now() - asked_at_));
  engine_.receive(bytes);
  pump();
  if (asked_at_ == MonoTime{} && engine_.usable()) asked_at_ = services_.loop.now();
}

// The peer worked on this message since the one before was answered, or since it came.
void Connection::note_end(const Attempt& attempt) {
  MonoTime now = services_.loop.now();
  Duration took =
      std::chrono::duration_cast<Duration>(now - attempt.started_at) - pace_.round_trip();
  took = std::min(took, std::chrono::duration_cast<Duration>(now - answered_at_));
  pace_.served(std::max(took, Duration{}));
  answered_at_ = now;
  engine_.set_flight_max(pace_.flight(plan_.flight_max));
}

void Connection::closed(const std::string& why) {
  if (handshaking_) {
    std::string reason = why.empty() ? "connection closed in the handshake" : why;
    note_tls(channel_->tls_verdict(), reason);
    engine_.tls_failed(reason);
  } else {
    engine_.lost(why);
  }
  pump();
}

// Everything that can happen now: events out, attempts in, bytes out. May destroy *this in
// owner_.over(); nothing is touched after that.
void Connection::pump() {
  if (pumping_ || channel_ == nullptr) return;  // an owner's call came back to us
  pumping_ = true;
  charge();
  smtp::ClientEvent event;
  for (bool more = true; more;) {
    more = false;
    while (engine_.next(event)) {
      more = true;
      if (!handle(event)) return;
    }
    while (has_room() && engine_.wants_transaction()) {
      Attempt* attempt = owner_.next_attempt(*this);
      if (attempt == nullptr) break;
      more = true;
      start(*attempt);
    }
    if (feed_content()) more = true;
  }
  flush();
  mark_stages();
  update_deadline();
  pumping_ = false;
  note_idle(idle());
  if (idle() && (is_given_up() || !has_room())) quit();
}

// The time since the last look goes to the stages that everybody was in then.
void Connection::charge() {
  auto now = Attempt::Clock::now();
  auto took = std::chrono::duration_cast<std::chrono::microseconds>(now - charged_at_);
  charged_at_ = now;
  if (!ready_) opening_.add(stage_, took);
  for (Attempt* attempt : running_) attempt->times.add(attempt->stage, took);
}

void Connection::mark_stages() {
  stage_ = engine_.stage();
  for (Attempt* attempt : running_) attempt->stage = engine_.stage(attempt->serial());
}

bool Connection::handle(smtp::ClientEvent& event) {
  using Kind = smtp::ClientEvent::Kind;
  switch (event.kind) {
    case Kind::ready:
      ready_ = true;
      if (!channel_->tls_open() && plan_.tls != mail::TlsLevel::off)
        note_tls(mail::TlsEnd::starttls_not_supported, {});
      engine_.set_flight_max(1);
      confirm_lacks(kOfTls);
      owner_.ready(*this);
      return true;
    case Kind::start_tls:
      start_tls();
      return true;
    case Kind::log_in:
      log_in();
      return true;
    case Kind::challenge:
      answer_challenge(event.text);
      return true;
    case Kind::logged_in:
      logged_in();
      return true;
    case Kind::want_content:
      feeding_ = &running(event.key);
      feeding_->feed.start_again();
      return true;
    case Kind::recipient: {
      Attempt& attempt = running(event.key);
      left_doubt_ = left_doubt_ || event.outcome.in_doubt;
      take_outcome(attempt, attempt.row(event.recipient), complete(std::move(event.outcome)));
      return true;
    }
    case Kind::finished: {
      Attempt& attempt = running(event.key);
      note_end(attempt);
      note_served(attempt);
      attempt.flight = useful_attempts();
      forget(attempt);
      ++served_;
      if (attempt.holds_any())
        owner_.go_on(*this, attempt);
      else
        services_.sink.finished(attempt);
      return true;
    }
    case Kind::returned: {
      Attempt& attempt = running(event.key);
      forget(attempt);
      owner_.returned(*this, attempt, complete(std::move(event.outcome)));
      return true;
    }
    case Kind::lacks:
      note_lack(event.ability);
      return true;
    case Kind::suspected:
      services_.memory.suspect(host_key(plan_.candidate), event.ability, services_.loop.now());
      return true;
    case Kind::unusable:
      note_idle(false);  // nobody may ask it for anything now
      forget_gate();
      note_trouble(event.outcome);
      note_tls_unfinished(event.outcome);
      channel_->drop_held();
      flush();
      channel_->close_after_flush(leave_);
      owner_.over(*this, complete(std::move(event.outcome)));
      return false;
  }
  return true;
}

// What is put off here may be taken by another host (RFC 5321 5.1), unless this one may have it.
void Connection::take_outcome(Attempt& attempt, std::size_t row, mail::Outcome outcome) {
  if (may_go_on(outcome) && owner_.has_next_host(*this, attempt))
    attempt.hold(row, std::move(outcome));
  else
    services_.sink.settled(attempt, row, attempt.weighed(row, std::move(outcome)));
}

bool Connection::has_room() const {
  std::size_t at_once = plan_.transport->bounds.in_flight;
  if (at_once > 0 && running_.size() >= at_once) return false;
  // Who is connected has at least one, or connections would come and go for nothing.
  if (gives_up_at_ && !fresh() && services_.loop.now() >= *gives_up_at_) return false;
  std::size_t most = kMessagesPerConnectionMax;
  if (engine_.peer().mail_max > 0) most = std::min<std::size_t>(most, engine_.peer().mail_max);
  return served_ + running_.size() < most && services_.loop.now() - opened_at_ < kConnectionAgeMax;
}

// How many it can have on its way, and one to follow; of those that wait for each other's replies,
// one.
std::uint32_t Connection::useful_attempts() const {
  std::size_t most = plan_.transport->bounds.in_flight;
  if (!engine_.peer().pipelining || most == 1) return 1;
  std::size_t carries = smtp::ClientEngine::kTransactionsMax;
  if (carries_flights()) carries = std::max(carries, pace_.flight(plan_.flight_max));
  if (most > 0) carries = std::min(carries, most);
  return static_cast<std::uint32_t>(carries + 1);
}

void Connection::start(Attempt& attempt) {
  attempt.connection = this;
  attempt.started_at = services_.loop.now();
  attempt.times.add(std::exchange(opening_, {}));
  attempt.account_waiting();
  running_.push_back(&attempt);
  engine_.add(attempt.transaction());
}

void Connection::note_idle(bool idle) {
  if (idle == is_idle_) return;
  is_idle_ = idle;
  if (idle)
    idle_place_ = services_.idle.insert(services_.idle.end(), this);
  else
    services_.idle.erase(idle_place_);
}

Attempt& Connection::running(std::uint64_t key) {
  auto found = std::find_if(running_.begin(), running_.end(),
                            [key](const Attempt* a) { return a->serial() == key; });
  PW_CHECK(found != running_.end());
  return **found;
}

void Connection::forget(Attempt& attempt) {
  if (feeding_ == &attempt) feeding_ = nullptr;
  attempt.connection = nullptr;
  std::erase(running_, &attempt);
}

// True when that ended the attempt: there is something to hear from the engine.
bool Connection::feed_content() {
  while (feeding_ != nullptr && channel_->pending() <= kSendAheadMax) {
    ContentFeed& feed = feeding_->feed;
    switch (feed.next()) {
      case ContentFeed::Next::take:
        break;
      case ContentFeed::Next::ask:
        services_.sink.request_content(*feeding_);
        return false;
      case ContentFeed::Next::load:
        services_.sink.load_content(*feeding_);
        return false;
      case ContentFeed::Next::wait:
      case ContentFeed::Next::nothing:
        return false;
      case ContentFeed::Next::broken:
        services_.sink.content_unreadable(*feeding_);
        engine_.abandon(kUnreadable);
        return true;
    }
    ContentFeed::Block block = feed.take();
    engine_.give_content(feeding_->serial(), block.bytes, block.last);
    if (block.last) feeding_ = nullptr;
    // The last block leaves with what pump() sends next, perhaps the following envelope.
    if (feeding_ != nullptr) flush();
  }
  return false;
}

void Connection::flush() {
  send_output();
  if (output_.capacity() > kOutputKept)
    std::string().swap(output_);
  else
    output_.clear();
}

mail::Outcome Connection::complete(mail::Outcome outcome) const {
  outcome.remote_host = plan_.candidate.host;
  outcome.remote_address = plan_.candidate.endpoint.text();
  if (channel_ != nullptr && channel_->tls_open()) outcome.tls = tls_text_;
  if (outcome.reply.code == 0) outcome.reply.text += hint_for(outcome);
  return outcome;
}

void Connection::content_failed() {
  abandon(kUnreadable);
}

void Connection::abandon(std::string_view why) {
  engine_.abandon(why);
  pump();
}

void Connection::stop(std::string_view why) {
  engine_.stop(why);
  if (channel_ != nullptr) channel_->drop_held();
  pump();
}

void Connection::quit() {
  note_idle(false);
  if (channel_ != nullptr && engine_.idle()) {
    engine_.quit();
    flush();
    channel_->close_after_flush(leave_);
  }
  owner_.ended(*this);
}

void Connection::give_up() {
  if (idle()) return quit();
  if (!gives_up_at_) gives_up_at_ = services_.loop.now() + kTurnMax;
}

Duration Connection::timeout(smtp::Wait wait) const {
  const config::DeliveryTimeouts& t = services_.config.delivery.timeouts;
  switch (wait) {
    case smtp::Wait::none:
      return kIdleMax;
    case smtp::Wait::connect:
      return t.connect;
    case smtp::Wait::greeting:
      return t.greeting;
    case smtp::Wait::command:
      return t.command;
    case smtp::Wait::data:
      return t.data;
    case smtp::Wait::block:
      // A reply is awaited to a part of the content, by BDAT (F4): no longer than to all of it.
      return channel_ != nullptr && channel_->pending() > 0 ? t.block : std::min(t.block, t.final);
    case smtp::Wait::final:
      // Until the kernel has taken everything, the peer has not seen the end.
      return channel_ != nullptr && channel_->pending() > 0 ? t.block : t.final;
  }
  return t.command;
}

// Only a whole reply or a flight of ours moves the deadline, so a peer that drips bytes gains
// nothing.
void Connection::update_deadline() {
  if (engine_.progress() == seen_progress_) return;
  seen_progress_ = engine_.progress();
  set_deadline(timeout(engine_.wait()));
}

void Connection::set_deadline(Duration after) {
  MonoTime now = services_.loop.now();
  deadline_ = now + after;
  if (timer_.active() && fires_at_ <= deadline_) return;
  fires_at_ = deadline_;
  timer_.start(after, [this] { timer_fired(); });
}

void Connection::timer_fired() {
  MonoTime now = services_.loop.now();
  if (now < deadline_) {
    fires_at_ = deadline_;
    timer_.start(deadline_ - now, [this] { timer_fired(); });
    return;
  }
  if (waits_for_leave_) {
    leave_.reset();  // it may come too late now
    return owner_.over(*this, no_leave());
  }
  if (channel_ == nullptr) {
    charge();
    connecting_.reset();
    return owner_.over(*this, complete(not_connected(Error{"timed out", ETIMEDOUT})));
  }
  if (idle()) return quit();
  if (waits_at_gate()) return set_deadline(timeout(engine_.wait()));  // not for the peer
  engine_.timed_out();
  pump();
}

}  // namespace postwain::agent
