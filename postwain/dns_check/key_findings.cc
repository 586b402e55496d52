#include "postwain/dns_check/key_findings.h"

#include <fmt/format.h>

#include "common/authentication/dmarc/domain_name.h"
#include "common/base/check.h"
#include "common/base/text.h"

namespace postwain::tool {

using authentication::dkim::KeyFit;
using authentication::dkim::KeyFitting;

namespace {

// Receivers keep what they have read of the DNS, and forwarders are slow, too.
constexpr auto kOthersTake = std::chrono::hours(7 * 24);

std::string key_title(const OwnKey& key) {
  return fmt::format("key {} ({})", key.entry.selector, key.algorithm_text());
}

void judge_signing_key(const OwnKey& key, const KeyFitting& fitting, DnsFinding& out) {
  switch (fitting.fit) {
    case KeyFit::fits:
      out.text = key_title(key) + " signs, and its record fits";
      if (key.algorithm == authentication::dkim::Algorithm::rsa_sha256 && key.bits < kGoodRsaBits) {
        out.level = FindingLevel::warning;
        out.text += fmt::format(
            "; it is shorter than {} bits, make a longer one: postwain dkim "
            "rotate {}",
            kGoodRsaBits, key.entry.domain);
      }
      return;
    case KeyFit::several:
    case KeyFit::testing:
    case KeyFit::unknown:
      out.level = FindingLevel::warning;
      out.text = fmt::format("{} signs: {}", key_title(key), printable(fitting.why));
      return;
    case KeyFit::missing:
    case KeyFit::differs:
    case KeyFit::unusable:
      out.level = FindingLevel::error;
      out.text = fmt::format("{} signs, and no signature of it can be verified: {}", key_title(key),
                             printable(fitting.why));
      out.publish = key.zone_line();
      return;
  }
}

void judge_next_key(const OwnKey& key, const KeyFitting& fitting, DnsFinding& out) {
  out.level = FindingLevel::advice;
  switch (fitting.fit) {
    case KeyFit::fits:
      out.text = fmt::format("{} is published and may sign: postwain dkim rotate {}",
                             key_title(key), key.entry.domain);
      return;
    case KeyFit::missing:
      out.text = key_title(key) + " is the next one, and is to be published before it signs";
      out.publish = key.zone_line();
      return;
    case KeyFit::several:
    case KeyFit::testing:
    case KeyFit::unknown:
    case KeyFit::differs:
    case KeyFit::unusable:
      out.level = FindingLevel::warning;
      out.text = fmt::format("{} is the next one, and cannot sign yet: {}", key_title(key),
                             printable(fitting.why));
      if (fitting.fit != KeyFit::unknown && fitting.fit != KeyFit::several)
        out.publish = key.zone_line();
      return;
  }
}

void judge_old_key(const OwnKey& key, const KeyFitting& fitting, Duration queue_lifetime,
                   DnsFinding& out) {
  if (fitting.fit == KeyFit::unknown) {
    out.text = key_title(key) + " signs no more; whether it is still published is not known";
    return;
  }
  out.level = FindingLevel::advice;
  if (fitting.fit == KeyFit::missing)
    out.text = fmt::format(
        "{} signs no more and is not published: its [[dkim_key]] ({}) and {} "
        "may go",
        key_title(key), key.entry.origin.text(), key.path);
  else
    out.text = fmt::format("{} signs no more and is still published: the record of {} may go {}",
                           key_title(key), key.record_name(), when_old_key_may_go(queue_lifetime));
}

}  // namespace

std::string_view name_of(KeyFit fit) {
  switch (fit) {
    case KeyFit::fits:
      return "fits";
    case KeyFit::several:
      return "several";
    case KeyFit::testing:
      return "testing";
    case KeyFit::differs:
      return "differs";
    case KeyFit::unusable:
      return "unusable";
    case KeyFit::missing:
      return "missing";
    case KeyFit::unknown:
      return "unknown";
  }
  PW_CHECK(false);
}

std::string when_old_key_may_go(Duration queue_lifetime) {
  return fmt::format("{} after it signed last, when the mail signed with it is through",
                     format_duration(queue_lifetime + kOthersTake));
}

DnsFinding no_key_finding(const std::string& domain, const std::vector<OwnKey>& keys) {
  for (const OwnKey& key : keys)
    if (key.entry.signs && key.entry.subdomains &&
        authentication::is_same_or_below(domain, key.entry.domain))
      return {domain, "dkim", FindingLevel::ok,
              fmt::format("its mail is signed with the keys of {}", key.entry.domain)};
  return {domain, "dkim", FindingLevel::advice,
          fmt::format("its mail is not signed here: postwain dkim new {} --add", domain)};
}

KeyFitting fitting_of_key(const OwnKey& key, const authentication::DnsAnswer& answer) {
  if (!key.trouble.empty()) return {KeyFit::unknown, key.trouble};
  return authentication::dkim::fitting_of(answer, key.algorithm, key.public_key);
}

DnsFinding key_finding(const OwnKey& key, const KeyFitting& fitting, Duration queue_lifetime) {
  DnsFinding out{key.entry.domain, "dkim", FindingLevel::ok, {}};
  if (!key.trouble.empty()) {
    bool matters = key.role != KeyRole::old;
    out.level = matters ? FindingLevel::error : FindingLevel::advice;
    out.text = fmt::format("key {}: {}", key.entry.selector, printable(key.trouble));
  } else if (key.role == KeyRole::signs) {
    judge_signing_key(key, fitting, out);
  } else if (key.role == KeyRole::next) {
    judge_next_key(key, fitting, out);
  } else {
    judge_old_key(key, fitting, queue_lifetime, out);
  }
  return out;
}

}  // namespace postwain::tool
