// The record by which a domain publishes a key (RFC 6376 3.6.1, RFC 8463 4), and whether what the
// DNS has there fits the key that signs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/authentication/dkim/sign.h"
#include "common/authentication/dkim/signature_field.h"
#include "common/authentication/dns_evaluation.h"

namespace postwain::authentication::dkim {

// "v=DKIM1; k=rsa; p=…". public_key: as tls::SigningKey::public_key() gives it.
std::string key_record_text(Algorithm algorithm, std::string_view public_key);
// Where it stands: "selector._domainkey.domain", as A-labels; empty: nowhere.
std::string key_record_name(const KeyFacts& key);
// A line of a zone file with both, the text in strings of at most 255 octets (RFC 1035 3.3.14).
std::string key_zone_line(const KeyFacts& key, std::string_view record);

enum class KeyFit : std::uint8_t {
  fits,
  several,   // it fits, and another text stands beside it: which one counts is not defined
  testing,   // it fits, and tells receivers that the domain only tries DKIM out (t=y)
  differs,   // another key stands there
  unusable,  // no verifier would take what stands there
  missing,   // nothing stands there
  unknown,   // the DNS did not answer
};
struct KeyFitting {
  KeyFit fit = KeyFit::unknown;
  std::string why{};  // a sentence for the operator; empty where it fits
};
KeyFitting fitting_of(const DnsAnswer& answer, Algorithm algorithm, std::string_view public_key);

}  // namespace postwain::authentication::dkim
