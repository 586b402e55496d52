// What SPF, DKIM and DMARC have found about one message, and what follows from it: a verdict within
// what [authentication] permits. How it is told: filter/deciding/telling. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/arc/arc_verify.h"
#include "common/authentication/dkim/result.h"
#include "common/authentication/dmarc/author_domain.h"
#include "common/authentication/dmarc/disposition.h"
#include "common/authentication/dmarc/dmarc_evaluation.h"
#include "common/authentication/spf/spf_check.h"
#include "common/config/table/authentication.h"
#include "common/ipc/authentication_counts.h"
#include "common/ipc/filter_messages.h"
#include "common/mail/reply.h"
#include "common/rewrite/own_domains.h"

namespace postwain::filter {

// What was not looked at is not there.
struct AuthenticationFindings {
  std::string client;  // its address
  std::string helo;
  std::string mail_from;  // without angle brackets
  // Of the sender; of the hello where the sender is null (RFC 7208 2.4).
  std::optional<authentication::SpfFinding> spf{};
  // Of the hello beside that of a sender (RFC 7208 2.3). DMARC does not ask for it (RFC
  // 7489 3.1.2).
  std::optional<authentication::SpfFinding> spf_helo{};
  std::optional<std::vector<authentication::dkim::SignatureResult>> dkim{};
  std::optional<authentication::arc::ArcResult> arc{};
  authentication::Author author{};
  std::optional<authentication::DmarcResult> dmarc{};
  bool from_list = false;  // has_list_signs()
  // Whether the From field names a domain of ours, as far as own_domains asks; and what DMARC's
  // evaluation says of it, where it names one domain.
  bool author_is_own = false;
  std::optional<authentication::DmarcResult> own_author{};
};

// Whether one of the authors is of a domain of ours. A From field that cannot be parsed counts as
// such, since its readers may see anything in it. header: the whole header section.
bool names_own_author(std::string_view header, const authentication::Author& author,
                      const rewrite::OwnDomains& own);

// What DMARC is told of the others.
authentication::DmarcInput dmarc_input(const AuthenticationFindings& findings);

// What follows from DMARC, if it is not only watched.
authentication::DmarcDisposition dmarc_disposition(const config::Authentication& settings,
                                                   const AuthenticationFindings& findings);

// What is known of mail in the name of a domain of ours.
enum class OwnMail : std::uint8_t {
  shown,    // SPF, DKIM or a trusted forwarder shows that it is ours
  unknown,  // the DNS does not answer
  forged,   // nothing shows it
};
// Where author_is_own.
OwnMail own_mail_of(const config::Authentication& settings, const AuthenticationFindings& findings);

struct AuthenticationVerdict {
  ipc::FilterVerdict verdict = ipc::FilterVerdict::keep_going;  // refuse, defer
  mail::Reply reply{};
  std::optional<std::string> hold{};                                // why
  ipc::AuthenticationCause cause = ipc::AuthenticationCause::none;  // of one that is not accepted
};
// Nobody needs so many fields that claim to be ours but who wants one of them to be overlooked.
constexpr std::size_t kForgedResultsMax = 20;
AuthenticationVerdict too_many_forgeries();
AuthenticationVerdict verdict_of(const config::Authentication& settings,
                                 const AuthenticationFindings& findings);

}  // namespace postwain::filter
