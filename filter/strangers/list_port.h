// What the check of strangers asks of the DNS; a test answers in its place.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/dns/answer.h"

namespace postwain::dns {
class Resolver;
}

namespace postwain::filter {

class ListPort {
 public:
  virtual ~ListPort() = default;
  // Each calls done once, at once or later, also after who asked is gone; never once this port is.
  virtual void ipv4(const std::string& name,
                    std::function<void(const dns::AddressAnswer&)> done) = 0;
  virtual void both(const std::string& name,
                    std::function<void(const dns::AddressAnswer&)> done) = 0;
  virtual void text(const std::string& name, std::function<void(const dns::TextAnswer&)> done) = 0;
  virtual void names(const std::string& address,
                     std::function<void(const dns::NameAnswer&)> done) = 0;
};

// The resolver outlives it.
std::unique_ptr<ListPort> list_port(dns::Resolver& resolver);

}  // namespace postwain::filter
