// What differs between the kinds of reports: what is counted for one, who wants to hear of it, and
// what it looks like. Everything else (days, the folder, sending) is the same for all of them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ipc/messages.h"
#include "reporter/sending/counts_by_day.h"
#include "reporter/sending/report_mail.h"
#include "reporter/sending/report_spool.h"
#include "reporter/sending/report_uri.h"

namespace postwain::reporter {

struct ReportPlace {
  ReportUri uri;
  std::uint64_t octets_max = 0;  // of the message that brings it there; 0: no limit
};
struct ReportPlaces {
  bool known = false;  // the DNS has answered all that was asked
  std::vector<ReportPlace> places;
};

struct ReportTerms {
  ReportSubject subject;
  std::string_view body_type;  // of what is posted to the web
  bool despite_tls = false;    // its mail leaves whatever TLS does (RFC 8460 3)
};

class ReportKind {
 public:
  virtual ~ReportKind() = default;

  virtual const ReportTerms& terms() const = 0;

  // --- what is counted
  // A frame of the kind that it counts: how many results it tells of. Nothing: it is malformed.
  virtual ipc::FrameType counted() const = 0;
  virtual std::optional<std::uint64_t> count(std::string_view payload, Day today) = 0;
  virtual std::vector<DueReport> before(Day day) const = 0;
  virtual void forget(const DueReport& due) = 0;
  // JSON, a result a line; load() adds, and tells how many lines it could not read.
  virtual std::string counts() const = 0;
  virtual std::size_t load(std::string_view text) = 0;

  // --- who wants it
  // Asks the DNS. Calls done once, at once or later.
  virtual void find_places(const std::string& domain, std::function<void(ReportPlaces)> done) = 0;

  // --- what it looks like
  // The report; empty: there is nothing to tell.
  virtual std::string report(const DueReport& due) const = 0;
  // The message that brings it, without trace and signature.
  virtual std::string mail(const ReportMail& mail) const = 0;
};

}  // namespace postwain::reporter
