// The MTA-STS policies of domains (RFC 8461): the record in the DNS says whether there is one and
// which, the policy comes by HTTPS, and holds until its age is over even when neither answers any
// more (section 5.1 there: so nobody can switch it off by getting in the way).
//
// Kept in memory here, and by qmgr over restarts: what is fetched anew is told (StsFound::fresh).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/agent/hosts/tls_notes.h"
#include "common/dns/resolver.h"
#include "common/http/fetcher.h"
#include "common/mail/sts_policy.h"

namespace postwain::agent {

constexpr std::size_t kStsKept = 10'000;                  // domains
constexpr Duration kStsRetry = std::chrono::minutes(5);   // behind a fetch that failed
constexpr Duration kStsRefresh = std::chrono::hours(24);  // a policy older is fetched again

struct StsFound {
  std::shared_ptr<const mail::StsPolicy> policy;  // null: the domain has none that is known
  bool fresh = false;  // fetched for this question; then there is a policy
};

class StsFinder {
 public:
  // allow_private: as for MX. port: 443, but for tests. notes: told of policies that cannot be had;
  // null: nobody reports.
  StsFinder(dns::Resolver& resolver, std::unique_ptr<http::Fetcher> fetcher, TlsNotes* notes,
            std::uint16_t port, bool allow_private);
  // known: what was kept elsewhere; null: nothing. done is called once, perhaps before this
  // returns.
  void find(const std::string& domain, const mail::StsPolicy* known,
            std::function<void(StsFound)> done);

 private:
  using Done = std::function<void(StsFound)>;
  struct Entry {
    std::shared_ptr<const mail::StsPolicy> policy;
    MonoTime no_fetch_until{};
    std::vector<Done> waiting;  // for the fetch that runs
  };

  Entry& entry(const std::string& domain);
  void decide(const std::string& domain, const dns::TextAnswer& answer, Done done);
  void fetch(const std::string& domain, const std::string& id);
  void fetched(const std::string& domain, const std::string& id, Result<std::string> text);
  void note(const std::string& domain, mail::TlsEnd end, const std::string& why);
  static std::shared_ptr<const mail::StsPolicy> valid(const Entry& entry);

  dns::Resolver& resolver_;
  std::unique_ptr<http::Fetcher> fetcher_;
  TlsNotes* notes_;
  std::uint16_t port_;
  bool allow_private_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace postwain::agent
