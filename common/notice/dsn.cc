#include "common/notice/dsn.h"

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/content/content_fields.h"

#include "common/notice/dsn_text.h"
#include "common/notice/encode.h"

namespace postwain::notice {

namespace {

// What the last part quotes of the original.
struct Quote {
  std::string_view bytes;
  bool whole = false;
};

bool wants_whole(const DsnRequest& request) {
  // RFC 3461 4.3: RET speaks of reports of failure. Binary content cannot stand in a part of a
  // message that travels by DATA.
  return request.action == DsnAction::failed && request.ret != mail::DsnReturn::headers &&
         !request.original_binary && !request.original_require_tls &&
         request.original_size <= request.original_max;
}

// RFC 5321 4.5.3.1.6: without the line end.
constexpr std::size_t kLineMax = 998;

bool has_long_line(std::string_view text) {
  while (text.size() > kLineMax) {
    std::size_t end = std::min(text.find('\n'), text.size());
    bool ended = end > 0 && text[end - 1] == '\r';
    if (end - (ended ? 1 : 0) > kLineMax) return true;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return false;
}

// What is longer is cut, and says so.
std::string with_lines_cut(std::string_view text) {
  constexpr std::string_view kMark = " [...]";
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end == std::string_view::npos ? end : end + 1);
    text.remove_prefix(line.size());
    std::string_view ending = line.substr(std::min(line.find_last_not_of("\r\n") + 1, line.size()));
    std::string_view words = line.substr(0, line.size() - ending.size());
    if (words.size() > kLineMax) {
      out += words.substr(0, kLineMax - kMark.size());
      out += kMark;
    } else {
      out += words;
    }
    out += ending;
  }
  return out;
}

Quote quote_of(const DsnRequest& request, std::string_view original, bool may_be_whole) {
  // A line longer than SMTP allows would have the report refused as the message was.
  if (may_be_whole && wants_whole(request) && !original.empty() &&
      original.size() >= request.original_size && !has_long_line(original))
    return {original.substr(0, request.original_size), true};
  std::size_t end = mail::header_end(original);
  std::string_view header = original.substr(0, std::min(end, original.size()));
  if (header.size() > kDsnHeaderMax) {
    std::size_t line = header.rfind("\r\n", kDsnHeaderMax);
    header = header.substr(0, line == std::string_view::npos ? 0 : line + 2);
  }
  return {header, false};
}

struct Part {
  std::string_view description;
  std::string type;
  std::string_view encoding;  // empty: 7bit
  std::string body;
};

Part human_part(const DsnRequest& request, const DsnForm& form) {
  Part part{"Notification", "text/plain; charset=us-ascii", "", dsn_human_text(request, form)};
  if (is_ascii(part.body)) return part;
  part.type = "text/plain; charset=utf-8";
  part.encoding = form.utf8 ? "8bit" : "quoted-printable";
  if (!form.utf8) part.body = quoted_printable(part.body);
  return part;
}

Part status_part(const DsnRequest& request, const DsnForm& form) {
  Part part{"Delivery report", "message/delivery-status", "", dsn_status_fields(request, form)};
  if (form.utf8) part.type = "message/global-delivery-status";
  if (form.utf8) part.encoding = "8bit";
  return part;
}

// An original whose header holds raw UTF-8 is a message/global (RFC 6532 3.7). Its header alone can
// stand in quoted-printable instead (RFC 6522 4), which passes where 8-bit content does not.
Part original_part(const Quote& quote, const DsnForm& form) {
  bool eight_bit = !is_ascii(quote.bytes);
  std::size_t end = std::min(mail::header_end(quote.bytes), quote.bytes.size());
  std::string_view header = quote.bytes.substr(0, end);
  bool international = !is_ascii(header) && is_valid_utf8(header);
  Part part{quote.whole ? "Undelivered message" : "Message headers", "", eight_bit ? "8bit" : "",
            std::string(quote.bytes)};
  if (!part.body.empty() && part.body.back() != '\n') part.body += "\r\n";
  if (!quote.whole) part.body = with_lines_cut(part.body);
  if (quote.whole) {
    part.type = international ? "message/global" : "message/rfc822";
  } else if (form.utf8 && international) {
    part.type = "message/global-headers";
  } else {
    part.type = "text/rfc822-headers";
    if (eight_bit) {
      part.encoding = "quoted-printable";
      part.body = quoted_printable(part.body);
      if (is_valid_utf8(quote.bytes)) part.type += "; charset=utf-8";
    }
  }
  return part;
}

// A quoted notice of ours carries a boundary of the same form, so make sure it is not this one.
std::string boundary_for(const DsnRequest& request, const std::vector<Part>& parts) {
  std::string boundary = fmt::format("=_{}/{}", request.id.text(), request.hostname);
  if (boundary.size() > 60) boundary.resize(60);
  auto taken = [&](const Part& part) {
    return part.body.find("--" + boundary) != std::string::npos;
  };
  for (int n = 0; std::any_of(parts.begin(), parts.end(), taken); ++n)
    boundary = fmt::format("=_{}.{}", request.id.text(), n);
  return boundary;
}

// The original's Message-ID, so that mail programs show the notice beside it; empty when it has
// none that could be repeated safely.
std::string message_id_of(std::string_view original) {
  constexpr std::size_t kMessageIdMax = 250;
  std::size_t end = std::min(mail::header_end(original), original.size());
  std::string id(trim(mail::field_value(original.substr(0, end), "Message-ID")));
  bool good = id.size() > 2 && id.size() <= kMessageIdMax && id.front() == '<' && id.back() == '>';
  for (char c : id) good = good && c > ' ' && c <= '~';
  return good ? id : std::string();
}

std::string header_of(const DsnRequest& request, std::string_view original,
                      const std::string& boundary, bool utf8, bool eight_bit) {
  std::string date = format_rfc5322(request.now);
  std::string subject = dsn_subject(request);
  std::string to = harmless(utf8 ? request.to.text() : request.to.ascii_text(), 1024);
  std::string out = fmt::format("Received: by {} (Postwain) id {}; {}\r\n", request.hostname,
                                request.id.text(), date);
  out += fmt::format("Date: {}\r\n", date);
  out += fmt::format("From: Mail Delivery System <MAILER-DAEMON@{}>\r\n", request.hostname);
  out += fmt::format("To: <{}>\r\n", utf8 ? to : ascii_of(to));
  out += fmt::format("Subject: {}\r\n", utf8 ? subject : encoded_words(subject));
  out += fmt::format("Message-ID: <{}@{}>\r\n", request.id.text(), request.hostname);
  if (std::string id = message_id_of(original); !id.empty())
    out += fmt::format("In-Reply-To: {0}\r\nReferences: {0}\r\n", id);
  out += "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n";
  if (request.to_postmaster)
    out += fmt::format("{}: {}\r\n", mail::kDoubleBounceField, request.hostname);
  out += fmt::format(
      "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{}\"\r\n",
      boundary);
  if (eight_bit) out += "Content-Transfer-Encoding: 8bit\r\n";
  return out + "\r\nThis is a MIME-encapsulated message.\r\n";
}

Dsn build(const DsnRequest& request, std::string_view original, bool may_be_whole,
          std::size_t reply_max) {
  Quote quote = quote_of(request, original, may_be_whole);
  DsnForm form{request.to.needs_smtputf8(), quote.whole, reply_max};
  std::vector<Part> parts = {human_part(request, form), status_part(request, form)};
  if (request.quotes) parts.push_back(original_part(quote, form));
  std::string boundary = boundary_for(request, parts);
  Dsn dsn;
  dsn.smtputf8 = form.utf8;
  dsn.eight_bit = form.utf8;
  for (const Part& part : parts) dsn.eight_bit = dsn.eight_bit || part.encoding == "8bit";
  dsn.content = header_of(request, original, boundary, form.utf8, dsn.eight_bit);
  for (const Part& part : parts) {
    dsn.content += fmt::format("\r\n--{}\r\nContent-Description: {}\r\nContent-Type: {}\r\n",
                               boundary, part.description, part.type);
    if (!part.encoding.empty())
      dsn.content += fmt::format("Content-Transfer-Encoding: {}\r\n", part.encoding);
    dsn.content += "\r\n";
    dsn.content += part.body;
  }
  dsn.content += fmt::format("\r\n--{}--\r\n", boundary);
  return dsn;
}

}  // namespace

std::size_t bytes_wanted(const DsnRequest& request) {
  // For the header alone a little more than is quoted, so that a cut is seen.
  std::size_t header = kDsnHeaderMax + 1024;
  return wants_whole(request) ? std::max<std::size_t>(request.original_size, header) : header;
}

Dsn build_dsn(const DsnRequest& request, std::string_view original) {
  Dsn dsn = build(request, original, true, kDsnReplyMax);
  if (dsn.content.size() <= kDsnContentMax) return dsn;
  return build(request, original, false, kDsnShortReplyMax);
}

}  // namespace postwain::notice
