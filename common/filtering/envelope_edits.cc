#include "common/filtering/envelope_edits.h"

#include <algorithm>

#include "common/smtp/syntax/mail_command.h"
#include "common/smtp/syntax/rcpt_command.h"

namespace postwain::filtering {

namespace {

std::string in_brackets(const std::string& address) {
  return !address.empty() && address.front() == '<' ? address : "<" + address + ">";
}

bool is_same(const mail::Address& a, const mail::Address& b) {
  return a.local() == b.local() && a.domain_key() == b.domain_key();
}

// The argument of MAIL or RCPT with all parameters, or without any where one of them is wrong.
template <class Parse>
bool parse(const ipc::FilterAddress& given, std::string_view verb, Parse parse_argument,
           EnvelopeEdits& edits) {
  std::string argument = std::string(verb) + in_brackets(given.address);
  if (!given.arguments.empty()) {
    if (parse_argument(argument + " " + given.arguments)) return true;
    edits.mistakes.push_back(given.arguments);
  }
  if (parse_argument(argument)) return true;
  edits.mistakes.push_back(given.address);
  return false;
}

void change_sender(const ipc::FilterAddress& given, mail::Envelope& envelope,
                   EnvelopeEdits& edits) {
  smtp::MailCommand command;
  auto parse_argument = [&command](const std::string& argument) {
    command = smtp::MailCommand();
    command.envelope.smtputf8 = true;  // whatever the client said, the address may be UTF-8
    return !smtp::parse_mail(argument, command);
  };
  if (!parse(given, "FROM:", parse_argument, edits)) return;
  envelope.reverse_path = std::move(command.envelope.reverse_path);
  if (command.envelope.ret != mail::DsnReturn::unspecified) envelope.ret = command.envelope.ret;
  if (!command.envelope.envid.empty()) envelope.envid = std::move(command.envelope.envid);
  edits.changed = true;
}

void add_recipient(const ipc::FilterAddress& given, mail::Envelope& envelope,
                   EnvelopeEdits& edits) {
  mail::Recipient recipient;
  auto parse_argument = [&recipient](const std::string& argument) {
    recipient = mail::Recipient();
    return !smtp::parse_rcpt(argument, true, recipient);
  };
  if (!parse(given, "TO:", parse_argument, edits)) return;
  bool is_there = std::any_of(
      envelope.recipients.begin(), envelope.recipients.end(),
      [&](const mail::Recipient& one) { return is_same(one.address, recipient.address); });
  if (is_there) return;
  envelope.recipients.push_back(std::move(recipient));
  edits.changed = true;
}

}  // namespace

EnvelopeEdits apply_edits(const ipc::FilterResult& result, mail::Envelope& envelope) {
  EnvelopeEdits edits;
  for (const std::string& text : result.recipients_removed) {
    mail::Recipient removed;
    if (smtp::parse_rcpt("TO:" + in_brackets(text), true, removed)) {
      edits.mistakes.push_back(text);
      continue;
    }
    std::size_t count = std::erase_if(envelope.recipients, [&](const mail::Recipient& one) {
      return is_same(one.address, removed.address);
    });
    edits.changed = edits.changed || count > 0;
  }
  for (const ipc::FilterAddress& one : result.recipients_added) add_recipient(one, envelope, edits);
  if (result.sender) change_sender(*result.sender, envelope, edits);
  return edits;
}

}  // namespace postwain::filtering
