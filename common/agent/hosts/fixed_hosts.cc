#include "common/agent/hosts/fixed_hosts.h"

#include <memory>
#include <utility>

#include <fmt/format.h>

#include "common/agent/hosts/host_tls.h"
#include "common/dns/mx_plan.h"

namespace postwain::agent {

namespace {

using mail::Blame;
using mail::Disposition;
using mail::Stage;

// The lookups of one find(), answered in any order.
struct FixedSearch {
  std::vector<mail::HopHost> hosts;
  mail::Family family = mail::Family::any;
  std::vector<dns::AddressAnswer> answers;
  std::size_t open = 0;
  std::function<void(NextHosts)> done;
};

void add_host(NextHosts& out, const mail::HopHost& host, const dns::AddressAnswer& answer,
              mail::Family family) {
  auto add = [&](std::string name, net::Endpoint endpoint) {
    if (out.candidates.size() >= kCandidatesMax) return;
    Candidate& candidate = out.candidates.emplace_back();
    candidate.host = std::move(name);
    candidate.endpoint = std::move(endpoint);
    candidate.secure = answer.authentic;
    candidate.canonical = answer.canonical;
    candidate.named = true;
    candidate.weight = host.weight;
    candidate.implicit_tls = host.implicit_tls;
  };
  if (!host.unix_path.empty()) return add(host.unix_path, {{}, 0, host.unix_path});
  if (host.literal) return add(host.host, {host.host, host.port, {}});
  for (std::string& address : dns::arrange_families(answer.addresses, family))
    add(host.host, {std::move(address), host.port, {}});
}

// A name the operator wrote and the DNS does not know is more likely a mistake of the moment than a
// verdict on the mail: deferred, and counted against the destination so that its breaker shows it.
mail::Outcome nothing_found(const std::vector<mail::HopHost>& hosts,
                            const std::vector<dns::AddressAnswer>& answers) {
  std::string names;
  for (const mail::HopHost& host : hosts) names += (names.empty() ? "" : ", ") + host.host;
  std::string trouble;
  for (const dns::AddressAnswer& answer : answers)
    if (trouble.empty() && !answer.trouble.empty())
      trouble = fmt::format(" (DNS server {})", answer.trouble);
  return local_outcome(Disposition::deferred, Stage::dns, Blame::destination, {4, 4, 3},
                       fmt::format("no address of {} can be found{}", names, trouble));
}

void finish(FixedSearch& search) {
  NextHosts out;
  for (std::size_t i = 0; i < search.hosts.size(); ++i)
    add_host(out, search.hosts[i], search.answers[i], search.family);
  if (out.candidates.empty()) out.refusal = nothing_found(search.hosts, search.answers);
  search.done(std::move(out));
}

}  // namespace

void FixedHosts::find(const mail::Transport& transport, const mail::StsPolicy*,
                      std::function<void(NextHosts)> done) {
  look_up(transport.hop.hosts, transport.family,
          [this, transport, done = std::move(done)](NextHosts found) {
            decide_tls(resolver_, {transport.tls, {}, nullptr}, std::move(found),
                       [this, transport, done](NextHosts decided) {
                         add_fallback(transport, std::move(decided), done);
                       });
          });
}

void FixedHosts::add_fallback(const mail::Transport& transport, NextHosts found,
                              const std::function<void(NextHosts)>& done) {
  bool for_good = found.refusal && found.refusal->disposition == Disposition::failed;
  // What must be protected does not take a way that nobody has proven.
  if (transport.fallback.empty() || for_good || transport.require_tls)
    return done(std::move(found));
  look_up(transport.fallback, transport.family,
          [this, level = transport.fallback_tls, found, done](NextHosts beyond) {
            decide_tls(resolver_, {level, {}, nullptr}, std::move(beyond),
                       [found, done](NextHosts decided) {
                         NextHosts out = found;
                         if (!decided.candidates.empty()) out.refusal.reset();
                         for (Candidate& candidate : decided.candidates) {
                           candidate.is_fallback = true;
                           out.candidates.push_back(std::move(candidate));
                         }
                         done(std::move(out));
                       });
          });
}

void FixedHosts::look_up(const std::vector<mail::HopHost>& hosts, mail::Family family,
                         std::function<void(NextHosts)> done) {
  auto search = std::make_shared<FixedSearch>();
  search->hosts = hosts;
  search->family = family;
  search->answers.resize(hosts.size());
  search->done = std::move(done);
  // One more than the lookups, so that answers that come at once do not end the search early.
  search->open = 1;
  for (std::size_t i = 0; i < search->hosts.size(); ++i) {
    const mail::HopHost& host = search->hosts[i];
    if (!host.unix_path.empty() || host.literal) continue;
    ++search->open;
    resolver_.lookup_host(host.host, [search, i](const dns::AddressAnswer& answer) {
      search->answers[i] = answer;
      if (--search->open == 0) finish(*search);
    });
  }
  if (--search->open == 0) finish(*search);
}

}  // namespace postwain::agent
