// Making DKIM signatures of a message (RFC 6376 5, RFC 8463), relaxed/relaxed and of the whole
// body. The keys are elsewhere: a draft has the hash that a key signs, and becomes the field when
// the signature is there. Several keys share one pass over the body. No I/O, no clock.
//
//     auto sign = DkimSign::begin(header, {{"example.org", "s2026a", Algorithm::rsa_sha256}}, now);
//     sign->body(piece) …;
//     for (const SignatureDraft& draft : sign->end_body())
//       field = finished_field(draft, *key.sign_digest(draft.hash));
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/dkim/body_hashes.h"
#include "common/authentication/dkim/signature_field.h"
#include "common/authentication/dkim/signed_fields.h"
#include "common/base/result.h"
#include "common/base/time.h"
#include "common/tls/sha256.h"

namespace postwain::authentication::dkim {

// What of a key is written in the signature.
struct KeyFacts {
  std::string domain{};    // d=; U-labels become A-labels
  std::string selector{};  // s=; the same
  Algorithm algorithm = Algorithm::rsa_sha256;
};

// With A-labels, lower case; an error where no such key can be published.
Result<KeyFacts> key_as_written(const KeyFacts& key);

struct SignRules {
  FieldChoice fields{};
  std::optional<std::chrono::seconds> good_for{};  // x=, counted from t=; none: it does not expire
  std::string identity{};  // i=: "user@domain" or "@domain"; empty: none. Of d= or below it
};

struct SignatureDraft {
  std::string text;  // the field up to and with its "b="
  std::string hash;  // SHA-256, 32 octets, that the key has to sign: tls::SigningKey::sign_digest
};
// The whole field with its CRLF, in lines of at most 78 octets, to stand in front of the header.
std::string finished_field(const SignatureDraft& draft, std::string_view signature);

class DkimSign {
 public:
  // header: the section that will go out, with CRLF and without the empty line; it is not needed
  // afterwards. The error is a sentence: no From field, or several; more fields than can be named;
  // a domain, selector or identity that cannot be.
  static Result<DkimSign> begin(std::string_view header, const std::vector<KeyFacts>& keys,
                                WallTime now, const SignRules& rules = {});

  // The body behind the empty line, cut anywhere.
  void body(std::string_view piece) { bodies_.take(piece); }
  // Nothing follows; once. A draft for each key, in their order.
  std::vector<SignatureDraft> end_body();

 private:
  struct Planned {
    KeyFacts key;
    std::string identity;  // i= as it is written; empty: none
    tls::Sha256 sum;       // of the fields that are signed
  };

  DkimSign() = default;
  std::string draft_text(const Planned& planned) const;

  std::vector<Planned> planned_;
  std::vector<std::string> names_;
  BodyHashes bodies_;
  std::size_t body_ = 0;
  std::int64_t time_ = 0;
  std::optional<std::int64_t> expiry_;
};

}  // namespace postwain::authentication::dkim
