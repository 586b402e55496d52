#include "reporter/tls/tls_reports.h"

#include <utility>

#include <fmt/format.h>

#include "reporter/tls/tls_record.h"
#include "reporter/tls/tls_report.h"

namespace postwain::reporter {

namespace {

constexpr ReportTerms kTlsTerms{ReportSubject::tls, "application/tlsrpt+gzip", true};

}  // namespace

const ReportTerms& TlsReports::terms() const {
  return kTlsTerms;
}

std::optional<std::uint64_t> TlsReports::count(std::string_view payload, Day today) {
  ipc::TlsResults told;
  if (!ipc::decode(payload, told)) return std::nullopt;
  std::uint64_t sum = 0;
  for (const mail::CountedTlsResult& one : told.results) {
    counts_.add(today, one.result, one.count);
    sum += one.count;
  }
  return sum;
}

void TlsReports::find_places(const std::string& domain, std::function<void(ReportPlaces)> done) {
  resolver_.lookup_text("_smtp._tls." + domain,
                        [done = std::move(done)](const dns::TextAnswer& answer) {
                          ReportPlaces out;
                          out.known = answer.status != dns::AnswerStatus::temporary;
                          for (ReportUri& uri : report_uris(answer.texts))
                            out.places.push_back({std::move(uri)});
                          done(std::move(out));
                        });
}

std::string TlsReports::report(const DueReport& due) const {
  const ResultCounts::Results* results = counts_.find(due.day, due.domain);
  if (results == nullptr || results->empty()) return {};
  return tls_report(submitter_, due.day, due.domain, *results);
}

std::string TlsReports::mail(const ReportMail& mail) const {
  std::string fields =
      fmt::format("TLS-Report-Domain: {}\r\nTLS-Report-Submitter: {}\r\nTLS-Required: No\r\n",
                  mail.domain, submitter_.domain);
  return report_mail(submitter_, mail,
                     {.id = report_id(submitter_, mail.day, mail.domain),
                      .fields = fields,
                      .content_type = "multipart/report; report-type=\"tlsrpt\"",
                      .about = "a report of SMTP TLS results (RFC 8460)",
                      .format = "JSON",
                      .media_type = kTlsTerms.body_type,
                      .extension = "json.gz"});
}

}  // namespace postwain::reporter
