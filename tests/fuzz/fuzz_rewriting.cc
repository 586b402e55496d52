// Bytes as a path that a client gives, or as an address that does not come from the parser: what
// rewriting makes of a good one is good again, and whatever gets past the last door before the wire
// is read by a server as that one mailbox, without a parameter that nobody meant (S6).
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/rewrite/rewriter.h"
#include "common/smtp/client/client_commands.h"
#include "common/smtp/syntax/address_syntax.h"
#include "common/smtp/syntax/mail_command.h"
#include "common/smtp/syntax/rcpt_command.h"

using namespace postwain;

namespace {

config::AddressEntry entry(std::initializer_list<const char*> targets) {
  config::AddressEntry out;
  out.origin = {"f", 1, 1};
  for (const char* target : targets) out.targets.push_back({target, false});
  return out;
}

config::Addresses addresses() {
  config::Addresses out;
  out.separator = "+";
  out.alias_domains = {"mx.test"};
  out.recipient_canonical = {{"c@x.test", entry({"b@x.test"})}, {"@was.test", entry({"@x.test"})}};
  out.sender_canonical = {{"b@x.test", entry({"robert@inner.test"})},
                          {"@was.test", entry({"@x.test"})}};
  out.virtual_addresses = {{"b@x.test", entry({"robert@inner.test"})},
                           {"q@x.test", entry({"\"q q\"@inner.test", "r.s@[192.0.2.1]"})},
                           {"@all.test", entry({"@x.test"})}};
  out.aliases = {
      {"l", entry({"b@x.test", "m"})}, {"owner-l", entry({"m"})}, {"odd name", entry({"m"})}};
  return out;
}

smtp::PeerExtensions everything() {
  return smtp::PeerExtensions::parse("x\nPIPELINING\nSMTPUTF8\nDSN\n8BITMIME");
}

// What stands on the wire is read again, as a server reads it.
void check_wire(const mail::Address& address) {
  static const smtp::PeerExtensions peer = everything();
  mail::Recipient recipient;
  recipient.address = address;
  if (!smtp::unfit_recipient(recipient, peer)) {
    std::string line;
    smtp::append_rcpt(line, recipient, peer, true);
    PW_CHECK(line.size() > 7 && line.substr(line.size() - 2) == "\r\n");
    mail::Recipient read;
    PW_CHECK(!smtp::parse_rcpt(line.substr(5, line.size() - 7), true, read));
    PW_CHECK(read.address == address && read.orcpt.empty() && read.notify.bits == 0);
  }
  mail::Envelope envelope;
  envelope.reverse_path = address;
  smtp::Transaction transaction;
  transaction.envelope = &envelope;
  if (smtp::unfit_message(transaction, peer)) return;
  std::string line;
  smtp::append_mail(line, transaction, peer);
  std::string_view path = std::string_view(line).substr(10);
  auto read = smtp::parse_path(path, smtp::PathKind::reverse);
  PW_CHECK(read && read->address == address);
  std::string_view rest = path.substr(read->size);
  PW_CHECK(rest == "\r\n" || rest == " SMTPUTF8\r\n");
}

config::SrsRewriting returns_settings() {
  config::SrsRewriting out;
  out.wanted = true;
  out.domain = "srs.test";
  out.secrets = {"the secret of this target"};
  out.postmaster = "root@our.test";
  return out;
}

void check_good(const mail::Address& address) {
  PW_CHECK(smtp::parse_mailbox(address.text()) == address);
  check_wire(address);
}

// With [srs]: what an address stands for is one, and each sender can be written and taken back.
void check_returns(const config::Addresses& addresses, const mail::Address& address) {
  static const config::SrsRewriting kSettings = returns_settings();
  static const rewrite::Rewriter kRewriter(addresses, kSettings);
  static const rewrite::Srs kSrs({kSettings.domain, kSettings.secrets, '='});
  for (const rewrite::Target& target : kRewriter.expand(address).targets)
    check_good(target.address);
  rewrite::Resolved one = kRewriter.resolve(address);
  if (one.problem == rewrite::Problem::none) check_good(one.address);
  rewrite::SrsOutcome made = kSrs.forward(address, from_unix_ms(0));
  if (made.problem != rewrite::SrsProblem::none) return;
  PW_CHECK(kRewriter.expand(made.address).problem != rewrite::Problem::unknown);
  check_good(kRewriter.sender_behind(made.address));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const config::Addresses kAddresses = addresses();
  static const rewrite::Rewriter kRewriter(kAddresses);
  std::string_view text(reinterpret_cast<const char*>(data), size);
  check_wire(mail::Address::from_text(text));
  auto path = smtp::parse_path(text, smtp::PathKind::forward);
  if (!path || !path->address.has_domain()) return 0;
  check_good(path->address);
  rewrite::Expansion found = kRewriter.expand(path->address);
  PW_CHECK(found.problem != rewrite::Problem::none || !found.targets.empty());
  for (const rewrite::Target& target : found.targets) {
    check_good(target.address);
    if (!target.owner.is_null()) check_good(target.owner);
  }
  rewrite::Resolved one = kRewriter.resolve(path->address);
  if (one.problem == rewrite::Problem::none) check_good(one.address);
  check_good(kRewriter.sender(path->address));
  check_returns(kAddresses, path->address);
  return 0;
}
