// Where the hosts of a next hop come from: fixed_hosts.h for routes that name them, mx_finder.h for
// routing by MX.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/dns/tls_plan.h"
#include "common/mail/outcome.h"
#include "common/mail/sts_policy.h"
#include "common/mail/tls_result.h"
#include "common/mail/transport.h"
#include "common/net/stream.h"

namespace postwain::agent {

constexpr std::size_t kCandidatesMax = 100;

// One address to try.
struct Candidate {
  std::string host;  // the name for logs and for TLS; the path of a Unix socket
  net::Endpoint endpoint;
  bool secure = false;        // name and address are authentic (DNSSEC)
  bool named = false;         // by the operator
  std::string canonical{};    // where an alias leads; empty: host is none
  std::uint16_t weight = 0;   // HopHost::weight
  bool implicit_tls = false;  // HopHost::implicit_tls
  bool is_fallback = false;   // it stands for the next hop; no login there
  dns::HostTls tls{};         // decided by host_tls.h
  // What every result of its TLS begins with, domain and policy, where these are reported
  // (tls_notes.h); else null.
  std::shared_ptr<const mail::TlsResult> reported{};
  bool operator==(const Candidate& other) const {
    return host == other.host && endpoint.host == other.endpoint.host &&
           endpoint.port == other.endpoint.port && endpoint.unix_path == other.endpoint.unix_path;
  }
};

// As what the host is remembered (host_memory.h): "mx.example.org:25", or the path of a socket.
inline std::string host_key(const Candidate& candidate) {
  if (!candidate.endpoint.unix_path.empty()) return candidate.endpoint.unix_path;
  return candidate.host + ":" + std::to_string(candidate.endpoint.port);
}

struct NextHosts {
  std::vector<Candidate> candidates;     // in the order to try them, never empty without refusal
  std::optional<mail::Outcome> refusal;  // why there is none
  std::string mx_set;                    // ipc::Outcomes::mx_set
  std::optional<mail::StsPolicy> sts{};  // fetched just now: to be kept
};

class HostFinder {
 public:
  virtual ~HostFinder() = default;
  // known: what is kept of the domain's MTA-STS policy; null: nothing. The candidates' tls says
  // what transport.tls comes to. done is called once, perhaps before find returns.
  virtual void find(const mail::Transport& transport, const mail::StsPolicy* known,
                    std::function<void(NextHosts)> done) = 0;
};

}  // namespace postwain::agent
