// Who the client of a session is, as far as that is known: the address of the connection, or the
// client that a proxy, XCLIENT or XFORWARD names instead; the account it has logged in to; and what
// the DNS says of it. Nothing is decided here.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/config/table/listener.h"
#include "common/dns/client_lookups.h"
#include "common/net/stream.h"
#include "common/smtp/syntax/xclient_attributes.h"
#include "smtpd/session/shared.h"

namespace postwain::smtpd {

// What a proxy in front of us told of the client.
struct Proxied {
  std::string address;  // plain_address(); empty: the proxy named no client
  std::string rest;     // bytes the client sent behind the header
};

class ClientIdentity {
 public:
  // proxied: null where no proxy is in front. A client that a proxy does not name has the proxy's
  // address and no trust.
  ClientIdentity(const Shared& shared, const config::Listener& listener, const net::Stream& stream,
                 const Proxied* proxied);

  const Client& client() const { return client_; }
  const std::string& address() const { return client_.address; }
  const std::string& account() const { return client_.account; }
  bool may_relay() const { return client_.may_relay(); }
  // Whose connection this is, for the limits; empty: that of a client who is not named.
  const std::string& connection_key() const { return connection_key_; }
  // Whose messages these are, for the rates.
  const std::string& rate_key() const { return rate_key_; }

  void log_in(const std::string& account) { client_.account = account; }
  // TLS has begun: what was proven in clear counts no more.
  void log_out() { client_.account.clear(); }
  void trust(const config::Origin& by);
  // XCLIENT: from now on the session is that of the client that is claimed. The connection stays
  // whose it is.
  void believe(const smtp::ClientClaim& claim);
  // XFORWARD: the client that the next messages came from, for the record only.
  void note_forwarded(const smtp::ClientClaim& claim) { forwarded_ = claim; }
  const smtp::ClientClaim& forwarded() const { return forwarded_; }

  // The DNS is asked beside the session, where the configuration wants to know.
  void look_up_hello(const std::string& hello);
  void look_up_sender(const mail::Address& sender);
  // Whether MAIL has to wait for an answer of the DNS. A client that may relay does not wait,
  // unless an access rule asks for the name of its address.
  bool awaits_lookups() const;
  // Whether filters have to wait with the connect for the name of the client's address.
  bool awaits_name() const;
  // done is called once, later. Only while awaits_lookups() or awaits_name().
  void when_known(std::function<void()> done) { lookups_->when_known(std::move(done)); }
  void forget_lookups() { lookups_.reset(); }
  // What is known by now.
  dns::ClientFacts facts() const;

 private:
  void look_up_client();

  const Shared& shared_;
  Client client_;
  const std::string connection_address_;
  std::string connection_key_;
  std::string rate_key_;
  smtp::ClientClaim forwarded_;
  bool filters_ask_ = false;
  std::unique_ptr<dns::ClientLookups> lookups_;  // null: nothing is asked of the DNS
};

}  // namespace postwain::smtpd
