#include "qmgr/dsn_text.h"

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kFoldAt = 900;

// Text of a stranger made safe for one header-like line: no control characters, no broken UTF-8,
// and for an ASCII notice nothing above 127.
std::string safe(std::string_view text, bool utf8, std::size_t max_bytes = kDsnReplyMax) {
  std::string out = printable(text, max_bytes);
  if (utf8) return out;
  std::string ascii;
  for (char c : out) {
    if (static_cast<unsigned char>(c) < 0x80)
      ascii += c;
    else
      ascii += fmt::format("\\x{:02X}", static_cast<unsigned char>(c));
  }
  return ascii;
}

// A reply's lines joined to one; printable() would show the line ends as escapes.
std::string reply_line(const mail::Reply& reply, bool utf8) {
  if (reply.code == 0) {
    std::string text = reply.text;
    for (char& c : text)
      if (c == '\n' || c == '\r') c = ' ';
    return safe(text, utf8);
  }
  return safe(reply.one_line(), utf8);
}

// RFC 5322 2.2.3: a long value goes on in the next line, which begins with a space.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  std::string line = fmt::format("{}: {}", name, value);
  std::string_view rest = line;
  while (rest.size() > kFoldAt) {
    std::size_t cut = rest.rfind(' ', kFoldAt);
    if (cut == std::string_view::npos || cut < kFoldAt / 2) cut = kFoldAt;
    out += rest.substr(0, cut);
    out += "\r\n ";
    rest.remove_prefix(cut);
    if (rest.front() == ' ') rest.remove_prefix(1);
  }
  out += rest;
  out += "\r\n";
}

std::string_view action_name(DsnAction action) {
  switch (action) {
    case DsnAction::failed:
      return "failed";
    case DsnAction::delayed:
      return "delayed";
    case DsnAction::delivered:
      return "delivered";
    case DsnAction::relayed:
      return "relayed";
  }
  return "?";
}

std::string intro(const DsnRequest& request) {
  std::string out = fmt::format("This is the mail system at host {}.\r\n\r\n", request.hostname);
  if (request.to_postmaster)
    out +=
        "A notice about undeliverable mail could not be given to its reader. You get it\r\n"
        "because you are the postmaster of this system.\r\n\r\n";
  switch (request.action) {
    case DsnAction::failed:
      return out +
             "Your message could not be delivered to the recipients below. Nothing more will be\r\n"
             "tried for them. What you can do: check the address, read the reason, and send the\r\n"
             "message again when the reason no longer holds.\r\n";
    case DsnAction::delayed:
      return out + fmt::format(
                       "YOU DO NOT NEED TO SEND YOUR MESSAGE AGAIN. It could not be delivered yet "
                       "to the\r\nrecipients below. Delivery will be tried until {}.\r\n",
                       format_rfc5322(request.retry_until));
    case DsnAction::delivered:
      return out + "Your message was delivered to the mailboxes of the recipients below.\r\n";
    case DsnAction::relayed:
      return out +
             "Your message was handed on to the next mail system for the recipients below. That\r\n"
             "system does not send reports of success, so this is the last you will hear.\r\n";
  }
  return out;
}

std::string recipient_text(const DsnRequest& request, const DsnRecipient& r, bool utf8) {
  std::string out = fmt::format("\r\n<{}>", safe(r.recipient.address.text(), utf8));
  std::string reply = reply_line(r.reply, utf8);
  if (r.expired) out += ": the time for delivery is over; the last try ended with";
  if (r.reply.code != 0 && !r.remote_host.empty())
    out += fmt::format(": host {} said", safe(r.remote_host, utf8));
  if (r.reply.code == 0 && reply.empty())
    reply = request.action == DsnAction::failed ? "no reason is known" : "";
  if (!reply.empty()) out += ": ";
  // Long replies are broken at a space, so that the text stays readable.
  std::size_t column = out.size();
  for (std::string_view word : split(reply, ' ')) {
    if (column + word.size() > 76 && column > 4) {
      out += "\r\n    ";
      column = 4;
    } else if (out.back() != ' ') {
      out += ' ';
      ++column;
    }
    for (; word.size() > kFoldAt; word.remove_prefix(kFoldAt)) {
      out += word.substr(0, kFoldAt);
      out += "\r\n    ";
    }
    out += word;
    column += word.size();
  }
  if (r.reply.code != 0)
    out += fmt::format(" (in reply to {})", r.stage == mail::Stage::final_reply
                                                ? "end of the message"
                                                : mail::name_of(r.stage));
  return out + "\r\n";
}

}  // namespace

std::string dsn_human_text(const DsnRequest& request, bool whole, bool utf8) {
  std::string out = intro(request);
  for (const DsnRecipient& r : request.recipients) out += recipient_text(request, r, utf8);
  if (request.action == DsnAction::failed)
    out += whole ? "\r\nYour message is attached.\r\n"
                 : "\r\nThe header of your message is attached.\r\n";
  return out;
}

std::string dsn_status_code(DsnAction action, const DsnRecipient& r) {
  std::uint8_t klass = action == DsnAction::failed ? 5 : action == DsnAction::delayed ? 4 : 2;
  if (r.expired && r.reply.enhanced.klass != 5) {
    // RFC 3463: x.4.7 delivery time expired; the peer's detail is in the diagnostic code.
    return "5.4.7";
  }
  if (r.reply.enhanced.klass == klass) return r.reply.enhanced.text();
  return fmt::format("{}.0.0", klass);
}

std::string dsn_status_fields(const DsnRequest& request, bool utf8) {
  std::string out;
  append_field(out, "Reporting-MTA", "dns; " + request.hostname);
  if (!request.envid.empty()) append_field(out, "Original-Envelope-Id", safe(request.envid, utf8));
  append_field(out, "X-Postwain-Queue-ID", request.original_id.text());
  if (!request.original_sender.is_null())
    append_field(out, "X-Postwain-Sender",
                 (utf8 ? "utf-8; " : "rfc822; ") + safe(request.original_sender.text(), utf8));
  append_field(out, "Arrival-Date", format_rfc5322(request.arrived_at));
  for (const DsnRecipient& r : request.recipients) {
    out += "\r\n";
    if (!r.recipient.orcpt.empty())
      append_field(out, "Original-Recipient", safe(r.recipient.orcpt, utf8));
    append_field(out, "Final-Recipient",
                 (r.recipient.address.is_utf8() ? "utf-8; " : "rfc822; ") +
                     safe(r.recipient.address.text(), utf8));
    append_field(out, "Action", action_name(request.action));
    append_field(out, "Status", dsn_status_code(request.action, r));
    if (!r.remote_host.empty())
      append_field(out, "Remote-MTA", "dns; " + safe(r.remote_host, utf8));
    std::string reply = reply_line(r.reply, utf8);
    if (!reply.empty())
      append_field(out, "Diagnostic-Code", (r.reply.code != 0 ? "smtp; " : "X-Postwain; ") + reply);
    if (r.last_attempt_at != WallTime{})
      append_field(out, "Last-Attempt-Date", format_rfc5322(r.last_attempt_at));
    if (request.action == DsnAction::delayed)
      append_field(out, "Will-Retry-Until", format_rfc5322(request.retry_until));
  }
  return out;
}

}  // namespace postwain::qmgr
