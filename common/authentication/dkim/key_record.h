// The key that a domain publishes: TXT records of "selector._domainkey.domain" (RFC 6376 3.6.1).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/authentication/dkim/result.h"
#include "common/authentication/dkim/signature_field.h"
#include "common/base/result.h"
#include "common/tls/verifying_key.h"

namespace postwain::authentication::dkim {

constexpr std::size_t kKeyRecordOctetsMax = 16'384;
constexpr int kVerifiedRsaBitsMin = 1024;  // RFC 8301 3.2
constexpr int kVerifiedRsaBitsMax = 4096;  // the same section: more need not be possible

struct KeyRecord {
  Algorithm algorithm = Algorithm::rsa_sha256;  // the one that its kind of key is for
  std::string key{};                            // p=, decoded
  bool testing = false;                         // t=y
  bool whole_domain = false;                    // t=s: i= may not be of a domain below d=
};

// text: a record, its strings joined. The refusal: of signatures that name this key, for mail.
Result<KeyRecord, Refusal> read_key_record(std::string_view text);
// The key in it. bits: set whenever the key could be read, also where its length is refused.
Result<tls::VerifyingKey, Refusal> key_of(const KeyRecord& record, int& bits);

}  // namespace postwain::authentication::dkim
