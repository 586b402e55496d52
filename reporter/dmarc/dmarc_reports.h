// Reports of what DMARC found (RFC 9990), as a kind of reports.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/dns/resolver.h"
#include "reporter/dmarc/dmarc_counts.h"
#include "reporter/sending/report_kind.h"

namespace postwain::reporter {

class DmarcReports final : public ReportKind {
 public:
  // Both outlive it, and what it has asked of the resolver.
  DmarcReports(dns::Resolver& resolver, const Submitter& submitter)
      : resolver_(resolver), submitter_(submitter) {}

  const ReportTerms& terms() const override;
  ipc::FrameType counted() const override { return ipc::FrameType::dmarc_results; }
  std::optional<std::uint64_t> count(std::string_view payload, Day today) override;
  std::vector<DueReport> before(Day day) const override { return counts_.before(day); }
  void forget(const DueReport& due) override { counts_.remove(due.day, due.domain); }
  std::string counts() const override { return counts_.text(); }
  std::size_t load(std::string_view text) override { return counts_.load(text); }
  void find_places(const std::string& domain, std::function<void(ReportPlaces)> done) override;
  std::string report(const DueReport& due) const override;
  std::string mail(const ReportMail& mail) const override;

 private:
  dns::Resolver& resolver_;
  const Submitter& submitter_;
  DmarcCounts counts_;
};

}  // namespace postwain::reporter
