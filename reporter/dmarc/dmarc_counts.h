// What DMARC found, counted until it is reported: by day (UTC), by the domain whose record it was,
// by row. What strangers can make us keep is bounded. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/mail/reported/dmarc_result.h"
#include "reporter/sending/counts_by_day.h"

namespace postwain::reporter {

constexpr std::size_t kDmarcDomainsMax = 20'000;        // of one day; more are not counted
constexpr std::size_t kDmarcBytesMax = 64U << 20;       // of all rows
constexpr std::size_t kDmarcDomainBytesMax = 6U << 20;  // of those of a domain and day
// Rows of a domain and day. Beyond the first number they tell the client and what was done, and
// not what SPF and DKIM had said; beyond the second one messages are counted, and nothing else.
constexpr std::size_t kDetailedRowsMax = 10'000;
constexpr std::size_t kDmarcRowsMax = 11'000;

class DmarcCounts {
 public:
  using Rows = CountsByDay<mail::DmarcRow>::Results;
  struct OfDomain {
    mail::PublishedDmarc published;  // the newest state that mail was judged by
    const Rows* rows = nullptr;      // never null
    std::uint64_t left_out = 0;      // messages that are in no row
  };

  DmarcCounts();
  // Of texts only what is printable ASCII is kept; any other octet becomes a question mark.
  void add(Day day, mail::DmarcResult result, std::uint64_t count);
  std::vector<DueReport> before(Day day) const { return rows_.before(day); }
  // Nothing: nothing was counted.
  std::optional<OfDomain> find(Day day, const std::string& domain) const;
  void remove(Day day, const std::string& domain);

  // JSON: a line for each domain, and one for each row. load() adds what it can read, and tells how
  // many lines it could not.
  std::string text() const;
  std::size_t load(std::string_view text);

 private:
  CountsByDay<mail::DmarcRow> rows_;
  std::map<std::pair<Day, std::string>, mail::PublishedDmarc> published_;
};

}  // namespace postwain::reporter
