// The envelope (RFC 5321 2.3.1): what MAIL and RCPT said, apart from the content.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/mail/address.h"
#include "common/mail/reply.h"

namespace postwain::mail {

enum class BodyType : std::uint8_t {
  seven_bit,
  eight_bit_mime,
  binary_mime
};                                                                   // RFC 6152, RFC 3030
enum class DsnReturn : std::uint8_t { unspecified, full, headers };  // RET, RFC 3461 4.3

// NOTIFY, RFC 3461 4.1. unspecified: the sender said nothing; failure and delay are then our
// defaults.
struct Notify {
  enum : std::uint8_t { unspecified = 0, never = 1, success = 2, failure = 4, delay = 8 };
  std::uint8_t bits = unspecified;

  bool on_failure() const { return bits == unspecified || (bits & failure) != 0; }
  bool on_delay() const { return bits == unspecified || (bits & delay) != 0; }
  bool on_success() const { return (bits & success) != 0; }
  bool operator==(const Notify&) const = default;
};

struct Recipient {
  Address address;
  Notify notify;
  std::string orcpt;  // ORCPT decoded: "rfc822;user@example.org", empty when the client gave none
  // What becomes of it was decided before it came to the queue. 2yz: it is discarded, 5yz: it fails
  // with this reply at once; code 0: nothing is decided. Never stored.
  Reply decided{};
  bool operator==(const Recipient&) const = default;
};

struct Envelope {
  Address reverse_path;
  BodyType body = BodyType::seven_bit;
  bool smtputf8 = false;
  // RFC 8689. REQUIRETLS: every further hop must be by verified TLS to a server that promises the
  // same. tls_required_no: the header says "TLS-Required: No", delivery counts for more than a
  // policy of the recipient's domain that asks for TLS. Never both: the first one prevails.
  bool require_tls = false;
  bool tls_required_no = false;
  DsnReturn ret = DsnReturn::unspecified;
  std::string envid;  // ENVID decoded
  std::vector<Recipient> recipients;
};

}  // namespace postwain::mail
