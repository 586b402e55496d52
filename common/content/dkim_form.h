// The forms in which DKIM signs a message: "relaxed" for fields and body (RFC 6376 3.4.2, 3.4.4),
// and the field that carries the signature. Pure: hashing and signing are common/tls.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"

namespace postwain::mail {

// field: "Name: value", perhaps folded, without its last CRLF. The result has none either.
std::string relaxed_field(std::string_view field);
// Ends with CRLF, or is empty.
std::string relaxed_body(std::string_view body);

struct DkimFacts {
  std::string domain;                    // d=
  std::string selector;                  // s=
  std::string algorithm;                 // a=, "rsa-sha256"
  std::string body_hash;                 // bh=, in base64
  WallTime time{};                       // t=
  std::vector<std::string_view> fields;  // of the header, those to be signed, in their order
};

// The DKIM-Signature field up to and with "b=", without the signature.
std::string dkim_field(const DkimFacts& facts);
// What the signature is made of: the fields, then dkim_field().
std::string dkim_signed_text(const DkimFacts& facts);

}  // namespace postwain::mail
