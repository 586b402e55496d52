#include "common/agent/agent.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "common/agent/report.h"
#include "common/base/check.h"
#include "common/config/config.h"
#include "common/log/log.h"

namespace postwain::agent {

namespace {

using mail::Disposition;

constexpr std::size_t kReadsMax = 1U << 20;  // an attempt has one at most
constexpr Duration kRecentSlice = std::chrono::milliseconds(100);
constexpr Duration kSweepEvery = std::chrono::seconds(10);
constexpr std::string_view kFencedText = "other machines have taken this machine's queue over";

mail::Outcome fenced_outcome() {
  return local_outcome(Disposition::deferred, mail::Stage::local, mail::Blame::local, {4, 3, 0},
                       std::string(kFencedText));
}

ClientTls usable(Result<ClientTls> contexts) {
  if (contexts) return contexts.take();
  log::Line(log::Level::error, "tls_context").kv("error", contexts.error().text);
  return {};
}

// Other descriptors than those of connections are few.
std::size_t connections_possible() {
  constexpr std::size_t kOthers = 100;
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < 2 * kOthers) return kOthers;
  // Each may have a connection and a content.
  return std::min<std::size_t>(kConnectionsMax, (limit.rlim_cur - kOthers) / 2);
}

}  // namespace

Agent::Agent(net::Loop& loop, const config::Config& config, HostFinder& finder, Setup setup)
    : loop_(loop),
      setup_(std::move(setup)),
      services_{loop,
                config,
                *setup_.dialect,
                finder,
                *this,
                usable(ClientTls::make({})),
                0,
                connections_possible(),
                setup_.notes,
                EndGate(loop, setup_.boot_clock)},
      sweep_timer_(loop),
      drain_timer_(loop),
      notes_timer_(loop),
      signing_(loop, setup_.signer, reader_, *this, setup_.seal, setup_.signer_wait),
      reader_(loop, kReadsMax),
      link_(loop, config.qmgr_socket(), setup_.role, setup_.name,
            daemon::QmgrLink::Callbacks{
                .on_up = [this](const ipc::Welcome&) { qmgr_up(); },
                .on_down = [this](const std::string&) { qmgr_down(); },
                .on_frame = [this](ipc::FrameType type,
                                   std::string_view payload) { return frame(type, payload); },
                .on_drained = {},
            }) {
  sweep_timer_.repeat(kSweepEvery, [this] { sweep(); });
  if (setup_.notes != nullptr) notes_timer_.repeat(kTlsNotesEvery, [this] { send_notes(); });
}

Agent::~Agent() {
  for (auto& [key, destination] : destinations_) destination->take_waiting();
  // Connections must not point to attempts any more when both go.
  for (auto& [address, attempt] : attempts_) {
    attempt->dropped = true;
    if (attempt->connection != nullptr) attempt->connection->abandon("the delivery client ends");
  }
  self_.reset();
  loop_.forget_turn_end(this);
  loop_.forget_turn_end(&tokens_);
  loop_.forget_turn_end(&connection_leaves_);
}

bool Agent::frame(ipc::FrameType type, std::string_view payload) {
  if (type == ipc::FrameType::lease) return take_lease(payload);
  if (type == ipc::FrameType::content) return take_content(payload);
  if (type == ipc::FrameType::token) return take_token(payload);
  if (type == ipc::FrameType::connection_grant) return take_grant(payload);
  if (type == ipc::FrameType::connection_wanted) return take_wanted(payload);
  if (type == ipc::FrameType::peer_link) return take_peer_link(payload);
  if (type == ipc::FrameType::nothing_more) return take_nothing_more(payload);
  if (type == ipc::FrameType::word) return take_word(payload);
  return false;
}

bool Agent::take_lease(std::string_view payload) {
  ipc::Lease lease;
  if (!ipc::decode(payload, lease) || lease.recipients.empty() || leases_.count(lease.lease) > 0)
    return false;
  auto owned = std::make_unique<Attempt>(++serial_, std::move(lease), spare_buffer());
  Attempt& attempt = *owned;
  attempts_.emplace(&attempt, std::move(owned));
  leases_.emplace(attempt.lease().lease, &attempt);
  if (services_.gate.is_fenced())
    settle_all(services_, attempt, fenced_outcome());
  else if (draining_)
    give_back(attempt);
  else if (Signing::is_wanted(attempt.lease()))
    signing_.begin(attempt);
  else
    destination_for(attempt.lease()).add(attempt);
  return true;
}

std::string Agent::spare_buffer() {
  if (spare_buffers_.empty()) return {};
  std::string buffer = std::move(spare_buffers_.back());
  spare_buffers_.pop_back();
  return buffer;
}

// The attempt may have ended while its content was on its way; the descriptor is taken all the
// same.
bool Agent::take_content(std::string_view payload) {
  ipc::Content content;
  if (!ipc::decode(payload, content)) return false;
  bool in_file = content.kind == ipc::Content::Kind::file;
  UniqueFd file = in_file ? link_.take_descriptor(content.file) : UniqueFd();
  bool lost = in_file && !file;
  if (lost) log::Line(log::Level::error, "content_unreadable").kv("error", "too many open files");
  auto found = leases_.find(content.lease);
  if (found == leases_.end()) return true;
  Attempt& attempt = *found->second;
  if (content.kind == ipc::Content::Kind::whole) attempt.feed.give(content.content);
  if (lost) attempt.feed.ask_again();
  if (file) attempt.feed.give(content.content, std::move(file));
  if (content.kind == ipc::Content::Kind::missing) attempt.feed.fail();
  tell_of_content(attempt, content.kind != ipc::Content::Kind::missing && !lost);
  return true;
}

Destination& Agent::destination_for(const ipc::Lease& lease) {
  // Leases for one destination come in rows; comparing is cheaper than making a key.
  if (last_destination_ != nullptr && last_destination_->serves(lease)) return *last_destination_;
  auto& destination = destinations_[lease.key()];
  if (!destination) destination = std::make_unique<Destination>(services_, lease, ++serial_);
  last_destination_ = destination.get();
  return *destination;
}

void Agent::request_content(Attempt& attempt) {
  if (link_.up() && !attempt.dropped && !attempt.orphaned)
    link_.send(ipc::ContentRequest{attempt.lease().lease, false});
}

void Agent::content_unreadable(Attempt& attempt) {
  log::Line(log::Level::error, "content_unreadable").kv("id", attempt.lease().id.text());
  if (link_.up() && !attempt.dropped && !attempt.orphaned)
    link_.send(ipc::ContentRequest{attempt.lease().lease, true});
}

void Agent::load_content(Attempt& attempt) {
  bool taken =
      reader_.run([this, lease = attempt.lease().lease, file = attempt.feed.file(),
                   offset = attempt.feed.offset(), in_file = attempt.feed.offset_in_file()] {
        auto block = std::make_shared<Result<std::string>>(ContentFeed::read(*file, in_file));
        return [this, lease, offset, block] { loaded(lease, offset, std::move(*block)); };
      });
  PW_CHECK(taken);
}

void Agent::loaded(std::uint64_t lease, std::uint64_t offset, Result<std::string> block) {
  auto found = leases_.find(lease);
  if (found == leases_.end()) return;
  found->second->feed.loaded(offset, std::move(block));
  if (found->second->connection != nullptr) found->second->connection->content_arrived();
}

std::uint64_t Agent::request_token(const std::string& command, bool refused, TokenDone done) {
  std::uint64_t request = ++serial_;
  tokens_.emplace(request, std::move(done));
  if (link_.up())
    link_.send(ipc::TokenRequest{request, command, refused});
  else
    loop_.at_turn_end(&tokens_, [this] { refuse_tokens("the queue manager is gone"); });
  return request;
}

bool Agent::take_token(std::string_view payload) {
  ipc::Token token;
  if (!ipc::decode(payload, token)) return false;
  auto found = tokens_.find(token.request);
  if (found == tokens_.end()) return true;  // its connection has ended
  TokenDone done = std::move(found->second);
  tokens_.erase(found);
  done(token);
  return true;
}

// Without a descriptor there is none: qmgr makes another link when somebody comes back.
bool Agent::take_peer_link(std::string_view payload) {
  ipc::PeerLink link;
  if (!ipc::decode(payload, link) || link.role != ipc::Role::signer) return false;
  UniqueFd end = link_.take_descriptor(link.file);
  if (end && setup_.on_signer_link) setup_.on_signer_link(std::move(end));
  return true;
}

// Attempts that are signed before they are sent (signing/signing.h).

void Agent::signing_done(Attempt& attempt) {
  destination_for(attempt.lease()).add(attempt);
}

void Agent::signing_failed(Attempt& attempt, const mail::Outcome& outcome) {
  attempt.account_waiting();
  settle_all(services_, attempt, outcome);
}

void Agent::tell_of_content(Attempt& attempt, bool came) {
  if (signing_.has(attempt))
    came ? signing_.content_came(attempt) : signing_.content_lost(attempt);
  else if (attempt.connection != nullptr)
    came ? attempt.connection->content_arrived() : attempt.connection->content_failed();
}

void Agent::refuse_tokens(const std::string& why) {
  for (auto& [request, done] : std::exchange(tokens_, {})) done(ipc::Token{request, {}, why});
}

void Agent::settled(Attempt& attempt, std::size_t row, mail::Outcome outcome) {
  if (!attempt.dropped && !attempt.lease().probe) log_outcome(attempt, row, outcome);
  attempt.settle(row, std::move(outcome));
  note_news(attempt);
}

void Agent::finished(Attempt& attempt) {
  PW_CHECK(attempt.complete());
  attempt.finished = true;
  note_news(attempt);
}

void Agent::note_news(Attempt& attempt) {
  if (attempt.has_news) return;
  attempt.has_news = true;
  with_news_.push_back(&attempt);
  loop_.at_turn_end(this, [this] { end_of_turn(); });
}

// One frame per attempt and turn, however many replies came in it.
void Agent::end_of_turn() {
  std::vector<Attempt*> list = std::exchange(with_news_, {});
  for (Attempt* attempt : list) {
    attempt->has_news = false;
    if (attempt->dropped)
      attempt->news.clear();
    else if (!attempt->orphaned)
      report(*attempt);
    else if (!attempt->news.empty())
      report_late(*attempt);
    if (!attempt->finished || (attempt->orphaned && !attempt->news.empty())) continue;
    if (!attempt->dropped && !attempt->orphaned) leases_.erase(attempt->lease().lease);
    if (spare_buffers_.size() < kSpareBuffersMax) spare_buffers_.push_back(attempt->take_buffer());
    attempts_.erase(attempt);
  }
}

void Agent::report(Attempt& attempt) {
  PW_CHECK(link_.up());
  ipc::Outcomes message;
  message.lease = attempt.lease().lease;
  message.done = attempt.finished;
  message.times = attempt.times;
  message.signing = attempt.signing;
  message.outcomes = std::exchange(attempt.news, {});
  if (message.done) message.mx_set = attempt.mx_set;
  if (message.done) message.sts = std::move(attempt.sts);
  if (message.done) message.lacks = std::move(attempt.lacks);
  if (message.done) message.flight = attempt.flight;
  link_.send(message);
  if (attempt.lease().probe) return;
  std::erase_if(message.outcomes, [](const ipc::RecipientOutcome& r) {
    return r.outcome.disposition == Disposition::deferred;
  });
  if (message.outcomes.empty()) return;
  remember({attempt.lease().id, std::move(message.outcomes), {}});
}

void Agent::remember(const ipc::LateOutcomes& verdicts) {
  forget_old_reports();
  if (recent_.empty() || loop_.now() - recent_.back().since > kRecentSlice)
    recent_.push_back({loop_.now(), {}});
  std::string& frames = recent_.back().late_outcomes;
  std::size_t before = frames.size();
  // Not if it is too large for a frame, which qmgr has just been sent, too.
  if (!ipc::append_frame(frames, verdicts)) return;
  recent_bytes_ += frames.size() - before;
}

void Agent::forget_old_reports() {
  MonoTime now = loop_.now();
  while (!recent_.empty() && (now - recent_.front().since > kRecentFor + kRecentSlice ||
                              recent_bytes_ > kRecentBytesMax)) {
    recent_bytes_ -= recent_.front().late_outcomes.size();
    recent_.pop_front();
  }
}

// While qmgr is away, news stay with the attempt.
void Agent::report_late(Attempt& attempt) {
  if (!link_.up()) return;
  ipc::LateOutcomes message;
  message.id = attempt.lease().id;
  message.outcomes = std::exchange(attempt.news, {});
  for (std::size_t row = 0; row < attempt.lease().recipients.size(); ++row)
    if (!attempt.settled(row))
      message.still_running.push_back(attempt.lease().recipients[row].index);
  link_.send(message);
}

void Agent::qmgr_up() {
  services_.gate.new_term();
  send_leaves();
  for (auto& [address, attempt] : attempts_) {
    if (!attempt->orphaned) continue;
    report_late(*attempt);
    if (attempt->finished) note_news(*attempt);  // and then it can be forgotten
  }
  for (const Recent& recent : recent_) link_.send_frames(recent.late_outcomes);
  recent_.clear();
  recent_bytes_ = 0;
  if (draining_) say_draining();
  if (!std::exchange(was_up_, true) && setup_.on_ready) setup_.on_ready();
}

void Agent::qmgr_down() {
  leases_.clear();
  nothing_more_ = false;
  refuse_tokens("the queue manager is gone");
  forget_old_reports();
  for (Attempt* attempt : signing_.take_all()) {
    attempt->dropped = true;
    give_back(*attempt);
  }
  for (auto& [key, destination] : destinations_) {
    for (Attempt* attempt : destination->take_waiting()) {
      attempt->dropped = true;
      give_back(*attempt);
    }
  }
  for (auto& [address, attempt] : attempts_) {
    if (attempt->dropped || attempt->orphaned) continue;
    bool past_end = attempt->connection != nullptr && attempt->connection->past_end(*attempt);
    bool awaited = (attempt->finished || past_end) && !attempt->lease().probe;
    (awaited ? attempt->orphaned : attempt->dropped) = true;
  }
  for (auto& [address, attempt] : attempts_)
    if (attempt->dropped && attempt->connection != nullptr)
      attempt->connection->stop("the queue manager is gone");
  refuse_leaves();
}

bool Agent::take_word(std::string_view payload) {
  ipc::Word word;
  bool was_fenced = services_.gate.is_fenced();
  if (!ipc::decode(payload, word) || !services_.gate.take(word)) return false;
  if (services_.gate.is_fenced() && !was_fenced) fenced();
  return true;
}

// Others have what this machine was lent, or are about to: nothing of it is completed any more.
// What is past its end of data is awaited and reported.
void Agent::fenced() {
  log::Line(log::Level::warning, "fenced").kv("attempts", attempts_.size());
  std::vector<Attempt*> waiting = signing_.take_all();
  for (auto& [key, destination] : destinations_)
    for (Attempt* attempt : destination->take_waiting()) waiting.push_back(attempt);
  for (Attempt* attempt : waiting) settle_all(services_, *attempt, fenced_outcome());
  for (auto& [address, attempt] : attempts_)
    if (attempt->connection != nullptr && !attempt->connection->past_end(*attempt))
      attempt->connection->stop(kFencedText);
}

void Agent::sweep() {
  if (link_.up()) forget_old_reports();
  last_destination_ = nullptr;
  std::erase_if(destinations_, [](const auto& entry) { return entry.second->quiet(); });
}

void Agent::send_notes() {
  if (setup_.notes == nullptr || !link_.up()) return;
  for (;;) {
    ipc::TlsResults told{setup_.notes->take()};
    if (told.results.empty()) return;
    link_.send(told);
  }
}

}  // namespace postwain::agent
