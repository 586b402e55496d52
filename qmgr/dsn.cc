#include "qmgr/dsn.h"

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/mail/content_fields.h"

#include "qmgr/dsn_text.h"

namespace postwain::qmgr {

namespace {

// What the last part quotes of the original.
struct Quote {
  std::string_view bytes;
  bool whole = false;
};

Quote quote_of(const DsnRequest& request, std::string_view original) {
  bool want_whole = request.action == DsnAction::failed && request.ret != mail::DsnReturn::headers;
  // Binary content cannot stand in a part of a message that travels by DATA.
  if (want_whole && !request.original_binary && !original.empty() &&
      request.original_size <= kDsnQuoteMax && original.size() >= request.original_size)
    return {original.substr(0, request.original_size), true};
  std::size_t end = mail::header_end(original);
  std::string_view header = original.substr(0, std::min(end, original.size()));
  if (header.size() > kDsnHeaderMax) {
    std::size_t line = header.rfind("\r\n", kDsnHeaderMax);
    header = header.substr(0, line == std::string_view::npos ? 0 : line + 2);
  }
  return {header, false};
}

bool needs_utf8(const DsnRequest& request) {
  if (request.to.is_utf8() || !is_ascii(request.envid)) return true;
  for (const DsnRecipient& r : request.recipients)
    if (r.recipient.address.is_utf8() || !is_ascii(r.recipient.orcpt)) return true;
  return false;
}

std::string boundary_for(const DsnRequest& request, std::string_view quoted) {
  std::string boundary = fmt::format("=_{}/{}", request.id.text(), request.hostname);
  if (boundary.size() > 60) boundary.resize(60);
  // A quoted notice of ours carries a boundary of the same form, so make sure it is not this one.
  for (int n = 0; quoted.find("--" + boundary) != std::string_view::npos; ++n)
    boundary = fmt::format("=_{}.{}", request.id.text(), n);
  return boundary;
}

std::string_view subject_of(DsnAction action) {
  switch (action) {
    case DsnAction::failed:
      return "Undelivered mail returned to sender";
    case DsnAction::delayed:
      return "Delayed mail (still being retried)";
    case DsnAction::delivered:
    case DsnAction::relayed:
      return "Successful mail delivery report";
  }
  return "?";
}

void append_header(std::string& out, const DsnRequest& request, const std::string& boundary,
                   bool eight_bit) {
  std::string date = format_rfc5322(request.now);
  std::string_view subject =
      request.to_postmaster ? "Postmaster copy: undeliverable notice" : subject_of(request.action);
  out += fmt::format("Received: by {} (Postwain) id {}; {}\r\n", request.hostname,
                     request.id.text(), date);
  out += fmt::format("Date: {}\r\n", date);
  out += fmt::format("From: Mail Delivery System <MAILER-DAEMON@{}>\r\n", request.hostname);
  out += fmt::format("To: <{}>\r\n", request.to.text());
  out += fmt::format("Subject: {}\r\n", subject);
  out += fmt::format("Message-ID: <{}@{}>\r\n", request.id.text(), request.hostname);
  out += "Auto-Submitted: auto-replied\r\n";
  out += "MIME-Version: 1.0\r\n";
  out += fmt::format(
      "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{}\"\r\n",
      boundary);
  if (eight_bit) out += "Content-Transfer-Encoding: 8bit\r\n";
  out += "\r\nThis is a MIME-encapsulated message.\r\n";
}

void open_part(std::string& out, const std::string& boundary, std::string_view description,
               std::string_view type, bool eight_bit) {
  out += fmt::format("\r\n--{}\r\nContent-Description: {}\r\nContent-Type: {}\r\n", boundary,
                     description, type);
  if (eight_bit) out += "Content-Transfer-Encoding: 8bit\r\n";
  out += "\r\n";
}

}  // namespace

Dsn build_dsn(const DsnRequest& request, std::string_view original) {
  Quote quote = quote_of(request, original);
  bool utf8 = needs_utf8(request);
  bool quote_eight_bit = !is_ascii(quote.bytes);
  Dsn dsn;
  dsn.smtputf8 = utf8;
  dsn.eight_bit = utf8 || quote_eight_bit;
  std::string boundary = boundary_for(request, quote.bytes);

  append_header(dsn.content, request, boundary, dsn.eight_bit);
  open_part(dsn.content, boundary, "Notification",
            utf8 ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii", utf8);
  dsn.content += dsn_human_text(request, quote.whole, utf8);
  open_part(dsn.content, boundary, "Delivery report",
            utf8 ? "message/global-delivery-status" : "message/delivery-status", utf8);
  dsn.content += dsn_status_fields(request, utf8);
  std::string_view type = quote.whole ? (utf8 ? "message/global" : "message/rfc822")
                                      : (utf8 ? "message/global-headers" : "text/rfc822-headers");
  open_part(dsn.content, boundary, quote.whole ? "Undelivered message" : "Message headers", type,
            utf8 || quote_eight_bit);
  dsn.content += quote.bytes;
  if (!quote.bytes.empty() && quote.bytes.substr(quote.bytes.size() - 1) != "\n")
    dsn.content += "\r\n";
  dsn.content += fmt::format("\r\n--{}--\r\n", boundary);
  return dsn;
}

}  // namespace postwain::qmgr
