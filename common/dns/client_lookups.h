// Asks the DNS about one client, beside its session: begun as soon as the question is known, waited
// for only where an answer is needed (MAIL). All together never take longer than kDnsLookMax; what
// is not known by then is trouble.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/dns/client_facts.h"
#include "common/dns/resolver.h"
#include "common/net/loop.h"

namespace postwain::dns {

constexpr Duration kDnsLookMax = std::chrono::seconds(5);
constexpr std::size_t kConfirmedNamesMax = 5;  // names of an address that are looked up in turn

class ClientLookups {
 public:
  ClientLookups(net::Loop& loop, Resolver& resolver);
  ~ClientLookups();
  ClientLookups(const ClientLookups&) = delete;
  ClientLookups& operator=(const ClientLookups&) = delete;

  void client(const std::string& address);                 // in its usual form, IPv4 not mapped
  void told(LookupState client, const std::string& name);  // somebody believed has looked already
  void hello(const std::string& name);                     // a host name
  void sender(const std::string& domain);                  // of an address
  void forget_hello();
  void forget_sender();

  bool pending() const;
  // done is called once, later, and not any more when this is destroyed. Only while pending.
  void when_known(std::function<void()> done);
  const ClientFacts& facts() const;

 private:
  struct Work;
  static void confirm(const std::shared_ptr<Work>& work, std::vector<std::string> names,
                      const std::string& address);
  static void answered(const std::shared_ptr<Work>& work, std::size_t question, LookupState found);

  std::shared_ptr<Work> work_;  // the resolver's answers may come after us
};

}  // namespace postwain::dns
