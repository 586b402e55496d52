// The envelope (RFC 5321 2.3.1): what MAIL and RCPT said, apart from the content.
//
// visit_fields() below names each field once. Whatever carries an envelope (frames, JSON, exports,
// the compact record, rows) goes by it, so a new field is a member and a line there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/mail/address.h"
#include "common/mail/reply.h"

namespace postwain::mail {

// BODY, RFC 6152 and RFC 3030.
enum class BodyType : std::uint8_t { seven_bit, eight_bit_mime, binary_mime };
constexpr BodyType last_of(BodyType) {
  return BodyType::binary_mime;
}
std::string_view name_of(BodyType body);  // "8BITMIME"

// RET, RFC 3461 4.3.
enum class DsnReturn : std::uint8_t { unspecified, full, headers };
constexpr DsnReturn last_of(DsnReturn) {
  return DsnReturn::headers;
}
std::string_view name_of(DsnReturn ret);  // "HDRS"; empty where nothing was said

// NOTIFY, RFC 3461 4.1. unspecified: the sender said nothing; failure and delay are then our
// defaults.
struct Notify {
  enum : std::uint8_t { unspecified = 0, never = 1, success = 2, failure = 4, delay = 8 };
  std::uint8_t bits = unspecified;

  bool on_failure() const { return bits == unspecified || (bits & failure) != 0; }
  bool on_delay() const { return bits == unspecified || (bits & delay) != 0; }
  bool on_success() const { return (bits & success) != 0; }
  // "SUCCESS,DELAY"; empty where the sender said nothing.
  std::string text() const;
  // The way back. Nothing where a word is none of the four, in capital letters.
  static std::optional<Notify> parse(std::string_view text);
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

// What a message gets as it leaves by SMTP. dkim: the signature of its author's domain (RFC 6376),
// because it is ours: an account, a client of a trusted network or this machine has submitted it,
// in a name that it may use. arc: a seal (RFC 8617) over what we have found of it when it came,
// because it is a stranger's and was checked.
enum class Signing : std::uint8_t { none, dkim, arc };
constexpr Signing last_of(Signing) {
  return Signing::arc;
}
std::string_view name_of(Signing signing);  // "dkim"; empty for none

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
  Signing sign = Signing::none;
  std::vector<Recipient> recipients;
};

// What a field is called.
struct FieldName {
  const char* json;    // in `queue show`, in exports
  const char* column;  // of the tables message and recipient
  // The value of kEnvelopeFormat with which the field came. What was written before has no such
  // field, and its reader leaves the default.
  std::uint8_t since = 1;
};

// Raised with each new field; the version of the frames follows it (common/ipc/messages.h). The
// compact record keeps it with every message.
constexpr std::uint8_t kEnvelopeFormat = 2;

// Calls visitor(FieldName, value) for every field but the recipients, always in this order, which
// frames and compact records have as well; so a new field stands at the end. Owner is Envelope, for
// writing into the fields, or const Envelope. The visitor treats a value by its type: Address,
// bool, std::string, Notify, or an enum, for which name_of() and last_of() exist. A store that
// keeps columns makes its list of them by one visit (FieldName::column) and binds or reads the
// values, in the same order, by another.
template <class Owner, class Visitor>
requires std::is_same_v<std::remove_const_t<Owner>, Envelope>
void visit_fields(Owner& envelope, Visitor&& visitor) {
  visitor(FieldName{"sender", "reverse_path"}, envelope.reverse_path);
  visitor(FieldName{"body", "body"}, envelope.body);
  visitor(FieldName{"smtputf8", "smtputf8"}, envelope.smtputf8);
  visitor(FieldName{"require_tls", "require_tls"}, envelope.require_tls);
  visitor(FieldName{"tls_required_no", "tls_required_no"}, envelope.tls_required_no);
  visitor(FieldName{"ret", "ret"}, envelope.ret);
  visitor(FieldName{"envid", "envid"}, envelope.envid);
  visitor(FieldName{"sign", "sign", 2}, envelope.sign);
}

// The same for what RCPT said of one recipient. What was decided before the queue is no part of it.
template <class Owner, class Visitor>
requires std::is_same_v<std::remove_const_t<Owner>, Recipient>
void visit_fields(Owner& recipient, Visitor&& visitor) {
  visitor(FieldName{"address", "address"}, recipient.address);
  visitor(FieldName{"notify", "notify"}, recipient.notify);
  visitor(FieldName{"orcpt", "orcpt"}, recipient.orcpt);
}

}  // namespace postwain::mail
