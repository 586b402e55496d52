#include "filter/authentication/dns_port.h"

#include <utility>

#include "common/dns/resolver.h"

namespace postwain::filter {

namespace {

using authentication::Ask;
using authentication::DnsAnswer;
using authentication::DnsQuestion;
using AnswerDone = std::function<void(const DnsAnswer&)>;

// The resolver gives the addresses of both families; of a name that has none of the wanted one the
// answer is that it has no data.
DnsAnswer ipv6_only(const dns::AddressAnswer& answer) {
  DnsAnswer out{answer.status};
  for (const std::string& address : answer.addresses)
    if (address.find(':') != std::string::npos) out.values.push_back(address);
  if (out.status == dns::AnswerStatus::ok && out.values.empty())
    out.status = dns::AnswerStatus::no_data;
  return out;
}

class ResolverDnsPort final : public DnsPort {
 public:
  explicit ResolverDnsPort(dns::Resolver& resolver) : resolver_(resolver) {}

  void ask(const DnsQuestion& question, AnswerDone done) override {
    const std::string& name = question.name;
    switch (question.ask) {
      case Ask::text:
        return resolver_.lookup_text(name, [done](const dns::TextAnswer& answer) {
          done({answer.status, answer.texts, {}});
        });
      case Ask::ipv4:
        return resolver_.lookup_ipv4(name, [done](const dns::AddressAnswer& answer) {
          done({answer.status, answer.addresses, {}});
        });
      case Ask::ipv6:
        return resolver_.lookup_addresses(
            name, [done](const dns::AddressAnswer& answer) { done(ipv6_only(answer)); });
      case Ask::mx:
        return resolver_.lookup_mx(name, [done](const dns::MxAnswer& answer) {
          done({answer.status, {}, answer.records});
        });
      case Ask::names:
        return resolver_.lookup_names(name, [done](const dns::NameAnswer& answer) {
          done({answer.status, answer.names, {}});
        });
    }
  }

 private:
  dns::Resolver& resolver_;
};

}  // namespace

std::unique_ptr<DnsPort> dns_port(dns::Resolver& resolver) {
  return std::make_unique<ResolverDnsPort>(resolver);
}

}  // namespace postwain::filter
