// What one client network may do in a time, and whom a certificate makes its holder.
#include <catch2/catch.hpp>

#include "smtpd/acceptance/client_rates.h"
#include "smtpd/login/certificate_accounts.h"
#include "smtpd/login/external_login.h"

using namespace postwain;
using namespace postwain::smtpd;
using namespace std::chrono_literals;

TEST_CASE("each client network has its rates", "[client]") {
  config::Limits limits;
  limits.client_messages = {4, 1h};
  limits.client_recipients = {2, 1h};
  limits.client_ipv4_prefix = 24;
  ClientRates rates(limits, 2);
  MonoTime now{24h};
  CHECK_FALSE(rates.message("192.0.2.1", now));
  CHECK_FALSE(rates.message("192.0.2.77", now));
  auto refusal = rates.message("192.0.2.1", now);
  REQUIRE(refusal);
  CHECK(refusal->one_line() == "450 4.7.0 Too many messages from your network, try again later");
  CHECK_FALSE(rates.message("192.0.3.1", now));
  CHECK_FALSE(rates.message("192.0.2.1", now + 30min));
  CHECK_FALSE(rates.recipient("2001:db8::/64", now));
  CHECK(rates.recipient("2001:db8::/64", now)->code == 450);
  for (int i = 0; i < 100; ++i) {
    CHECK_FALSE(rates.connection("192.0.2.1", now));
    CHECK_FALSE(rates.message("", now));
  }
}

TEST_CASE("IPv4 networks of any length", "[client]") {
  CHECK(ipv4_network("192.0.2.77", 32) == "192.0.2.77");
  CHECK(ipv4_network("192.0.2.77", 24) == "192.0.2.0/24");
  CHECK(ipv4_network("192.0.2.77", 26) == "192.0.2.64/26");
  CHECK(ipv4_network("10.200.3.4", 8) == "10.0.0.0/8");
  CHECK(ipv4_network("2001:db8::/64", 24) == "2001:db8::/64");
}

TEST_CASE("accounts of a certificate", "[client]") {
  config::Auth auth;
  auth.certificates.push_back({{"aa", {}}, "printer"});
  auth.certificates.push_back({{"aa", {}}, "scanner"});
  auth.certificate_name = config::CertificateName::email;
  using Names = std::vector<std::string>;
  tls::PeerCertificate certificate{"bb", false, {"ann@x.test", "a@x.test"}, "ann"};
  CHECK(accounts_of(auth, certificate).empty());  // nobody vouches for it
  certificate.verified = true;
  CHECK(accounts_of(auth, certificate) == Names{"ann@x.test", "a@x.test"});
  certificate.fingerprint = "aa";
  CHECK(accounts_of(auth, certificate) == Names{"printer", "scanner", "ann@x.test", "a@x.test"});
  auth.certificate_name = config::CertificateName::common_name;
  CHECK(accounts_of(auth, certificate) == Names{"printer", "scanner", "ann"});
  auth.certificate_name = config::CertificateName::none;
  certificate.verified = false;
  CHECK(accounts_of(auth, certificate) == Names{"printer", "scanner"});
  certificate.fingerprint.clear();
  CHECK(accounts_of(auth, certificate).empty());

  config::Access access;
  CHECK(trusted_as(access, certificate) == nullptr);
  access.trusted_certificates.push_back({"cc", {"t.toml", 7, 1}});
  certificate.fingerprint = "cc";
  REQUIRE(trusted_as(access, certificate) != nullptr);
  CHECK(trusted_as(access, certificate)->origin.line == 7);
}

TEST_CASE("EXTERNAL: one of the certificate's accounts, or the first", "[client]") {
  std::vector<LoginStep> steps;
  ExternalLogin login({"a", "b"}, [&](const LoginStep& step) { steps.push_back(step); });
  for (const std::optional<std::string>& response :
       {std::optional<std::string>(), std::optional<std::string>(""),
        std::optional<std::string>("b"), std::optional<std::string>("c")})
    login.respond(response);
  REQUIRE(steps.size() == 4);
  CHECK(steps[0].kind == LoginStep::Kind::challenge);
  CHECK((steps[1].kind == LoginStep::Kind::success && steps[1].text == "a"));
  CHECK((steps[2].kind == LoginStep::Kind::success && steps[2].text == "b"));
  CHECK((steps[3].kind == LoginStep::Kind::failure && steps[3].text == "c"));
}

TEST_CASE("S8: the networks of an IPv6 site share a rate of four", "[client]") {
  config::Limits limits;
  limits.client_messages = {2, 1h};
  ClientRates rates(limits, 1);
  MonoTime now{24h};
  auto send = [&](int network) {
    return !rates.message("2001:db8:1:" + std::to_string(network) + "::/64", now);
  };
  for (int network = 0; network < 8; ++network) CHECK(send(network));
  CHECK_FALSE(send(8));
  CHECK_FALSE(rates.message("2001:db8:2::/64", now));
}
