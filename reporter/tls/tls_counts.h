// How TLS went, counted until it is reported: by day (UTC), by the domain of the recipients, by
// result. Pure; where it lies on the disk is report_spool.h's matter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/mail/tls_result.h"
#include "reporter/sending/counts_by_day.h"
#include "reporter/sending/day.h"

namespace postwain::reporter {

constexpr std::size_t kDomainsMax = 100'000;         // of one day; more are not counted
constexpr std::size_t kCountsBytesMax = 128U << 20;  // of all results; more are not counted
// Different ones of a domain and day; beyond them the details of failures are left out.
constexpr std::size_t kResultsMax = 200;
constexpr std::size_t kPoliciesMax = 300;  // what is left then, and more is not counted

class ResultCounts {
 public:
  using Results = CountsByDay<mail::TlsResult>::Results;

  ResultCounts();
  void add(Day day, const mail::TlsResult& result, std::uint64_t count);
  std::vector<DueReport> before(Day day) const { return counts_.before(day); }
  const Results* find(Day day, const std::string& domain) const;
  void remove(Day day, const std::string& domain) { counts_.remove(day, domain); }

  // JSON, a result a line. load() adds what it can read, and tells how many lines it could not.
  std::string text() const;
  std::size_t load(std::string_view text);

 private:
  CountsByDay<mail::TlsResult> counts_;
};

}  // namespace postwain::reporter
