#include "common/agent/hosts/host_tls.h"

#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "common/log/log.h"

namespace postwain::agent {

namespace {

using Service = std::pair<std::string, std::uint16_t>;  // host and port

// The TLSA lookups of one next hop, answered in any order.
struct TlsSearch {
  TlsDemand demand;
  NextHosts found;
  std::map<Service, std::optional<dns::TlsaFound>> answers;
  std::size_t open = 1;  // one more than the lookups: answers may come at once
};

// RFC 7672 2.2.2: where the host is an alias, the records of what it stands for come first, and
// its own when that has none.
void look_up(dns::Resolver& resolver, const std::string& host, const std::string& canonical,
             std::uint16_t port, const std::function<void(dns::TlsaFound)>& done) {
  if (canonical.empty())
    return resolver.lookup_tlsa(dns::tlsa_name(host, port), [host, done](const auto& answer) {
      done({host, answer});
    });
  resolver.lookup_tlsa(dns::tlsa_name(canonical, port),
                       [&resolver, host, canonical, port, done](const dns::TlsaAnswer& answer) {
                         bool none = answer.status == dns::AnswerStatus::no_data ||
                                     answer.status == dns::AnswerStatus::no_such_name;
                         if (!none) return done({canonical, answer});
                         look_up(resolver, host, {}, port, done);
                       });
}

// What every result of this host begins with: the domain, and what it has announced. Null where
// nothing is told: nobody reports, or the operator's route or the message wants nothing of it.
std::shared_ptr<const mail::TlsResult> begun_result(const TlsDemand& demand,
                                                    const dns::HostFacts& facts) {
  bool asks = demand.level == mail::TlsLevel::policy || demand.level == mail::TlsLevel::proven ||
              demand.level == mail::TlsLevel::dane;
  if (demand.notes == nullptr || !asks || demand.domain.empty()) return nullptr;
  auto out = std::make_shared<mail::TlsResult>();
  out->domain = demand.domain;
  out->policy.domain = demand.domain;
  bool dane =
      facts.tlsa != nullptr &&
      (facts.tlsa->answer.status == dns::AnswerStatus::temporary ||
       (facts.tlsa->answer.status == dns::AnswerStatus::ok && facts.tlsa->answer.authentic));
  if (dane)
    out->policy = mail::reported(facts.tlsa->host, facts.tlsa->answer.records);
  else if (demand.sts != nullptr && demand.sts->mode != mail::StsPolicy::Mode::none)
    out->policy = mail::reported(demand.domain, *demand.sts);
  return out;
}

void note_refused(const TlsDemand& demand, const Candidate& candidate) {
  if (candidate.reported == nullptr || candidate.tls.flaw == mail::TlsEnd::success) return;
  mail::TlsResult result = *candidate.reported;
  result.end = candidate.tls.flaw;
  result.mx_host = candidate.host;
  result.address = candidate.endpoint.host;
  result.reason = *candidate.tls.refusal;
  demand.notes->add(std::move(result));
}

NextHosts decided(TlsSearch& search) {
  NextHosts out;
  out.refusal = std::move(search.found.refusal);
  out.mx_set = std::move(search.found.mx_set);
  out.sts = std::move(search.found.sts);
  std::string refused;
  for (Candidate& candidate : search.found.candidates) {
    auto answer = search.answers.find({candidate.host, candidate.endpoint.port});
    bool asked = answer != search.answers.end() && answer->second;
    dns::HostFacts facts;
    facts.host = candidate.host;
    facts.domain = search.demand.domain;
    facts.proven = candidate.secure || candidate.named;
    facts.tlsa = asked ? &*answer->second : nullptr;
    facts.sts = search.demand.sts.get();
    candidate.tls = dns::plan_tls(search.demand.level, facts);
    candidate.reported = begun_result(search.demand, facts);
    if (!candidate.tls.refusal) {
      out.candidates.push_back(std::move(candidate));
      continue;
    }
    note_refused(search.demand, candidate);
    if (refused.empty()) refused = *candidate.tls.refusal;
  }
  if (out.candidates.empty() && !refused.empty())
    out.refusal = local_outcome(mail::Disposition::deferred, mail::Stage::tls,
                                mail::Blame::destination, {4, 7, 5}, std::move(refused));
  return out;
}

// A domain that only tries its policy out gets its mail in any case; the operator may know.
void note_unlisted(const TlsSearch& search) {
  const mail::StsPolicy* sts = search.demand.sts.get();
  if (sts == nullptr || sts->mode != mail::StsPolicy::Mode::testing) return;
  for (const Candidate& candidate : search.found.candidates)
    if (!sts->lists(candidate.host))
      return log::Line(log::Level::info, "sts_testing")
                 .kv("domain", search.demand.domain)
                 .kv("host", candidate.host)
                 .kv("reason", "the policy does not list this host"),
             void();
}

}  // namespace

void decide_tls(dns::Resolver& resolver, const TlsDemand& demand, NextHosts found,
                const std::function<void(NextHosts)>& done) {
  auto search = std::make_shared<TlsSearch>();
  search->demand = demand;
  search->found = std::move(found);
  note_unlisted(*search);
  std::map<Service, std::string> canonical;
  for (const Candidate& candidate : search->found.candidates) {
    if (!dns::wants_tlsa(demand.level, candidate.secure)) continue;
    search->answers[{candidate.host, candidate.endpoint.port}];
    canonical[{candidate.host, candidate.endpoint.port}] = candidate.canonical;
  }
  search->open += search->answers.size();
  auto one_done = [search, done] {
    if (--search->open == 0) done(decided(*search));
  };
  for (auto& [service, answer] : search->answers)
    look_up(resolver, service.first, canonical[service], service.second,
            [one_done, &into = answer](dns::TlsaFound tlsa) {
              into = std::move(tlsa);
              one_done();
            });
  one_done();
}

}  // namespace postwain::agent
