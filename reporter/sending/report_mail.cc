#include "reporter/sending/report_mail.h"

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::reporter {

namespace {

constexpr std::size_t kLine = 76;  // RFC 2045 6.8

std::string base64_lines(std::string_view bytes) {
  std::string text = base64_encode(bytes);
  std::string out;
  out.reserve(text.size() + text.size() / kLine * 2 + 2);
  for (std::size_t at = 0; at < text.size(); at += kLine) {
    out.append(text, at, kLine);
    out += "\r\n";
  }
  return out;
}

}  // namespace

std::string report_mail(const Submitter& submitter, const ReportMail& mail,
                        const ReportMailForm& form) {
  std::string boundary = fmt::format("=_report_{}", name_of(mail.day));
  std::string out = fmt::format("From: <{}>\r\nTo: <{}>\r\n", submitter.from, mail.to);
  out += fmt::format("Date: {}\r\nMessage-ID: <{}>\r\n", format_rfc5322(mail.date), form.id);
  // Each part of the line is a name of at most 255 characters: folded, none is too long.
  out += fmt::format("Subject: Report Domain: {}\r\n Submitter: {}\r\n Report-ID: <{}>\r\n",
                     mail.domain, submitter.domain, form.id);
  out += form.fields;
  out += "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n";
  out += fmt::format("Content-Type: {};\r\n boundary=\"{}\"\r\n\r\n", form.content_type, boundary);
  out += fmt::format("--{}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n", boundary);
  out += fmt::format(
      "This is {} of {} for\r\n{},\r\nfrom {}.\r\n"
      "It is attached as compressed {}. Questions: {}\r\n\r\n",
      form.about, name_of(mail.day), mail.domain, submitter.hostname, form.format,
      submitter.contact);
  out += fmt::format(
      "--{}\r\nContent-Type: {}\r\nContent-Transfer-Encoding: base64\r\n"
      "Content-Disposition: attachment;\r\n filename=\"{}\"\r\n\r\n",
      boundary, form.media_type,
      report_file_name(submitter, mail.day, mail.domain, form.extension));
  out += base64_lines(mail.gzip);
  out += fmt::format("\r\n--{}--\r\n", boundary);
  return out;
}

}  // namespace postwain::reporter
