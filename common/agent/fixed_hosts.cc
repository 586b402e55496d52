#include "common/agent/fixed_hosts.h"

#include <memory>
#include <utility>

#include <fmt/format.h>

#include "common/agent/host_tls.h"
#include "common/dns/mx_plan.h"

namespace postwain::agent {

namespace {

using mail::Blame;
using mail::Disposition;
using mail::Stage;

// The lookups of one find(), answered in any order.
struct Search {
  std::vector<mail::HopHost> hosts;
  std::vector<dns::AddressAnswer> answers;
  std::size_t open = 0;
  std::function<void(NextHosts)> done;
};

void add_host(NextHosts& out, const mail::HopHost& host, const dns::AddressAnswer& answer) {
  auto add = [&](std::string name, net::Endpoint endpoint) {
    if (out.candidates.size() < kCandidatesMax)
      out.candidates.push_back({std::move(name), std::move(endpoint), answer.authentic});
  };
  if (!host.unix_path.empty()) return add(host.unix_path, {{}, 0, host.unix_path});
  if (host.literal) return add(host.host, {host.host, host.port, {}});
  for (std::string& address : dns::alternate_families(answer.addresses))
    add(host.host, {std::move(address), host.port, {}});
}

// A name the operator wrote and the DNS does not know is more likely a mistake of the moment than a
// verdict on the mail: deferred, and counted against the destination so that its breaker shows it.
mail::Outcome nothing_found(const std::vector<mail::HopHost>& hosts) {
  std::string names;
  for (const mail::HopHost& host : hosts) names += (names.empty() ? "" : ", ") + host.host;
  return local_outcome(Disposition::deferred, Stage::dns, Blame::destination, {4, 4, 3},
                       fmt::format("no address of {} can be found", names));
}

void finish(Search& search) {
  NextHosts out;
  for (std::size_t i = 0; i < search.hosts.size(); ++i)
    add_host(out, search.hosts[i], search.answers[i]);
  if (out.candidates.empty()) out.refusal = nothing_found(search.hosts);
  search.done(std::move(out));
}

}  // namespace

void FixedHosts::find(const mail::NextHop& hop, mail::TlsLevel level,
                      std::function<void(NextHosts)> done) {
  auto search = std::make_shared<Search>();
  search->hosts = hop.hosts;
  search->answers.resize(hop.hosts.size());
  search->done = [this, level, done = std::move(done)](NextHosts found) {
    decide_tls(resolver_, level, std::move(found), done);
  };
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
