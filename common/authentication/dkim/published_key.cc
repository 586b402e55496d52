#include "common/authentication/dkim/published_key.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/authentication/dkim/key_lookups.h"
#include "common/authentication/dkim/key_record.h"
#include "common/base/text.h"

namespace postwain::authentication::dkim {

namespace {

constexpr std::size_t kStringOctetsMax = 255;  // RFC 1035 3.3

KeyFitting fitting_of_record(std::string_view text, const KeyRecord& ours) {
  auto record = read_key_record(text);
  if (!record)
    return {KeyFit::unusable, fmt::format("verifiers refuse it: {}", record.error().reason)};
  if (record->algorithm != ours.algorithm)
    return {KeyFit::differs, fmt::format("the key published is one for {}, ours is for {}",
                                         name_of(record->algorithm), name_of(ours.algorithm))};
  int bits = 0;
  auto theirs = key_of(*record, bits);
  if (!theirs)
    return {KeyFit::unusable, fmt::format("verifiers refuse it: {}", theirs.error().reason)};
  auto own = key_of(ours, bits);
  if (!own) return {KeyFit::unusable, fmt::format("of ours: {}", own.error().reason)};
  if (!own->is_same(*theirs))
    return {KeyFit::differs, "the key published is not that of the private key"};
  if (record->testing)
    return {KeyFit::testing, "it says t=y: receivers treat signatures as if there were none"};
  return {KeyFit::fits, {}};
}

}  // namespace

std::string key_record_text(Algorithm algorithm, std::string_view public_key) {
  std::string_view kind = algorithm == Algorithm::rsa_sha256 ? "rsa" : "ed25519";
  return fmt::format("v=DKIM1; k={}; p={}", kind, base64_encode(public_key));
}

std::string key_record_name(const KeyFacts& key) {
  std::string domain = read_domain(key.domain);
  std::string selector = read_domain(key.selector);
  if (domain.empty() || selector.empty()) return {};
  return read_domain(selector + "._domainkey." + domain);
}

std::string key_zone_line(const KeyFacts& key, std::string_view record) {
  std::string strings;
  for (std::size_t at = 0; at < record.size(); at += kStringOctetsMax)
    strings += fmt::format(" \"{}\"", record.substr(at, kStringOctetsMax));
  return fmt::format("{}. IN TXT ({} )", key_record_name(key), strings);
}

KeyFitting fitting_of(const DnsAnswer& answer, Algorithm algorithm, std::string_view public_key) {
  if (answer.status == dns::AnswerStatus::temporary)
    return {KeyFit::unknown, "the DNS did not answer"};
  if (answer.status != dns::AnswerStatus::ok || answer.values.empty())
    return {KeyFit::missing, "no key is published there"};
  KeyRecord ours;
  ours.algorithm = algorithm;
  ours.key = public_key;
  KeyFitting first;
  for (std::size_t i = 0; i < std::min(answer.values.size(), kKeyRecordsTried); ++i) {
    KeyFitting one = fitting_of_record(answer.values[i], ours);
    bool is_ours = one.fit == KeyFit::fits || one.fit == KeyFit::testing;
    if (is_ours && answer.values.size() > 1)
      return {
          KeyFit::several,
          fmt::format("{} TXT records stand there, and verifiers may take another than ours (RFC "
                      "6376 3.6.2.2); leave one",
                      answer.values.size())};
    if (is_ours) return one;
    if (i == 0) first = one;
  }
  return first;
}

}  // namespace postwain::authentication::dkim
