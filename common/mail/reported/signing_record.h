// What an attempt did about signatures: by which keys the message was signed or sealed as it left,
// or why it was not. Travels from the delivery client to the history. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postwain::mail {

constexpr std::size_t kSigningRecordMax = 16;     // signatures of one attempt
constexpr std::size_t kSigningNameMax = 255;      // octets of a domain or selector
constexpr std::size_t kSigningAlgorithmMax = 32;  // octets
constexpr std::size_t kSigningTextMax = 2048;     // octets of SigningRecord::text()
constexpr std::size_t kSealInstanceMax = 50;      // RFC 8617 4.2.1

enum class SigningEnd : std::uint8_t {
  none,          // nothing was to be signed, or the content could not be read
  made,          // DKIM signatures (RFC 6376)
  sealed,        // an ARC set (RFC 8617)
  no_key,        // no key is meant for its author
  broken_chain,  // its ARC chain fails, so that another seal would be of no use
  unfit,         // it cannot be signed; the log says why (`not_signed`)
  put_off,       // the process that has the keys was away, and so nothing was sent
};
constexpr SigningEnd last_of(SigningEnd) {
  return SigningEnd::put_off;
}
// "signed", "sealed", "no_key" …; empty for `none`.
std::string_view name_of(SigningEnd end);

struct MadeSignature {
  std::string domain;     // d=, with A-labels
  std::string selector;   // s=
  std::string algorithm;  // "rsa-sha256", as in RFC 6376 3.3
  bool operator==(const MadeSignature&) const = default;
};

struct SigningRecord {
  SigningEnd end = SigningEnd::none;
  std::uint32_t instance = 0;  // of the seal: i=; else 0
  // By which keys, in the order of the fields from the top; of a seal, the one that made it. Empty
  // where nothing was signed.
  std::vector<MadeSignature> signatures{};

  // Whether the parts fit each other and their bounds, and have the characters of domains alone.
  bool is_sound() const;
  // "signed rsa-sha256:s2026a:example.org ed25519-sha256:e1:example.org", "sealed:2 …", "no_key":
  // so does the history keep it. Empty for `none`.
  std::string text() const;
  // The same read again. What is malformed, or of a newer version, counts as `none`.
  static SigningRecord from_text(std::string_view text);

  bool operator==(const SigningRecord&) const = default;
};

}  // namespace postwain::mail
