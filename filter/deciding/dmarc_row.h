// What of the findings about one message is told to the domain of its author, in the daily reports
// of RFC 9990. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "common/config/table/authentication.h"
#include "common/mail/reported/dmarc_result.h"
#include "filter/deciding/authentication_findings.h"

namespace postwain::filter {

// Nothing: nobody is to hear of it, because no record was found, or one that asks for no reports,
// or because the mail is one of our own reports that came back (it is sent from own_address, in the
// name of that address's domain): who reports about reports never ends.
//
// given: what was done with the message for all that was found; where that is more than DMARC leads
// to (own_domains, spf, dkim, forged results), it is told as our own policy.
//
// Where [authentication] only watches, nothing was done, and that is what is told.
std::optional<mail::DmarcResult> reported_result(const config::Authentication& settings,
                                                 const AuthenticationFindings& findings,
                                                 const AuthenticationVerdict& given,
                                                 std::string_view own_address);

}  // namespace postwain::filter
