// What the evaluations of mail authentication ask of the DNS; a test answers in its place. All
// sessions share the resolver behind it, and so its cache.
#pragma once

#include <functional>
#include <memory>

#include "common/authentication/dns_evaluation.h"

namespace postwain::dns {
class Resolver;
}

namespace postwain::filter {

class DnsPort {
 public:
  virtual ~DnsPort() = default;
  // Calls done once, at once or later, also after who asked is gone; never once this port is.
  virtual void ask(const authentication::DnsQuestion& question,
                   std::function<void(const authentication::DnsAnswer&)> done) = 0;
};

// The resolver outlives it.
std::unique_ptr<DnsPort> dns_port(dns::Resolver& resolver);

}  // namespace postwain::filter
