// Bytes as a path, as the parameters of MAIL and RCPT, as xtext and as XCLIENT attributes: what is
// taken is well-formed, holds nothing that could break a line, and is taken again from its own
// text.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/base/text.h"
#include "common/smtp/syntax/address_syntax.h"
#include "common/smtp/syntax/mail_command.h"
#include "common/smtp/syntax/rcpt_command.h"
#include "common/smtp/syntax/server_limits.h"
#include "common/smtp/syntax/xclient_attributes.h"
#include "common/smtp/syntax/xtext.h"

using namespace postwain;
using namespace postwain::smtp;

namespace {

bool is_harmless(std::string_view text) {
  for (char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return false;
  return is_valid_utf8(text);
}

void look_at(const mail::Address& address) {
  PW_CHECK(is_harmless(address.text()));
  PW_CHECK(address.text().size() <= kPathMax);
  if (!address.has_domain()) return;
  auto again = parse_mailbox(address.text());
  PW_CHECK(again.has_value());
  PW_CHECK(*again == address);
  PW_CHECK(mail::Address::from_text(address.text()) == address);
}

void paths(std::string_view text) {
  for (PathKind kind : {PathKind::reverse, PathKind::forward})
    if (auto path = parse_path(text, kind)) {
      PW_CHECK(path->size <= text.size());
      look_at(path->address);
      // What stands behind a path does not change it.
      auto alone = parse_path(text.substr(0, path->size), kind);
      PW_CHECK(alone && alone->address == path->address);
    }
  if (auto mailbox = parse_mailbox(text)) look_at(*mailbox);
}

void commands(std::string_view text) {
  MailCommand mail;
  if (!parse_mail(text, mail)) {
    look_at(mail.envelope.reverse_path);
    PW_CHECK(is_harmless(mail.envelope.envid));
  }
  for (bool smtputf8 : {false, true}) {
    mail::Recipient recipient;
    if (parse_rcpt(text, smtputf8, recipient)) continue;
    look_at(recipient.address);
    PW_CHECK(is_harmless(recipient.orcpt));
    PW_CHECK(smtputf8 || is_ascii(recipient.address.text()));
  }
}

void xtexts(std::string_view text) {
  if (auto decoded = xtext_decode(text)) {
    PW_CHECK(is_harmless(*decoded));
    auto again = xtext_decode(xtext_encode(*decoded));
    PW_CHECK(again && *again == *decoded);
  }
  if (auto orcpt = orcpt_decode(text)) {
    PW_CHECK(is_harmless(*orcpt));
    PW_CHECK(is_ascii(orcpt_encode(*orcpt, true)));
  }
  if (auto utf8 = utf8_address_decode(text)) PW_CHECK(is_ascii(utf8_address_encode(*utf8)));
}

void claims(std::string_view text) {
  for (ClaimKind kind : {ClaimKind::xclient, ClaimKind::xforward}) {
    ClientClaim claim;
    if (parse_claim(text, kind, claim)) continue;
    for (const auto* value : {&claim.address, &claim.name, &claim.hello, &claim.login})
      PW_CHECK(!*value || is_harmless(**value));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // The engine hands on nothing longer, and no line ends and NUL.
  if (size > kCommandLineMax) return 0;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) return 0;
  paths(text);
  commands(text);
  xtexts(text);
  claims(text);
  return 0;
}
