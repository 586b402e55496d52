// What verifying one DKIM signature gave (RFC 8601 2.7.1), in the words that go to an
// Authentication-Results field, a log and a person.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace postwain::authentication::dkim {

enum class Verdict : std::uint8_t {
  pass,
  fail,       // it does not fit the message, or is not good any more
  neutral,    // it was not looked at, or is of a kind that we do not know
  temperror,  // its key could not be had now
  permerror,  // it, or its key, is not as the RFCs want it
  policy,     // it fits, but we do not take signatures of this kind
};
std::string_view name_of(Verdict verdict);

// Why a signature or a key is not used. reason: a constant text.
struct Refusal {
  Verdict verdict = Verdict::permerror;
  std::string_view reason;
  bool operator==(const Refusal&) const = default;
};

// The texts but reason are the signature's own, without folding white space, and may be anything:
// whoever writes them somewhere quotes them. Empty: the signature has none that can be read.
struct SignatureResult {
  Verdict verdict = Verdict::neutral;
  std::string reason{};      // our words, ASCII; empty with pass
  std::string domain{};      // d=
  std::string domain_key{};  // the same in the form in which domains are compared; empty: no domain
  std::string identity{};    // i=, "@" and the domain where it is missing
  std::string selector{};    // s=
  std::string algorithm{};   // a=
  std::string begin{};       // the first eight characters of b=
  bool testing = false;      // the domain's key says that it only tries DKIM out (t=y)
  int key_bits = 0;          // 0: no key was read
};

}  // namespace postwain::authentication::dkim
