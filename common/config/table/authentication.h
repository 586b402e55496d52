// [authentication]: whether mail that strangers bring is what it says it is. SPF, DKIM and DMARC
// are looked at, and what was found is written into an Authentication-Results field (RFC 8601).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/config/table/filter.h"
#include "common/config/table/origin.h"

namespace postwain::config {

// The most that may follow from a finding, in the order of severity; never more than the domain
// in whose name the mail comes asks for.
enum class AuthenticationAction : std::uint8_t {
  off,   // it is not looked at
  note,  // it is written down
  hold,
  refuse,
};
std::string_view name_of(AuthenticationAction action);

// What looks at it, among filters.
constexpr std::string_view kAuthenticationName = "authentication";

// Whose mail is sealed as it leaves: nobody's, or what we have not written and pass on.
enum class ArcSealing : std::uint8_t { off, forwarded };

// Chains of forwarders (RFC 8617).
struct ArcChecks {
  bool verify = true;
  // Domains, in their canonical form: when the last sealer of a whole chain is one of them, DMARC's
  // failure is not the sender's fault.
  std::vector<std::string> trusted;
  // Strangers' mail that leaves by SMTP gets a seal of ours: with a [[dkim_key]] of this domain.
  ArcSealing seal = ArcSealing::off;
  std::string seal_domain;  // in its canonical form
};

struct Authentication {
  bool wanted = false;  // [authentication] is there
  std::string name;     // the authserv-id (RFC 8601 2.5); in its canonical form
  AuthenticationAction spf = AuthenticationAction::note;
  // Of the name in HELO (RFC 7208 2.3), beside that of the sender; only where spf is not off.
  AuthenticationAction spf_helo = AuthenticationAction::note;
  AuthenticationAction dkim = AuthenticationAction::note;
  AuthenticationAction dmarc = AuthenticationAction::note;
  // What follows when a stranger's mail names a [[domain]] of ours as its author's and nothing
  // shows that it is true, whatever that domain's DMARC record says.
  AuthenticationAction own_domains = AuthenticationAction::note;
  ArcChecks arc;
  // So long after its end a message waits for the DNS; what is not known by then is a temporary
  // error.
  Duration time = std::chrono::seconds(20);
  FilterMode mode = FilterMode::enforce;
  Origin origin;

  // Strangers come by listeners that are not for submission.
  bool is_on(const Listener& listener) const { return wanted && kind_of(listener) == "world"; }
  bool looks_at_helo() const {
    return spf != AuthenticationAction::off && spf_helo != AuthenticationAction::off;
  }
  bool needs_body() const { return dkim != AuthenticationAction::off || arc.verify; }
};

}  // namespace postwain::config
