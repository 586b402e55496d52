// Looks names up: MX, and addresses of both families. Home of c-ares, whose sockets and time-outs
// run on the loop of common/net. Answers are cached by their TTL, negative ones for at most five
// minutes, failures not at all. Equal questions that are under way are one: each further one on the
// wire would be another id for a forger to hit, and work for the servers. What an answer means for
// mail is decided in mx_plan.h.
//
// Not here: validation (DNSSEC) itself; the servers' word for it is passed on where they are
// trusted. No search domains. Names are looked up as they are; UTF-8 as A-labels
// (common/mail/idn.h).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/dns/answer.h"
#include "common/net/loop.h"

namespace postwain::dns {

constexpr Duration kQueryTimeout = std::chrono::seconds(2);  // first try; each later one doubles it
constexpr int kQueryTries = 3;                               // in all at most 14 s and one server
constexpr std::size_t kCacheEntriesMax = 10000;
constexpr std::size_t kWaitingMax =
    10000;  // for the answer to one question; more go for themselves
constexpr Duration kPositiveTtlMax = std::chrono::hours(24);
constexpr Duration kNegativeTtlMax = std::chrono::minutes(5);

class Resolver {
 public:
  // servers: "127.0.0.1:5353", "[::1]:53"; empty: those of /etc/resolv.conf. Create it before the
  // process is confined: c-ares 1.18 seeds its query ids from /dev/urandom at this moment
  // (CVE-2023-31147).
  // trust_ad: the servers validate and nobody stands between them and us; without it no answer is
  // authentic.
  static Result<std::unique_ptr<Resolver>> create(net::Loop& loop,
                                                  const std::vector<std::string>& servers,
                                                  bool trust_ad = false);
  // Callbacks of lookups still running are not called any more.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // done may be called before these return (cached, or not a name at all).
  void lookup_mx(const std::string& name, std::function<void(const MxAnswer&)> done);
  void lookup_addresses(const std::string& name, std::function<void(const AddressAnswer&)> done);
  // A records alone: what lists of the DNS answer with (RFC 5782).
  void lookup_ipv4(const std::string& name, std::function<void(const AddressAnswer&)> done);
  void lookup_tlsa(const std::string& name, std::function<void(const TlsaAnswer&)> done);
  void lookup_text(const std::string& name, std::function<void(const TextAnswer&)> done);
  // The names of an address; whether they are names of it, too, only their own addresses tell.
  void lookup_names(const std::string& address, std::function<void(const NameAnswer&)> done);
  bool trusts_ad() const;
  // As lookup_addresses, but /etc/hosts and "localhost" come first: for hosts an operator names.
  void lookup_host(const std::string& name, std::function<void(const AddressAnswer&)> done);

 private:
  struct Parts;
  explicit Resolver(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace postwain::dns
