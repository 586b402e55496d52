// SASL exchanges as we lead them as a client: the RFCs' examples, our own server at the other end,
// and servers that lie.
#include <catch2/catch.hpp>

#include "common/base/text.h"
#include "common/sasl/client_exchange.h"
#include "common/tls/digest.h"

using namespace postwain;
using namespace postwain::sasl;
using namespace std::string_literals;

namespace {

ClientLogin login(std::string user = "user", std::string secret = "pencil") {
  ClientLogin out;
  out.user = std::move(user);
  out.secret = std::move(secret);
  out.host = "mx.example.org";
  out.port = 587;
  out.nonce = "rOprNGfwEbeRWgbNEkqO";
  out.digest = &tls::digest();
  return out;
}

// RFC 7677 3.
const char* const kServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

// Our own server at the other end, up to its last word.
bool passes(Mechanism mechanism, const ClientLogin& ours, const ScramOptions& theirs,
            const std::string& password = "pencil") {
  auto client = new_client(mechanism, ours);
  auto server = new_scram_sha256(theirs);
  Step step = server->respond(*client->initial());
  if (step.kind != Step::Kind::keys) return false;
  std::string salted = tls::pbkdf2_sha256(password, "salt", 4096);
  step = server->supply(scram_keys(tls::digest(), salted, "salt", 4096));
  while (step.kind == Step::Kind::challenge) {
    auto answer = client->respond(step.challenge);
    if (!answer) return false;
    step = server->respond(*answer);
  }
  return step.kind == Step::Kind::success && client->may_succeed();
}

}  // namespace

TEST_CASE("SCRAM-SHA-256 as in RFC 7677") {
  auto client = new_client(Mechanism::scram_sha256, login());
  CHECK(*client->initial() == "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  CHECK(*client->respond(kServerFirst) ==
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  CHECK_FALSE(client->may_succeed());
  SECTION("the server proves itself") {
    CHECK(client->respond("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")->empty());
    CHECK(client->may_succeed());
  }
  SECTION("it does not") {
    for (const char* lie : {"v=AAAA", "v=", "e=invalid-proof", "", "x=y",
                            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="}) {
      auto copy = new_client(Mechanism::scram_sha256, login());
      (void)copy->initial();
      (void)copy->respond(kServerFirst);
      CHECK_FALSE(copy->respond(lie));
      CHECK_FALSE(copy->may_succeed());
      CHECK_FALSE(copy->why().empty());
    }
  }
}

TEST_CASE("SCRAM: what a server must not say first") {
  for (const char* lie :
       {"", "r=x,s=W22Z,i=4096", "r=rOprNGfwEbeRWgbNEkqO,s=W22Z,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=0", "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4294967295",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=500001", "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z", "m=x,r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4096"}) {
    CAPTURE(lie);
    auto client = new_client(Mechanism::scram_sha256, login());
    (void)client->initial();
    CHECK_FALSE(client->respond(lie));
    CHECK_FALSE(client->may_succeed());
  }
}

TEST_CASE("SCRAM with our own server, bound to the channel and not") {
  ScramOptions server{&tls::digest(), "serverside", false, false, {}};
  CHECK(passes(Mechanism::scram_sha256, login(), server));
  CHECK_FALSE(passes(Mechanism::scram_sha256, login("user", "wrong"), server));
  CHECK(passes(Mechanism::scram_sha256, login("na=m,e"), server));
  ClientLogin bound = login();
  bound.bindings.exporter = "exporter";
  bound.plus_offered = true;
  server.plus = true;
  server.bindings.exporter = "exporter";
  CHECK(passes(Mechanism::scram_sha256_plus, bound, server));
  server.bindings.exporter = "of another connection";
  CHECK_FALSE(passes(Mechanism::scram_sha256_plus, bound, server));
  // Somebody has cut -PLUS out of the offer: the server notices.
  bound.plus_offered = false;
  ScramOptions robbed{&tls::digest(), "serverside", false, true, {}};
  CHECK_FALSE(passes(Mechanism::scram_sha256, bound, robbed));
  bound.bindings = {"", "", "end point"};
  bound.plus_offered = true;
  server.bindings = {"", "", "end point"};
  CHECK(passes(Mechanism::scram_sha256_plus, bound, server));
}

TEST_CASE("CRAM-MD5 as in RFC 2195") {
  auto client = new_client(Mechanism::cram_md5, login("tim", "tanstaaftanstaaf"));
  CHECK_FALSE(client->initial());
  CHECK(*client->respond("<1896.697170952@postoffice.reston.mci.net>") ==
        "tim b913a602c7eda7a495b4e6e7334d3890");
  CHECK_FALSE(client->respond("<again>"));
}

TEST_CASE("PLAIN, LOGIN and the bearers") {
  auto plain = new_client(Mechanism::plain, login());
  CHECK(*plain->initial() == "\0user\0pencil"s);
  // D8: some ask once more for what came with the command.
  CHECK(*plain->respond("") == "\0user\0pencil"s);
  CHECK_FALSE(plain->respond("more"));
  auto two = new_client(Mechanism::login, login());
  CHECK_FALSE(two->initial());
  CHECK(*two->respond("Username:") == "user");
  CHECK(*two->respond("Password:") == "pencil");
  CHECK_FALSE(two->respond("Shoe size:"));
  auto bearer = new_client(Mechanism::oauthbearer, login("us,er", "token"));
  CHECK(*bearer->initial() == "n,a=us=2Cer,\1host=mx.example.org\1port=587\1auth=Bearer token\1\1");
  CHECK(bearer->may_succeed());
  CHECK(*bearer->respond("{\"status\":\"invalid_token\"}") == "\1");
  CHECK_FALSE(bearer->may_succeed());
  auto google = new_client(Mechanism::xoauth2, login("user", "token"));
  CHECK(*google->initial() == "user=user\1auth=Bearer token\1\1");
  CHECK(google->respond("{}")->empty());
  CHECK_FALSE(google->respond("{}"));
}

TEST_CASE("which mechanism is taken") {
  struct Row {
    std::vector<std::string> offered;
    bool tls, bind, token;
    std::vector<std::string> allowed;
    const char* want;
  };
  const Row rows[] = {
      {{"LOGIN", "plain", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"},
       true,
       true,
       false,
       {},
       "SCRAM-SHA-256-PLUS"},
      {{"LOGIN", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"},
       true,
       false,
       false,
       {},
       "SCRAM-SHA-256"},
      {{"CRAM-MD5", "PLAIN"}, true, false, false, {}, "PLAIN"},
      {{"CRAM-MD5", "PLAIN"}, false, false, false, {}, "CRAM-MD5"},
      {{"SCRAM-SHA-256", "PLAIN"}, true, false, false, {"PLAIN"}, "PLAIN"},
      {{"XOAUTH2", "PLAIN", "OAUTHBEARER"}, true, false, true, {}, "OAUTHBEARER"},
      {{"XOAUTH2", "PLAIN"}, true, false, true, {}, "XOAUTH2"},
      {{"XOAUTH2"}, true, false, false, {}, ""},
      {{"PLAIN"}, true, false, true, {}, ""},
      {{"GSSAPI"}, true, false, false, {}, ""},
  };
  for (const Row& row : rows) {
    auto chosen = choose({row.offered, row.tls, row.bind, row.token, true}, row.allowed);
    CHECK((chosen ? name_of(*chosen) : "") == std::string_view(row.want));
  }
}

TEST_CASE("S23: what reveals the secret is not for a server that has not proven who it is") {
  struct Row {
    std::vector<std::string> offered;
    bool token;
    std::vector<std::string> allowed;
    const char* want;
  };
  const Row rows[] = {
      {{"PLAIN", "LOGIN"}, false, {}, ""},
      {{"PLAIN", "CRAM-MD5"}, false, {}, "CRAM-MD5"},
      {{"LOGIN", "PLAIN", "SCRAM-SHA-256"}, false, {}, "SCRAM-SHA-256"},
      {{"XOAUTH2", "OAUTHBEARER"}, true, {}, ""},
      {{"PLAIN", "LOGIN"}, false, {"LOGIN"}, "LOGIN"},
      {{"XOAUTH2"}, true, {"XOAUTH2"}, "XOAUTH2"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.offered, row.allowed);
    auto chosen = choose({row.offered, true, false, row.token, false}, row.allowed);
    CHECK((chosen ? name_of(*chosen) : "") == std::string_view(row.want));
  }
}
