// What is counted until it is reported: by day (UTC), by the domain of the recipients, by result.
// Pure; where it lies on the disk is report_spool.h's matter.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/mail/tls_result.h"

namespace postwain::reporter {

using Day = std::chrono::sys_days;

constexpr std::size_t kDomainsMax = 100'000;         // of one day; more are not counted
constexpr std::size_t kCountsBytesMax = 128U << 20;  // of all results; more are not counted
// Different ones of a domain and day; beyond them the details of failures are left out.
constexpr std::size_t kResultsMax = 200;
constexpr std::size_t kPoliciesMax = 300;  // what is left then, and more is not counted

Day day_of(WallTime time);
std::string name_of(Day day);  // "2026-11-28"

class ResultCounts {
 public:
  using Results = std::map<mail::TlsResult, std::uint64_t>;

  void add(Day day, const mail::TlsResult& result, std::uint64_t count);
  struct Due {
    Day day;
    std::string domain;
  };
  std::vector<Due> before(Day day) const;
  const Results* find(Day day, const std::string& domain) const;
  void remove(Day day, const std::string& domain);

  // JSON, a result a line. load() adds what it can read, and tells how many lines it could not.
  std::string text() const;
  std::size_t load(std::string_view text);

 private:
  void count(Results& results, const mail::TlsResult& result, std::uint64_t count);

  std::map<Day, std::map<std::string, Results>> days_;
  std::size_t bytes_ = 0;  // of all results
};

}  // namespace postwain::reporter
