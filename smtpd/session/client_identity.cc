#include "smtpd/session/client_identity.h"

#include "common/config/config.h"
#include "smtpd/acceptance/client_address.h"
#include "smtpd/acceptance/dns_checks.h"

namespace postwain::smtpd {

namespace {

Client client_of(const Shared& shared, const config::Listener& listener, const net::Stream& stream,
                 const Proxied* proxied) {
  bool named = proxied != nullptr && !proxied->address.empty();
  Client client =
      shared.policy.classify(named ? proxied->address : plain_address(stream.peer().host));
  bool unknown = !named && listener.unix_path.empty() && stream.peer().host.empty();
  if ((proxied != nullptr && !named) || unknown) client.trusted = false;
  return client;
}

}  // namespace

ClientIdentity::ClientIdentity(const Shared& shared, const config::Listener& listener,
                               const net::Stream& stream, const Proxied* proxied)
    : shared_(shared),
      client_(client_of(shared, listener, stream, proxied)),
      connection_address_(client_.address),
      connection_key_(proxied != nullptr && proxied->address.empty() ? std::string()
                                                                     : client_key(client_.address)),
      rate_key_(connection_key_) {
  if (shared.resolver == nullptr) return;
  lookups_ = std::make_unique<dns::ClientLookups>(shared.loop, *shared.resolver);
  filters_ask_ = filters_ask_client(shared.config, listener);
  look_up_client();
}

void ClientIdentity::look_up_client() {
  if (!client_.address.empty() && (filters_ask_ || asks_client(shared_.config)))
    lookups_->client(client_.address);
}

void ClientIdentity::trust(const config::Origin& by) {
  client_.trusted = true;
  client_.trusted_by = by;
}

void ClientIdentity::believe(const smtp::ClientClaim& claim) {
  forwarded_ = {};
  if (claim.address) {
    // A client of whom nothing is known has no trust, and this connection's address.
    client_ = shared_.policy.classify(claim.address->empty() ? connection_address_
                                                             : plain_address(*claim.address));
    if (claim.address->empty()) client_.trusted = false;
  }
  client_.account = claim.login.value_or(std::string());
  rate_key_ = client_key(client_.address);
  if (!lookups_) return;
  if (!claim.name) return look_up_client();
  lookups_->told(!claim.name->empty() ? dns::LookupState::good
                 : claim.name_trouble ? dns::LookupState::trouble
                                      : dns::LookupState::bad,
                 *claim.name);
}

void ClientIdentity::look_up_hello(const std::string& hello) {
  if (!lookups_) return;
  lookups_->forget_hello();
  std::string name = mail::domain_key(hello);
  if (asks_hello(shared_.config, name)) lookups_->hello(name);
}

void ClientIdentity::look_up_sender(const mail::Address& sender) {
  if (!lookups_ || may_relay()) return;
  lookups_->forget_sender();
  if (asks_sender(shared_.config, sender)) lookups_->sender(sender.domain_key());
}

bool ClientIdentity::awaits_lookups() const {
  return lookups_ && lookups_->pending() && (!may_relay() || rules_ask_client(shared_.config));
}

bool ClientIdentity::awaits_name() const {
  return filters_ask_ && lookups_ && lookups_->pending();
}

dns::ClientFacts ClientIdentity::facts() const {
  return lookups_ ? lookups_->facts() : dns::ClientFacts{};
}

}  // namespace postwain::smtpd
