// SASL exchanges as the server leads them: the RFC's examples, and what must not pass.
#include <catch2/catch.hpp>

#include <functional>

#include "common/base/text.h"
#include "common/sasl/exchange.h"
#include "common/sasl/users_file.h"
#include "common/tls/digest.h"

using namespace postwain;
using namespace postwain::sasl;
using namespace std::string_literals;

namespace {

using Kind = Step::Kind;

bool plain_asks(const std::string& response, const char* user, const char* password) {
  auto exchange = new_plain();
  Step step = exchange->respond(response);
  return step.kind == Kind::password && exchange->user() == user &&
         exchange->password() == password;
}

// RFC 7677 3.
const char* const kServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
ScramKeys rfc_keys() {
  std::string salt = *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==");
  return scram_keys(tls::digest(), tls::pbkdf2_sha256("pencil", salt, 4096), salt, 4096);
}
std::unique_ptr<Exchange> scram(bool plus = false, bool offered = false,
                                ChannelBindings bindings = {}) {
  return new_scram_sha256({&tls::digest(), kServerNonce, plus, offered, std::move(bindings)});
}
const char* const kFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const char* const kServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const char* const kFinal =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

// A client that does everything right, with any gs2 header and binding.
std::string client_final(const std::string& gs2, const std::string& binding,
                         const std::string& bare, const std::string& server_first) {
  const Digest& digest = tls::digest();
  std::string salt = *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==");
  std::string key = digest.hmac_sha256(tls::pbkdf2_sha256("pencil", salt, 4096), "Client Key");
  std::string nonce = server_first.substr(0, server_first.find(','));
  std::string without = "c=" + base64_encode(gs2 + binding) + "," + nonce;
  std::string signature =
      digest.hmac_sha256(digest.sha256(key), bare + "," + server_first + "," + without);
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<char>(key[i] ^ signature[i]);
  return without + ",p=" + base64_encode(key);
}

}  // namespace

TEST_CASE("PLAIN", "[sasl]") {
  CHECK(plain_asks("\0tim\0tanstaaftanstaaf"s, "tim", "tanstaaftanstaaf"));
  CHECK(plain_asks("tim\0tim\0pä ß"s, "tim", "pä ß"));
  for (const std::string& bad :
       {""s, "tim"s, "\0tim"s, "\0\0x"s, "\0tim\0"s, "other\0tim\0x"s, "\0tim\0x\0y"s,
        "\0ti\xFFm\0x"s, "\0"s + std::string(256, 'a') + "\0x"s,
        "\0a\0"s + std::string(1025, 'x')}) {
    auto exchange = new_plain();
    CHECK(exchange->respond(bad).kind == Kind::failure);
  }
  auto exchange = new_plain();
  Step step = exchange->respond(std::nullopt);
  CHECK((step.kind == Kind::challenge && step.challenge.empty()));
  CHECK(exchange->respond("\0a\0b"s).kind == Kind::password);
  CHECK(exchange->approve(true).kind == Kind::success);
  CHECK(exchange->password().empty());
}

TEST_CASE("LOGIN", "[sasl]") {
  for (bool initial : {false, true}) {
    auto exchange = new_login();
    if (!initial) {
      CHECK(exchange->respond(std::nullopt).challenge == "Username:");
    }
    CHECK(exchange->respond("me").challenge == "Password:");
    CHECK(exchange->respond("pw").kind == Kind::password);
    CHECK(exchange->user() == "me");
    CHECK(exchange->approve(false).kind == Kind::failure);
  }
  auto exchange = new_login();
  CHECK(exchange->respond("").kind == Kind::failure);
}

TEST_CASE("SCRAM-SHA-256: the example of RFC 7677", "[sasl][scram]") {
  auto exchange = scram();
  CHECK(exchange->respond(std::nullopt).kind == Kind::challenge);
  CHECK(exchange->respond(kFirst).kind == Kind::keys);
  CHECK(exchange->user() == "user");
  CHECK(exchange->supply(rfc_keys()).challenge == kServerFirst);
  CHECK(exchange->respond(kFinal).challenge == "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
  CHECK(exchange->respond("").kind == Kind::success);
}

TEST_CASE("SCRAM-SHA-256: what must not pass", "[sasl][scram]") {
  for (const char* bad :
       {"", "n", "n,", "n,,", "n,,n=user", "n,,n=,r=x", "n,,r=x,n=user", "n,,n=us=er,r=x",
        "n,,n=user,r=", "n,,m=x,n=user,r=x", "n,a=other,n=user,r=x", "x,,n=user,r=x",
        "p=tls-exporter,,n=user,r=x", "n,b=user,n=user,r=x", "n,,n=user,r=a b"}) {
    INFO(bad);
    CHECK(scram()->respond(bad).kind == Kind::failure);
  }
  CHECK(scram()->respond("n,a=user,n=user,r=x").kind == Kind::keys);
  CHECK(scram()->respond("y,,n=us=2Cer=3D,r=x").kind == Kind::keys);
  CHECK(scram(false, true)->respond("y,,n=user,r=x").kind == Kind::failure);  // downgrade
  // Every changed octet of the final message fails it.
  std::string final = kFinal;
  for (std::size_t i = 0; i < final.size(); ++i) {
    auto exchange = scram();
    exchange->respond(kFirst);
    exchange->supply(rfc_keys());
    std::string changed = final;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    INFO(changed);
    REQUIRE(exchange->respond(changed).kind == Kind::failure);
    REQUIRE(exchange->respond("").kind == Kind::failure);
  }
  auto exchange = scram();
  exchange->respond(kFirst);
  exchange->supply(rfc_keys());
  exchange->respond(kFinal);
  CHECK(exchange->respond("x").kind == Kind::failure);
}

TEST_CASE("SCRAM-SHA-256-PLUS is bound to its connection", "[sasl][scram]") {
  ChannelBindings bindings{"exported", "", "endpoint"};
  struct Row {
    const char* gs2;
    const char* binding;
    Kind first;
    Kind final;
  };
  const Row rows[] = {
      {"p=tls-exporter,,", "exported", Kind::keys, Kind::challenge},
      {"p=tls-server-end-point,,", "endpoint", Kind::keys, Kind::challenge},
      {"p=tls-exporter,,", "other", Kind::keys, Kind::failure},
      {"p=tls-exporter,,", "endpoint", Kind::keys, Kind::failure},
      {"p=tls-unique,,", "", Kind::failure, Kind::failure},
      {"p=bogus,,", "", Kind::failure, Kind::failure},
      {"n,,", "", Kind::failure, Kind::failure},
      {"y,,", "", Kind::failure, Kind::failure},
  };
  for (const Row& row : rows) {
    INFO(row.gs2 << " " << row.binding);
    auto exchange = scram(true, true, bindings);
    std::string bare = "n=user,r=abc";
    Step step = exchange->respond(row.gs2 + bare);
    REQUIRE(step.kind == row.first);
    if (step.kind == Kind::failure) continue;
    std::string server_first = exchange->supply(rfc_keys()).challenge;
    CHECK(exchange->respond(client_final(row.gs2, row.binding, bare, server_first)).kind ==
          row.final);
  }
}

TEST_CASE("the users file", "[sasl][users]") {
  UsersFile file = parse_users(
      "# people\n\nann:{PLAIN}a:b c\r\nbob@x.org:{sha512-crypt}$6$s$h\n"
      "eve:{SCRAM-SHA-256}4096,c2FsdA==,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,"
      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nyes:{CRYPT}$y$j9T$salt$hash");
  CHECK(file.mistakes.empty());
  REQUIRE(file.users.size() == 4);
  CHECK(file.users[0].secret == "a:b c");
  CHECK(file.users[1].name == "bob@x.org");
  CHECK(file.users[1].scheme == Scheme::crypt);
  CHECK(file.users[2].keys.salt == "salt");
  CHECK(file.users[3].scheme == Scheme::crypt);
  UsersFile wrong = parse_users(
      "ann\n:{PLAIN}x\nann:secret\nann:{PLAIN}\nann:{MD5}x\nann:{SHA512-CRYPT}$5$x\n"
      "ann:{SCRAM-SHA-256}0,x,y,z\nann:{PLAIN}x\nann:{PLAIN}y\n");
  CHECK(wrong.users.size() == 1);
  REQUIRE(wrong.mistakes.size() == 8);
  CHECK(wrong.mistakes[2].column == 5);
  CHECK(wrong.mistakes[7].line == 9);
  CHECK(wrong.mistakes[7].message == "ann already stands at line 8");
  for (const UsersMistake& mistake : wrong.mistakes)
    CHECK(mistake.message.find("secret'") == std::string::npos);
}
