#include "common/authentication/dkim/verify.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "common/authentication/dkim/signing_input.h"
#include "common/mail/address.h"

namespace postwain::authentication::dkim {

namespace {

std::uint64_t unix_seconds(WallTime time) {
  auto seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  return seconds > 0 ? static_cast<std::uint64_t>(seconds) : 0;
}

std::optional<Refusal> refused_by_time(const SignatureField& field, std::uint64_t now) {
  if (field.expiry && now > *field.expiry) return Refusal{Verdict::fail, "it has expired"};
  std::uint64_t latest = now + std::chrono::seconds(kFutureTolerated).count();
  if (field.time && *field.time > latest)
    return Refusal{Verdict::neutral, "it was made in the future"};
  return std::nullopt;
}

// RFC 6376 3.5 and 8.15: a reader shows one From field, and nobody knows which.
std::optional<Refusal> refused_by_from(const HeaderList& header) {
  std::size_t count = header.named("From").size();
  if (count == 0) return Refusal{Verdict::permerror, "the message has no From field"};
  if (count > 1) return Refusal{Verdict::permerror, "the message has several From fields"};
  return std::nullopt;
}

// One of them is the other, or lies below it.
bool is_aligned(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return false;
  if (a.size() < b.size()) std::swap(a, b);
  return a == b || (a.ends_with(b) && a[a.size() - b.size() - 1] == '.');
}

}  // namespace

DkimVerify::DkimVerify(std::string_view section, std::string_view from_domain, WallTime now,
                       VerifyRules rules)
    : rules_(rules) {
  HeaderList header(section);
  std::string author = mail::domain_key(from_domain);
  std::optional<Refusal> refused_all = refused_by_from(header);
  std::vector<Candidate> candidates;
  for (std::uint32_t place : header.named("DKIM-Signature")) {
    if (results_.size() >= kSignaturesRead) {
      ++not_read_;
      continue;
    }
    SignatureReading reading = read_signature_field(header.fields()[place].value);
    if (!reading.refusal) reading.refusal = refused_all;
    if (!reading.refusal) reading.refusal = refused_by_time(reading.field, unix_seconds(now));
    results_.push_back(std::move(reading.facts));
    if (reading.refusal)
      refuse(results_.size() - 1, *reading.refusal);
    else
      candidates.push_back({results_.size() - 1, place, std::move(reading.field)});
  }
  std::stable_partition(candidates.begin(), candidates.end(), [&](const Candidate& one) {
    return is_aligned(results_[one.result].domain_key, author);
  });
  choose(header, std::move(candidates));
  done_ = checked_.empty();
}

void DkimVerify::choose(const HeaderList& header, std::vector<Candidate> candidates) {
  for (const Candidate& one : candidates) {
    if (checked_.size() < kSignaturesVerified)
      prepare(header, one);
    else
      refuse(one.result, {Verdict::neutral, "not looked at: there are too many signatures"});
  }
}

void DkimVerify::prepare(const HeaderList& header, const Candidate& candidate) {
  const SignatureField& field = candidate.field;
  Checked checked;
  checked.result = candidate.result;
  std::string own = without_signature(header.fields()[candidate.place].text);
  checked.hash = signing_hash(header, field.names, field.header, own, candidate.place);
  checked.body = bodies_.want({field.body, field.length});
  checked.key = keys_.want(field.question);
  checked.field = field;
  checked_.push_back(std::move(checked));
}

void DkimVerify::end_body() {
  if (bodies_.ended()) return;
  bodies_.end();
  finish_if_ready();
}

void DkimVerify::answer(std::size_t number, const DnsAnswer& answer) {
  keys_.answer(number, answer);
  finish_if_ready();
}

void DkimVerify::finish_if_ready() {
  if (done_ || !bodies_.ended() || !keys_.all_answered()) return;
  for (const Checked& checked : checked_) judge(checked);
  done_ = true;
}

std::optional<Refusal> DkimVerify::body_refusal(const Checked& checked) const {
  if (checked.field.length && *checked.field.length > bodies_.octets(checked.body))
    return Refusal{Verdict::fail, "the body is shorter than its l= says"};
  if (bodies_.hash(checked.body) != checked.field.body_hash)
    return Refusal{Verdict::fail, "the body was changed"};
  return std::nullopt;
}

void DkimVerify::judge(const Checked& checked) {
  const SignatureField& field = checked.field;
  KeyOutcome outcome =
      try_keys(keys_.found(checked.key), {field.algorithm, field.of_whole_domain, checked.hash,
                                          field.signature, body_refusal(checked)});
  SignatureResult& result = results_[checked.result];
  result.testing = outcome.testing;
  result.key_bits = outcome.bits;
  if (outcome.refusal) return refuse(checked.result, *outcome.refusal);
  bool part = field.length && *field.length < bodies_.octets(checked.body);
  if (part && !rules_.part_of_body)
    return refuse(checked.result, {Verdict::policy, "it signs only a part of the body"});
  result.verdict = Verdict::pass;
}

void DkimVerify::refuse(std::size_t result, const Refusal& refusal) {
  results_[result].verdict = refusal.verdict;
  results_[result].reason = refusal.reason;
}

}  // namespace postwain::authentication::dkim
