#include "reporter/report_mail.h"

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::reporter {

namespace {

constexpr std::size_t kLine = 76;  // RFC 2045 6.8

std::string base64_lines(std::string_view bytes) {
  std::string text = base64_encode(bytes);
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += kLine) {
    out.append(text, at, kLine);
    out += "\r\n";
  }
  return out;
}

}  // namespace

std::string report_mail(const Submitter& submitter, const ReportMail& mail) {
  std::string id = report_id(submitter, mail.day, mail.domain);
  std::string boundary = fmt::format("=_tls-report_{}", name_of(mail.day));
  std::string file = report_file_name(submitter, mail.day, mail.domain);
  std::string out = fmt::format("From: <{}>\r\nTo: <{}>\r\n", mail.from, mail.to);
  out += fmt::format("Date: {}\r\nMessage-ID: <{}>\r\n", format_rfc5322(mail.date), id);
  // Each part of the line is a name of at most 255 characters: folded, none is too long.
  out += fmt::format("Subject: Report Domain: {}\r\n Submitter: {}\r\n Report-ID: <{}>\r\n",
                     mail.domain, submitter.domain, id);
  out += fmt::format("TLS-Report-Domain: {}\r\nTLS-Report-Submitter: {}\r\n", mail.domain,
                     submitter.domain);
  out += "TLS-Required: No\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n";
  out += fmt::format(
      "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n boundary=\"{}\"\r\n\r\n",
      boundary);
  out += fmt::format("--{}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n", boundary);
  out += fmt::format(
      "This is a report of SMTP TLS results (RFC 8460) of {} for\r\n{},\r\nfrom {}.\r\n"
      "It is attached as compressed JSON. Questions: {}\r\n\r\n",
      name_of(mail.day), mail.domain, submitter.hostname, submitter.contact);
  out += fmt::format(
      "--{}\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n"
      "Content-Disposition: attachment;\r\n filename=\"{}\"\r\n\r\n",
      boundary, file);
  out += base64_lines(mail.gzip);
  out += fmt::format("\r\n--{}--\r\n", boundary);
  return out;
}

}  // namespace postwain::reporter
