// An address of the envelope (RFC 5321 4.1.2): a mailbox, the null reverse-path, or the bare
// <postmaster>. This type holds an address that has already been parsed
// (common/smtp/syntax/address_syntax.h does that); it checks no grammar. The text is kept as the
// client wrote it, without angle brackets and without source route.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postwain::mail {

class Address {
 public:
  Address() = default;  // the null reverse-path <>
  // local is in wire form (quoted if it was quoted); domain may be empty only for "postmaster".
  Address(std::string_view local, std::string_view domain);
  // Splits at the last '@' outside quotes. For text that is known to be an address (our own store,
  // config).
  static Address from_text(std::string_view text);

  const std::string& text() const { return text_; }
  std::string_view local() const { return std::string_view(text_).substr(0, local_size_); }
  std::string_view domain() const;
  bool is_null() const { return text_.empty(); }
  bool has_domain() const { return local_size_ < text_.size(); }
  std::string domain_key() const;  // of its domain, see below
  // Local part without quotes and backslashes, the way mailbox names compare ("\"a\"@x" is "a@x").
  std::string local_unquoted() const;
  bool is_utf8() const;  // holds a byte above 127
  // No ASCII form says the same: the local part is UTF-8, or the domain has no A-label form.
  bool needs_smtputf8() const;
  // With the domain in its A-label form where it has one; the local part stays as it is.
  std::string ascii_text() const;

  bool operator==(const Address&) const = default;

 private:
  std::string text_;
  std::size_t local_size_ = 0;
};

// The one form in which domains are compared and serve as keys, everywhere: lower case, without a
// final dot, U-labels as A-labels (RFC 5890 2.3.2.1: two spellings of one name). "[192.0.2.1]"
// stays as it is, and so do the octets of what is no valid internationalized name.
std::string domain_key(std::string_view domain);
// The same of "user@domain": the local part in lower case and without quotes. What has no domain is
// put into lower case only.
std::string address_key(std::string_view address);

}  // namespace postwain::mail
