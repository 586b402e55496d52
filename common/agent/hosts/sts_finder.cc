#include "common/agent/hosts/sts_finder.h"

#include <utility>

#include "common/base/text.h"
#include "common/dns/special_address.h"
#include "common/log/log.h"

namespace postwain::agent {

StsFinder::StsFinder(dns::Resolver& resolver, std::unique_ptr<http::Fetcher> fetcher,
                     TlsNotes* notes, std::uint16_t port, bool allow_private)
    : resolver_(resolver),
      fetcher_(std::move(fetcher)),
      notes_(notes),
      port_(port),
      allow_private_(allow_private) {}

// Full: those go that nobody waits for, none in particular; qmgr still has their policies.
StsFinder::Entry& StsFinder::entry(const std::string& domain) {
  if (entries_.size() >= kStsKept && entries_.count(domain) == 0)
    for (auto at = entries_.begin(); at != entries_.end(); ++at) {
      if (!at->second.waiting.empty()) continue;
      entries_.erase(at);
      break;
    }
  return entries_[domain];
}

std::shared_ptr<const mail::StsPolicy> StsFinder::valid(const Entry& entry) {
  return entry.policy != nullptr && entry.policy->fresh(wall_now()) ? entry.policy : nullptr;
}

void StsFinder::find(const std::string& domain, const mail::StsPolicy* known, Done done) {
  if (known != nullptr) {
    Entry& kept = entry(domain);
    if (kept.policy == nullptr || kept.policy->fetched_at < known->fetched_at)
      kept.policy = std::make_shared<const mail::StsPolicy>(*known);
  }
  resolver_.lookup_text("_mta-sts." + domain,
                        [this, domain, done = std::move(done)](const dns::TextAnswer& answer) {
                          decide(domain, answer, done);
                        });
}

void StsFinder::decide(const std::string& domain, const dns::TextAnswer& answer, Done done) {
  auto id = mail::sts_id(answer.texts);
  auto found = entries_.find(domain);
  // Nobody has ever heard of a policy: the common case, which must cost nothing.
  if (!id && found == entries_.end()) return done({});
  Entry& kept = id ? entry(domain) : found->second;
  auto policy = valid(kept);
  WallTime now = wall_now();
  bool current = policy != nullptr && policy->id == id.value_or(policy->id) &&
                 now - policy->fetched_at < kStsRefresh;
  if (!id || current || mono_now() < kept.no_fetch_until) return done({policy, false});
  kept.waiting.push_back(std::move(done));
  if (kept.waiting.size() == 1) fetch(domain, *id);
}

// RFC 8461 3.3. The address of the policy host is looked up here, so that it is the operator's
// resolver that is asked, and never a private address that is visited.
void StsFinder::fetch(const std::string& domain, const std::string& id) {
  std::string host = "mta-sts." + domain;
  resolver_.lookup_addresses(host, [this, domain, id, host](const dns::AddressAnswer& answer) {
    http::Request request;
    request.host = host;
    request.port = port_;
    request.path = "/.well-known/mta-sts.txt";
    request.addresses = answer.addresses;
    if (!allow_private_) std::erase_if(request.addresses, dns::is_special_address);
    request.content_type = "text/plain";
    request.size_max = mail::kStsTextMax;
    fetcher_->fetch(std::move(request), [this, domain, id](Result<std::string> text) {
      fetched(domain, id, std::move(text));
    });
  });
}

void StsFinder::note(const std::string& domain, mail::TlsEnd end, const std::string& why) {
  if (notes_ == nullptr) return;
  mail::TlsResult result;
  result.domain = domain;
  result.policy = {mail::ReportedPolicy::Type::sts, domain, {}, {}};
  result.end = end;
  result.mx_host = "mta-sts." + domain;
  result.reason = printable(why, 200);
  notes_->add(std::move(result));
}

void StsFinder::fetched(const std::string& domain, const std::string& id,
                        Result<std::string> text) {
  Entry& kept = entry(domain);
  std::string why;
  std::optional<mail::StsPolicy> policy;
  if (text)
    policy = mail::parse_sts_policy(*text, why);
  else
    why = text.error().text;
  if (!text && text.error().code == http::kUntrusted)
    note(domain, mail::TlsEnd::sts_webpki_invalid, why);
  else if (!policy)
    note(domain, text ? mail::TlsEnd::sts_policy_invalid : mail::TlsEnd::sts_policy_fetch_error,
         why);
  if (policy) {
    policy->id = id;
    policy->fetched_at = wall_now();
    kept.policy = std::make_shared<const mail::StsPolicy>(*policy);
    log::Line(log::Level::info, "sts_policy")
        .kv("domain", domain)
        .kv("id", id)
        .kv("mode", name_of(kept.policy->mode));
  } else {
    kept.no_fetch_until = mono_now() + kStsRetry;
    log::Line(log::Level::warning, "sts_fetch_failed").kv("domain", domain).kv("reason", why);
  }
  auto found = valid(kept);
  // One whose age is over at once is none, and not asked for at every look.
  if (policy && found == nullptr) kept.no_fetch_until = mono_now() + kStsRetry;
  bool fresh = policy.has_value() && found != nullptr;
  for (Done& done : std::exchange(kept.waiting, {})) done({found, fresh});
}

}  // namespace postwain::agent
