#include "filter/strangers/list_port.h"

#include <utility>

#include "common/dns/resolver.h"

namespace postwain::filter {

namespace {

class ResolverPort final : public ListPort {
 public:
  explicit ResolverPort(dns::Resolver& resolver) : resolver_(resolver) {}

  void ipv4(const std::string& name, std::function<void(const dns::AddressAnswer&)> done) override {
    resolver_.lookup_ipv4(name, std::move(done));
  }
  void both(const std::string& name, std::function<void(const dns::AddressAnswer&)> done) override {
    resolver_.lookup_addresses(name, std::move(done));
  }
  void text(const std::string& name, std::function<void(const dns::TextAnswer&)> done) override {
    resolver_.lookup_text(name, std::move(done));
  }
  void names(const std::string& address,
             std::function<void(const dns::NameAnswer&)> done) override {
    resolver_.lookup_names(address, std::move(done));
  }

 private:
  dns::Resolver& resolver_;
};

}  // namespace

std::unique_ptr<ListPort> list_port(dns::Resolver& resolver) {
  return std::make_unique<ResolverPort>(resolver);
}

}  // namespace postwain::filter
