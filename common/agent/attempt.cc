#include "common/agent/attempt.h"

#include <utility>

#include "common/agent/signing/signing_pass.h"
#include "common/base/check.h"

namespace postwain::agent {

namespace {

// What a report has no room for is left out: of so many keys the first ones tell enough.
mail::SigningRecord record_of(const SigningPass& pass) {
  mail::SigningRecord out;
  out.end = pass.is_seal() ? mail::SigningEnd::sealed : mail::SigningEnd::made;
  out.instance = static_cast<std::uint32_t>(pass.instance());
  for (const KeyChoice::Chosen& key : pass.keys())
    out.signatures.push_back({key.facts.domain, key.facts.selector,
                              std::string(authentication::dkim::name_of(key.facts.algorithm))});
  while (!out.is_sound() && !out.signatures.empty()) out.signatures.pop_back();
  return out.is_sound() ? out : mail::SigningRecord{};
}

}  // namespace

Attempt::Attempt(std::uint64_t serial, ipc::Lease lease, std::string buffer)
    : feed(lease.size, lease.fields.empty() ? nullptr : &lease_.fields),
      serial_(serial),
      lease_(std::move(lease)),
      content_(std::move(buffer)),
      ledger_(lease_.recipients.size()) {
  if (lease_.inlined && !lease_.fields.empty()) {
    mail::FieldPatch patch(lease_.fields);
    content_.clear();
    patch.take(lease_.content, content_);
    patch.finish(content_);
  } else {
    content_.assign(lease_.content);
  }
  lease_.content = content_;
}

// What was converted is 7-bit for everybody from now on, also for who asks what MAIL is to say.
void Attempt::take_signatures(SigningPass& pass) {
  const std::string& fields = pass.fields();
  signing = record_of(pass);
  FormRules form = pass.form();
  if (!pass.is_seal()) {
    lease_.eight_bit = pass.eight_bit();
    lease_.envelope.body = mail::BodyType::seven_bit;
  }
  if (!lease_.inlined) {
    form.changes = lease_.fields.empty() ? nullptr : &lease_.fields;
    signed_size_ = fields.size() + pass.size();
    feed.leave_as(form, fields);
    return;
  }
  if (form.seven_bit || form.end_line) content_ = pass.take_output();
  content_.insert(0, fields);
  lease_.content = content_;
  lease_.size = content_.size();
}

smtp::Transaction Attempt::transaction() {
  smtp::Transaction out;
  out.key = serial_;
  out.envelope = &lease_.envelope;
  // What is taken out on its way out of a file is not known yet; SIZE is an estimate (RFC
  // 1870 6.3).
  out.size = lease_.inlined && !lease_.fields.empty() ? content_.size()
                                                      : lease_.size + lease_.fields.added.size();
  if (signed_size_ > 0) out.size = signed_size_;
  out.eight_bit = lease_.eight_bit;
  out.inlined = lease_.inlined;
  out.content = content_;
  out.probe = lease_.probe;
  if (lease_.arrival)
    out.origin = smtp::MessageOrigin{lease_.arrival->client_address, lease_.arrival->client_name,
                                     lease_.arrival->protocol, lease_.id.text()};
  rows_.clear();
  out.recipients.reserve(lease_.recipients.size());
  rows_.reserve(lease_.recipients.size());
  for (std::size_t i = 0; i < lease_.recipients.size(); ++i) {
    if (ledger_.settled(i)) continue;
    out.recipients.push_back(&lease_.recipients[i].recipient);
    rows_.push_back(i);
  }
  return out;
}

void Attempt::account_waiting() {
  auto since = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - came_at);
  times.add(mail::Stage::local, since - times.total());
}

void Attempt::hold(std::size_t row, mail::Outcome outcome) {
  auto [held, fresh] = held_.try_emplace(row, outcome);
  if (!fresh && (outcome.reply.code != 0 || held->second.reply.code == 0))
    held->second = std::move(outcome);
}

mail::Outcome Attempt::weighed(std::size_t row, mail::Outcome outcome) const {
  auto held = held_.find(row);
  if (held == held_.end() || outcome.disposition == mail::Disposition::delivered ||
      outcome.in_doubt)
    return outcome;
  // What a host said of itself, before any transaction, says less than what was said of the mail.
  bool said = outcome.disposition == mail::Disposition::deferred && outcome.reply.code != 0 &&
              outcome.stage >= mail::Stage::mail;
  return said ? outcome : held->second;
}

void Attempt::settle(std::size_t row, mail::Outcome outcome) {
  held_.erase(row);
  PW_CHECK(ledger_.settle(row));
  news.push_back({lease_.recipients[row].index, std::move(outcome)});
}

}  // namespace postwain::agent
