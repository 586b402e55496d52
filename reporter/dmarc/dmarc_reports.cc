#include "reporter/dmarc/dmarc_reports.h"

#include <memory>
#include <utility>

#include "common/ipc/dmarc_results.h"
#include "reporter/dmarc/dmarc_report.h"
#include "reporter/dmarc/report_targets.h"

namespace postwain::reporter {

namespace {

constexpr ReportTerms kDmarcTerms{ReportSubject::dmarc, "application/gzip", false};

// One search for those who get a report; it lives as long as a question of it is open.
struct TargetSearch {
  dns::Resolver& resolver;
  std::function<void(ReportPlaces)> done;
  ReportTargets targets;
  std::size_t asked = 0;
  bool asking = false;
};

// What is answered at once leads to more in the next round of this loop.
void ask_on(const std::shared_ptr<TargetSearch>& search) {
  if (std::exchange(search->asking, true)) return;
  for (;;) {
    auto questions = search->targets.take_questions();
    if (questions.empty()) break;
    for (const authentication::DnsQuestion& question : questions)
      search->resolver.lookup_text(
          question.name, [search, number = search->asked++](const dns::TextAnswer& answer) {
            search->targets.answer(number, {answer.status, answer.texts, {}});
            ask_on(search);
          });
  }
  search->asking = false;
  if (search->targets.done())
    if (auto done = std::exchange(search->done, nullptr)) done(search->targets.result());
}

}  // namespace

const ReportTerms& DmarcReports::terms() const {
  return kDmarcTerms;
}

std::optional<std::uint64_t> DmarcReports::count(std::string_view payload, Day today) {
  ipc::DmarcResults told;
  if (!ipc::decode(payload, told)) return std::nullopt;
  std::uint64_t sum = 0;
  for (mail::CountedDmarcResult& one : told.results) {
    counts_.add(today, std::move(one.result), one.count);
    sum += one.count;
  }
  return sum;
}

void DmarcReports::find_places(const std::string& domain, std::function<void(ReportPlaces)> done) {
  ask_on(std::make_shared<TargetSearch>(
      TargetSearch{resolver_, std::move(done), ReportTargets(domain)}));
}

std::string DmarcReports::report(const DueReport& due) const {
  auto counts = counts_.find(due.day, due.domain);
  if (!counts || counts->rows->empty()) return {};
  return dmarc_report(submitter_, due.day, *counts);
}

std::string DmarcReports::mail(const ReportMail& mail) const {
  return report_mail(submitter_, mail,
                     {.id = dmarc_report_id(submitter_, mail.day, mail.domain),
                      .fields = {},
                      .content_type = "multipart/mixed",
                      .about = "a report of DMARC results (RFC 9990)",
                      .format = "XML",
                      .media_type = kDmarcTerms.body_type,
                      .extension = "xml.gz"});
}

}  // namespace postwain::reporter
