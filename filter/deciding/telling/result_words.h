// What SPF, DKIM, DMARC and ARC have found about one message, in the words of the field
// Authentication-Results, of the log and of a trace. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/results/method_result.h"
#include "common/config/table/authentication.h"
#include "filter/deciding/authentication_findings.h"

namespace postwain::filter {

// For results_field(). Texts of strangers are in it as they are.
std::vector<authentication::MethodResult> method_results(const config::Authentication& settings,
                                                         const AuthenticationFindings& findings);
// "pass", "temperror" or "fail".
std::string_view own_mail_word(OwnMail own);
// "spf=pass (example.org) spf_helo=none (mx.example.org) dkim=pass (example.org) dmarc=pass
// (example.org)", and "own=fail (example.org)" where it comes in the name of a domain of ours;
// printable.
std::string summary_of(const config::Authentication& settings,
                       const AuthenticationFindings& findings);

}  // namespace postwain::filter
