#include "common/agent/signing/signing.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/log/log.h"

namespace postwain::agent {

namespace {

using mail::Blame;
using mail::Disposition;
using mail::Stage;

constexpr unsigned kSlowest = 6;  // the pause between two tries doubles so often

// Of ours, so that neither a host nor a destination is thought less of.
mail::Outcome put_off(mail::EnhancedCode code, std::string_view why) {
  return local_outcome(Disposition::deferred, Stage::local, Blame::local, code, std::string(why));
}

SigningFacts facts_of(const ipc::Lease& lease, const SealRules& seal) {
  SigningFacts facts;
  // Inlined content has been changed already.
  if (!lease.inlined && !lease.fields.empty()) facts.changes = &lease.fields;
  facts.eight_bit = lease.eight_bit;
  facts.binary = lease.envelope.body == mail::BodyType::binary_mime;
  facts.smtputf8 = lease.envelope.smtputf8;
  if (lease.envelope.sign == mail::Signing::arc) facts.seal = &seal;
  facts.time = signature_time(lease.received_at, wall_now());
  return facts;
}

mail::SigningEnd why_unsigned(const SigningPass& pass) {
  if (!pass.why_not().empty()) return mail::SigningEnd::unfit;
  return pass.is_chain_broken() ? mail::SigningEnd::broken_chain : mail::SigningEnd::no_key;
}

}  // namespace

Signing::Signing(net::Loop& loop, daemon::SignerPort* port, daemon::Worker& reader, Owner& owner,
                 SealRules seal, Duration wait_max)
    : loop_(loop),
      port_(port),
      reader_(reader),
      owner_(owner),
      seal_(std::move(seal)),
      wait_max_(wait_max),
      look_(loop) {}

Signing::~Signing() {
  take_all();
}

std::vector<Attempt*> Signing::take_all() {
  std::vector<Attempt*> out;
  out.reserve(jobs_.size());
  for (auto& [serial, job] : jobs_) {
    if (job.request != 0) port_->cancel(job.request);
    out.push_back(job.attempt);
  }
  jobs_.clear();
  look_.stop();
  return out;
}

// Null: the signer has not told them.
std::shared_ptr<const KeyChoice> Signing::keys() {
  const std::vector<ipc::SignerKey>* list = port_ != nullptr ? port_->keys() : nullptr;
  if (list == nullptr) return nullptr;
  if (!keys_ || keys_->generation() != port_->generation())
    keys_ = std::make_shared<const KeyChoice>(port_->generation(), *list);
  return keys_;
}

void Signing::begin(Attempt& attempt) {
  Job& job = jobs_.try_emplace(attempt.serial()).first->second;
  PW_CHECK(job.attempt == nullptr);
  job.attempt = &attempt;
  start(job);
}

// From the beginning, whatever was tried before.
void Signing::start(Job& job) {
  job.number = ++number_;
  job.request = 0;
  job.pass.reset();
  job.work.reset();
  const ipc::Lease& lease = job.attempt->lease();
  if (!keys()) return wait_for_signer(job, kSignerAway);
  if (lease.inlined || job.attempt->feed.was_given()) return work(job);
  job.state = Job::State::content;
  if (job.attempt->feed.begin_asking()) owner_.ask_content(*job.attempt);
}

void Signing::work(Job& job) {
  const ipc::Lease& lease = job.attempt->lease();
  if (lease.inlined) {
    job.pass = SigningWork::through(lease.content, facts_of(lease, seal_), keys());
    return passed(job);
  }
  job.state = Job::State::work;
  const ContentFeed& feed = job.attempt->feed;
  job.work = std::make_shared<SigningWork>(feed.in_memory(), feed.file(), lease.size,
                                           facts_of(lease, seal_), keys());
  read_on(job);
}

void Signing::read_on(Job& job) {
  bool taken = reader_.run([this, serial = job.attempt->serial(), number = job.number,
                            work = job.work]() -> daemon::Worker::Completion {
    bool done = work->go_on();
    return [this, serial, number, done] { has_read(serial, number, done); };
  });
  PW_CHECK(taken);
}

void Signing::has_read(std::uint64_t serial, std::uint64_t number, bool done) {
  auto found = jobs_.find(serial);
  if (found == jobs_.end() || found->second.number != number) return;
  Job& job = found->second;
  if (!done) return read_on(job);
  if (!job.work->trouble()) return unreadable(job);
  passed(job);
}

void Signing::passed(Job& job) {
  const SigningPass& pass = job.result();
  if (!pass.why_not().empty())
    log::Line(log::Level::warning, "not_signed")
        .kv("id", job.attempt->lease().id.text())
        .kv("reason", pass.why_not());
  if (pass.drafts().empty()) {
    job.attempt->signing.end = why_unsigned(pass);
    return done(job);
  }
  ask_signer(job);
}

void Signing::ask_signer(Job& job) {
  const SigningPass& pass = job.result();
  // Its numbers mean nothing in another list.
  if (!keys() || keys()->generation() != pass.generation())
    return wait_for_signer(job, kSignerAway);
  job.state = Job::State::signatures;
  daemon::SignerPort::Parts parts;
  parts.reserve(pass.drafts().size());
  for (std::size_t i = 0; i < pass.drafts().size(); ++i)
    parts.push_back({pass.keys()[i].number, pass.drafts()[i].hash});
  // A time in which nobody was there to be asked does not count here.
  if (job.refusals == 0) job.until = loop_.now() + patience();
  if (!look_.active()) look_.repeat(kSignerLookEvery, [this] { look(); });
  job.request = port_->sign(pass.generation(), std::move(parts),
                            [this, serial = job.attempt->serial(),
                             number = job.number](Result<std::vector<std::string>> signatures) {
                              signed_by(serial, number, std::move(signatures));
                            });
}

void Signing::signed_by(std::uint64_t serial, std::uint64_t number,
                        Result<std::vector<std::string>> signatures) {
  auto found = jobs_.find(serial);
  if (found == jobs_.end() || found->second.number != number) return;
  Job& job = found->second;
  job.request = 0;
  const SigningPass& pass = job.result();
  bool whole = signatures && signatures->size() == pass.drafts().size();
  if (!whole) {
    job.not_before = loop_.now() + kSignerLookEvery * (1U << std::min(job.refusals++, kSlowest));
    return wait_for_signer(job, signatures ? "too few signatures" : signatures.error().text);
  }
  if (!job.result().take_signatures(*signatures)) return ask_signer(job);
  gave_up_ = false;
  if (std::exchange(is_away_, false)) log::Line(log::Level::info, "signer_back");
  job.attempt->take_signatures(job.result());
  done(job);
}

void Signing::wait_for_signer(Job& job, std::string_view why) {
  job.state = Job::State::keys;
  if (!job.until) job.until = loop_.now() + patience();
  if (!look_.active()) look_.repeat(kSignerLookEvery, [this] { look(); });
  // After a start it is usual that the signer comes a moment later.
  if (port_ != nullptr && port_->generation() == 0 && !keys_) return;
  note_away(why);
}

void Signing::note_away(std::string_view why) {
  if (!std::exchange(is_away_, true))
    log::Line(log::Level::warning, "signer_away").kv("reason", why);
}

// Who has waited too long is put off; who waits for the signer tries again.
void Signing::look() {
  std::vector<std::uint64_t> waiting;
  for (auto& [serial, job] : jobs_)
    if (job.state == Job::State::keys || job.state == Job::State::signatures)
      waiting.push_back(serial);
  if (waiting.empty()) return look_.stop();
  const bool here = keys() != nullptr;
  const MonoTime now = loop_.now();
  for (std::uint64_t serial : waiting) {
    auto found = jobs_.find(serial);
    if (found == jobs_.end()) continue;
    Job& job = found->second;
    if (now >= job.until.value_or(now)) {
      note_away(kSignerAway);
      gave_up_ = true;
      job.attempt->signing.end = mail::SigningEnd::put_off;
      failed(job, put_off({4, 7, 5}, kSignerAway));
    } else if (job.state == Job::State::keys && here && now >= job.not_before) {
      start(job);
    }
  }
}

void Signing::content_came(Attempt& attempt) {
  auto found = jobs_.find(attempt.serial());
  if (found == jobs_.end() || found->second.state != Job::State::content) return;
  if (attempt.feed.is_broken()) return unreadable(found->second);
  if (!keys()) return wait_for_signer(found->second, kSignerAway);
  work(found->second);
}

void Signing::content_lost(Attempt& attempt) {
  auto found = jobs_.find(attempt.serial());
  if (found != jobs_.end()) failed(found->second, put_off({4, 3, 0}, kContentUnreadable));
}

void Signing::unreadable(Job& job) {
  owner_.content_broken(*job.attempt);
  failed(job, put_off({4, 3, 0}, kContentUnreadable));
}

void Signing::done(Job& job) {
  Attempt& attempt = *job.attempt;
  jobs_.erase(attempt.serial());
  owner_.signing_done(attempt);
}

void Signing::failed(Job& job, const mail::Outcome& outcome) {
  Attempt& attempt = *job.attempt;
  if (job.request != 0) port_->cancel(job.request);
  jobs_.erase(attempt.serial());
  owner_.signing_failed(attempt, outcome);
}

}  // namespace postwain::agent
