#include "common/agent/host_tls.h"

#include <map>
#include <memory>
#include <optional>
#include <utility>

namespace postwain::agent {

namespace {

// The TLSA lookups of one next hop, by host and port, answered in any order.
struct Search {
  mail::TlsLevel level;
  NextHosts found;
  std::map<std::pair<std::string, std::uint16_t>, std::optional<dns::TlsaAnswer>> answers;
  std::size_t open = 1;  // one more than the lookups: answers may come at once
};

NextHosts decided(Search& search) {
  NextHosts out;
  out.refusal = std::move(search.found.refusal);
  out.mx_set = std::move(search.found.mx_set);
  std::string refused;
  for (Candidate& candidate : search.found.candidates) {
    auto answer = search.answers.find({candidate.host, candidate.endpoint.port});
    bool asked = answer != search.answers.end() && answer->second;
    candidate.tls = dns::plan_tls(search.level, candidate.host, asked ? &*answer->second : nullptr);
    if (!candidate.tls.refusal)
      out.candidates.push_back(std::move(candidate));
    else if (refused.empty())
      refused = *candidate.tls.refusal;
  }
  if (out.candidates.empty() && !refused.empty())
    out.refusal = local_outcome(mail::Disposition::deferred, mail::Stage::tls,
                                mail::Blame::destination, {4, 7, 5}, std::move(refused));
  return out;
}

}  // namespace

void decide_tls(dns::Resolver& resolver, mail::TlsLevel level, NextHosts found,
                const std::function<void(NextHosts)>& done) {
  auto search = std::make_shared<Search>();
  search->level = level;
  search->found = std::move(found);
  for (const Candidate& candidate : search->found.candidates)
    if (dns::wants_tlsa(level, candidate.secure))
      search->answers[{candidate.host, candidate.endpoint.port}];
  search->open += search->answers.size();
  auto one_done = [search, done] {
    if (--search->open == 0) done(decided(*search));
  };
  for (auto& [host, answer] : search->answers)
    resolver.lookup_tlsa(dns::tlsa_name(host.first, host.second),
                         [one_done, &into = answer](const dns::TlsaAnswer& tlsa) {
                           into = tlsa;
                           one_done();
                         });
  one_done();
}

}  // namespace postwain::agent
