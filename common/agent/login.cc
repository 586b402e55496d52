#include "common/agent/login.h"

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/tls/digest.h"

namespace postwain::agent {

Result<Login> Login::begin(const mail::Credential& credential, const std::string& token,
                           const LoginSession& session) {
  sasl::Offer offer;
  offer.mechanisms = session.mechanisms;
  offer.tls = session.tls;
  offer.can_bind = !session.bindings.exporter.empty() || !session.bindings.end_point.empty();
  offer.token = credential.kind == mail::Credential::Kind::command;
  offer.may_reveal = session.proven || credential.without_tls;
  auto mechanism = sasl::choose(offer, credential.mechanisms);
  if (!mechanism && !offer.may_reveal) {
    offer.may_reveal = true;
    if (auto revealing = sasl::choose(offer, credential.mechanisms))
      return Error{fmt::format(
          "the next hop has not proven who it is, and {} would give it the route's {}; use tls = "
          "\"verify\", or name the mechanism in auth_mechanisms",
          sasl::name_of(*revealing), offer.token ? "token" : "password")};
  }
  if (!mechanism)
    return Error{fmt::format("none of the next hop's login mechanisms ({}) can be used with {}",
                             printable(fmt::format("{}", fmt::join(session.mechanisms, " ")), 200),
                             offer.token ? "a token" : "the route's password")};
  sasl::ClientLogin login;
  login.user = credential.user;
  login.secret = offer.token ? token : credential.secret;
  login.host = session.host;
  login.port = session.port;
  login.nonce = base64_encode(tls::random_octets(18));
  login.bindings = session.bindings;
  for (const std::string& name : session.mechanisms)
    login.plus_offered =
        login.plus_offered || iequals(name, sasl::name_of(sasl::Mechanism::scram_sha256_plus));
  login.digest = &tls::digest();
  return Login(*mechanism, sasl::new_client(*mechanism, std::move(login)));
}

}  // namespace postwain::agent
