// Which route takes a recipient.
#include <catch2/catch.hpp>

#include "common/config/config.h"
#include "qmgr/routing/router.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;

namespace {

config::Route route(std::vector<std::string> match, const std::string& deliver) {
  config::Route r;
  r.match = std::move(match);
  r.deliver = *mail::NextHop::parse(deliver);
  return r;
}

}  // namespace

TEST_CASE("a stored name of a destination counts routes from 0, the number of a route from 1") {
  config::Config config;
  config.routes = {route({"first.example"}, "mx"), route({"second.example"}, "smtp:relay:587")};
  for (config::Route& one : config.routes) one.rate_count = 1;
  Router router(config);
  Routed first = router.route(mail::Address::from_text("a@first.example"), {});
  Routed second = router.route(mail::Address::from_text("a@second.example"), {});
  CHECK(first.key == "mx:first.example route=0");
  CHECK(first.settings->number == 1);
  CHECK(second.key == "smtp:relay:587 route=1");
  CHECK(second.settings->number == 2);
  CHECK(router.route(mail::Address::from_text("a@other.example"), {}).settings->number == 0);
}

TEST_CASE("the first route that matches wins, none is MX") {
  config::Config config;
  config.delivery.smtp_port = 2525;
  config.routes = {
      route({"boss@example.org"}, "smtp:boss:25"),
      route({".example.org", "example.net"}, "lmtp:unix:/run/store"),
      route({"example.org", "vip@sub.example.org"}, "smtp:relay:587"),
      route({"sub.example.org"}, "smtp:never:25"),
  };
  config.routes[2].credential = {mail::Credential::Kind::password, "user", "secret", {}, false};
  Router router(config);
  struct {
    const char* address;
    const char* key;
  } rows[] = {
      {"a@example.org", "smtp:relay:587 route=2"},
      {"A@EXAMPLE.ORG", "smtp:relay:587 route=2"},
      {"Boss@Example.org", "smtp:boss:25"},
      {"\"boss\"@example.org", "smtp:boss:25"},
      {"a@sub.example.org", "lmtp:unix:/run/store"},
      {"vip@sub.example.org", "lmtp:unix:/run/store"},
      {"a@deep.sub.example.org", "lmtp:unix:/run/store"},
      {"a@notexample.org", "mx:notexample.org"},
      {"a@example.net", "lmtp:unix:/run/store"},
      {"a@x.example.net", "mx:x.example.net"},
      {"a@Other.Example.COM.", "mx:other.example.com"},
      {"a@[192.0.2.1]", "mx:[192.0.2.1]"},
      {"a@[IPv6:2001:db8::1]", "mx:[ipv6:2001:db8::1]"},
  };
  for (const auto& row : rows) {
    INFO(row.address);
    REQUIRE(router.route(mail::Address::from_text(row.address), {}).key == row.key);
  }
  Routed lmtp = router.route(mail::Address::from_text("a@example.net"), {});
  REQUIRE(lmtp.settings->transport.tls == mail::TlsLevel::off);
  REQUIRE(lmtp.settings->mailbox_schedule);
  REQUIRE(router.route(mail::Address::from_text("a@example.org"), {})
              .settings->transport.credential.secret == "secret");

  config.routes.insert(config.routes.begin() + 1, route({"*"}, "smtp:all:25"));
  Router with_star(config);
  REQUIRE(with_star.route(mail::Address::from_text("boss@example.org"), {}).key == "smtp:boss:25");
  REQUIRE(with_star.route(mail::Address::from_text("a@[192.0.2.1]"), {}).key == "smtp:all:25");
  REQUIRE(with_star.route(mail::Address::from_text("a@example.net"), {}).key == "smtp:all:25");
}

TEST_CASE("a route for some senders takes their mail only") {
  config::Config config;
  config.routes = {
      route({"*"}, "smtp:ours:25"),         route({"example.org"}, "smtp:bulk:25"),
      route({"example.org"}, "smtp:mx:25"), route({"*"}, "smtp:bounces:25"),
      route({"*"}, "smtp:all:25"),
  };
  config.routes[0].senders = {"boss@ours.test", ".dept.test"};
  config.routes[1].senders = {"ours.test"};
  config.routes[3].senders = {"<>"};
  Router router(config);
  struct {
    const char* sender;
    const char* recipient;
    const char* key;
  } rows[] = {
      {"Boss@ours.test", "a@example.org", "smtp:ours:25"},
      {"x@a.dept.test", "a@far.test", "smtp:ours:25"},
      {"x@ours.test", "a@example.org", "smtp:bulk:25"},
      {"x@else.test", "a@example.org", "smtp:mx:25"},
      {"x@ours.test", "a@far.test", "smtp:all:25"},
      {"", "a@far.test", "smtp:bounces:25"},
      {"", "a@example.org", "smtp:mx:25"},
  };
  for (const auto& row : rows) {
    INFO(row.sender << " to " << row.recipient);
    mail::Address sender =
        *row.sender == '\0' ? mail::Address() : mail::Address::from_text(row.sender);
    REQUIRE(router.route(mail::Address::from_text(row.recipient), sender).key == row.key);
  }
}

TEST_CASE("a route for some clients takes what came from them only") {
  config::Config config;
  config.routes = {route({"*"}, "smtp:onward:25"), route({"*"}, "smtp:scanner:10024"),
                   route({"*"}, "smtp:rest:25")};
  config.routes[0].clients = {*config::parse_network("127.0.0.3")};
  config.routes[1].clients = {*config::parse_network("0.0.0.0/0"),
                              *config::parse_network("2001:db8::/32")};
  config.routes[0].senders = {"ours.test"};
  Router router(config);
  struct {
    const char* client;
    const char* sender;
    const char* key;
  } rows[] = {
      {"127.0.0.3", "a@ours.test", "smtp:onward:25"},
      {"127.0.0.3", "a@else.test", "smtp:scanner:10024"},
      {"127.0.0.2", "a@ours.test", "smtp:scanner:10024"},
      {"2001:db8::1", "a@ours.test", "smtp:scanner:10024"},
      {"2001:db9::1", "a@ours.test", "smtp:rest:25"},
      {"", "a@ours.test", "smtp:rest:25"},  // submitted on this machine
  };
  for (const auto& row : rows) {
    INFO(row.client << " " << row.sender);
    REQUIRE(router
                .route(mail::Address::from_text("a@far.test"), mail::Address::from_text(row.sender),
                       row.client)
                .key == row.key);
  }
}

TEST_CASE("which routes sign") {
  config::Config config;
  config.routes = {route({"a.example"}, "smtp:relay:587"),
                   route({"b.example"}, "smtp:filter:10024"),
                   route({"c.example"}, "lmtp:unix:/run/store"), route({"d.example"}, "discard"),
                   route({"e.example"}, "mx")};
  config.routes[1].sign = false;
  auto signs = [&](const char* domain) {
    return Router(config)
        .route(mail::Address::from_text(std::string("x@") + domain), {})
        .settings->transport.sign;
  };
  auto key = [&](const char* domain) {
    return Router(config).route(mail::Address::from_text(std::string("x@") + domain), {}).key;
  };
  for (const char* domain : {"a.example", "b.example", "e.example", "other.example"})
    CHECK_FALSE(signs(domain));  // there is no key
  CHECK(key("b.example") == "smtp:filter:10024");
  config::DkimKey& old = config.dkim_keys.emplace_back();
  old.signs = false;
  CHECK_FALSE(signs("a.example"));
  config.dkim_keys.emplace_back();
  for (const char* domain : {"a.example", "e.example", "other.example"}) {
    CAPTURE(domain);
    CHECK(signs(domain));
  }
  for (const char* domain : {"b.example", "c.example", "d.example"}) {
    CAPTURE(domain);
    CHECK_FALSE(signs(domain));
  }
  // What signs and what does not must not share its attempts; nothing else is named anew.
  CHECK(key("a.example") == "smtp:relay:587");
  CHECK(key("b.example") == "smtp:filter:10024 route=1");
  CHECK(key("c.example") == "lmtp:unix:/run/store");
  CHECK(key("e.example") == "mx:e.example");
}
