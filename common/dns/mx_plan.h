// Where mail for a domain goes, from what the DNS said: pure, in two steps, because the addresses
// of the hosts can only be asked for once the hosts are known (RFC 5321 5.1, RFC 7505).
//
//   order_mx(...)  -> the hosts to look up, in order, or why there are none
//   plan_mx(...)   -> the hosts with their usable addresses, in order, or why there are none
//
// The MX may be a CNAME (forbidden by RFC 5321 5.1, met every day): the addresses then simply are
// those of its target.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/dns/answer.h"
#include "common/mail/outcome.h"
#include "common/mail/transport.h"

namespace postwain::dns {

constexpr std::size_t kMxHostsLooked = 10;  // hosts whose addresses are looked up

// A number below bound; injected so that tests can be sure.
using Random = std::function<std::uint32_t(std::uint32_t bound)>;

struct MxHosts {
  std::vector<std::string> names;  // lower case, best first
  bool implicit = false;           // the domain itself, as it has no MX
  std::optional<mail::Outcome> refusal;
  std::vector<std::uint16_t> preferences = {};  // beside names; empty when implicit
  bool authentic = false;                       // the answer was (DNSSEC)
};
// own_hostname: our name as the MX of others may carry it. Found among the hosts, it and everything
// not better than it is cut off; being the best ourselves is a loop (RFC 5321 5.1).
MxHosts order_mx(std::string_view domain, const MxAnswer& answer, std::string_view own_hostname,
                 const Random& random);

struct MxHost {
  std::string name;
  std::vector<std::string> addresses;
  bool secure = false;      // its name and its addresses are authentic (DNSSEC)
  std::string canonical{};  // AddressAnswer::canonical
};
struct MxPlan {
  std::vector<MxHost> hosts;
  std::optional<mail::Outcome> refusal;
};
using IsOwn = std::function<bool(const std::string& address)>;
// answers: one per name of hosts, same order. is_own: there we ourselves would answer. As with our
// own name, such a host and those not better than it are cut off.
MxPlan plan_mx(std::string_view domain, const MxHosts& hosts,
               const std::vector<AddressAnswer>& answers, bool allow_private,
               const IsOwn& is_own = nullptr);

// The address of a domain like "[192.0.2.1]" or "[IPv6:2001:db8::1]"; nothing for names.
std::optional<std::string> literal_address(std::string_view domain);

// The families in turn, so that a dead one costs little (2001:db8::1, 192.0.2.1, 2001:db8::2 …),
// IPv6 first unless the other is wished for; or those of one family.
std::vector<std::string> arrange_families(const std::vector<std::string>& addresses,
                                          mail::Family family);

}  // namespace postwain::dns
