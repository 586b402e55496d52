// The folder of a kind of reports: the result counts, and the pending reports, each on its way to
// one address. Small files, each written whole under another name and then renamed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/file.h"
#include "common/base/time.h"
#include "reporter/sending/day.h"
#include "reporter/sending/report_uri.h"

namespace postwain::reporter {

constexpr std::size_t kReportsMax = 100'000;

// What reports are about; the log has other events for each.
enum class ReportSubject : std::uint8_t { tls, dmarc };

struct PendingReport {
  ReportUri uri;
  std::string domain;
  Day day{};
  std::string report;            // its text
  std::uint64_t octets_max = 0;  // ReportPlace
  WallTime made{};
  // The same for the same report and address.
  std::string name() const;
};

class ReportSpool {
 public:
  ReportSpool(ReportSubject subject, std::string folder)
      : subject_(subject), folder_(std::move(folder)) {}

  // False: another process works here (the one before us, that is about to end).
  Result<bool> lock();
  Result<std::string> counts() const;  // "" when there is none
  Status save_counts(std::string_view text) const;
  Status put(const PendingReport& pending) const;
  void remove(const std::string& name) const;
  // Those that can be read; others are moved aside (".bad").
  std::vector<PendingReport> pending_reports() const;

 private:
  Status write(const std::string& name, std::string_view text) const;

  ReportSubject subject_;
  std::string folder_;
  UniqueFd lock_;
};

}  // namespace postwain::reporter
