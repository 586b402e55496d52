#include "common/agent/hosts/mx_finder.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/agent/hosts/host_tls.h"
#include "common/config/config.h"
#include "common/mail/idn.h"

namespace postwain::agent {

namespace {

// The address lookups of one domain's hosts, answered in any order.
struct MxSearch {
  std::string domain;
  dns::MxHosts hosts;
  std::vector<dns::AddressAnswer> answers;
  std::size_t open = 0;
};

// What find() waits for.
struct Found {
  NextHosts hosts;
  StsFound policy;
  int left = 0;
};

}  // namespace

MxFinder::MxFinder(dns::Resolver& resolver, StsFinder* policies, TlsNotes* notes,
                   const config::Config& config)
    : resolver_(resolver),
      policies_(policies),
      notes_(notes),
      fixed_(resolver),
      hostname_(config.hostname),
      port_(config.delivery.smtp_port),
      allow_private_(config.delivery.allow_private_mx),
      own_(config.listeners, config.delivery.smtp_port),
      generator_(std::random_device{}()) {}

void MxFinder::find(const mail::Transport& transport, const mail::StsPolicy* known, Done done) {
  if (transport.hop.kind != mail::HopKind::mx)
    return fixed_.find(transport, known, std::move(done));
  Result<std::string> domain = mail::to_ascii(transport.hop.domain);
  if (!domain) {
    NextHosts refused;
    refused.refusal = local_outcome(mail::Disposition::failed, mail::Stage::dns, mail::Blame::dns,
                                    {5, 1, 2}, domain.error().text);
    return done(std::move(refused));
  }
  auto search = std::make_shared<Found>();
  search->left = 2;  // hosts and policy, in any order
  auto one_done = [this, transport, domain = *domain, search, done = std::move(done)] {
    if (--search->left > 0) return;
    if (search->policy.fresh) search->hosts.sts = *search->policy.policy;
    decide_tls(resolver_, {transport.tls, domain, search->policy.policy, notes_},
               std::move(search->hosts), [this, transport, done](NextHosts decided) {
                 fixed_.add_fallback(transport, std::move(decided), done);
               });
  };
  find_policy(*domain, transport, known, [search, one_done](StsFound found) {
    search->policy = std::move(found);
    one_done();
  });
  find_mx(*domain, transport.family, [search, one_done](NextHosts found) {
    search->hosts = std::move(found);
    one_done();
  });
}

void MxFinder::find_policy(const std::string& domain, const mail::Transport& transport,
                           const mail::StsPolicy* known,
                           const std::function<void(StsFound)>& done) {
  bool asks = transport.tls == mail::TlsLevel::policy || transport.tls == mail::TlsLevel::proven;
  if (!asks || policies_ == nullptr || dns::literal_address(domain)) return done({});
  policies_->find(domain, known, done);
}

void MxFinder::find_mx(const std::string& domain, mail::Family family, const Done& done) {
  if (auto address = dns::literal_address(domain)) {
    dns::MxHosts hosts{{*address}, true, {}};
    dns::AddressAnswer answer{dns::AnswerStatus::ok, {*address}};
    return done(candidates(domain,
                           dns::plan_mx(domain, hosts, {answer}, allow_private_,
                                        [this](const std::string& a) { return own_.has(a); }),
                           mail::Family::any));
  }
  resolver_.lookup_mx(domain, [this, domain, family, done](const dns::MxAnswer& answer) {
    auto search = std::make_shared<MxSearch>();
    search->domain = domain;
    search->hosts = dns::order_mx(domain, answer, hostname_, [this](std::uint32_t bound) {
      return static_cast<std::uint32_t>(generator_() % bound);
    });
    search->answers.resize(search->hosts.names.size());
    search->open = search->hosts.names.size() + 1;  // one more: answers may come at once
    auto one_done = [this, family, search, done] {
      if (--search->open > 0) return;
      NextHosts found =
          candidates(search->domain,
                     dns::plan_mx(search->domain, search->hosts, search->answers, allow_private_,
                                  [this](const std::string& address) { return own_.has(address); }),
                     family);
      found.mx_set = mx_set_of(search->hosts);
      done(std::move(found));
    };
    for (std::size_t i = 0; i < search->hosts.names.size(); ++i) {
      resolver_.lookup_addresses(search->hosts.names[i],
                                 [search, i, one_done](const dns::AddressAnswer& found) {
                                   search->answers[i] = found;
                                   one_done();
                                 });
    }
    one_done();
  });
}

// A domain that is its own host shares it with nobody.
std::string MxFinder::mx_set_of(const dns::MxHosts& hosts) {
  if (hosts.implicit) return {};
  std::vector<std::string> names = hosts.names;
  std::sort(names.begin(), names.end());
  return fmt::format("{}", fmt::join(names, ","));
}

NextHosts MxFinder::candidates(const std::string& domain, const dns::MxPlan& plan,
                               mail::Family family) const {
  NextHosts out;
  out.refusal = plan.refusal;
  for (const dns::MxHost& host : plan.hosts)
    for (std::string& address : dns::arrange_families(host.addresses, family)) {
      if (out.candidates.size() >= kCandidatesMax) break;
      Candidate& candidate = out.candidates.emplace_back();
      candidate.host = host.name;
      candidate.endpoint = {std::move(address), port_, {}};
      candidate.secure = host.secure;
      candidate.canonical = host.canonical;
    }
  if (out.candidates.empty() && !out.refusal)
    out.refusal = local_outcome(
        mail::Disposition::deferred, mail::Stage::dns, mail::Blame::destination, {4, 4, 4},
        fmt::format("no mail host of {} has an {} address, and the route allows no other", domain,
                    family == mail::Family::ipv4 ? "IPv4" : "IPv6"));
  return out;
}

}  // namespace postwain::agent
