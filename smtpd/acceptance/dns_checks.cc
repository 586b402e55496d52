#include "smtpd/acceptance/dns_checks.h"

#include <algorithm>

#include "common/base/text.h"
#include "common/config/config.h"
#include "common/smtp/syntax/domain_syntax.h"
#include "smtpd/acceptance/client_address.h"

namespace postwain::smtpd {

namespace {

bool is_literal(std::string_view hello) {
  return !hello.empty() && hello.front() == '[';
}

using Found = std::optional<Objection>;

// RFC 7372 3: 7.25 is made for this.
Found object_to_client(const config::Access& access, const dns::ClientFacts& facts) {
  if (access.reverse_dns != config::ReverseDns::require) return std::nullopt;
  if (facts.client == dns::LookupState::trouble)
    return Objection{{450, {4, 7, 25}, "Your address's name cannot be looked up now"},
                     &access.reverse_dns_origin,
                     "reverse DNS failed"};
  if (facts.client == dns::LookupState::bad)
    return Objection{{550, {5, 7, 25}, "Your address has no name that leads back to it"},
                     &access.reverse_dns_origin,
                     "no confirmed name"};
  return std::nullopt;
}

Found object_to_literal(const config::Access& access, const std::string& client,
                        std::string_view hello) {
  // A Unix socket has no address, so there is nothing to compare.
  if (client.empty() || iequals(hello, address_literal(client))) return std::nullopt;
  return Objection{{550, {5, 7, 1}, "Hello with an address that is not yours"},
                   &access.hello_origin,
                   "another's address in hello"};
}

Found object_to_hello(const config::Config& config, const std::string& client,
                      std::string_view hello, const dns::ClientFacts& facts) {
  const config::Access& access = config.access;
  if (access.hello == config::HelloCheck::any) return std::nullopt;
  if (!hello.empty() && !smtp::is_hello_name(hello))
    return Objection{{501, {5, 5, 4}, "Syntax: hello needs your host name or [address]"},
                     &access.hello_origin,
                     "hello is no host name"};
  if (access.hello == config::HelloCheck::syntax) return std::nullopt;
  if (is_literal(hello)) return object_to_literal(access, client, hello);
  std::string name = mail::domain_key(hello);
  if (name == mail::domain_key(config.hostname))
    return Objection{
        {550, {5, 7, 1}, "Hello with my name"}, &access.hello_origin, "our own name in hello"};
  if (name.find('.') == std::string::npos)
    return Objection{{504, {5, 5, 2}, "Hello needs a fully qualified host name"},
                     &access.hello_origin,
                     "unqualified hello"};
  if (facts.hello == dns::LookupState::trouble)
    return Objection{{450, {4, 7, 1}, "The name in your hello cannot be looked up now"},
                     &access.hello_origin,
                     "looking up hello failed"};
  if (facts.hello == dns::LookupState::bad)
    return Objection{{550, {5, 7, 1}, "The name in your hello does not exist"},
                     &access.hello_origin,
                     "hello does not exist"};
  return std::nullopt;
}

Found object_to_sender(const config::Access& access, const dns::ClientFacts& facts) {
  const config::Origin* origin = &access.sender_domain_origin;
  switch (facts.sender) {
    case dns::LookupState::unasked:
    case dns::LookupState::good:
      return std::nullopt;
    case dns::LookupState::null_mx:  // RFC 7505 4.2
      return Objection{{550, {5, 7, 27}, "The sender's domain takes no mail"}, origin, "null MX"};
    case dns::LookupState::bad:
      return Objection{
          {550, {5, 1, 8}, "The sender's domain does not exist"}, origin, "no sender domain"};
    case dns::LookupState::trouble:
      break;
  }
  return Objection{{451, {4, 4, 3}, "The sender's domain cannot be looked up now"},
                   origin,
                   "looking up the sender's domain failed"};
}

}  // namespace

bool rules_ask_client(const config::Config& config) {
  return std::any_of(config.rules.begin(), config.rules.end(),
                     [](const config::Rule& rule) { return !rule.client_names.empty(); });
}

bool filters_ask_client(const config::Config& config, const config::Listener& listener) {
  return std::any_of(config.filters.begin(), config.filters.end(),
                     [&](const config::Filter& filter) { return filter.is_on(listener); });
}

bool asks_client(const config::Config& config) {
  return config.access.reverse_dns != config::ReverseDns::off || rules_ask_client(config);
}

bool asks_hello(const config::Config& config, std::string_view hello) {
  return config.access.hello == config::HelloCheck::resolves && !is_literal(hello);
}

bool asks_sender(const config::Config& config, const mail::Address& sender) {
  return config.access.sender_domain == config::SenderCheck::exists && sender.has_domain() &&
         sender.domain().front() != '[';
}

std::optional<Objection> objection(const config::Config& config, const std::string& client,
                                   std::string_view hello, const dns::ClientFacts& facts) {
  if (Found found = object_to_client(config.access, facts)) return found;
  if (Found found = object_to_hello(config, client, hello, facts)) return found;
  return object_to_sender(config.access, facts);
}

}  // namespace postwain::smtpd
