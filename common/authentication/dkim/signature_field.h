// The value of a DKIM-Signature field (RFC 6376 3.5), and whether it says what it has to say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/dkim/canonical.h"
#include "common/authentication/dkim/result.h"

namespace postwain::authentication::dkim {

constexpr std::size_t kSignedNamesMax = 1000;      // names in h=
constexpr std::size_t kSignatureOctetsMax = 2048;  // of b=, decoded
constexpr std::size_t kFactOctetsMax = 512;        // of a=, d=, i= and s= each; longer are refused

enum class Algorithm : std::uint8_t { rsa_sha256, ed25519_sha256 };
std::string_view name_of(Algorithm algorithm);
std::optional<Algorithm> algorithm_of(std::string_view name);

struct SignatureField {
  Algorithm algorithm = Algorithm::rsa_sha256;
  std::string signature;  // b=, decoded
  std::string body_hash;  // bh=, decoded: 32 octets
  Canonical header = Canonical::simple;
  Canonical body = Canonical::simple;
  std::vector<std::string> names{};  // h=, as they are written
  std::optional<std::uint64_t> length{};
  std::optional<std::uint64_t> time{};    // seconds since 1970
  std::optional<std::uint64_t> expiry{};  // the same
  std::string selector_key{};             // s= as A-labels, lower case
  bool of_whole_domain = true;            // the domain of i= is d= itself, not one below it
  std::string question{};                 // where the key is: "selector._domainkey.domain"
};

struct SignatureReading {
  SignatureResult facts{};           // texts that could be read, whatever the refusal
  SignatureField field{};            // whole where there is no refusal
  std::optional<Refusal> refusal{};  // the first thing that is wrong with it
};

// Fields that hold signatures: DKIM's own, and the two of ARC (RFC 8617 4.1.2, 4.1.3), whose i= is
// not an identity. Of those i= and cv= are not read here; a seal signs no fields of its choice.
enum class SignatureKind : std::uint8_t { dkim, arc_message, arc_seal };
SignatureReading read_signature_field(std::string_view value,
                                      SignatureKind kind = SignatureKind::dkim);

// A field that holds a tag list, without the value of its tag b and all white space around that
// (RFC 6376 3.5): what the signature in it is about. text: "Name: value".
std::string without_signature(std::string_view text);

// Values of tags, each as it stands behind the "=" without white space at its ends.
std::optional<std::string> read_base64(std::string_view value);     // with folds; nothing if empty
std::optional<std::uint64_t> read_seconds(std::string_view value);  // digits; a huge one stays huge
// In the form in which domains are compared; empty: no name of the DNS (RFC 8616 4: U-labels are).
std::string read_domain(std::string_view value);
// c=, "form" or "form/form"; nothing: a form that we do not know.
struct Forms {
  Canonical header = Canonical::simple;
  Canonical body = Canonical::simple;
};
std::optional<Forms> read_forms(std::string_view value);

}  // namespace postwain::authentication::dkim
