#include "common/authentication/arc/arc_verify.h"

#include <utility>

#include <fmt/format.h>

#include "common/authentication/arc/seal_input.h"
#include "common/authentication/dkim/signing_input.h"

namespace postwain::authentication::arc {

namespace {

using dkim::HeaderList;
using dkim::Refusal;
using dkim::SignatureKind;
using dkim::Verdict;

SetTexts texts_of(const HeaderList& header, const ArcSet& set) {
  const auto& fields = header.fields();
  return {fields[set.results].text, fields[set.message].text, fields[set.seal].text};
}

}  // namespace

std::string_view name_of(ArcVerdict verdict) {
  switch (verdict) {
    case ArcVerdict::none:
      return "none";
    case ArcVerdict::pass:
      return "pass";
    case ArcVerdict::fail:
      break;
  }
  return "fail";
}

ArcVerify::ArcVerify(std::string_view section) {
  HeaderList header(section);
  ArcSets sets = collect_sets(header);
  result_.sets = sets.sets.size();
  if (!sets.trouble.empty()) {
    result_.verdict = ArcVerdict::fail;
    result_.reason = sets.trouble;
  } else if (!sets.sets.empty()) {
    prepare(header, sets);
    result_.results = header.fields()[sets.sets.back().results].value;
  }
  done_ = result_.verdict == ArcVerdict::fail || sets.sets.empty();
}

void ArcVerify::prepare(const HeaderList& header, const ArcSets& sets) {
  prepare_message(header, sets.sets.back());
  SealInput input;
  for (std::size_t i = 0; i < sets.sets.size(); ++i) {
    SetTexts texts = texts_of(header, sets.sets[i]);
    prepare_seal(i + 1, header.fields()[sets.sets[i].seal].value,
                 input.hash_for(texts, dkim::without_signature(texts.seal)));
    input.add(texts);
  }
}

void ArcVerify::prepare_message(const HeaderList& header, const ArcSet& set) {
  const HeaderList::Field& own = header.fields()[set.message];
  auto reading = dkim::read_signature_field(own.value, SignatureKind::arc_message);
  if (reading.refusal) return fail(result_.sets, "message signature", *reading.refusal);
  Check check;
  check.instance = result_.sets;
  check.hash = dkim::signing_hash(header, reading.field.names, reading.field.header,
                                  dkim::without_signature(own.text), set.message);
  check.key = keys_.want(reading.field.question);
  check.with_body = true;
  body_ = bodies_.want({reading.field.body, reading.field.length});
  check.field = std::move(reading.field);
  checks_.push_back(std::move(check));
}

void ArcVerify::prepare_seal(std::size_t instance, std::string_view value, std::string hash) {
  auto reading = dkim::read_signature_field(value, SignatureKind::arc_seal);
  result_.sealers.push_back(reading.facts.domain_key);
  if (reading.refusal) return fail(instance, "seal", *reading.refusal);
  std::size_t key = keys_.want(reading.field.question);
  checks_.push_back({instance, std::move(reading.field), std::move(hash), key, false});
}

void ArcVerify::end_body() {
  if (bodies_.ended()) return;
  bodies_.end();
  finish_if_ready();
}

void ArcVerify::answer(std::size_t number, const DnsAnswer& answer) {
  keys_.answer(number, answer);
  finish_if_ready();
}

// The message signature first, then the seals from the last one on (RFC 8617 5.2, steps 4 and 6).
void ArcVerify::finish_if_ready() {
  if (done_ || !bodies_.ended() || !keys_.all_answered()) return;
  done_ = true;
  if (!passes(checks_.front())) return;
  for (std::size_t i = checks_.size() - 1; i > 0; --i)
    if (!passes(checks_[i])) return;
  result_.verdict = ArcVerdict::pass;
}

std::optional<Refusal> ArcVerify::body_refusal(const dkim::SignatureField& field) const {
  if (bodies_.hash(body_) != field.body_hash) return Refusal{Verdict::fail, "the body was changed"};
  if (field.length && *field.length != bodies_.octets(body_))
    return Refusal{Verdict::fail, "it is not of the whole body"};
  return std::nullopt;
}

bool ArcVerify::passes(const Check& check) {
  dkim::KeyUse use{check.field.algorithm, true, check.hash, check.field.signature, {}};
  if (check.with_body) use.body = body_refusal(check.field);
  dkim::KeyOutcome outcome = dkim::try_keys(keys_.found(check.key), use);
  if (outcome.refusal)
    fail(check.instance, check.with_body ? "message signature" : "seal", *outcome.refusal);
  return !outcome.refusal;
}

void ArcVerify::fail(std::size_t instance, std::string_view what, const Refusal& refusal) {
  if (result_.verdict == ArcVerdict::fail) return;  // the first reason is told
  result_.verdict = ArcVerdict::fail;
  result_.reason = fmt::format("{} {}: {}", what, instance, refusal.reason);
  result_.failed_at = instance;
  result_.temporary = refusal.verdict == Verdict::temperror;
}

}  // namespace postwain::authentication::arc
