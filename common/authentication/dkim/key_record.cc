#include "common/authentication/dkim/key_record.h"

#include <initializer_list>

#include "common/authentication/dkim/tag_list.h"
#include "common/base/text.h"

namespace postwain::authentication::dkim {

namespace {

constexpr std::size_t kRecordPartsMax = 50;

Refusal unusable(std::string_view reason) {
  return {Verdict::permerror, reason};
}

// Whether a list ("a:b:c") has one of the words; a tag that is missing has the default.
bool has_word(const Tag* tag, std::initializer_list<std::string_view> words, bool missing) {
  if (tag == nullptr) return missing;
  for (std::string_view part : list_parts(tag->value, ':', kRecordPartsMax))
    for (std::string_view word : words)
      if (iequals(part, word)) return true;
  return false;
}

// v= may be missing; else it is the first tag, and nothing but DKIM1.
bool is_of_our_version(const TagList& list) {
  const Tag* version = list.find("v");
  return version == nullptr || (version == &list.tags().front() && version->value == "DKIM1");
}

}  // namespace

Result<KeyRecord, Refusal> read_key_record(std::string_view text) {
  if (text.size() > kKeyRecordOctetsMax) return unusable("the record of its key is too long");
  auto list = TagList::read(text);
  if (!list) return unusable("the record of its key is malformed");
  if (!is_of_our_version(*list)) return unusable("the record of its key is of another version");
  if (!has_word(list->find("h"), {"sha256"}, true)) return unusable("its key is not for SHA-256");
  if (!has_word(list->find("s"), {"*", "email"}, true)) return unusable("its key is not for mail");
  const Tag* key = list->find("p");
  if (key == nullptr) return unusable("the record of its key has no key");
  if (key->value.empty()) return unusable("its key was revoked");
  auto octets = read_base64(key->value);
  if (!octets) return unusable("its key is no base64");
  KeyRecord record;
  record.key = *octets;
  record.testing = has_word(list->find("t"), {"y"}, false);
  record.whole_domain = has_word(list->find("t"), {"s"}, false);
  const Tag* kind = list->find("k");
  if (kind != nullptr && iequals(kind->value, "ed25519"))
    record.algorithm = Algorithm::ed25519_sha256;
  else if (kind != nullptr && !iequals(kind->value, "rsa"))
    return unusable("its key is of an unknown kind");
  return record;
}

Result<tls::VerifyingKey, Refusal> key_of(const KeyRecord& record, int& bits) {
  bool rsa = record.algorithm == Algorithm::rsa_sha256;
  auto key = rsa ? tls::VerifyingKey::rsa(record.key) : tls::VerifyingKey::ed25519(record.key);
  if (!key) return unusable("its key cannot be read");
  bits = key->bits();
  if (rsa && bits < kVerifiedRsaBitsMin) return unusable("its RSA key is shorter than 1024 bits");
  if (rsa && bits > kVerifiedRsaBitsMax)
    return Refusal{Verdict::neutral, "its RSA key is longer than 4096 bits, and not looked at"};
  return key.take();
}

}  // namespace postwain::authentication::dkim
