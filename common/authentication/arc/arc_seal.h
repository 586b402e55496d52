// Sealing a message that is passed on (RFC 8617 5.1): three fields that say what was found of it,
// sign it as it goes out, and seal what was said before. The key is elsewhere; it signs twice,
// because the seal is of the message signature as well. No I/O, no clock.
//
//     auto seal = ArcSeal::begin(header, verified, results, key, now);
//     seal->body(piece) …
//     hash = seal->end_body();            the key signs it
//     hash = seal->seal_hash(signature);  the key signs it
//     fields = seal->finish(signature);   to stand in front of the header
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/arc/arc_sets.h"
#include "common/authentication/arc/arc_verify.h"
#include "common/authentication/arc/seal_input.h"
#include "common/authentication/dkim/body_hashes.h"
#include "common/authentication/dkim/folded_field.h"
#include "common/authentication/dkim/sign.h"
#include "common/base/result.h"
#include "common/base/time.h"
#include "common/tls/sha256.h"

namespace postwain::authentication::arc {

class ArcSeal {
 public:
  // header: the section that will go out, with the ARC sets of others. verified: of that message
  // as it came in; a chain that failed is sealed as such. results: the payload of our own
  // Authentication-Results field, "mx.example.org; spf=pass …", which may be folded. The error is a
  // sentence: too many sets, a chain that has been sealed as broken already, or what DkimSign says.
  static Result<ArcSeal> begin(std::string_view header, ArcVerdict verified,
                               std::string_view results, const dkim::KeyFacts& key, WallTime now);

  // Its number in the chain: i= (RFC 8617 4.2.1).
  std::size_t instance() const { return instance_; }

  void body(std::string_view piece) { bodies_.take(piece); }
  // Nothing follows; once. What the key signs for the message signature: 32 octets.
  std::string end_body();
  // What the key signs for the seal.
  std::string seal_hash(std::string_view message_signature);
  // The three fields, each with its CRLF.
  std::string finish(std::string_view seal_signature) const;

 private:
  ArcSeal() = default;
  dkim::FoldedField begun(std::string_view name) const;

  std::size_t instance_ = 1;
  ChainValue chain_ = ChainValue::none;
  dkim::KeyFacts key_;
  std::int64_t time_ = 0;
  std::vector<std::string> names_;
  tls::Sha256 message_sum_;
  SealInput seal_input_;
  dkim::BodyHashes bodies_;
  std::size_t body_ = 0;
  std::string results_;  // the fields, as far as they are written
  std::string message_;
  std::string seal_;
};

}  // namespace postwain::authentication::arc
