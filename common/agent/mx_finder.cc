#include "common/agent/mx_finder.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/agent/host_tls.h"
#include "common/dns/idn.h"

namespace postwain::agent {

namespace {

// The address lookups of one domain's hosts, answered in any order.
struct Search {
  std::string domain;
  dns::MxHosts hosts;
  std::vector<dns::AddressAnswer> answers;
  std::size_t open = 0;
};

}  // namespace

MxFinder::MxFinder(dns::Resolver& resolver, const config::Config& config)
    : resolver_(resolver),
      fixed_(resolver),
      hostname_(config.hostname),
      port_(config.delivery.smtp_port),
      allow_private_(config.delivery.allow_private_mx),
      own_(config.listeners, config.delivery.smtp_port),
      generator_(std::random_device{}()) {}

void MxFinder::find(const mail::NextHop& hop, mail::TlsLevel level,
                    std::function<void(NextHosts)> done) {
  if (hop.kind != mail::HopKind::mx) return fixed_.find(hop, level, std::move(done));
  Result<std::string> domain = dns::to_ascii(hop.domain);
  if (!domain) {
    NextHosts refused;
    refused.refusal = local_outcome(mail::Disposition::failed, mail::Stage::dns, mail::Blame::dns,
                                    {5, 1, 2}, domain.error().text);
    return done(std::move(refused));
  }
  find_mx(*domain, [this, level, done = std::move(done)](NextHosts found) {
    decide_tls(resolver_, level, std::move(found), done);
  });
}

void MxFinder::find_mx(const std::string& domain, const std::function<void(NextHosts)>& done) {
  if (auto address = dns::literal_address(domain)) {
    dns::MxHosts hosts{{*address}, true, {}};
    dns::AddressAnswer answer{dns::AnswerStatus::ok, {*address}};
    return done(candidates(dns::plan_mx(domain, hosts, {answer}, allow_private_,
                                        [this](const std::string& a) { return own_.has(a); })));
  }
  resolver_.lookup_mx(domain, [this, domain, done](const dns::MxAnswer& answer) {
    auto search = std::make_shared<Search>();
    search->domain = domain;
    search->hosts = dns::order_mx(domain, answer, hostname_, [this](std::uint32_t bound) {
      return static_cast<std::uint32_t>(generator_() % bound);
    });
    search->answers.resize(search->hosts.names.size());
    search->open = search->hosts.names.size() + 1;  // one more: answers may come at once
    auto one_done = [this, search, done] {
      if (--search->open > 0) return;
      NextHosts found = candidates(
          dns::plan_mx(search->domain, search->hosts, search->answers, allow_private_,
                       [this](const std::string& address) { return own_.has(address); }));
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

NextHosts MxFinder::candidates(const dns::MxPlan& plan) const {
  NextHosts out;
  out.refusal = plan.refusal;
  for (const dns::MxHost& host : plan.hosts)
    for (const std::string& address : host.addresses)
      if (out.candidates.size() < kCandidatesMax)
        out.candidates.push_back({host.name, {address, port_, {}}, host.secure});
  return out;
}

}  // namespace postwain::agent
