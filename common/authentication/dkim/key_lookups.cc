#include "common/authentication/dkim/key_lookups.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace postwain::authentication::dkim {

namespace {

std::optional<Refusal> no_records(dns::AnswerStatus status) {
  if (status == dns::AnswerStatus::temporary)
    return Refusal{Verdict::temperror, "its key could not be looked up"};
  return Refusal{Verdict::permerror, "there is no key for it"};
}

KeyOutcome refused(KeyOutcome outcome, Verdict verdict, std::string_view reason) {
  outcome.refusal = Refusal{verdict, reason};
  return outcome;
}

KeyOutcome try_key(std::string_view text, const KeyUse& use) {
  KeyOutcome out;
  auto record = read_key_record(text);
  if (!record) return refused(out, record.error().verdict, record.error().reason);
  out.testing = record->testing;
  if (record->algorithm != use.algorithm)
    return refused(out, Verdict::permerror, "its key is of another kind");
  if (record->whole_domain && !use.of_whole_domain)
    return refused(out, Verdict::permerror, "its key is not for domains below its domain");
  auto key = key_of(*record, out.bits);
  if (!key) return refused(out, key.error().verdict, key.error().reason);
  if (use.body) return refused(out, use.body->verdict, use.body->reason);
  if (!key->verifies(use.hash, use.signature))
    return refused(out, Verdict::fail, "the signature does not fit the header");
  return out;
}

bool failed(const KeyOutcome& outcome) {
  return outcome.refusal && outcome.refusal->verdict == Verdict::fail;
}

}  // namespace

std::size_t KeyLookups::want(const std::string& name) {
  for (std::size_t i = 0; i < keys_.size(); ++i)
    if (keys_[i].name == name) return i;
  keys_.push_back({name});
  ++open_;
  return keys_.size() - 1;
}

std::vector<DnsQuestion> KeyLookups::take_questions() {
  std::vector<DnsQuestion> out;
  for (; taken_ < keys_.size(); ++taken_) out.push_back({Ask::text, keys_[taken_].name});
  return out;
}

void KeyLookups::answer(std::size_t number, const DnsAnswer& answer) {
  if (number >= taken_ || keys_[number].found) return;
  Found found;
  if (answer.status == dns::AnswerStatus::ok) {
    std::size_t count = std::min(answer.values.size(), kKeyRecordsTried);
    auto end = answer.values.begin() + static_cast<std::ptrdiff_t>(count);
    found.records.assign(answer.values.begin(), end);
  }
  if (found.records.empty()) found.refusal = no_records(answer.status);
  keys_[number].found = std::move(found);
  --open_;
}

KeyOutcome try_keys(const KeyLookups::Found& found, const KeyUse& use) {
  KeyOutcome best;
  best.refusal = found.refusal;
  bool first = true;
  for (const std::string& text : found.records) {
    KeyOutcome outcome = try_key(text, use);
    if (!outcome.refusal) return outcome;
    if (first || (failed(outcome) && !failed(best))) best = outcome;
    first = false;
  }
  return best;
}

}  // namespace postwain::authentication::dkim
